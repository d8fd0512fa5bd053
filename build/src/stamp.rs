//! The stamp: a number that changes with any file that a proof rests on.
//!
//! Not a secret and not a signature: it only has to differ between two states of a folder, so the
//! 64-bit FNV-1a of names and contents is enough.

use std::fs;
use std::path::{Path, PathBuf};

use crate::project::Project;

pub(crate) fn of(projects: &[Project]) -> String {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for path in projects.iter().flat_map(Project::watched) {
        hash.path(&path);
    }
    format!("{:016x}", hash.0)
}

struct Fnv(u64);

impl Fnv {
    fn path(&mut self, path: &Path) {
        self.bytes(path.as_os_str().as_encoded_bytes());
        if path.is_dir() {
            for entry in entries(path) {
                self.path(&entry);
            }
        } else {
            // A file that can't be read hashes like an empty one; the macros report it.
            self.bytes(&fs::read(path).unwrap_or_default());
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
        for byte in length.iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_an_addition_a_renaming_and_a_removal_all_show() {
        let root = std::env::temp_dir().join(format!("watertight-stamp-{}", std::process::id()));
        let migrations = root.join("migrations");
        fs::create_dir_all(&migrations).unwrap();
        let projects = [Project {
            config: root.join("watertight.toml"),
            configured: true,
            migrations: vec![migrations.clone()],
        }];
        let mut seen = vec![of(&projects)];
        let mut step = |change: &dyn Fn()| {
            change();
            let stamp = of(&projects);
            assert!(!seen.contains(&stamp), "step {}", seen.len());
            seen.push(stamp);
        };
        step(&|| fs::write(migrations.join("1.sql"), "a").unwrap());
        step(&|| fs::write(migrations.join("1.sql"), "b").unwrap());
        step(&|| fs::write(migrations.join("2.sql"), "").unwrap());
        step(&|| fs::rename(migrations.join("1.sql"), migrations.join("3.sql")).unwrap());
        step(&|| fs::write(root.join("watertight.toml"), "require-rls = true").unwrap());
        step(&|| fs::remove_file(migrations.join("2.sql")).unwrap());
        fs::remove_dir_all(root).unwrap();
    }
}
