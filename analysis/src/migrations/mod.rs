//! Migration files: their order, and which part of each is applied.
//!
//! Invariant: only what a tool applies on the way *up* is ever read, and a file whose order or
//! markers are not understood is refused.

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, relative to the folder of migrations, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A migration as it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The path of its file.
    pub path: String,
    /// Its version, which orders it.
    pub version: u128,
    /// What its name says.
    pub name: String,
    /// The part that is applied, with everything else blanked so that offsets stay.
    pub text: String,
}
