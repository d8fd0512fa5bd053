//! Drift: where a live database is not what the migrations make, as far as isolation goes.
//!
//! Invariant: only what weakens or contradicts is told; what the application can't reach is not.

use super::facts::Facts;
use crate::catalog::{Catalog, Class, Command, Relation, RelationKind, quote};
use crate::diagnostic::Code;
use crate::finding::{Finding, Level, Place};

/// Compares the catalog of the migrations with that of the live database.
pub fn drift(migrations: &Catalog, live: &Catalog, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for relation in migrations.relations() {
        if relation.kind == RelationKind::Sequence || relation.unknown.is_some() {
            continue;
        }
        match live
            .relation(Some(&relation.schema), &relation.name)
            .found()
        {
            None => found.push(
                at(
                    relation,
                    "missing",
                    format!(
                        "`{}` is in the migrations ({}) but not in the database",
                        relation.qualified(),
                        relation.created_in
                    ),
                )
                .help("apply the migrations"),
            ),
            Some(there) => compare(migrations, relation, live, there, &mut found),
        }
    }
    for relation in &facts.relations {
        let known = migrations
            .relation(Some(&relation.schema), &relation.name)
            .found()
            .is_some();
        if known || relation.extension || !relation.reachable() || relation.kind == 'S' {
            continue;
        }
        let shown = relation.qualified();
        // Partitions are often made as they are needed.
        if relation.partition {
            continue;
        }
        let message = format!(
            "`{shown}` is in the database, in reach of the application, and in no migration"
        );
        found.push(
            Finding::new(Code::DRIFT, Place::object("table", shown), message)
                .about("extra")
                .level(Level::Low)
                .help("write the migration that makes it, or drop it"),
        );
    }
    found
}

fn at(relation: &Relation, subject: &str, message: String) -> Finding {
    let kind = match relation.kind {
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        _ => "table",
    };
    Finding::new(
        Code::DRIFT,
        Place::object(kind, relation.qualified()),
        message,
    )
    .about(subject)
}

fn compare(
    migrations: &Catalog,
    relation: &Relation,
    live: &Catalog,
    there: &Relation,
    found: &mut Vec<Finding>,
) {
    let shown = relation.qualified();
    for (what, sql, wanted, given) in [
        ("enabled", "ENABLE", relation.rls.enabled, there.rls.enabled),
        ("forced", "FORCE", relation.rls.forced, there.rls.forced),
    ] {
        if wanted && !given {
            let message = format!(
                "the migrations have row-level security of `{shown}` {what}, the database has not"
            );
            found.push(
                at(relation, what, message)
                    .level(Level::High)
                    .mend(format!("ALTER TABLE {shown} {sql} ROW LEVEL SECURITY")),
            );
        }
    }
    for policy in &there.policies {
        if !relation
            .policies
            .iter()
            .any(|known| known.name == policy.name)
        {
            let name = quote(&policy.name);
            let message = format!("the policy `{name}` of `{shown}` is in no migration");
            found.push(
                at(relation, &format!("policy {}", policy.name), message).help(format!(
                    "write it into a migration, or: DROP POLICY {name} ON {shown}"
                )),
            );
        }
    }
    for policy in &relation.policies {
        if !there.policies.iter().any(|known| known.name == policy.name) {
            let name = quote(&policy.name);
            let message = format!(
                "the policy `{name}` of `{shown}` is in the migrations ({}) but not in the database",
                policy.written_in
            );
            found.push(
                at(relation, &format!("policy {}", policy.name), message).help("apply it again"),
            );
        }
    }
    if relation.kind == RelationKind::Sequence {
        return;
    }
    let weaker: Vec<&str> = Command::ALL
        .into_iter()
        .filter(|command| {
            let promised = migrations.class(relation, *command);
            let kept = live.class(there, *command);
            matches!(promised, Class::Protected | Class::Denied)
                && !matches!(kept, Class::Protected | Class::Denied)
        })
        .map(Command::sql)
        .collect();
    if !weaker.is_empty() {
        let message = format!(
            "the migrations protect {} of `{shown}`, the database does not",
            weaker.join(", ")
        );
        found.push(at(relation, "weaker", message).level(Level::High));
    }
    let missing: Vec<String> = relation
        .columns
        .iter()
        .filter(|column| there.column(&column.name).is_none())
        .map(|column| column.name.clone())
        .collect();
    if !missing.is_empty() && relation.is_table() {
        let message = format!(
            "columns of `{shown}` that the migrations make are not in the database: {}",
            super::listed(&missing)
        );
        found.push(at(relation, "columns", message).level(Level::Low));
    }
}
