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
}

impl Role {
    pub(crate) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(
            "SELECT rolname::text, rolsuper, rolbypassrls, rolreplication \
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
        })
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
                "connect as another role, or: ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE;"
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

/// System work runs without a tenant, so its role may have policies of its own; but a superuser
/// would not even be held to its grants.
pub(super) fn check_system(role: &Role, catalog: &Catalog) -> Vec<Finding> {
    let name = role.sql();
    let mut findings = Vec::new();
    if role.superuser {
        findings.push(Finding::new(
            format!("the system role {name} is a superuser, so no grant and no policy binds it"),
            format!("connect as another role, or: ALTER ROLE {name} NOSUPERUSER;"),
        ));
    }
    if role.name == catalog.settings.application_role {
        findings.push(Finding::new(
            format!("{name} is the application role; system work needs a role of its own"),
            "CREATE ROLE auth LOGIN PASSWORD '…' NOSUPERUSER NOBYPASSRLS; and grant it what it needs",
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
