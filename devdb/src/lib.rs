//! Starts a throwaway PostgreSQL for development and tests, in about a second, as any user.
//!
//! Invariant: what it starts is gone when the program ends, however it ends; and the roles it hands
//! out are the ones that production uses: an owner, an application role and a system role, none of
//! them superuser.

#[cfg(unix)]
mod account;
mod cluster;
mod database;
#[cfg(feature = "download")]
mod download;
mod error;
mod find;
mod roles;

pub use database::Database;
pub use error::{Error, Result};
pub use roles::{APP_ROLE, OWNER_ROLE, SYSTEM_ROLE};

use cluster::Cluster;
use roles::Passwords;
use std::path::PathBuf;
use tokio::sync::OnceCell;
use url::Url;

/// Names the server to use instead of starting one: `postgres://user:password@host:port/database`,
/// where the user may create roles and databases.
pub const VARIABLE: &str = "DATABASE_URL";

/// A PostgreSQL server for development: one that this crate started, or one that was there.
///
/// ```no_run
/// # async fn example() -> Result<(), watertight_devdb::Error> {
/// let server = watertight_devdb::DevDb::from_env_or_start().await?;
/// let database = server.database().await?;
/// database.execute_as_owner("CREATE TABLE notes (body text); GRANT SELECT ON notes TO app").await?;
/// println!("{}", database.app_url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DevDb {
    admin: Url,
    passwords: Passwords,
    cluster: Option<Cluster>,
}

impl DevDb {
    /// Uses the server of `DATABASE_URL` if that is set, and starts one otherwise.
    ///
    /// # Errors
    /// As [`DevDb::connect`] and [`DevDb::start`].
    pub async fn from_env_or_start() -> Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(url) if !url.is_empty() => Self::external(&url, VARIABLE).await,
            _ => Self::start().await,
        }
    }

    /// Starts a server in a temporary folder, with the programs that are installed, or, with the
    /// feature `download`, with downloaded ones. It stops when this value is dropped or the process
    /// ends. Where several versions are installed, `WATERTIGHT_POSTGRES` names the folder of the one to
    /// start, such as `/usr/lib/postgresql/17/bin`.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] with the line that installs one; [`Error::Start`] with the server's log.
    pub async fn start() -> Result<Self> {
        #[cfg(feature = "download")]
        download::prepare_tls();
        let bin = programs().await?;
        let password = roles::random_word()?;
        let blocking = {
            let password = password.clone();
            tokio::task::spawn_blocking(move || Cluster::start(&bin, &password))
        };
        let cluster = blocking.await.map_err(|source| Error::Io {
            doing: "start PostgreSQL",
            source: source.into(),
        })??;
        let admin = format!(
            "postgres://postgres:{password}@127.0.0.1:{}/postgres",
            cluster.port()
        );
        let admin = parse(&admin, VARIABLE)?;
        let passwords = roles::ensure(&admin, VARIABLE).await?;
        Ok(Self {
            admin,
            passwords,
            cluster: Some(cluster),
        })
    }

    /// Uses a server that is already running. Its databases are dropped with their [`Database`]; the
    /// three roles stay.
    ///
    /// # Errors
    /// [`Error::Unsuitable`] if the user may not create roles and databases, or if a role of one of
    /// the three names exists that this crate did not create.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::external(url, "the given URL").await
    }

    async fn external(url: &str, variable: &'static str) -> Result<Self> {
        #[cfg(feature = "download")]
        download::prepare_tls();
        let admin = parse(url, variable)?;
        let passwords = roles::ensure(&admin, variable).await?;
        Ok(Self {
            admin,
            passwords,
            cluster: None,
        })
    }

    /// One server for all tests of this process, started by the first that asks.
    ///
    /// # Errors
    /// As [`DevDb::from_env_or_start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<DevDb> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::from_env_or_start).await
    }

    /// A fresh, empty database.
    ///
    /// # Errors
    /// [`Error::Sql`] if the server refuses.
    pub async fn database(&self) -> Result<Database> {
        Database::create(self, None).await
    }

    /// A copy of a database, for tests that share one set of migrations and rows: copying takes some
    /// milliseconds. Nobody may be connected to the original.
    ///
    /// # Errors
    /// [`Error::Sql`] if the server refuses, for instance because somebody is connected.
    pub async fn copy_of(&self, template: &Database) -> Result<Database> {
        Database::create(self, Some(template)).await
    }

    /// Where the server's administrator connects.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        self.admin.as_str()
    }

    /// Whether this crate did not start the server, so it outlives this process.
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.cluster.is_none()
    }
}

#[cfg_attr(
    not(feature = "download"),
    expect(clippy::unused_async, reason = "a download waits")
)]
async fn programs() -> Result<PathBuf> {
    match find::installed() {
        Ok(bin) => Ok(bin),
        // What was named is not replaced by another.
        #[cfg(feature = "download")]
        Err(_) if std::env::var_os(find::FOLDER).is_none() => download::downloaded().await,
        #[cfg(feature = "download")]
        Err(searched) => Err(Error::NotInstalled { searched }),
        #[cfg(not(feature = "download"))]
        Err(searched) => Err(Error::NotInstalled { searched }),
    }
}

fn parse(url: &str, variable: &'static str) -> Result<Url> {
    Url::parse(url).map_err(|error| Error::Unsuitable {
        variable,
        reason: error.to_string(),
    })
}
