//! A class in words: why a relation is not confined to the tenant, and what to write instead.
//!
//! Invariant: the short words that reports use never reach a person without their sentence.

use super::trigger;
use crate::catalog::finish::{named_tenant_column, usable_as_tenant};
use crate::catalog::{Catalog, Class, Relation};

/// Why, and what to write instead.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Advice {
    /// Why, as a clause.
    pub reason: String,
    /// What to write instead; empty where the reason says so itself.
    pub help: Vec<String>,
}

/// What there is to say of a class that refuses.
pub fn of(catalog: &Catalog, relation: &Relation, class: &Class) -> Advice {
    let reason = class.reason().unwrap_or_default();
    if let Some(unknown) = &relation.unknown
        && unknown.reason == reason
    {
        return advice(&unknown.reason, &unknown.help);
    }
    let shown = relation.display();
    match reason {
        "tenant-column-type" => tenant_column(catalog, relation),
        "sequence" => advice(
            "it is a sequence, and its numbers tell how much other tenants add",
            "use `gen_random_uuid()` for keys, or read the number of a row that was just written",
        ),
        "definer-view" => advice(
            "the view reads with the rights of its owner, for whom row-level security may not count",
            "in a migration: `CREATE VIEW … WITH (security_invoker = true)`, or filter by the tenant inside of it",
        ),
        "scoped-table" => advice(
            "it reads a table that only a condition on the tenant confines",
            "filter by the tenant inside of it, or put the table under row-level security",
        ),
        "materialized" => advice(
            "a materialised view holds the rows of every tenant",
            "read the tables that it is made from",
        ),
        "security-definer" => advice(
            "it runs with the rights of its owner, for whom row-level security may not count",
            "declare it SECURITY INVOKER, or filter by the tenant inside of it",
        ),
        "undeclared" => advice(
            "it has neither a tenant column, nor protection, nor a declaration",
            &format!("if all tenants share it, declare so in a migration: COMMENT ON TABLE {shown} IS '@global …'"),
        ),
        _ if reason.starts_with("the rule `") => advice(
            reason,
            "drop the rule; a trigger that sets columns of `NEW` is read",
        ),
        _ => match trigger::named_in(catalog, relation, reason) {
            Some(function) if !reason.contains("[[functions]]") => Advice {
                reason: reason.to_owned(),
                help: vec![
                    "let it only set columns of `NEW`, or write rows with the tenant of the row that fired it".to_owned(),
                    format!("or, after reading it, allow its function in `watertight.toml`: `[[functions]]` with `name = \"{function}\"` and a `reason`"),
                ],
            },
            Some(_) => Advice {
                reason: reason.to_owned(),
                help: Vec::new(),
            },
            None => advice(
                reason,
                &format!(
                    "mend that in a migration; or give `{shown}` a tenant column, and the statement a condition on it"
                ),
            ),
        },
    }
}

/// The tenant column is there, but equality on it does not tell tenants apart.
fn tenant_column(catalog: &Catalog, relation: &Relation) -> Advice {
    let column =
        named_tenant_column(catalog, relation).and_then(|index| relation.columns.get(index));
    let Some(column) = column else {
        return advice(
            "its tenant column can't serve as one",
            "use uuid, bigint or text",
        );
    };
    // Any name at all may mean something else then, the type's as well.
    if let Some(cause) = catalog.unknown_names() {
        return advice(
            &format!(
                "what the type of `{}` is can't be told: {cause}",
                column.name
            ),
            "mend that migration: `cargo watertight catalog` tells what to write instead",
        );
    }
    let why = usable_as_tenant(catalog, column).err().unwrap_or_default();
    let name = crate::catalog::quote(&column.name);
    advice(
        &format!("its `{}` can't serve as tenant column: {why}", column.name),
        &format!(
            "use uuid, bigint, integer, smallint, text or varchar with a deterministic collation, and no generated column, as in: ALTER TABLE {} ALTER COLUMN {name} TYPE uuid USING {name}::text::uuid",
            relation.display()
        ),
    )
}

fn advice(reason: &str, help: &str) -> Advice {
    Advice {
        reason: reason.to_owned(),
        help: vec![help.to_owned()],
    }
}
