//! Histories of migrations whose statements were seen to leak on a real server: each of them must be
//! refused. `statements.txt` has one statement a line, `watertight.toml` the configuration.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove};

fn collect(folder: &Path, below: &str, files: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, &format!("{below}{name}/"), files);
        } else if name.ends_with(".sql") {
            files.push(SourceFile {
                path: format!("{below}{name}"),
                text: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// Whether the statement is refused, or the migrations already are.
fn refused(folder: &Path, statement: &str) -> bool {
    let toml = std::fs::read_to_string(folder.join("watertight.toml")).unwrap_or_default();
    let config = Config::parse(&toml).unwrap();
    let mut files = Vec::new();
    collect(folder, "", &mut files);
    let Ok(migrations) = order(files) else {
        return true;
    };
    assert!(!migrations.is_empty());
    let catalog = Catalog::build(&config, &migrations);
    // A migration that can't be read stops a build before any statement is looked at.
    let unread = catalog
        .diagnostics()
        .iter()
        .any(|problem| problem.is_error());
    match prepare(statement, TenantBinding::LastParameter, &config) {
        Ok(prepared) => unread || prove(&catalog, &prepared).is_err(),
        Err(_) => true,
    }
}

#[test]
fn what_leaked_is_refused() {
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/histories");
    let (mut proved, mut count) = (Vec::new(), 0);
    for entry in std::fs::read_dir(histories).unwrap() {
        let folder = entry.unwrap().path();
        let statements = std::fs::read_to_string(folder.join("statements.txt")).unwrap();
        for statement in statements.lines() {
            count += 1;
            if !refused(&folder, statement) {
                proved.push(format!("{}: {statement}", folder.display()));
            }
        }
    }
    assert!(count > 80, "{count}");
    assert!(proved.is_empty(), "proved:\n{}", proved.join("\n"));
}
