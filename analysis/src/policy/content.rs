//! What else an expression that runs with a statement does: the functions that it calls and the
//! tables that it reads must stay within the tenant as well.

use super::{class_within, term};
use crate::catalog::walk::{Mentions, mentions};
use crate::catalog::{Catalog, Class, Command, TypeKind};
use crate::ir::Expr;

/// Whether nothing in `expr` reaches beyond the row and the session's tenant.
pub(super) fn is_confined(catalog: &Catalog, expr: &Expr) -> Result<(), String> {
    are_confined(catalog, &mentions(expr), 0)
}

/// The same for what was collected from a query.
pub(super) fn are_confined(
    catalog: &Catalog,
    found: &Mentions,
    depth: usize,
) -> Result<(), String> {
    for name in &found.functions {
        function(catalog, name)?;
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
            Err(format!("it calls `{name}`, which a migration defines"))
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
