//! Lowers `SET`, `set_config`, roles and grants of roles.

use rupg_sql::nodes::{
    AlterDatabaseSetStmt, AlterRoleSetStmt, AlterRoleStmt, CreateRoleStmt, GrantRoleStmt, List,
    Node, VariableSetKind, VariableSetStmt,
};

use super::ir::Ddl;
use super::nodes;
use crate::ir::{ExprKind, Literal, Statement};

/// Settings that change what later statements of a migration do, or what a role may see.
const RISKY: &[&str] = &["role", "session_authorization"];

/// Whether a setting changes how the text after it is read: a backslash would escape a quote.
fn is_lexical(name: &str, value: Option<&str>) -> bool {
    let on = value.is_some_and(|value| {
        ["on", "true", "yes", "1"]
            .iter()
            .any(|on| value.eq_ignore_ascii_case(on))
    });
    name.eq_ignore_ascii_case("standard_conforming_strings") && !on
}

/// The one value of a `SET`, where it is a constant.
fn one_value(stmt: &VariableSetStmt) -> Option<String> {
    let mut parts = stmt.args.iter();
    let value = parts.next()?.as_ref().and_then(nodes::constant);
    value.filter(|_| parts.next().is_none())
}

pub(super) fn set(stmt: &VariableSetStmt) -> Ddl {
    let name = stmt.name.as_deref().unwrap_or_default().to_lowercase();
    let reset = stmt.kind != VariableSetKind::VAR_SET_VALUE;
    if !reset && is_lexical(&name, one_value(stmt).as_deref()) {
        return Ddl::Unknown {
            what: "SET standard_conforming_strings".to_owned(),
        };
    }
    match (stmt.kind, name.as_str()) {
        (VariableSetKind::VAR_RESET_ALL, _) => Ddl::SearchPath {
            path: None,
            local: false,
        },
        (_, "search_path") => Ddl::SearchPath {
            path: value(stmt),
            local: stmt.is_local,
        },
        // Another role owns what is created from here on, and `"$user"` is its schema.
        (_, name) if RISKY.contains(&name) => Ddl::SetRole {
            role: one_value(stmt).filter(|role| !reset && role != "none"),
        },
        _ => Ddl::Harmless,
    }
}

/// The path that a `SET search_path` gives; nothing for the default.
fn value(stmt: &VariableSetStmt) -> Option<Vec<String>> {
    if stmt.kind != VariableSetKind::VAR_SET_VALUE {
        return None;
    }
    let parts = stmt
        .args
        .iter()
        .map(|node| node.as_ref().and_then(nodes::constant))
        .collect::<Option<Vec<_>>>();
    // `SET search_path = 'a, b'` is one schema with a strange name, but `''` is none.
    Some(
        parts
            .unwrap_or_else(|| vec!["?".to_owned()])
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect(),
    )
}

/// `SELECT set_config('search_path', '…', …)`, as `pg_dump` writes it.
pub(super) fn set_config(statement: &Statement) -> Option<Ddl> {
    let Statement::Query(query) = statement else {
        return None;
    };
    // Anything beside the call would run as well.
    let ExprKind::Call(call) = &crate::policy::term::only_value(query)?.kind else {
        return None;
    };
    if call.name.parts.last().map(String::as_str) != Some("set_config") {
        return None;
    }
    let [name, value, local] = call.args.as_slice() else {
        return None;
    };
    let (ExprKind::Literal(Literal::String(name)), ExprKind::Literal(Literal::String(value))) =
        (&name.kind, &value.kind)
    else {
        return None;
    };
    let ExprKind::Literal(Literal::Bool(local)) = local.kind else {
        return None;
    };
    if is_lexical(name, Some(value)) {
        return None;
    }
    if name.eq_ignore_ascii_case("search_path") {
        return Some(Ddl::SearchPath {
            path: Some(split_path(value)),
            local,
        });
    }
    (!RISKY.contains(&name.to_lowercase().as_str())).then_some(Ddl::Harmless)
}

/// The schemas of a list in text form: folded unless quoted.
pub(crate) fn split_path(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut current, mut quoted, mut was_quoted) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => {
                push(&mut parts, &mut current, was_quoted);
                was_quoted = false;
            }
            c => current.push(c),
        }
    }
    push(&mut parts, &mut current, was_quoted);
    parts
}

fn push(parts: &mut Vec<String>, current: &mut String, quoted: bool) {
    let taken = std::mem::take(current);
    let part = taken.trim();
    if !part.is_empty() {
        parts.push(if quoted {
            part.to_owned()
        } else {
            part.to_lowercase()
        });
    }
}

pub(super) fn role_setting(stmt: &AlterRoleSetStmt) -> Option<Ddl> {
    let set = stmt.setstmt.as_deref()?;
    // `ALTER ROLE ALL` has no role.
    let role = stmt.role.as_deref().map(nodes::role);
    let database = stmt.database.as_deref().map(str::to_owned);
    Some(default_path(role, database, set))
}

pub(super) fn database_setting(stmt: &AlterDatabaseSetStmt) -> Option<Ddl> {
    let database = stmt.dbname.as_deref().unwrap_or_default().to_owned();
    Some(default_path(None, Some(database), stmt.setstmt.as_deref()?))
}

fn default_path(role: Option<String>, database: Option<String>, set: &VariableSetStmt) -> Ddl {
    let name = set.name.as_deref().unwrap_or_default();
    if RISKY.contains(&name.to_lowercase().as_str()) {
        return Ddl::Unknown {
            what: format!("a default of `{name}`, which changes who a session is"),
        };
    }
    if name.eq_ignore_ascii_case("plpgsql.variable_conflict") {
        return Ddl::Unknown {
            what: "a default of plpgsql.variable_conflict".to_owned(),
        };
    }
    if set.kind == VariableSetKind::VAR_SET_VALUE && is_lexical(name, one_value(set).as_deref()) {
        return Ddl::Unknown {
            what: "a default of standard_conforming_strings".to_owned(),
        };
    }
    if set.kind == VariableSetKind::VAR_SET_CURRENT && name.eq_ignore_ascii_case("search_path") {
        return Ddl::Unknown {
            what: "a default of search_path FROM CURRENT".to_owned(),
        };
    }
    if name.eq_ignore_ascii_case("search_path") {
        let path = value(set).map(|parts| match parts.as_slice() {
            // `ALTER DATABASE … SET search_path = 'a, b'` stores the text, which is split at login.
            [one] if one.contains(',') => split_path(one),
            _ => parts,
        });
        Ddl::RolePath {
            role,
            database,
            path,
        }
    } else if set.kind == VariableSetKind::VAR_RESET_ALL {
        Ddl::RolePath {
            role,
            database,
            path: None,
        }
    } else {
        Ddl::Harmless
    }
}

pub(super) fn create_role(stmt: &CreateRoleStmt) -> Option<Ddl> {
    role(stmt.role.as_deref()?.to_owned(), &stmt.options)
}

pub(super) fn alter_role(stmt: &AlterRoleStmt) -> Option<Ddl> {
    let name = nodes::role(stmt.role.as_deref()?);
    // `ALTER GROUP g ADD USER u` is a grant.
    let members = nodes::options(&stmt.options)
        .find(|option| option.defname.as_deref() == Some("rolemembers"));
    if let Some(option) = members {
        let Some(Node::List(list)) = &option.arg else {
            return None;
        };
        return Some(Ddl::GrantRoles {
            roles: vec![name],
            members: nodes::roles(list),
            grant: stmt.action > 0,
        });
    }
    role(name, &stmt.options)
}

fn role(name: String, options: &List) -> Option<Ddl> {
    let (mut superuser, mut bypassrls) = (None, None);
    let (mut member_of, mut members) = (Vec::new(), Vec::new());
    for option in nodes::options(options) {
        let flag = || nodes::boolean(option);
        match option.defname.as_deref() {
            Some("superuser") => superuser = Some(flag().unwrap_or(true)),
            Some("bypassrls") => bypassrls = Some(flag().unwrap_or(true)),
            Some("addroleto") => {
                let Some(Node::List(list)) = &option.arg else {
                    return None;
                };
                member_of.extend(nodes::roles(list));
            }
            Some("rolemembers" | "adminmembers") => {
                let Some(Node::List(list)) = &option.arg else {
                    return None;
                };
                members.extend(nodes::roles(list));
            }
            _ => {}
        }
    }
    Some(Ddl::Role {
        name,
        superuser,
        bypassrls,
        member_of,
        members,
    })
}

pub(super) fn grant_role(stmt: &GrantRoleStmt) -> Ddl {
    // `REVOKE ADMIN OPTION FOR role` takes no membership away.
    let keeps = !stmt.is_grant && !stmt.opt.is_empty();
    if keeps {
        return Ddl::Harmless;
    }
    Ddl::GrantRoles {
        roles: nodes::roles(&stmt.granted_roles),
        members: nodes::roles(&stmt.grantee_roles),
        grant: stmt.is_grant,
    }
}
