//! The sources of a workspace: packages and targets as cargo tells them, modules as the compiler
//! finds them.
//!
//! Invariant: every file that a target reaches is read or listed as unseen; what `cfg` leaves out
//! today is read as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use watertight_syntax::scan::{Module, Source, scan};

/// How a source that judges statements is told from others.
const MACROS: [&str; 3] = ["tenant_query", "system_query", "unproved!"];

/// What `cargo metadata` says, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) targets: Vec<Target>,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) src_path: PathBuf,
    /// `lib`, `bin`, `test`, …
    pub(crate) kind: Vec<String>,
}

/// A dependency as the manifest has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The name that the source uses, where it is another one.
    pub(crate) rename: Option<String>,
    /// `dev`, `build`, or none.
    pub(crate) kind: Option<String>,
}

/// A workspace with every source file that its targets reach.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The folders of the packages that were read.
    pub(crate) packages: Vec<PathBuf>,
    pub(crate) files: Vec<File>,
    /// `file, what`
    pub(crate) unseen: Vec<(String, String)>,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The folder of its package.
    pub(crate) package: PathBuf,
    /// The target and the modules that lead to it.
    pub(crate) module: Vec<String>,
    pub(crate) source: Source,
}

impl Workspace {
    /// Reads the workspace of a manifest, or of the current directory.
    pub(crate) fn read(manifest: Option<&Path>, only: &[String]) -> Result<Self> {
        let metadata = metadata(manifest)?;
        let root = metadata.workspace_root;
        let mut workspace = Self {
            root,
            packages: Vec::new(),
            files: Vec::new(),
            unseen: Vec::new(),
        };
        let members: Vec<&Package> = metadata
            .packages
            .iter()
            .filter(|package| metadata.workspace_members.contains(&package.id))
            .collect();
        if let Some(unknown) = only
            .iter()
            .find(|name| members.iter().all(|package| package.name != **name))
        {
            bail!("the workspace has no package `{unknown}`");
        }
        let mut seen = BTreeSet::new();
        for package in members {
            if !only.is_empty() && !only.contains(&package.name) {
                continue;
            }
            let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
            workspace.packages.push(folder.to_path_buf());
            for target in &package.targets {
                let module = vec![target.name.replace('-', "_")];
                // The root of a target is the root of its modules, whatever its name.
                let modules = target.src_path.parent().unwrap_or(folder).to_path_buf();
                workspace.file(&target.src_path, &modules, module, folder, &mut seen)?;
            }
            workspace.strays(folder, &seen)?;
        }
        Ok(workspace)
    }

    /// Sources that no target reaches by `mod`, such as those that a macro declares, and that name
    /// one of our macros.
    fn strays(&mut self, folder: &Path, seen: &BTreeSet<PathBuf>) -> Result<()> {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("`{}` can't be read", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                // Packages of their own have their own turn, and what is built is no source.
                let other =
                    path.join("Cargo.toml").is_file() || path.join("CACHEDIR.TAG").is_file();
                if !other && !name.starts_with('.') && name != "target" {
                    self.strays(&path, seen)?;
                }
                continue;
            }
            let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            if path.extension().is_none_or(|it| it != "rs") || seen.contains(&real) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if MACROS.iter().any(|name| text.contains(name)) {
                let what = "no target declares this file by `mod`, and it names a statement";
                self.unseen.push((self.shown(&path), what.to_owned()));
            }
        }
        Ok(())
    }

    /// The path as the lock shows it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let Ok(below) = path.strip_prefix(&self.root) else {
            return path.display().to_string();
        };
        let parts: Vec<_> = below
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        parts.join("/")
    }

    /// Reads a file and the modules below it; each file once.
    fn file(
        &mut self,
        path: &Path,
        modules: &Path,
        module: Vec<String>,
        package: &Path,
        seen: &mut BTreeSet<PathBuf>,
    ) -> Result<()> {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if !seen.insert(real) {
            return Ok(());
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("`{}` can't be read", path.display()))?;
        let source = match scan(&text) {
            Ok(source) => source,
            Err(error) => {
                let start = error.span().start();
                bail!(
                    "{}:{}:{}: {error}",
                    self.shown(path),
                    start.line,
                    start.column + 1
                );
            }
        };
        for unseen in &source.unseen {
            self.unseen.push((self.shown(path), unseen.what.clone()));
        }
        let mut below = Vec::new();
        for found in &source.modules {
            let mut name = module.clone();
            name.extend(found.path.iter().cloned());
            name.push(found.name.clone());
            match place(found, path, modules) {
                Some((file, modules)) => below.push((file, modules, name)),
                None => self.unseen.push((
                    self.shown(path),
                    format!("the file of the module `{}` is not there", found.name),
                )),
            }
        }
        self.files.push(File {
            path: path.to_path_buf(),
            package: package.to_path_buf(),
            module,
            source,
        });
        for (file, modules, name) in below {
            self.file(&file, &modules, name, package, seen)?;
        }
        Ok(())
    }
}

/// The file of `mod name;` in `path`, and the folder of the modules below that one.
pub(crate) fn place(module: &Module, path: &Path, modules: &Path) -> Option<(PathBuf, PathBuf)> {
    let inline: PathBuf = module.path.iter().collect();
    if let Some(file) = &module.file {
        // Relative to the file's own folder; within inline modules to theirs.
        let base = if module.path.is_empty() {
            path.parent()?.to_path_buf()
        } else {
            modules.join(&inline)
        };
        let file = base.join(file);
        let below = file.parent()?.to_path_buf();
        return file.is_file().then_some((file, below));
    }
    let folder = modules.join(inline);
    let below = folder.join(&module.name);
    let candidates = [
        folder.join(format!("{}.rs", module.name)),
        below.join("mod.rs"),
    ];
    let file = candidates.into_iter().find(|file| file.is_file())?;
    Some((file, below))
}

/// What cargo knows of the workspace, without looking at the network.
pub(crate) fn metadata(manifest: Option<&Path>) -> Result<Metadata> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    if let Some(manifest) = manifest {
        command.arg("--manifest-path").arg(manifest);
    }
    let output = command
        .output()
        .context("cargo can't be started, and it knows the packages of the workspace")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim_end();
        let help = match said.contains("could not find `Cargo.toml`") {
            true => {
                "\n  help: run it in a Rust workspace, or name one with `--manifest-path`; without Rust's sources \
                 `doctor` looks at the database and `scan` at the server, in whatever language it is written"
            }
            false => "",
        };
        bail!("{said}{help}");
    }
    serde_json::from_slice(&output.stdout)
        .context("what cargo says about the workspace is not understood")
}
