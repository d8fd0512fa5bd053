//! For `cargo watertight lock --build` and `check --build`: writes down the calls that are expanded.
//!
//! Only where `WATERTIGHT_COLLECT` names a folder. Invariant: the expansion is the same with and without
//! it, and what can't be written fails the build, because a list with gaps would pass for a whole one.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proc_macro::TokenStream;
use serde_json::json;

/// The folder, as the command line sets it.
const FOLDER: &str = "WATERTIGHT_COLLECT";

/// Writes a call down; an error is what the user is told.
pub(crate) fn record(kind: &str, attr: &TokenStream, item: &TokenStream) -> Result<(), String> {
    let Some(folder) = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else {
        return Ok(());
    };
    let line = json!({
        "kind": kind,
        "attribute": attr.to_string(),
        "item": item.to_string(),
        "file": crate::files::source_file(),
        "line": proc_macro::Span::call_site().line(),
        "package": variable("CARGO_MANIFEST_DIR"),
    });
    write(Path::new(&folder), &line.to_string())
        .map_err(|error| format!("`{FOLDER}` is set, and nothing can be written there: {error}"))
}

/// The first call of a compilation begins the crate's file anew, so that a crate that was not compiled
/// again keeps what it had.
fn write(folder: &Path, line: &str) -> std::io::Result<()> {
    static OPEN: Mutex<Option<File>> = Mutex::new(None);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match &mut *open {
        Some(file) => file,
        none => {
            std::fs::create_dir_all(folder)?;
            none.insert(File::create(folder.join(name()))?)
        }
    };
    writeln!(file, "{line}")
}

/// One file for each target: a binary may bear the name of its package's library.
fn name() -> PathBuf {
    let target = match std::env::var_os("CARGO_BIN_NAME") {
        Some(_) => "bin",
        None => "lib",
    };
    let (package, krate) = (variable("CARGO_PKG_NAME"), variable("CARGO_CRATE_NAME"));
    PathBuf::from(format!("{package}.{krate}.{target}.jsonl"))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
