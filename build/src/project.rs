//! Finds the configuration and the folders of migrations. Used by the build script and, for the
//! same answer, by the macros.
//!
//! Invariant: the search never leaves the workspace of the place where it starts.

use std::fs;
use std::path::{Path, PathBuf};

/// The name of the configuration file.
pub const CONFIG: &str = "watertight.toml";

/// Where a project keeps its configuration and its migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The configuration file, or where it would be looked for first.
    pub config: PathBuf,
    /// Whether there is a configuration file.
    pub configured: bool,
    /// The folders of migrations in their order, or the snapshot that takes their place.
    pub migrations: Vec<PathBuf>,
}

impl Project {
    /// The project with this configuration file.
    #[must_use]
    pub fn with_config(config: PathBuf) -> Self {
        let text = fs::read_to_string(&config).unwrap_or_default();
        let folder = config.parent().unwrap_or(Path::new(".")).to_path_buf();
        let migrations = key(&text, "snapshot")
            .or_else(|| key(&text, "migrations"))
            .unwrap_or_else(|| vec!["migrations".to_owned()])
            .iter()
            .map(|path| folder.join(path))
            .collect();
        Self {
            config,
            configured: true,
            migrations,
        }
    }

    /// What a change of must lead to another proof.
    pub(crate) fn watched(&self) -> Vec<PathBuf> {
        let config = self.configured.then(|| self.config.clone());
        config
            .into_iter()
            .chain(self.migrations.iter().cloned())
            .collect()
    }
}

/// Searches from `start`, a file or a folder, upward to the root of its workspace: first a
/// configuration file, then a folder called `migrations`.
#[must_use]
pub fn find(start: &Path) -> Project {
    let folders = ancestors(start);
    if let Some(config) = folders
        .iter()
        .map(|folder| folder.join(CONFIG))
        .find(|path| path.is_file())
    {
        return Project::with_config(config);
    }
    let home = folders
        .iter()
        .find(|folder| folder.join("migrations").is_dir())
        .or_else(|| {
            folders
                .iter()
                .find(|folder| folder.join("Cargo.toml").is_file())
        })
        .cloned()
        .unwrap_or_else(|| start.to_path_buf());
    Project {
        config: home.join(CONFIG),
        configured: false,
        migrations: vec![home.join("migrations")],
    }
}

/// The project of a source file: from the file first, then from its package. `None` without a
/// place to start from.
#[must_use]
pub fn locate(starts: &[PathBuf]) -> Option<Project> {
    let places: Vec<Project> = starts.iter().map(|start| find(start)).collect();
    let has_migrations = |place: &&Project| place.migrations.iter().any(|folder| folder.is_dir());
    places
        .iter()
        .find(|place| place.configured)
        .or_else(|| places.iter().find(has_migrations))
        .or_else(|| places.last())
        .cloned()
}

/// The project that `catalog = "…"` names, relative to the source file or to the package.
///
/// # Errors
/// Where it was looked for in vain.
pub fn named(catalog: &str, starts: &[PathBuf]) -> Result<Project, Vec<PathBuf>> {
    let candidates = starts.iter().filter_map(|start| {
        let folder = if start.is_file() {
            start.parent()?
        } else {
            start
        };
        let path = folder.join(catalog);
        Some(if path.is_dir() {
            path.join(CONFIG)
        } else {
            path
        })
    });
    let tried: Vec<PathBuf> = candidates.collect();
    match tried.iter().find(|path| path.is_file()) {
        Some(path) => Ok(Project::with_config(path.clone())),
        None => Err(tried),
    }
}

/// The folders from `start` upward to the workspace's root, or to the outermost package where
/// there is no workspace.
fn ancestors(start: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut last_package = 0;
    for folder in start.ancestors().filter(|folder| folder.is_dir()) {
        folders.push(folder.to_path_buf());
        if let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) {
            last_package = folders.len();
            if manifest
                .lines()
                .any(|line| line.trim_start().starts_with("[workspace"))
            {
                break;
            }
        }
    }
    folders.truncate(last_package.max(1));
    folders
}

/// The value of a top-level key: a string or an array of strings.
///
/// Reads just enough TOML for that; the macros read the file properly and refuse when the folders
/// differ from the watched ones.
fn key(text: &str, name: &str) -> Option<Vec<String>> {
    let mut rest = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') {
            break;
        }
        if let Some(value) = trimmed.strip_prefix(name) {
            let value = value.trim_start();
            if let Some(value) = value.strip_prefix('=') {
                let start = offset + line.len() - value.len();
                rest = text.get(start..);
                break;
            }
        }
        offset += line.len();
    }
    let mut found = Vec::new();
    let mut characters = rest?.trim_start().chars().peekable();
    let array = characters.next_if_eq(&'[').is_some();
    while let Some(character) = characters.next() {
        match character {
            '"' | '\'' => {
                found.push(
                    characters
                        .by_ref()
                        .take_while(|c| *c != character)
                        .collect(),
                );
                if !array {
                    break;
                }
            }
            '#' => while characters.next_if(|c| *c != '\n').is_some() {},
            ']' => break,
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_in_both_forms() {
        let migrations = |text| key(text, "migrations");
        let read = |text| migrations(text).unwrap_or_default();
        assert_eq!(read("migrations = \"db\"\n[tenant]\n"), ["db"]);
        assert_eq!(
            read("# one\nmigrations = [ # [no]\n 'a', \"b/c\", ]\n"),
            ["a", "b/c"]
        );
        assert_eq!(migrations("[tenant]\nmigrations = \"no\""), None);
        assert_eq!(key("snapshot = 'c.sql'", "snapshot").unwrap(), ["c.sql"]);
        assert_eq!(migrations("migrations-of = \"no\""), None);
    }

    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root =
            std::env::temp_dir().join(format!("watertight-build-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_search_goes_up_to_the_workspace_and_no_further() {
        let root = tree(
            "workspace",
            &[
                ("watertight.toml", "migrations = \"outside\""),
                ("work/Cargo.toml", "[workspace]\n"),
                ("work/watertight.toml", "migrations = [\"db\"]"),
                ("work/app/Cargo.toml", "[package]\n"),
                ("work/app/src/main.rs", ""),
                ("other/Cargo.toml", "[workspace]\n"),
                ("other/app/Cargo.toml", "[package]\n"),
            ],
        );
        let found = find(&root.join("work/app/src/main.rs"));
        assert_eq!(found.migrations, [root.join("work/db")]);
        assert!(found.configured);
        let other = find(&root.join("other/app"));
        assert_eq!(other.migrations, [root.join("other/app/migrations")]);
        assert!(!other.configured);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_folder_of_migrations_is_found_above_the_package() {
        let root = tree(
            "above",
            &[
                ("Cargo.toml", "[workspace]\n"),
                ("migrations/0001_a.sql", ""),
                ("app/Cargo.toml", "[package]\n"),
            ],
        );
        assert_eq!(
            find(&root.join("app")).migrations,
            [root.join("migrations")]
        );
        fs::remove_dir_all(root).unwrap();
    }
}
