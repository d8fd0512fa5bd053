//! What else can weaken a scope: a default for a setting that scopes rely on, migrations that were
//! not run, an audit trail that can't be written.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _};

use super::role::Role;
use super::{Finding, quoted};
use crate::statement::Catalog;

/// Settings under which a statement means what its proof assumes, with the value that each scope
/// gives them.
const ASSUMED: [(&str, &str); 4] = [
    ("search_path", ""),
    ("standard_conforming_strings", "on"),
    ("row_security", "on"),
    ("transform_null_equals", "off"),
];

/// A default for the tenant setting would be somebody's tenant in every session that has none. One
/// for a setting that proofs assume means that other programs of this role read the same text as
/// another statement.
pub(super) async fn check(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let setting = catalog.settings.setting;
    let mut names: Vec<&str> = ASSUMED.iter().map(|(name, _)| *name).collect();
    names.push(setting);
    let rows = sqlx::query(
        "SELECT wanted.name, substr(config, length(wanted.name) + 2), d.datname::text, r.rolname::text \
         FROM pg_catalog.pg_db_role_setting s \
         LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         CROSS JOIN LATERAL unnest(s.setconfig) AS config \
         JOIN unnest($1::text[]) AS wanted(name) \
           ON lower(split_part(config, '=', 1)) = lower(wanted.name) \
         WHERE (s.setdatabase = 0 OR d.datname = current_database()) \
           AND (s.setrole = 0 OR r.rolname = session_user) \
         ORDER BY 1, 3 NULLS FIRST, 4 NULLS FIRST",
    )
    .persistent(false)
    .bind(&names)
    .fetch_all(&mut *connection)
    .await?;
    let mut any = false;
    for row in rows {
        let (name, value): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let of_tenant = name == setting;
        if is_harmless(&name, &value, catalog) {
            continue;
        }
        any |= of_tenant;
        let (whose, target) = whose(row.try_get(2)?, row.try_get(3)?);
        let what = match of_tenant {
            true => format!(
                "{whose} has a default for {setting}, so every session begins as that tenant"
            ),
            false => format!(
                "{whose} has the default {value} for {name}, under which statements mean something \
                 else than was proved"
            ),
        };
        findings.push(Finding::new(what, format!("ALTER {target} RESET {name};")));
    }
    let current: Option<String> = sqlx::query("SELECT current_setting($1, true)")
        .persistent(false)
        .bind(setting)
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    if !any && current.is_some_and(|value| !value.is_empty()) {
        findings.push(Finding::new(
            format!(
                "a new connection of {} already has a value for {setting}",
                role.sql()
            ),
            format!(
                "remove {setting} from postgresql.conf and from the options of the connection URL"
            ),
        ));
    }
    Ok(())
}

/// The value that a scope would give the setting anyway, or none.
fn is_harmless(name: &str, value: &str, catalog: &Catalog) -> bool {
    let value = value.trim();
    match ASSUMED.iter().find(|(known, _)| *known == name) {
        None => value.is_empty(),
        Some(("search_path", _)) => {
            let schema = |part: &str| part.trim().trim_matches('"').to_owned();
            let path = value
                .split(',')
                .map(schema)
                .filter(|part| part != "pg_temp");
            path.eq(catalog
                .settings
                .search_path
                .iter()
                .map(|part| (*part).to_owned()))
        }
        Some((_, "on")) => matches!(&*value.to_ascii_lowercase(), "on" | "true" | "yes" | "1"),
        Some(_) => matches!(&*value.to_ascii_lowercase(), "off" | "false" | "no" | "0"),
    }
}

/// Whose default it is, in words and as `ALTER` names it.
fn whose(database: Option<String>, role: Option<String>) -> (String, String) {
    match (database.as_deref().map(quoted), role.as_deref().map(quoted)) {
        (Some(database), Some(role)) => (
            format!("the role {role} in the database {database}"),
            format!("ROLE {role} IN DATABASE {database}"),
        ),
        (Some(database), None) => (
            format!("the database {database}"),
            format!("DATABASE {database}"),
        ),
        (None, Some(role)) => (format!("the role {role}"), format!("ROLE {role}")),
        (None, None) => ("every role".to_owned(), "ROLE ALL".to_owned()),
    }
}

/// Compares sqlx's record of migrations with the compiled ones, where the role may read it.
pub(super) async fn check_migrations(
    connection: &mut PgConnection,
    catalog: &Catalog,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let readable: bool = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relname = '_sqlx_migrations' \
           AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
           AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))",
    )
    .persistent(false)
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    if !readable {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT version, encode(checksum, 'hex') FROM public._sqlx_migrations WHERE success",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    let mut recorded: HashMap<i64, String> = HashMap::new();
    for row in rows {
        recorded.insert(row.try_get(0)?, row.try_get(1)?);
    }
    for migration in catalog.migrations() {
        let Ok(version) = migration.version.parse::<i64>() else {
            continue;
        };
        match recorded.get(&version) {
            None => findings.push(Finding::new(
                format!("the migration {} was not run", migration.path),
                "run the migrations (watertight::migrate)",
            )),
            Some(checksum)
                if !migration.checksum.is_empty()
                    && !checksum.eq_ignore_ascii_case(migration.checksum) =>
            {
                findings.push(Finding::new(
                    format!(
                        "the migration {} was run with another text than it was compiled with",
                        migration.path
                    ),
                    "restore the file as it was run, and write a new migration for the change",
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A write commits together with its audit record, so a missing table would fail every write.
pub(super) async fn check_audit(
    connection: &mut PgConnection,
    table: &str,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let writable: bool = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'watertight' AND c.relname = $1 AND c.relrowsecurity \
           AND c.relforcerowsecurity \
           AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
           AND pg_catalog.has_any_column_privilege(c.oid, 'INSERT') \
           AND (c.relname <> 'audit' OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a \
                WHERE a.attrelid = c.oid AND a.attname = 'ordinals' AND NOT a.attisdropped)) \
           AND EXISTS (SELECT 1 FROM pg_catalog.pg_policy p, unnest(p.polroles) AS r \
                       WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('a', '*') \
                         AND (r = 0 OR pg_catalog.pg_has_role(r, 'USAGE'))))",
    )
    .persistent(false)
    .bind(table)
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    if !writable {
        let role = role.sql();
        findings.push(Finding::new(
            format!(
                "the audit trail watertight.{table} is missing, older than this version, unprotected or not {role}'s to write"
            ),
            format!(
                "run watertight::migrate as the owner, naming {role} as application or system role; \
                 or open the pool with `without_audit()`"
            ),
        ));
    }
    Ok(())
}
