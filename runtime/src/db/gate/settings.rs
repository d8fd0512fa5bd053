//! What else can weaken a scope: a default for the tenant setting, migrations that were not run,
//! an audit trail that can't be written.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _};

use super::role::Role;
use super::{Finding, quoted};
use crate::statement::Catalog;

/// A default for the tenant setting would be somebody's tenant in every session that has none.
pub(super) async fn check(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let setting = catalog.settings.setting;
    let rows = sqlx::query(
        "SELECT d.datname::text, r.rolname::text \
         FROM pg_catalog.pg_db_role_setting s \
         LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         CROSS JOIN LATERAL unnest(s.setconfig) AS config \
         WHERE (s.setdatabase = 0 OR d.datname = current_database()) \
           AND (s.setrole = 0 OR r.rolname = session_user) \
           AND lower(split_part(config, '=', 1)) = lower($1) \
           AND substr(config, length($1) + 2) <> ''",
    )
    .persistent(false)
    .bind(setting)
    .fetch_all(&mut *connection)
    .await?;
    let any = !rows.is_empty();
    for row in rows {
        let (database, owner): (Option<String>, Option<String>) =
            (row.try_get(0)?, row.try_get(1)?);
        let (whose, mend) = match (database, owner) {
            (Some(database), Some(role)) => {
                let (database, role) = (quoted(&database), quoted(&role));
                (
                    format!("the role {role} in the database {database}"),
                    format!("ALTER ROLE {role} IN DATABASE {database} RESET {setting};"),
                )
            }
            (Some(database), None) => {
                let database = quoted(&database);
                (
                    format!("the database {database}"),
                    format!("ALTER DATABASE {database} RESET {setting};"),
                )
            }
            (None, Some(role)) => {
                let role = quoted(&role);
                (
                    format!("the role {role}"),
                    format!("ALTER ROLE {role} RESET {setting};"),
                )
            }
            (None, None) => (
                "all roles".to_owned(),
                format!("ALTER ROLE ALL RESET {setting};"),
            ),
        };
        findings.push(Finding::new(
            format!("{whose} has a default for {setting}, so every session begins as that tenant"),
            mend,
        ));
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
                WHERE a.attrelid = c.oid AND a.attname = 'home_tenant' AND NOT a.attisdropped)))",
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
