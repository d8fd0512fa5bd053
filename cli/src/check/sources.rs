//! The sources of a workspace as facts: packages and targets as cargo tells them, modules as the
//! compiler finds them, files read in parallel.
//!
//! Invariant: every file that a target reaches is read, or listed as unreadable; the rest goes on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use watertight_syntax::scan::scan_file;

use super::extract::{extract, judged};
use super::facts::FileFacts;
use super::literal::is_sql;
use crate::lock::collect::{Projects, Sources};
use crate::lock::workspace::{Metadata, metadata, place};

/// A workspace.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
    pub(crate) files: Vec<FileFacts>,
    pub(crate) unreadable: Vec<Unreadable>,
    /// Files that no target declares, and that name a database.
    pub(crate) strays: Vec<(String, usize)>,
    /// Files of statements that nothing names: path, text, package.
    pub(crate) loose: Vec<(PathBuf, String, usize)>,
}

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The names of dependencies in the source, and of their packages.
    pub(crate) dependencies: HashMap<String, String>,
}

impl Package {
    /// Whether it depends on a package, outside of tests.
    pub(crate) fn depends_on(&self, name: &str) -> bool {
        self.dependencies.values().any(|it| it == name)
    }
}

/// A file that can't be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) shown: String,
    pub(crate) text: String,
    pub(crate) at: usize,
    pub(crate) why: String,
}

/// A file to read.
struct Task {
    path: PathBuf,
    /// The folder of the modules below it.
    modules: PathBuf,
    module: Vec<String>,
    package: usize,
    test: bool,
    example: bool,
}

enum Read {
    File(Box<FileFacts>, Vec<Task>),
    Not(Unreadable),
}

impl Workspace {
    /// Reads the workspace of a manifest, or of the current directory.
    pub(crate) fn read(manifest: Option<&Path>, only: &[String], progress: bool) -> Result<Self> {
        let metadata = metadata(manifest)?;
        let mut workspace = Self {
            root: metadata.workspace_root.clone(),
            ..Self::default()
        };
        let mut tasks = workspace.targets(&metadata, only)?;
        let projects = Projects::default();
        let mut seen: HashSet<PathBuf> = HashSet::new();
        while !tasks.is_empty() {
            tasks.retain(|task| {
                let real = std::fs::canonicalize(&task.path).unwrap_or_else(|_| task.path.clone());
                seen.insert(real)
            });
            let read = workspace.level(&tasks, &projects);
            tasks.clear();
            for read in read {
                match read {
                    Read::File(facts, below) => {
                        workspace.files.push(*facts);
                        tasks.extend(below);
                    }
                    Read::Not(unreadable) => workspace.unreadable.push(unreadable),
                }
            }
            if progress {
                eprint!("\rread {} files", workspace.files.len());
            }
        }
        if progress {
            eprint!("\r{:30}\r", "");
        }
        for package in 0..workspace.packages.len() {
            let folder = workspace.packages.get(package).map(|it| it.folder.clone());
            if let Some(folder) = folder {
                workspace.below(&folder, package, &seen);
            }
        }
        Ok(workspace)
    }

    /// The packages, and the root file of each target.
    fn targets(&mut self, metadata: &Metadata, only: &[String]) -> Result<Vec<Task>> {
        let members: Vec<_> = metadata
            .packages
            .iter()
            .filter(|package| metadata.workspace_members.contains(&package.id))
            .collect();
        let unknown = only
            .iter()
            .find(|name| members.iter().all(|package| package.name != **name));
        if let Some(unknown) = unknown {
            bail!("the workspace has no package `{unknown}`");
        }
        let mut tasks = Vec::new();
        for package in members {
            if !only.is_empty() && !only.contains(&package.name) {
                continue;
            }
            let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
            let dependencies = package
                .dependencies
                .iter()
                .filter(|it| it.kind.is_none())
                .map(|it| {
                    let name = it.rename.as_ref().unwrap_or(&it.name).replace('-', "_");
                    (name, it.name.clone())
                })
                .collect();
            let index = self.packages.len();
            self.packages.push(Package {
                name: package.name.clone(),
                folder: folder.to_path_buf(),
                dependencies,
            });
            // What is not for tests comes first: a file of both counts as what is shipped.
            let mut targets: Vec<_> = package.targets.iter().collect();
            let for_tests = |kind: &[String]| {
                let tests = ["test", "bench", "custom-build"];
                kind.iter().all(|it| tests.contains(&it.as_str()))
            };
            let example = |kind: &[String]| kind.iter().all(|it| it == "example");
            targets.sort_by_key(|target| (for_tests(&target.kind), example(&target.kind)));
            for target in targets {
                tasks.push(Task {
                    path: target.src_path.clone(),
                    modules: target.src_path.parent().unwrap_or(folder).to_path_buf(),
                    module: vec![target.name.replace('-', "_")],
                    package: index,
                    test: for_tests(&target.kind),
                    example: target.kind.iter().all(|it| it == "example"),
                });
            }
        }
        Ok(tasks)
    }

    /// Reads files in parallel; the order is that of the tasks.
    fn level(&self, tasks: &[Task], projects: &Projects) -> Vec<Read> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(tasks.len()).max(1);
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<(usize, Read)>> = Mutex::new(Vec::with_capacity(tasks.len()));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let work = |deepest: usize| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(task) = tasks.get(at) else {
                            return;
                        };
                        let read = self.one(task, projects, deepest);
                        // Places live in the thread; what is kept of a file has none.
                        proc_macro2::extra::invalidate_current_thread_spans();
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.push((at, read));
                    }
                };
                // Trees of real sources nest deeper than a thread's usual stack allows.
                let spawned = std::thread::Builder::new()
                    .stack_size(super::depth::STACK)
                    .spawn_scoped(scope, move || work(super::depth::MOST));
                if spawned.is_err() {
                    // On the stack that there is.
                    work(super::depth::MOST / 64);
                }
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, read)| read).collect()
    }

    fn one(&self, task: &Task, projects: &Projects, deepest: usize) -> Read {
        let shown = self.shown(&task.path);
        let not = |text: String, at: usize, why: String| {
            Read::Not(Unreadable {
                shown: shown.clone(),
                text,
                at,
                why,
            })
        };
        let text = match crate::project::read(&task.path) {
            Ok(text) => without_shebang(text),
            Err(error) => return not(String::new(), 0, format!("{error:#}")),
        };
        if super::depth::depth(&text) > deepest {
            let why = format!("an expression in it nests deeper than {deepest} levels");
            return not(String::new(), 0, why);
        }
        let file = match syn::parse_file(&text) {
            Ok(file) => file,
            Err(error) => {
                let at = error.span().byte_range().start;
                return not(text, at, error.to_string());
            }
        };
        let source = scan_file(&file);
        let mut below = Vec::new();
        let mut missing = Vec::new();
        for module in &source.modules {
            let mut name = task.module.clone();
            name.extend(module.path.iter().cloned());
            name.push(module.name.clone());
            match place(module, &task.path, &task.modules) {
                Some((path, modules)) => below.push(Task {
                    path,
                    modules,
                    module: name,
                    package: task.package,
                    test: task.test || module.test,
                    example: task.example,
                }),
                None => missing.push((
                    format!("the file of the module `{}` is not there", module.name),
                    module.span.byte_range(),
                )),
            }
        }
        let facts = FileFacts {
            path: task.path.clone(),
            shown,
            text,
            package: task.package,
            module: task.module.clone(),
            test: task.test,
            example: task.example,
            ..FileFacts::default()
        };
        let mut facts = extract(facts, &file);
        facts.unseen.extend(missing);
        let home = self.packages.get(task.package);
        if !source.calls.is_empty()
            && let Some(home) = home
        {
            let files = Sources {
                path: &task.path,
                package: &home.folder,
                projects,
            };
            let tests = facts.tests.clone();
            let test = |at: usize| task.test || tests.iter().any(|range| range.contains(&at));
            let (found, exceptions) = judged(&source, &files, &test);
            facts.judged = found;
            facts.exceptions.extend(exceptions);
        }
        Read::File(Box::new(facts), below)
    }

    /// Files that no target reaches: sources that name a database, and statements.
    fn below(&mut self, folder: &Path, package: usize, seen: &HashSet<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let paths: BTreeSet<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                let other =
                    path.join("Cargo.toml").is_file() || path.join("CACHEDIR.TAG").is_file();
                let apart = ["target", "node_modules", "tests", "benches", "fixtures"];
                if !other && !name.starts_with('.') && !apart.contains(&&*name) {
                    self.below(&path, package, seen);
                }
                continue;
            }
            let extension = path.extension().unwrap_or_default();
            if extension == "sql" {
                if let Ok(text) = crate::project::read(&path) {
                    self.loose.push((path.clone(), text, package));
                }
            } else if extension == "rs" {
                let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                if !seen.contains(&real) && (text.contains("sqlx") || text.lines().any(is_sql)) {
                    let shown = self.shown(&path);
                    self.strays.push((shown, package));
                }
            }
        }
    }

    /// The path as reports show it.
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

    pub(crate) fn package_of(&self, file: &FileFacts) -> Option<&Package> {
        self.packages.get(file.package)
    }
}

/// `#!/usr/bin/env …` is blanked, so that places stay.
fn without_shebang(text: String) -> String {
    if !text.starts_with("#!") || text.starts_with("#![") {
        return text;
    }
    let end = text.find('\n').unwrap_or(text.len());
    format!("{}{}", " ".repeat(end), text.get(end..).unwrap_or_default())
}
