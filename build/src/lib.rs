//! Rebuilds a crate when the migrations change that its statements are proved against.
//!
//! One line in `build.rs`:
//!
//! ```no_run
//! #![allow(clippy::needless_doctest_main)]
//! fn main() {
//!     watertight_build::track();
//! }
//! ```
//!
//! Cargo then watches the configuration and the folders of migrations. A change, an addition, a
//! removal or a renaming changes the variable `WATERTIGHT_STAMP`, which every expansion reads, so
//! the compiler proves all statements again. No dependencies.

mod project;
mod stamp;

pub use project::{CONFIG, Project, find, locate, named};

/// Watches the migrations of the crate whose build script calls it.
///
/// Prints cargo's instructions. A configuration or a folder that can't be read is watched all the
/// same: the macros say what is wrong with it.
pub fn track() {
    track_configs(&[]);
}

/// As [`track`], for a crate whose statements name other configurations as well, with
/// `catalog = "…"`: all of them in one call, as paths relative to the package.
pub fn track_configs(configs: &[&str]) {
    let start = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
    let start = std::path::Path::new(&start);
    let others = configs.iter().map(|config| {
        let path = start.join(config);
        Project::with_config(if path.is_dir() {
            path.join(CONFIG)
        } else {
            path
        })
    });
    let projects: Vec<Project> = std::iter::once(project::find(start))
        .chain(others)
        .collect();
    for line in instructions(&projects) {
        println!("{line}");
    }
}

/// What a build script prints for its projects.
fn instructions(projects: &[Project]) -> Vec<String> {
    let mut lines = Vec::new();
    // A folder is watched with everything in it, also what is added later. Cargo takes a path that
    // does not exist as changed every time, so an absent configuration is not watched; an absent
    // folder is, because without it nothing compiles.
    for path in projects.iter().flat_map(Project::watched) {
        lines.push(format!("cargo:rerun-if-changed={}", path.display()));
    }
    lines.push(format!(
        "cargo:rustc-env=WATERTIGHT_STAMP={}",
        stamp::of(projects)
    ));
    let watched = std::env::join_paths(projects.iter().flat_map(Project::watched));
    let watched = watched.unwrap_or_default();
    lines.push(format!(
        "cargo:rustc-env=WATERTIGHT_WATCHED={}",
        watched.to_string_lossy()
    ));
    lines
}
