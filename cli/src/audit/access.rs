//! Getting at a trail: the connection, and who may read what.

use anyhow::{Context as _, Result, bail};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use watertight_analysis::Config;

use super::args::Database;
use crate::{address, project};

/// A connection in a transaction: for reading, in a read-only snapshot of the database.
pub(super) struct Reader {
    pub(super) connection: PgConnection,
    /// The setting that names the tenant.
    pub(super) setting: String,
    /// Row-level security does not hold this role.
    pub(super) reads_all: bool,
}

impl Reader {
    /// # Errors
    /// If there is no trail, or the role could read none of it.
    pub(super) async fn open(database: &Database) -> Result<Self> {
        let (mut connection, config) = connect(database).await?;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut connection)
            .await?;
        let row = sqlx::query(
            "SELECT r.rolsuper OR r.rolbypassrls, r.rolname::text, \
                    to_regclass('watertight.audit') IS NOT NULL, \
                    EXISTS (SELECT FROM pg_policy p, unnest(p.polroles) AS named \
                            WHERE p.polrelid = to_regclass('watertight.audit') AND p.polcmd IN ('r', '*') \
                              AND CASE named WHEN 0 THEN true ELSE pg_has_role(named, 'USAGE') END) \
             FROM pg_roles r WHERE r.rolname = current_user",
        )
        .fetch_one(&mut connection)
        .await?;
        let (reads_all, role): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
        let (there, admitted): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
        if !there {
            bail!("the database has no audit trail; `watertight::migrate` makes it, as the owner");
        }
        if !reads_all && !admitted {
            bail!(
                "row-level security shows nothing of the audit trail to `{role}`; log in as the application role with \
                 --tenant, or as a role with BYPASSRLS for all tenants"
            );
        }
        Ok(Self {
            connection,
            setting: config.tenant.setting,
            reads_all,
        })
    }

    /// In a transaction of the tables' owner, which waits for locks for a moment only. The second
    /// value is the name of the application role.
    ///
    /// # Errors
    /// If there is no trail, or the role does not own it.
    pub(super) async fn owner(database: &Database, isolation: &str) -> Result<(Self, String)> {
        let (mut connection, config) = connect(database).await?;
        let owner: Option<bool> = sqlx::query_scalar(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('watertight.audit')",
        )
        .fetch_optional(&mut connection)
        .await?;
        match owner {
            Some(true) => {}
            Some(false) => bail!(
                "only the owner of the audit tables can do this; log in as the role that runs migrations"
            ),
            None => {
                bail!(
                    "the database has no audit trail; `watertight::migrate` makes it, as the owner"
                )
            }
        }
        let begin = format!("BEGIN ISOLATION LEVEL {isolation}; SET LOCAL lock_timeout = '5s'");
        sqlx::raw_sql(AssertSqlSafe(begin))
            .execute(&mut connection)
            .await?;
        let reader = Self {
            connection,
            setting: config.tenant.setting,
            reads_all: false,
        };
        Ok((reader, config.application_role))
    }

    /// Runs our own statements, and says what to do about a lock that somebody else holds.
    pub(super) async fn run(&mut self, sql: String) -> Result<()> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql));
        match done.execute(&mut self.connection).await {
            Ok(_) => Ok(()),
            Err(error) => Err(explained(error)),
        }
    }

    /// From here on this tenant's trail is the one that is read.
    pub(super) async fn enter(&mut self, tenant: &str) -> Result<()> {
        sqlx::query("SELECT set_config($1, $2, true)")
            .bind(&self.setting)
            .bind(tenant)
            .execute(&mut self.connection)
            .await
            .with_context(|| format!("`{}` can't be set", self.setting))?;
        Ok(())
    }
}

/// What to do about an error of the database, where that is known.
pub(super) fn explained(error: sqlx::Error) -> anyhow::Error {
    let code = error.as_database_error().and_then(|error| error.code());
    let advice = match code.as_deref() {
        // Lock not available, deadlock detected.
        Some("55P03" | "40P01") => {
            "somebody else holds the audit trail (a long transaction, a backup, a verification); nothing was changed: \
             run it again when that has ended"
        }
        // Insufficient privilege, serialization failure.
        Some("42501") => {
            "the audit tables are older than this version, or not this role's: run `watertight::migrate` as the owner"
        }
        Some("40001") => {
            "somebody else changed the same records at the same time; nothing was changed: run it again"
        }
        _ => return error.into(),
    };
    anyhow::Error::from(error).context(advice)
}

/// Connects.
pub(super) async fn connect(database: &Database) -> Result<(PgConnection, Config)> {
    let (config, _) = project::config(database.config.as_deref())?;
    let (connection, _) = address::connect(&database.database_url).await?;
    Ok((connection, config))
}
