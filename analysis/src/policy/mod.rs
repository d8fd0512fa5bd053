//! Policies understood: what row-level security and its surroundings make of each command.
//!
//! Invariant: a class is `Protected` only where every policy that could apply was understood to
//! imply equality of the tenant column with a tenant term.

pub mod advice;
pub(crate) mod builtin;
mod content;
pub(crate) mod judge;
pub(crate) mod platform;
pub mod term;
pub(crate) mod trigger;
mod trigger_body;
mod trigger_names;
mod trigger_statement;
pub(crate) mod view;

pub(crate) use builtin::of_an_extension;
pub(crate) use view::computed_once;

use crate::catalog::{
    Catalog, Class, Command, Directive, Function, Policy, PolicyExpr, Relation, RelationKind,
};

/// How deep tables, views and policies may refer to each other before nothing is known.
const DEPTH: usize = 24;

/// See [`Catalog::class`].
pub(crate) fn class(catalog: &Catalog, relation: &Relation, command: Command) -> Class {
    class_within(catalog, relation, command, 0)
}

/// See [`Catalog::call_class`].
pub(crate) fn call_class(catalog: &Catalog, function: &Function) -> Class {
    view::call_class(catalog, function)
}

/// The class, `depth` references away from the question.
fn class_within(catalog: &Catalog, relation: &Relation, command: Command, depth: usize) -> Class {
    let secured = secured(catalog, relation, command, depth);
    let by_policies = matches!(secured, Class::Protected | Class::Denied);
    if !by_policies && secured != Class::Scoped {
        return secured;
    }
    trigger::judge(catalog, relation, command, by_policies, depth).unwrap_or(secured)
}

/// The same for the rows alone, without what a write sets off.
fn secured(catalog: &Catalog, relation: &Relation, command: Command, depth: usize) -> Class {
    if depth > DEPTH {
        return Class::Unknown {
            reason: "its policies, views or triggers lead to each other".to_owned(),
        };
    }
    if let Some(unknown) = &relation.unknown {
        return Class::Unknown {
            reason: unknown.reason.clone(),
        };
    }
    match relation.kind {
        RelationKind::View | RelationKind::MaterializedView => {
            return view::class(catalog, relation, command, depth);
        }
        RelationKind::Sequence => {
            return Class::Unprotected {
                reason: "sequence".to_owned(),
            };
        }
        RelationKind::Table | RelationKind::Partition | RelationKind::ForeignTable => {}
    }
    if let Some(child) = foreign_child(catalog, relation) {
        return Class::Unprotected {
            reason: format!(
                "reading it reads `{}` as well, whose rows are not told apart as its own are",
                child.display()
            ),
        };
    }
    if relation.is_global() {
        return Class::Global;
    }
    match security(catalog, relation, command, depth) {
        Security::Protected => Class::Protected,
        Security::Denied => Class::Denied,
        Security::None(_) if relation.tenant_column.is_some() => Class::Scoped,
        Security::None(_) => {
            if crate::catalog::finish::named_tenant_column(catalog, relation).is_some() {
                Class::Unprotected {
                    reason: "tenant-column-type".to_owned(),
                }
            } else {
                undeclared()
            }
        }
    }
}

/// A table below this one whose rows have another tenant column: what is declared for a table and
/// its row-level security decide for the rows of its children when they are read through it.
fn foreign_child<'a>(catalog: &'a Catalog, relation: &Relation) -> Option<&'a Relation> {
    let own = tenant_name(catalog, relation, None);
    let mut pending = relation.children.clone();
    let mut seen = Vec::new();
    while let Some(id) = pending.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let Some(child) = catalog.get(id) else {
            continue;
        };
        if tenant_name(catalog, child, own) != own {
            return Some(child);
        }
        pending.extend(&child.children);
    }
    None
}

/// The column that tells the tenant of a row: nothing for a global table, and for a child without
/// one of its own that of its parent.
fn tenant_name<'a>(
    catalog: &'a Catalog,
    relation: &'a Relation,
    parent: Option<&'a str>,
) -> Option<&'a str> {
    let usual = catalog.config().tenant.column.as_str();
    match &relation.directive {
        Some(Directive::Tenant { column }) => Some(column),
        Some(Directive::Global { .. }) => None,
        // A partition has the columns of its parent, and no rows but those of the parent.
        None if relation.kind == RelationKind::Partition && parent.is_some() => parent,
        None if relation.column(usual).is_some() => Some(usual),
        None => parent,
    }
}

fn undeclared() -> Class {
    Class::Unprotected {
        reason: "undeclared".to_owned(),
    }
}

/// What row-level security does for a command.
enum Security {
    Protected,
    Denied,
    /// Nothing, and why.
    None(String),
}

/// Why row-level security does not protect a command of this table; nothing where it does.
pub fn gap(catalog: &Catalog, relation: &Relation, command: Command) -> Option<String> {
    match security(catalog, relation, command, 0) {
        Security::Protected | Security::Denied => None,
        Security::None(why) => Some(why),
    }
}

fn security(catalog: &Catalog, relation: &Relation, command: Command, depth: usize) -> Security {
    if let Some(why) = &catalog.bypasses_rls {
        return Security::None(why.clone());
    }
    if relation.kind == RelationKind::ForeignTable {
        return Security::None(
            "row-level security is not applied to a foreign table; the other server decides"
                .to_owned(),
        );
    }
    if !relation.rls.enabled {
        return Security::None("row-level security is not enabled".to_owned());
    }
    if !relation.rls.forced {
        let owned = relation
            .owner
            .as_ref()
            .is_some_and(|owner| catalog.role_applies(owner));
        if !catalog.config().relax_force || owned {
            return Security::None("row-level security is enabled, but not forced".to_owned());
        }
    }
    match command {
        Command::Select | Command::Delete => conditions(catalog, relation, command, using, depth),
        Command::Insert => conditions(catalog, relation, command, check, depth),
        Command::Update => match conditions(catalog, relation, command, using, depth) {
            Security::Protected => conditions(catalog, relation, command, check, depth),
            other => other,
        },
    }
}

/// The sides of policies that a command is judged by: `false` is `USING`, `true` what new rows are
/// checked against.
pub(crate) fn sides(command: Command) -> &'static [bool] {
    match command {
        Command::Select | Command::Delete => &[false],
        Command::Insert => &[true],
        Command::Update => &[false, true],
    }
}

/// One side of a policy; see [`sides`].
pub(crate) fn given_side(policy: &Policy, new_rows: bool) -> &PolicyExpr {
    if new_rows {
        check(policy)
    } else {
        using(policy)
    }
}

fn using(policy: &Policy) -> &PolicyExpr {
    &policy.using
}

/// What new rows are checked against: `USING` where no `WITH CHECK` is given.
fn check(policy: &Policy) -> &PolicyExpr {
    match &policy.check {
        PolicyExpr::None => &policy.using,
        given => given,
    }
}

/// Judges one side of the policies: permissive ones are OR-ed, restrictive ones AND-ed.
fn conditions(
    catalog: &Catalog,
    relation: &Relation,
    command: Command,
    side: fn(&Policy) -> &PolicyExpr,
    depth: usize,
) -> Security {
    // A policy without this side adds nothing: neither rows nor a restriction.
    let given = |policy: &&Policy| {
        policy.command.is_none_or(|of| of == command) && !matches!(side(policy), PolicyExpr::None)
    };
    let permissive: Vec<&Policy> = relation
        .policies
        .iter()
        .filter(given)
        .filter(|policy| policy.permissive && may_apply(catalog, policy))
        .collect();
    if permissive.is_empty() {
        return Security::Denied;
    }
    let implies = |policy: &Policy| judge::policy_implies(catalog, relation, policy, side(policy));
    let restrictive: Vec<&Policy> = relation
        .policies
        .iter()
        .filter(given)
        .filter(|policy| !policy.permissive && may_apply(catalog, policy))
        .collect();
    let restricted = restrictive
        .iter()
        .any(|policy| surely_applies(catalog, policy) && implies(policy).is_ok());
    if !restricted && let Some(why) = permissive.iter().find_map(|p| implies(p).err()) {
        return Security::None(why);
    }
    // What the policies evaluate runs on the way, whatever they imply.
    for policy in restrictive.into_iter().chain(permissive) {
        if let Err(why) = confined(catalog, policy, side(policy), depth) {
            return Security::None(why);
        }
    }
    Security::Protected
}

/// Whether what a policy evaluates stays within the tenant, whatever it implies.
pub(crate) fn confined(
    catalog: &Catalog,
    policy: &Policy,
    expr: &PolicyExpr,
    depth: usize,
) -> Result<(), String> {
    match expr {
        PolicyExpr::None => Ok(()),
        PolicyExpr::Opaque(why) => {
            Err(format!("policy `{}` is not understood: {why}", policy.name))
        }
        PolicyExpr::Expr(expr) => content::is_confined(catalog, expr, depth)
            .map_err(|why| format!("policy `{}`: {why}", policy.name)),
    }
}

/// Whether a policy may apply to the application role. `?` is whoever ran the migration.
pub(crate) fn may_apply(catalog: &Catalog, policy: &Policy) -> bool {
    policy
        .roles
        .iter()
        .any(|role| role == "?" || catalog.role_applies(role))
}

/// Whether a policy certainly applies: membership may be without inheritance, so it does not count.
pub(crate) fn surely_applies(catalog: &Catalog, policy: &Policy) -> bool {
    policy
        .roles
        .iter()
        .any(|role| role == "public" || *role == catalog.config().application_role)
}
