//! What a test is told when it can't be set up.

use std::error::Error as StdError;
use std::fmt;

/// What was being done, and why it failed.
#[derive(Debug)]
pub struct Error {
    doing: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

/// The answer of everything in this crate that sets up something.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Names what was being done when something failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|source| Error {
            doing: what,
            source: source.into(),
        })
    }
}
