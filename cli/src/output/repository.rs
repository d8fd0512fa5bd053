//! Paths as a host of repositories wants them: from the root of the repository.
//!
//! Code scanning and annotations look for a file there, while a workspace may lie further below.

use std::path::{Component, Path, PathBuf};

/// The path of a file, given relative to `root`, from the top of the repository that it is in; where
/// there is none, as it was given. Always with slashes.
pub(super) fn path(root: &Path, path: &str) -> String {
    let Ok(whole) = std::path::absolute(root.join(path)) else {
        return path.to_owned();
    };
    let whole = plain(&whole);
    let top = whole
        .ancestors()
        .skip(1)
        .find(|folder| folder.join(".git").exists());
    match top.and_then(|top| whole.strip_prefix(top).ok()) {
        Some(below) => below
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/"),
        None => path.replace(std::path::MAIN_SEPARATOR, "/"),
    }
}

/// Without `.` and `..`, by the letters alone: the file need not be there.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            other => out.push(other),
        }
    }
    out
}

/// A path as a relative reference of a URI.
pub(super) fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("services/crm");
        std::fs::create_dir_all(&below).unwrap();
        // A temporary folder may itself be in a repository.
        std::fs::create_dir_all(folder.path().join(".git")).unwrap();
        assert_eq!(path(&below, "src/db.rs"), "services/crm/src/db.rs");
        assert_eq!(path(&below, "../shared/a.sql"), "services/shared/a.sql");
        let whole = folder.path().join("migrations/1.sql");
        assert_eq!(path(&below, whole.to_str().unwrap()), "migrations/1.sql");
    }

    #[test]
    fn a_uri_has_no_letter_of_its_own() {
        assert_eq!(uri("src/db.rs"), "src/db.rs");
        assert_eq!(uri("a b/ü%.sql"), "a%20b/%C3%BC%25.sql");
    }
}
