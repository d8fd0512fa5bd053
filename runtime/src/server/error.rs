//! Why a server does not start, or stopped.
//!
//! Invariant: for the operator; it never reaches a client.

use std::fmt;
use std::io;

/// A server could not be built, or could not be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// A setting is missing, malformed, or contradicts another.
    Configuration(String),
    /// Something that the server would publish breaks the rule that no tenant identifier enters
    /// through it. One line for each finding: what, where, and which rule.
    Boundary(Vec<String>),
    /// The credentials of a stdio server are missing or not valid.
    Credentials(crate::auth::AuthError),
    /// The network or the standard streams failed.
    Io(io::Error),
}

impl ServerError {
    pub(crate) fn configuration(what: impl Into<String>) -> Self {
        Self::Configuration(what.into())
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(what) => write!(f, "the server is not configured right: {what}"),
            Self::Boundary(findings) => {
                f.write_str("the server would let a client name a tenant and does not start:")?;
                findings
                    .iter()
                    .try_for_each(|finding| write!(f, "\n  {finding}"))
            }
            Self::Credentials(error) => write!(f, "the credentials are not accepted: {error}"),
            Self::Io(error) => write!(f, "the server can't go on: {error}"),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Credentials(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ServerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
