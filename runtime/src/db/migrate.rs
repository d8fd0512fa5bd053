//! Runs the migrations as the owner, then what watertight itself needs: the audit trail.
//!
//! Invariant: never with the application role's login. Who runs migrations owns the tables, and
//! an owner can switch row-level security off.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::begin::quote_name;
use crate::audit::SCHEMA;
use crate::statement::Catalog;

/// Runs the migrations of a folder as the owner, and prepares the audit trail for the role `app`.
///
/// The folder holds files as sqlx names them (`0001_name.sql`); what ran is recorded in
/// `_sqlx_migrations`. Other names of role or setting: [`Migrate`].
///
/// # Errors
/// [`MigrateError`] if a migration fails, or the URL logs in as the application role.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// watertight::migrate(&std::env::var("OWNER_DATABASE_URL")?, "migrations").await?;
/// # Ok(())
/// # }
/// ```
pub async fn migrate(owner_url: &str, directory: impl AsRef<Path>) -> Result<(), MigrateError> {
    Migrate::new(owner_url)
        .directory(directory.as_ref())
        .run()
        .await
}

/// Settings of a run of the migrations.
#[derive(Clone)]
#[must_use = "nothing runs before `run`"]
pub struct Migrate {
    url: String,
    directory: Option<PathBuf>,
    application_role: String,
    system_roles: Vec<String>,
    setting: String,
}

/// Why the migrations did not run to their end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The owner's login does not work.
    #[error("can't connect to the database as its owner: {0}")]
    Connect(#[source] sqlx::Error),
    /// The URL logs in as the application role.
    #[error(
        "migrations must not run as the application role `{0}`: it would own the tables and could \
         switch row-level security off; use the owner's URL"
    )]
    ApplicationRole(String),
    /// A role that is to be granted access does not exist.
    #[error(
        "the role `{0}` does not exist; create it first: \
         CREATE ROLE \"{0}\" LOGIN PASSWORD '…' NOSUPERUSER NOBYPASSRLS NOINHERIT;"
    )]
    NoRole(String),
    /// A role or setting has a name that is not a plain identifier.
    #[error("`{0}` is not a plain identifier")]
    Name(String),
    /// A migration is missing, changed, or failed.
    #[error("migrations: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Watertight's own schema could not be brought up to date.
    #[error("the schema `watertight` could not be brought up to date: {0}")]
    Schema(#[source] sqlx::Error),
}

impl Migrate {
    /// `owner_url` logs in as the role that owns the schema.
    pub fn new(owner_url: impl Into<String>) -> Self {
        Self {
            url: owner_url.into(),
            directory: None,
            application_role: "app".to_owned(),
            system_roles: Vec::new(),
            setting: "app.tenant_id".to_owned(),
        }
    }

    /// The folder with the migrations. Without it only watertight's own schema is prepared, for
    /// projects that run their migrations by another tool.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The role that tools log in as (`app`).
    pub fn application_role(mut self, role: impl Into<String>) -> Self {
        self.application_role = role.into();
        self
    }

    /// A role that a [`SystemPool`](crate::SystemPool) logs in as; may be called for several.
    pub fn system_role(mut self, role: impl Into<String>) -> Self {
        self.system_roles.push(role.into());
        self
    }

    /// The setting that holds the tenant (`app.tenant_id`).
    pub fn setting(mut self, setting: impl Into<String>) -> Self {
        self.setting = setting.into();
        self
    }

    /// Takes role and setting from `watertight::catalog!()`.
    pub fn catalog(self, catalog: &Catalog) -> Self {
        self.application_role(catalog.settings.application_role)
            .setting(catalog.settings.setting)
    }

    /// Runs what has not run yet. Two programs that start at once wait for each other.
    ///
    /// # Errors
    /// [`MigrateError`]; each migration is a transaction of its own, so those before the one at
    /// fault stay.
    pub async fn run(self) -> Result<(), MigrateError> {
        let schema = self.schema()?;
        let mut connection = PgConnection::connect(&self.url)
            .await
            .map_err(MigrateError::Connect)?;
        self.check_roles(&mut connection).await?;
        if let Some(directory) = &self.directory {
            let migrator = Migrator::new(directory.as_path())
                .await
                .map_err(MigrateError::Migration)?;
            migrator
                .run(&mut connection)
                .await
                .map_err(MigrateError::Migration)?;
        }
        sqlx::raw_sql(AssertSqlSafe(schema))
            .execute(&mut connection)
            .await
            .map_err(MigrateError::Schema)?;
        connection.close().await.map_err(MigrateError::Schema)
    }

    /// Watertight's own schema, for this role and setting. It can be applied again and again.
    fn schema(&self) -> Result<String, MigrateError> {
        let name = |name: &str| quote_name(name).map_err(|_| MigrateError::Name(name.to_owned()));
        for part in self.setting.split('.') {
            name(part)?;
        }
        let mut text = SCHEMA
            .replace("{partitions}", watertight_audit::PARTITIONS)
            .replace("{setting}", &self.setting)
            .replace("{application_role}", &name(&self.application_role)?);
        for role in &self.system_roles {
            let role = name(role)?;
            text.push_str(&crate::audit::SYSTEM_GRANT.replace("{system_role}", &role));
        }
        Ok(format!("BEGIN; {text} COMMIT"))
    }

    async fn check_roles(&self, connection: &mut PgConnection) -> Result<(), MigrateError> {
        for role in std::iter::once(&self.application_role).chain(&self.system_roles) {
            let row = sqlx::query(
                "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1), \
                        session_user = $1 OR current_user = $1",
            )
            .bind(role)
            .fetch_one(&mut *connection)
            .await
            .map_err(MigrateError::Connect)?;
            let (exists, own): (bool, bool) = row
                .try_get(0)
                .and_then(|exists| Ok((exists, row.try_get(1)?)))
                .map_err(MigrateError::Connect)?;
            if own {
                return Err(MigrateError::ApplicationRole(role.clone()));
            }
            if !exists {
                return Err(MigrateError::NoRole(role.clone()));
            }
        }
        Ok(())
    }
}

/// Without the URL, which holds a password.
impl std::fmt::Debug for Migrate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrate")
            .field("directory", &self.directory)
            .field("application_role", &self.application_role)
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}
