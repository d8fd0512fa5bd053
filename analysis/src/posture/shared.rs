//! What a session keeps or leaves behind where every tenant's sessions, which have one role, find it:
//! statistics of statements, large objects, temporary tables.
//!
//! Invariant: told only where it is there; that a role could make it is the right of any role.

use super::Look;
use crate::catalog::quote;
use crate::diagnostic::Code;
use crate::finding::{Finding, Level, Place};

pub(super) fn look(look: &mut Look<'_>) {
    statements(look);
    large_objects(look);
    temporary(look);
}

fn statements(look: &mut Look<'_>) {
    let role = quote(look.role);
    for view in &look.facts.statements {
        let shown = format!("{}.{}", quote(&view.schema), quote(&view.name));
        let message = format!(
            "the application role can read `{shown}`: statements that it ran for any tenant, with the values of those that are not normalised, such as SET"
        );
        let mut finding = Finding::new(
            Code::SHARED_STATE,
            Place::object("view", shown.clone()),
            message,
        )
        .mend(format!("REVOKE SELECT ON {shown} FROM PUBLIC, {role}"));
        if let Some(function) = &view.function {
            finding = finding.mend(format!(
                "REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC, {role}"
            ));
        }
        look.found(finding);
    }
}

fn large_objects(look: &mut Look<'_>) {
    let known = &look.facts.large_objects;
    if known.readable == 0 && !known.unguarded {
        return;
    }
    let message = if known.unguarded {
        "privileges on large objects are not asked (`lo_compat_privileges`): every tenant's are in reach".to_owned()
    } else {
        let (objects, are) = if known.readable == 1 {
            ("large object", "is")
        } else {
            ("large objects", "are")
        };
        format!(
            "{} {objects} {are} in reach of the application role: large objects know owners and grants, but no policy and no tenant",
            known.readable
        )
    };
    look.found(
        Finding::new(
            Code::SHARED_STATE,
            Place::object("large objects", "pg_largeobject"),
            message,
        )
        .help(
            "keep the bytes in a `bytea` column of a protected table, or outside with a key in one",
        ),
    );
}

/// Tables in the temporary schema of a session, which is looked at first.
fn temporary(look: &mut Look<'_>) {
    let mut told: Vec<&str> = Vec::new();
    for table in &look.facts.temporary {
        let hidden = look
            .facts
            .relations
            .iter()
            .find(|it| it.name == table.name && (it.rls || look.tenant_column(it).is_some()));
        let Some(hidden) = hidden.filter(|_| !told.contains(&table.name.as_str())) else {
            continue;
        };
        told.push(&table.name);
        let shown = hidden.qualified();
        let (name, owner) = (quote(&table.name), quote(&table.owner));
        let message = format!(
            "a session of `{owner}` has a temporary table `{name}`: where `{shown}` is named without its schema, that session reads the other one, which has no policies"
        );
        look.found(
            Finding::new(Code::SHARED_STATE, Place::object("table", shown), message)
                .about("temporary")
                .help(format!(
                    "end that session; then, where nothing needs temporary tables: REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC, {owner}",
                    quote(&look.facts.server.database)
                )),
        );
    }
    // Everybody may by default; who was given it by name was meant to have it.
    let rights = look.facts.has_rights_of(look.role);
    let given: Vec<String> = look
        .facts
        .database
        .temporary_to
        .iter()
        .filter(|to| rights.contains(to.as_str()) && **to != look.facts.server.owner)
        .cloned()
        .collect();
    if given.is_empty() {
        return;
    }
    let database = quote(&look.facts.server.database);
    let from: Vec<String> = given.iter().map(|to| quote(to)).collect();
    let message = format!(
        "the application role `{}` was given temporary tables in `{database}`: one with the name of a protected table takes its place",
        quote(look.role)
    );
    look.found(
        Finding::new(
            Code::ROLE_CREATES,
            Place::object("database", database.clone()),
            message,
        )
        .about("temporary")
        .level(Level::Low)
        .mend(format!(
            "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {}",
            from.join(", ")
        )),
    );
}
