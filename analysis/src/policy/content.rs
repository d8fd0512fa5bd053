//! What else an expression that runs with a statement does: the functions that it calls and the
//! tables that it reads must stay within the tenant as well.

use super::{class_within, platform, term};
use crate::catalog::walk::{Mentions, mentions};
use crate::catalog::{Catalog, Class, Command, TypeKind};
use crate::ir::{Expr, TypeName};

/// Whether nothing in `expr` reaches beyond the row and the session's tenant. Policies may read
/// tables whose policies read the first: `depth` tells how far it has come.
pub(super) fn is_confined(catalog: &Catalog, expr: &Expr, depth: usize) -> Result<(), String> {
    are_confined(catalog, &mentions(expr), depth)
}

/// The same for what was collected from a query.
pub(super) fn are_confined(
    catalog: &Catalog,
    found: &Mentions,
    depth: usize,
) -> Result<(), String> {
    for name in &found.functions {
        if !platform::only_read_settings(catalog, found, name) {
            function(catalog, name)?;
        }
    }
    for name in &found.fields {
        // `notes.f` calls `f(notes)` where `notes` has no such column.
        if catalog.defines_function(name) {
            return Err(format!("`.{name}` may call a function of that name"));
        }
    }
    for name in &found.operators {
        if catalog.shadows_operator(name) {
            return Err(format!(
                "it uses the operator `{name}`, which a migration defines"
            ));
        }
    }
    for name in &found.types {
        // Casting to a domain runs its checks, and a cast of a migration's its function.
        let domain = catalog
            .types()
            .iter()
            .any(|ty| ty.name == *name && matches!(ty.kind, TypeKind::Domain { .. }));
        if domain || catalog.shadows_cast(None, name) {
            return Err(format!(
                "it casts to `{name}`, and a migration defines what that runs"
            ));
        }
    }
    if found.merges && catalog.shadows_operator("=") {
        return Err("it joins by an operator `=` that a migration defines".to_owned());
    }
    for parts in &found.relations {
        let found = match parts.as_slice() {
            [name] => catalog.relation(None, name),
            [schema, name] => catalog.relation(Some(schema), name),
            _ => return Err("it reads a relation of another database".to_owned()),
        };
        let Some(relation) = found.found() else {
            return Err(format!(
                "it reads `{}`, which is not known",
                parts.join(".")
            ));
        };
        match class_within(catalog, relation, Command::Select, depth + 1) {
            Class::Protected | Class::Global | Class::Denied => {}
            other => {
                return Err(format!(
                    "it reads `{}`, which is {}",
                    relation.display(),
                    other.word()
                ));
            }
        }
    }
    Ok(())
}

/// The checks and defaults that a value of this type runs: of domains, through domains over
/// domains, fields of composite and row types, and elements. `None` is one that is not understood.
/// Types are found by their last name, in whichever schema, so that none is missed.
pub(super) fn checks_of_type<'a>(catalog: &'a Catalog, ty: &'a TypeName) -> Vec<Option<&'a Expr>> {
    let mut found = Vec::new();
    let mut pending = vec![ty];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(ty) = pending.pop() {
        let Some(name) = ty.name.parts.last() else {
            continue;
        };
        if seen.contains(&name.as_str()) {
            continue;
        }
        seen.push(name);
        let own = ty
            .name
            .parts
            .first()
            .is_none_or(|first| first != "pg_catalog");
        if !own {
            continue;
        }
        for definition in catalog.types_named(name) {
            match &definition.kind {
                TypeKind::Domain { base, expressions } => {
                    found.extend(expressions.iter().map(Option::as_ref));
                    pending.push(base);
                }
                TypeKind::Composite(fields) => pending.extend(fields.iter().map(|(_, ty)| ty)),
                // Its functions are a migration's.
                TypeKind::Base => found.push(None),
                TypeKind::Enum | TypeKind::Range => {}
            }
        }
        for relation in catalog.relations_named(name) {
            pending.extend(
                relation
                    .columns
                    .iter()
                    .filter_map(|column| column.ty.as_ref()),
            );
        }
    }
    found
}

/// Whether a call of this name is a built-in that stays with its arguments, a tenant term, or
/// allowed by the configuration.
pub(super) fn function(catalog: &Catalog, name: &str) -> Result<(), String> {
    if is_allowed(catalog, name) {
        return Ok(());
    }
    if catalog.shadows_function(name) {
        let named: Vec<_> = catalog
            .all_functions()
            .iter()
            .filter(|f| f.name == name)
            .collect();
        let terms = !named.is_empty() && named.iter().all(|f| term::is_term_function(f, catalog));
        return if terms && catalog.unknown_names().is_none() {
            Ok(())
        } else {
            // No migration in sight defines it, but one that is not read may.
            match catalog.unknown_names().filter(|_| named.is_empty()) {
                Some(why) => Err(format!(
                    "it calls `{name}`, and there may be another one of that name: {why}"
                )),
                None => Err(format!("it calls `{name}`, which a migration defines")),
            }
        };
    }
    if super::builtin::stays_with_its_arguments(name) {
        Ok(())
    } else {
        Err(format!(
            "it calls `{name}`, which is not on the list of functions that are known"
        ))
    }
}

/// Whether the configuration allows every function that a call by this last name could mean.
pub(super) fn is_allowed(catalog: &Catalog, name: &str) -> bool {
    let schema = |allowed: &str| match allowed.rsplit_once('.') {
        Some((schema, last)) => (last == name).then(|| Some(schema.to_owned())),
        None => (allowed == name).then_some(None),
    };
    let schemas: Vec<Option<String>> = catalog
        .config()
        .functions
        .iter()
        .filter_map(|allowed| schema(&allowed.name))
        .collect();
    let named = |function: &&crate::catalog::Function| function.name == name;
    let meant = |function: &crate::catalog::Function| {
        schemas.iter().any(|schema| match schema {
            Some(schema) => function.schema == *schema,
            None => catalog.search_path().contains(&function.schema),
        })
    };
    !schemas.is_empty() && catalog.all_functions().iter().filter(named).all(meant)
}
