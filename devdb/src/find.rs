//! Finds an installed PostgreSQL: a folder that holds both `initdb` and `postgres`.
//!
//! Only looks; starts nothing but `pg_config --bindir`. The first usable folder wins, in an order
//! that respects what the developer put on `PATH` and otherwise prefers the newest version.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the folder of the programs of one PostgreSQL, such as `/usr/lib/postgresql/17/bin`.
pub(crate) const FOLDER: &str = "WATERTIGHT_POSTGRES";

/// The folder of an installed PostgreSQL, or every folder that was looked at in vain. One that is named is
/// the only one.
pub(crate) fn installed() -> Result<PathBuf, Vec<PathBuf>> {
    match std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
        Some(folder) => first_usable(vec![PathBuf::from(folder)]),
        None => first_usable(candidates()),
    }
}

fn first_usable(candidates: Vec<PathBuf>) -> Result<PathBuf, Vec<PathBuf>> {
    match candidates.iter().find(|bin| is_usable(bin)) {
        Some(bin) => Ok(bin.clone()),
        None => Err(candidates),
    }
}

fn is_usable(bin: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| {
        bin.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
            .is_file()
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = match std::env::var_os("PATH") {
        Some(path) => std::env::split_paths(&path)
            // Of PATH only the folders that hold PostgreSQL, or the error would list all of it.
            .filter(|bin| is_usable(bin))
            .collect(),
        None => Vec::new(),
    };
    found.extend(pg_config());
    found.extend(versions_in("/usr/lib/postgresql", "bin"));
    found.extend(versions_in("/usr/pgsql-", ""));
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt"] {
        found.extend(versions_in(&format!("{prefix}/postgresql@"), "bin"));
        found.push(PathBuf::from(prefix).join("postgresql/bin"));
    }
    found.push("/Applications/Postgres.app/Contents/Versions/latest/bin".into());
    if let Some(programs) = std::env::var_os("ProgramFiles") {
        let root = PathBuf::from(programs).join("PostgreSQL");
        found.extend(versions_in(&root.to_string_lossy(), "bin"));
    }
    found
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config")
        .arg("--bindir")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let bin = text.trim();
    (!bin.is_empty()).then(|| PathBuf::from(bin))
}

/// The version folders under `root`, newest first, each with `inside` appended. A root that ends in
/// `@` or `-` is a prefix of the folders' own names, as in `/usr/pgsql-17`.
fn versions_in(root: &str, inside: &str) -> Vec<PathBuf> {
    let (folder, prefix) = if root.ends_with(['@', '-']) {
        let path = Path::new(root);
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        (
            path.parent().unwrap_or(path).to_path_buf(),
            name.unwrap_or_default(),
        )
    } else {
        (PathBuf::from(root), String::new())
    };
    let Ok(entries) = std::fs::read_dir(&folder) else {
        // Listed all the same, so that the error can say that it was looked at.
        return if prefix.is_empty() {
            vec![folder]
        } else {
            Vec::new()
        };
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.strip_prefix(&prefix)?.parse().ok()?;
            Some((version, entry.path().join(inside)))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, name: &str) {
        let bin = root.join(name).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for program in ["initdb", "postgres"] {
            std::fs::write(
                bin.join(format!("{program}{}", std::env::consts::EXE_SUFFIX)),
                "",
            )
            .unwrap();
        }
    }

    #[test]
    fn the_newest_version_comes_first_and_numerically() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "18", "notes"] {
            install(root.path(), version);
        }
        let found = versions_in(&root.path().to_string_lossy(), "bin");
        let names: Vec<_> = found
            .iter()
            .map(|p| p.strip_prefix(root.path()).unwrap())
            .collect();
        assert_eq!(
            names,
            [Path::new("18/bin"), Path::new("15/bin"), Path::new("9/bin")]
        );
    }

    #[test]
    fn a_prefix_selects_the_folders_of_one_family() {
        let root = tempfile::tempdir().unwrap();
        for name in ["postgresql@14", "postgresql@17", "mysql@8"] {
            install(root.path(), name);
        }
        let prefix = root.path().join("postgresql@");
        let found = versions_in(&prefix.to_string_lossy(), "bin");
        assert_eq!(
            found,
            [
                root.path().join("postgresql@17/bin"),
                root.path().join("postgresql@14/bin")
            ]
        );
    }

    #[test]
    fn a_folder_without_the_server_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("18/bin")).unwrap();
        install(root.path(), "15");
        let found = first_usable(versions_in(&root.path().to_string_lossy(), "bin"));
        assert_eq!(found, Ok(root.path().join("15/bin")));
    }

    #[test]
    fn nothing_found_names_where_it_looked() {
        let missing = PathBuf::from("/nonexistent/postgresql");
        assert_eq!(first_usable(vec![missing.clone()]), Err(vec![missing]));
    }
}
