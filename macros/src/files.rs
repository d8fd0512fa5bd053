//! The one place that reads files at compile time: configuration and migrations.
//!
//! Finds the project of a macro call, checks that the build script watches it, and keeps what it
//! read for as long as no file changes. Invariant: a statement is never proved against files that
//! could change without another proof, unless the configuration accepts that.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha384};
use watertight_analysis::catalog::Catalog;
use watertight_analysis::config::Config;
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::migrations::{Migration, SourceFile, is_code, order, snapshot};
use watertight_build::{Project as Place, named};
use watertight_syntax::Names;
use watertight_syntax::project::{Files, MigrationFile, Project, StatementFile, render};

/// The files of the package that is being compiled, as the running macro may ask for them.
pub(crate) struct Compiler;

impl Files for Compiler {
    fn project(&self, catalog: Option<&str>) -> Result<Arc<Project>, String> {
        try_load(catalog).map_err(Unread::into_message)
    }

    fn is_told(&self, message: &str) -> bool {
        is_told(message)
    }

    fn statement(&self, path: &str) -> Result<StatementFile, String> {
        statement_file(path)
    }
}

/// A statement's file, looked for as sqlx does, below the folder of `Cargo.toml`: that of the
/// package, or where a source is compiled elsewhere (trybuild) the nearest one above it.
fn statement_file(path: &str) -> Result<StatementFile, String> {
    let relative = Path::new(path);
    if relative.is_absolute() {
        return Err(format!(
            "`{path}` is an absolute path, which is right on this machine alone\n\
             help: write it relative to the folder of `Cargo.toml`, `queries/list.sql`"
        ));
    }
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let above = source_file().and_then(|source| {
        let home = |folder: &&Path| folder.join("Cargo.toml").is_file();
        source.ancestors().find(home).map(Path::to_path_buf)
    });
    let folders: Vec<PathBuf> = package.into_iter().chain(above).collect();
    let mut found = folders.iter().map(|folder| folder.join(relative));
    let Some(found) = found
        .clone()
        .find(|file| file.is_file())
        .or(found.next_back())
    else {
        return Err("neither the package nor the source file is known".to_owned());
    };
    let text = fs::read_to_string(&found).map_err(|error| {
        format!(
            "the statement's file `{}` can't be read: {error}\n\
             help: paths are relative to the folder of `Cargo.toml`",
            found.display()
        )
    })?;
    Ok(StatementFile {
        path: found.to_string_lossy().into_owned(),
        text,
    })
}

/// The file that the running macro stands in.
pub(crate) fn source_file() -> Option<PathBuf> {
    let file = proc_macro::Span::call_site().local_file()?;
    std::path::absolute(file).ok()
}

/// What names a tenant in this project, and what is wrong with it if that is told nowhere yet. A
/// tool may stand in a crate without a database, so migrations that are not there are no error;
/// migrations and a configuration that can't be read are.
pub(crate) fn names() -> (Names, Option<String>) {
    let problem = match try_load(None) {
        Ok(project) => return (Names::from_catalog(&project.catalog), None),
        Err(problem) => problem,
    };
    let config = locate(None).map(|place| read_config(&place));
    let names = match (&config, &problem) {
        (Ok(Ok(config)), Unread::Wrong(_)) => Names::without_tables(config),
        (Ok(Ok(config)), Unread::Absent(_)) => Names::from_config(config),
        (Ok(Err(_)) | Err(_), _) => Names::default(),
    };
    let told = match problem {
        Unread::Wrong(message) => Some(message).filter(|message| !is_told(message)),
        Unread::Absent(_) => None,
    };
    (names, told)
}

/// Why a project can't be read.
#[derive(Clone)]
enum Unread {
    /// There is none, or nothing watches it: what needs no statement does without.
    Absent(String),
    /// What is there is wrong.
    Wrong(String),
}

impl Unread {
    fn into_message(self) -> String {
        match self {
            Self::Absent(message) | Self::Wrong(message) => message,
        }
    }
}

/// Whether this was told by a macro of this compilation before. A project that can't be read fails
/// every macro of the crate, and repeating it at each would bury it: one error fails the build.
fn is_told(message: &str) -> bool {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.iter().any(|known| known == message) {
        return true;
    }
    told.push(message.to_owned());
    false
}

fn try_load(catalog: Option<&str>) -> Loaded {
    let place = locate(catalog).map_err(Unread::Absent)?;
    let config = read_config(&place).map_err(Unread::Wrong)?;
    let folder = place.config.parent().unwrap_or(Path::new("."));
    // A snapshot takes the place of all folders of migrations.
    let sources = match &config.snapshot {
        Some(snapshot) => std::slice::from_ref(snapshot),
        None => config.migrations.as_slice(),
    };
    let folders: Vec<PathBuf> = sources.iter().map(|path| folder.join(path)).collect();
    let files = list(&place, &config, &folders).map_err(Unread::Absent)?;
    if !config.allow_stale_catalog {
        watched(&place, &folders).map_err(Unread::Absent)?;
    }
    cached(&place.config, &files, || read(&config, &folders, &files))
}

/// Searches from the source file of the call, then from the package.
fn locate(catalog: Option<&str>) -> Result<Place, String> {
    let source = source_file();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let starts: Vec<PathBuf> = source.into_iter().chain(package).collect();
    match catalog {
        Some(catalog) => named(catalog, &starts).map_err(|tried| not_there(&tried)),
        None => {
            watertight_build::locate(&starts).ok_or_else(|| no_migrations(Path::new("migrations")))
        }
    }
}

/// What `catalog = "…"` names is not there.
fn not_there(tried: &[PathBuf]) -> String {
    let tried: Vec<String> = tried
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    missing(format!(
        "there is no configuration at {}",
        tried.join(" or ")
    )) + "\nhelp: name a `watertight.toml`, or a folder that holds one"
}

fn missing(what: String) -> String {
    format!("[{}] {what}", Code::CATALOG_MISSING)
}

fn no_migrations(folder: &Path) -> String {
    missing(format!("no migrations at `{}`", folder.display()))
        + "\nhelp: write the first one, `0001_init.sql`, or name the folder in `watertight.toml`: \
           `migrations = [\"db/migrations\"]`"
}

fn no_snapshot(file: &Path) -> String {
    missing(format!("no snapshot at `{}`", file.display()))
        + "\nhelp: write it with `cargo watertight catalog pull --database-url …`"
}

fn read_config(place: &Place) -> Result<Config, String> {
    if !place.configured {
        return Ok(Config::default());
    }
    let path = place.config.display();
    let text = fs::read_to_string(&place.config)
        .map_err(|error| missing(format!("`{path}` can't be read: {error}")))?;
    Config::parse(&text).map_err(|problems| {
        let problems: Vec<String> = problems
            .iter()
            .map(|problem| render(problem, &text))
            .collect();
        format!("in `{path}`:\n{}", problems.join("\n"))
    })
}

/// The configuration and every folder must be among what the build script watches.
fn watched(place: &Place, folders: &[PathBuf]) -> Result<(), String> {
    if std::env::var_os("WATERTIGHT_STAMP").is_none() {
        return Err("the build would not notice a changed migration\n\
             help: add `watertight-build` to `[build-dependencies]` and this line to `build.rs`:\n\n    \
             fn main() { watertight_build::track(); }\n\n\
             or accept stale proofs with `allow-stale-catalog = true` in `watertight.toml`"
            .to_owned());
    }
    let watched = std::env::var_os("WATERTIGHT_WATCHED").unwrap_or_default();
    // Both sides searched on their own; a symbolic link on the way must not tell them apart.
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let watched: Vec<PathBuf> = std::env::split_paths(&watched)
        .map(|path| real(&path))
        .collect();
    let config = place.configured.then_some(&place.config);
    match folders
        .iter()
        .chain(config)
        .find(|path| !watched.contains(&real(path)))
    {
        None => Ok(()),
        Some(path) => Err(format!(
            "the build script does not watch `{}`, so its change would go unnoticed\n\
             help: if it is new, save `build.rs` once, which runs the script again; a configuration \
             that only `catalog = \"…\"` names is watched by \
             `watertight_build::track_configs(&[\"…\"])`",
            path.display()
        )),
    }
}

/// A file as the folder's listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    /// The position of its folder in the configuration.
    folder: usize,
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

/// Lists the configuration and every `.sql` file of the folders.
fn list(place: &Place, config: &Config, folders: &[PathBuf]) -> Result<Vec<Listed>, String> {
    let mut files = Vec::new();
    if place.configured {
        push(usize::MAX, place.config.clone(), &mut files);
    }
    for (index, folder) in folders.iter().enumerate() {
        if config.snapshot.is_some() {
            if !folder.is_file() {
                return Err(no_snapshot(folder));
            }
            push(index, folder.clone(), &mut files);
            continue;
        }
        let before = files.len();
        walk(index, (folder, folder), 0, &mut files);
        if files.len() == before && (config.migrations.len() == 1 || !folder.is_dir()) {
            return Err(no_migrations(folder));
        }
    }
    Ok(files)
}

/// Folders within the folder: diesel has one for each migration.
fn walk(index: usize, (top, folder): (&Path, &Path), depth: usize, files: &mut Vec<Listed>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && depth < 3 {
            walk(index, (top, &path), depth + 1, files);
        } else if path.extension().is_some_and(|extension| extension == "sql")
            // A migration in code is refused by its name.
            || is_code(&below(top, &path))
        {
            push(index, path, files);
        }
    }
}

fn push(folder: usize, path: PathBuf, files: &mut Vec<Listed>) {
    let metadata = fs::metadata(&path).ok();
    files.push(Listed {
        folder,
        path,
        length: metadata.as_ref().map_or(0, fs::Metadata::len),
        modified: metadata.and_then(|metadata| metadata.modified().ok()),
    });
}

type Loaded = Result<Arc<Project>, Unread>;

/// What was read, by the configuration's path, with the listing it was read from. A compiler
/// process expands thousands of macros; an editor's macro server lives for days.
fn cached(config: &Path, files: &[Listed], read: impl FnOnce() -> Loaded) -> Loaded {
    type Cache = HashMap<PathBuf, (Vec<Listed>, Loaded)>;
    static CACHE: Mutex<Option<Cache>> = Mutex::new(None);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = cache.get_or_insert_default();
    if let Some((listed, loaded)) = cache.get(config)
        && listed == files
    {
        return loaded.clone();
    }
    let loaded = read();
    cache.insert(config.to_path_buf(), (files.to_vec(), loaded.clone()));
    loaded
}

fn read(config: &Config, folders: &[PathBuf], files: &[Listed]) -> Loaded {
    let mut migrations = Vec::new();
    let mut recorded = Vec::new();
    let mut problems = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        let mut sources = Vec::new();
        for file in files.iter().filter(|file| file.folder == index) {
            match fs::read_to_string(&file.path) {
                Ok(text) => sources.push(SourceFile {
                    path: match &config.snapshot {
                        Some(snapshot) => snapshot.clone(),
                        None => below(folder, &file.path),
                    },
                    text,
                }),
                Err(error) => problems.push(missing(format!(
                    "`{}` can't be read: {error}",
                    file.path.display()
                ))),
            }
        }
        let checksums: HashMap<String, String> = sources
            .iter()
            .map(|source| (source.path.clone(), hex(&Sha384::digest(&source.text))))
            .collect();
        if config.snapshot.is_some() {
            for source in sources {
                match snapshot(source) {
                    Ok(migration) => migrations.push(migration),
                    Err(problem) => problems.push(render(&problem, "")),
                }
            }
            continue;
        }
        match order(sources) {
            Ok(ordered) => {
                let name = config.migrations.get(index).map_or("", String::as_str);
                recorded.extend(ordered.iter().map(|migration| MigrationFile {
                    path: format!("{name}/{}", migration.path),
                    version: migration.version.to_string(),
                    checksum: checksums.get(&migration.path).cloned().unwrap_or_default(),
                }));
                migrations.extend(ordered);
            }
            Err(found) => problems.extend(
                found
                    .iter()
                    .map(|problem| format!("in `{}`: {}", folder.display(), render(problem, ""))),
            ),
        }
    }
    let catalog = Catalog::build(config, &migrations);
    problems.extend(
        catalog
            .diagnostics()
            .iter()
            .filter(|problem| problem.is_error())
            .map(|problem| rendered(problem, config, &migrations)),
    );
    if problems.is_empty() {
        Ok(Arc::new(Project {
            catalog,
            files: recorded,
        }))
    } else {
        Err(Unread::Wrong(problems.join("\n\n")))
    }
}

/// Renders a problem of a migration with its place and the text that its notes name.
fn rendered(problem: &Diagnostic, config: &Config, migrations: &[Migration]) -> String {
    let Some(migration) = migrations.iter().find(|migration| {
        let path = migration.path.as_str();
        problem.notes.iter().any(|note| note.contains(path))
    }) else {
        return render(problem, "");
    };
    let folder = match config.migrations.as_slice() {
        [only] if config.snapshot.is_none() => format!("{}/", only.trim_end_matches('/')),
        _ => String::new(),
    };
    let mut problem = problem.clone();
    // The note becomes the place, and the line is shown.
    let prefix = format!("in {} line ", migration.path);
    let number = |note: &String| note.strip_prefix(&prefix)?.parse::<usize>().ok();
    let line = problem.notes.iter().find_map(number);
    problem.notes.retain(|note| number(note).is_none());
    let place = match line {
        Some(line) => format!("\n  --> {folder}{}:{line}", migration.path),
        None => format!("\n  --> {folder}{}", migration.path),
    };
    if problem.span.is_none() {
        problem.span = line.and_then(|line| span_of(&migration.text, line));
    }
    let mut message = render(&problem, &migration.text);
    let end = message.find('\n').unwrap_or(message.len());
    message.insert_str(end, &place);
    message
}

/// A line of a text, by its number from one, without the white space around it.
fn span_of(text: &str, line: usize) -> Option<std::ops::Range<usize>> {
    let before = line.checked_sub(1)?;
    let mut lines = text.split_inclusive('\n');
    let offset: usize = lines.by_ref().take(before).map(str::len).sum();
    let line = lines.next()?;
    let start = offset + line.len() - line.trim_start().len();
    let plain = line.trim();
    (!plain.is_empty()).then(|| start..start + plain.len())
}

/// The path below the folder, with `/` between the parts.
fn below(folder: &Path, path: &Path) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
