//! The SQL texts of the repository: every statement and every migration of the fixtures.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../analysis/tests/fixtures")
}

/// All `.sql` files under `folder`, in order.
///
/// # Errors
/// A folder or a file that can't be read.
pub fn files(folder: &Path) -> std::io::Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                let bytes = fs::read(&path)?;
                found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The statements of a file of cases, each after its `-- case:` line; a file without one is one
/// text. Named parameters become numbered ones, as they are sent.
pub fn statements(text: &str) -> Vec<String> {
    let parts: Vec<&str> = if text.contains("-- case: ") {
        text.split("-- case: ")
            .skip(1)
            .filter_map(|part| part.split_once('\n').map(|(_, sql)| sql))
            .collect()
    } else {
        vec![text]
    };
    let config = watertight_analysis::Config::default();
    parts
        .into_iter()
        .map(|sql| {
            let binding = watertight_analysis::TenantBinding::LastParameter;
            match watertight_analysis::prepare(sql, binding, &config) {
                Ok(prepared) => prepared.sql,
                Err(_) => sql.to_owned(),
            }
        })
        .collect()
}
