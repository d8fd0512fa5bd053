//! What the macros know about the user's project, after its files were read.
//!
//! Pure: `macros::files` and the command line read the files and hand them over. A project that
//! could not be read is a message, and every statement that needs it is refused.

use std::sync::Arc;

use watertight_analysis::catalog::Catalog;
use watertight_analysis::diagnostic::Diagnostic;

/// One configuration with its migrations, read and understood.
#[derive(Debug)]
pub struct Project {
    /// What the migrations say.
    pub catalog: Catalog,
    /// The migration files in the order in which they apply.
    pub files: Vec<MigrationFile>,
}

/// A migration file, as far as the live database records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Its path below the folder of the configuration.
    pub path: String,
    /// Its version as its name gives it.
    pub version: String,
    /// SHA-384 of the file's bytes in hexadecimal, as sqlx records it.
    pub checksum: String,
}

/// A file that holds a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFile {
    /// Where it is, for `include_str!`: absolute, or as the compiler finds it.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The files that a macro call may ask for. An error is what the user is told.
pub trait Files {
    /// The project of the call. The argument is the attribute's `catalog = "…"`: a configuration
    /// file or a folder with one.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    fn project(&self, catalog: Option<&str>) -> Result<Arc<Project>, String>;

    /// Whether somebody was told of this already, in the same words and in the same compilation: then
    /// the call is refused without a second error. Asking counts as telling.
    fn is_told(&self, message: &str) -> bool {
        let _ = message;
        false
    }

    /// A file of `query_file!` or `file = "…"`, by its path below the folder of `Cargo.toml`.
    ///
    /// # Errors
    /// Why it can't be read, and where it was looked for.
    fn statement(&self, path: &str) -> Result<StatementFile, String>;
}

/// A diagnostic as the text of a compile error: the compiler itself writes `error: ` before it.
#[must_use]
pub fn render(diagnostic: &Diagnostic, text: &str) -> String {
    let rendered = watertight_analysis::render::render(diagnostic, text);
    let doubled = format!("error[{}]: ", diagnostic.code);
    match rendered.strip_prefix(&doubled) {
        Some(rest) => format!("[{}] {rest}", diagnostic.code),
        None => rendered,
    }
}
