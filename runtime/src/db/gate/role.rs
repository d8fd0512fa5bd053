//! The role that the pool logs in as: row-level security must bind it.
//!
//! Invariant: membership counts as possession. A member of a role may `SET ROLE` to it, so what
//! the other role could do, this one can.

use sqlx::{PgConnection, Row as _};

use super::{Finding, quoted};
use crate::statement::Catalog;

/// The login role and what it may do by itself.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    bypass: bool,
    replication: bool,
    inherits: bool,
    /// Who should own what the login role must not: the database's owner, unless the login role is it.
    owner: Option<String>,
}

impl Role {
    pub(crate) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(
            "SELECT rolname::text, rolsuper, rolbypassrls, rolreplication, rolinherit, \
                    (SELECT pg_catalog.pg_get_userbyid(d.datdba)::text \
                     FROM pg_catalog.pg_database d WHERE d.datname = current_database() \
                       AND NOT pg_catalog.pg_has_role(session_user, d.datdba, 'MEMBER')) \
             FROM pg_catalog.pg_roles WHERE rolname = session_user",
        )
        .persistent(false)
        .fetch_one(connection)
        .await?;
        Ok(Self {
            name: row.try_get(0)?,
            superuser: row.try_get(1)?,
            bypass: row.try_get(2)?,
            replication: row.try_get(3)?,
            inherits: row.try_get(4)?,
            owner: row.try_get(5)?,
        })
    }

    /// The role that is to own tables and schemas, as SQL spells it.
    pub(super) fn owner_sql(&self) -> String {
        let owner = self.owner.as_deref().map(quoted);
        owner.unwrap_or_else(|| "<the role that runs migrations>".to_owned())
    }

    /// The name as SQL spells it.
    pub(super) fn sql(&self) -> String {
        quoted(&self.name)
    }
}

pub(super) async fn check(
    connection: &mut PgConnection,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let name = role.sql();
    if role.superuser {
        findings.push(Finding::new(
            format!("the role {name} is a superuser, so row-level security does not bind it"),
            format!(
                "ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE;\nor connect as another role"
            ),
        ));
        // A superuser is a member of everything; more would be noise.
        return Ok(());
    }
    if role.bypass {
        findings.push(Finding::new(
            format!("the role {name} has BYPASSRLS, so row-level security does not bind it"),
            format!("ALTER ROLE {name} NOBYPASSRLS;"),
        ));
    }
    if role.replication {
        findings.push(Finding::new(
            format!("the role {name} has REPLICATION, so it can read every tenant's changes"),
            format!("ALTER ROLE {name} NOREPLICATION;"),
        ));
    }
    let reach = sqlx::query(
        "SELECT r.rolname::text, r.rolsuper, r.rolbypassrls \
         FROM pg_catalog.pg_roles r \
         WHERE (r.rolsuper OR r.rolbypassrls OR r.rolreplication OR r.rolname IN \
                ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', \
                 'pg_write_server_files', 'pg_execute_server_program')) \
           AND r.rolname <> session_user \
           AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') \
         ORDER BY 1",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    for row in reach {
        let (other, superuser, bypass): (String, bool, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let other = quoted(&other);
        let why = match (superuser, bypass) {
            (true, _) => "is a superuser",
            (_, true) => "has BYPASSRLS",
            _ => "reads or writes beyond the grants of the schema",
        };
        findings.push(Finding::new(
            format!("the role {name} is a member of {other}, which {why}"),
            format!("REVOKE {other} FROM {name};"),
        ));
    }
    Ok(())
}

/// Takes on the role that tenants' scopes run under, after checking that the login role can do
/// nothing without it. Says whether it could.
pub(super) async fn take_on(
    connection: &mut PgConnection,
    role: &Role,
    tenant_role: &str,
    catalog: &Catalog,
    findings: &mut Vec<Finding>,
) -> Result<bool, sqlx::Error> {
    let (name, tenant) = (role.sql(), quoted(tenant_role));
    let schemas: Vec<&str> = catalog.relations().iter().map(|r| r.schema).collect();
    let names: Vec<&str> = catalog.relations().iter().map(|r| r.name).collect();
    let row = sqlx::query(
        "SELECT coalesce((SELECT pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') \
                          FROM pg_catalog.pg_roles r WHERE r.rolname = $1), false), \
                ARRAY(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
                      FROM unnest($2::text[], $3::text[]) AS wanted(schema, name) \
                      JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema \
                      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name \
                      WHERE pg_catalog.has_any_column_privilege(session_user, c.oid, \
                                'SELECT, INSERT, UPDATE, REFERENCES') \
                         OR pg_catalog.has_table_privilege(session_user, c.oid, 'DELETE, TRUNCATE, TRIGGER') \
                      ORDER BY 1)",
    )
    .persistent(false)
    .bind(tenant_role)
    .bind(schemas)
    .bind(names)
    .fetch_one(&mut *connection)
    .await?;
    let (member, held): (bool, Vec<String>) = (row.try_get(0)?, row.try_get(1)?);
    if !member {
        findings.push(Finding::new(
            format!("the role {name} is not a member of {tenant}, which scopes take on"),
            format!("GRANT {tenant} TO {name};"),
        ));
        return Ok(false);
    }
    if !held.is_empty() && !role.superuser {
        let tables = held.join(", ");
        findings.push(Finding::new(
            format!(
                "the role {name} reaches {tables} without taking on {tenant}, so another program \
                 with the same login does too"
            ),
            match role.inherits {
                true => {
                    format!("ALTER ROLE {name} NOINHERIT;\nREVOKE ALL ON {tables} FROM {name};")
                }
                false => format!("REVOKE ALL ON {tables} FROM {name};"),
            },
        ));
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET LOCAL ROLE {tenant}")))
        .execute(connection)
        .await?;
    Ok(true)
}

/// System work runs without a tenant, so its role may have policies of its own; but a superuser
/// would not even be held to its grants.
pub(super) fn check_system(role: &Role, catalog: &Catalog) -> Vec<Finding> {
    let name = role.sql();
    let mut findings = Vec::new();
    if role.superuser {
        findings.push(Finding::new(
            format!("the system role {name} is a superuser, so no grant and no policy binds it"),
            format!("ALTER ROLE {name} NOSUPERUSER;\nor connect as another role"),
        ));
    }
    if role.name == catalog.settings.application_role {
        findings.push(Finding::new(
            format!("{name} is the application role; system work needs a role of its own"),
            "CREATE ROLE auth LOGIN PASSWORD '…' NOSUPERUSER NOBYPASSRLS;\nand grant it what it needs",
        ));
    }
    if role.bypass && !role.superuser {
        tracing::warn!(
            target: "watertight::db",
            role = role.name,
            "the system role has BYPASSRLS; policies for this role alone would be narrower"
        );
    }
    findings
}
