//! What a session keeps or leaves behind where every tenant's sessions, which have one role, find it:
//! statistics of statements, large objects, temporary tables.
//!
//! Invariant: certain only where it is there; that a role could make a temporary table is for review.

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
    may_make_temporary(look);
}

/// The right to temporary tables, which everybody has until it is taken: the next statement of the same
/// pooled session finds one before the table that it names, unless a path says otherwise.
fn may_make_temporary(look: &mut Look<'_>) {
    let database = quote(&look.facts.server.database);
    let owns = look.facts.server.owner == look.role;
    let given = look.holders(&look.facts.database.temporary_to);
    if !look.facts.database.temporary || owns || given.is_empty() || temporary_comes_last(look) {
        return;
    }
    let by_name = given.iter().any(|to| to != "PUBLIC");
    let (role, from) = (quote(look.role), given.join(", "));
    let how = if by_name {
        "was given temporary tables"
    } else {
        "may make temporary tables, as every role may until it is taken from PUBLIC,"
    };
    let message = format!(
        "the application role `{role}` {how} in `{database}`: one with the name of a protected table takes its place for whichever tenant the pooled connection serves next"
    );
    let mut schemas: Vec<String> = look
        .facts
        .relations
        .iter()
        .filter(|relation| relation.reachable())
        .map(|relation| quote(&relation.schema))
        .collect();
    schemas.sort();
    schemas.dedup();
    if schemas.is_empty() {
        return;
    }
    let place = Place::object("database", database.clone());
    let finding = Finding::new(Code::ROLE_CREATES, place, message)
        .about("temporary")
        .level(Level::Low)
        .help(format!(
            "where the application needs temporary tables, let them be looked at last: ALTER ROLE {role} SET search_path = {}, pg_temp",
            schemas.join(", ")
        ))
        .mend(format!("REVOKE TEMPORARY ON DATABASE {database} FROM {from}"));
    // Whether a statement of the application makes one, the catalogs don't tell.
    look.found(if by_name { finding } else { finding.review() });
}

/// Whether the path of the application role's sessions names `pg_temp`, and after everything else.
fn temporary_comes_last(look: &Look<'_>) -> bool {
    let of = |setting: &&super::facts::Setting| setting.name.eq_ignore_ascii_case("search_path");
    // What is set for the role in this database wins over the role, the database and all.
    let rank =
        |setting: &&super::facts::Setting| (!setting.role.is_empty(), !setting.database.is_empty());
    let path = look.facts.settings.iter().filter(of).max_by_key(rank);
    path.is_some_and(|path| {
        path.value.rsplit(',').next().is_some_and(|last| {
            last.trim()
                .trim_matches('"')
                .eq_ignore_ascii_case("pg_temp")
        })
    })
}
