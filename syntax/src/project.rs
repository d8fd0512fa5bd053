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

/// Finds the project of a macro call, or says why there is none and what to do.
///
/// The argument is the attribute's `catalog = "…"`: a configuration file or a folder with one.
pub type Loader<'a> = &'a dyn Fn(Option<&str>) -> Result<Arc<Project>, String>;

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
