//! What can go wrong while a development server is found, started or asked for a database.
//!
//! Every variant says what to do next; passwords never appear in a message.

use std::path::PathBuf;

/// Why there is no development database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL is installed where this crate looks, and none may be downloaded.
    #[error(
        "no PostgreSQL server found (looked in {})\n\n{INSTALL}",
        searched.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NotInstalled {
        /// The folders that were looked at.
        searched: Vec<PathBuf>,
    },
    /// `initdb` or `postgres` gave up; the text is the end of their log.
    #[error("PostgreSQL in {bin} did not start: {reason}\n{log}", bin = bin.display())]
    Start {
        /// The folder of the programs that were run.
        bin: PathBuf,
        /// One sentence.
        reason: &'static str,
        /// The last lines of the server's log.
        log: String,
    },
    /// The server named by `DATABASE_URL` can't serve for development.
    #[error("the server in {variable} can't be used for development: {reason}")]
    Unsuitable {
        /// The environment variable, or `the given URL`.
        variable: &'static str,
        /// One sentence that names what to change.
        reason: String,
    },
    /// The machine refused something: a folder, a process, a socket.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The database refused a statement of ours.
    #[error("{doing}: {source}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// The database's answer.
        source: sqlx::Error,
    },
    /// The system's random source failed.
    #[error("no random bytes for a password: {0}")]
    Random(getrandom::Error),
    /// A PostgreSQL could not be downloaded.
    #[error("PostgreSQL could not be downloaded: {0}\n\n{INSTALL}")]
    Download(String),
}

/// The answer of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

const INSTALL: &str = "\
Install one, or point DATABASE_URL at a server where you may create roles and databases:
  Debian, Ubuntu  sudo apt install postgresql
  Fedora          sudo dnf install postgresql-server
  macOS           brew install postgresql@18
  Windows         winget install PostgreSQL.PostgreSQL.18";

/// Names what was being done when the machine or the database refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: what,
            source,
        })
    }
}

impl<T> Doing<T> for std::result::Result<T, sqlx::Error> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|source| Error::Sql {
            doing: what,
            source,
        })
    }
}
