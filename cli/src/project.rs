//! Finds and reads the configuration and the migrations.
//!
//! Paths in the configuration are relative to its file; those of the command line to the current
//! directory. Whatever can't be read is an error, never an empty catalog.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha384};
use watertight_analysis::migrations::{
    Migration, SourceFile, is_code, is_snapshot, order, snapshot,
};
use watertight_analysis::render::render_all;
use watertight_analysis::{Catalog, Code, Config, Diagnostic};
use watertight_build::Project as Place;
use watertight_syntax::project::{MigrationFile, Project};

use crate::args::Source;

/// Builds the catalog that the arguments name.
pub(crate) fn catalog(source: &Source) -> Result<Catalog> {
    let file = config_file(source.config.as_deref())?;
    let (config, base) = config_at(file.as_deref())?;
    let folders = folders(source, &config, file.is_some().then_some(base.as_path()))?;
    let mut migrations = Vec::new();
    for folder in folders {
        migrations.extend(read_migrations(&folder)?);
    }
    if migrations.is_empty() {
        bail!(
            "error[{}]: the folder of migrations holds no migration",
            Code::CATALOG_MISSING
        );
    }
    let catalog = Catalog::build(&config, &migrations);
    let unreadable: Vec<Diagnostic> = catalog
        .diagnostics()
        .iter()
        .filter(|d| {
            [
                Code::MIGRATION_SYNTAX,
                Code::MIGRATION_MARKER,
                Code::TOO_LARGE,
                Code::BUG,
            ]
            .contains(&d.code)
        })
        .cloned()
        .collect();
    if !unreadable.is_empty() {
        bail!("{}", render_all(&unreadable, ""));
    }
    Ok(catalog)
}

/// Migrations with where they were found.
pub(crate) struct Found {
    /// The configuration that is there.
    pub(crate) config: Option<Config>,
    /// Where the configuration is, or belongs.
    pub(crate) base: PathBuf,
    /// The last folder of migrations: where the next one belongs.
    pub(crate) folder: PathBuf,
    /// Every `.sql` file below it, the ways back included.
    pub(crate) files: Vec<String>,
    /// Their texts, whole.
    pub(crate) texts: Vec<String>,
    /// The migrations of all folders, in order.
    pub(crate) migrations: Vec<Migration>,
}

impl Found {
    /// The folder as a configuration beside it would name it.
    pub(crate) fn folder_in_config(&self) -> String {
        let absolute = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let (folder, base) = (absolute(&self.folder), absolute(&self.base));
        let below = folder.strip_prefix(&base).unwrap_or(&folder);
        let parts: Vec<_> = below
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        parts.join("/")
    }
}

/// Where projects keep their migrations.
const FOLDERS: &[&str] = &[
    "migrations",
    "db/migrations",
    "db/migrate",
    "database/migrations",
    "sql/migrations",
    "supabase/migrations",
    "prisma/migrations",
];

/// Finds the migrations of a project that may know nothing of us yet.
pub(crate) fn found(source: &Source) -> Result<Found> {
    let file = config_file(source.config.as_deref())?;
    let config = file.as_deref().map(read_config).transpose()?;
    if config
        .as_ref()
        .is_some_and(|config| config.snapshot.is_some())
    {
        bail!(
            "the configuration names a snapshot, and a migration belongs where the database's own are: `cargo watertight doctor --fix` prints one"
        );
    }
    let base = match &file {
        Some(file) => file.parent().map(Path::to_owned).unwrap_or_default(),
        // Beside the manifest, where the macros look first.
        None => upward("Cargo.toml")?
            .and_then(|manifest| manifest.parent().map(Path::to_owned))
            .map_or_else(std::env::current_dir, Ok)?,
    };
    let folders = match &config {
        Some(config) => folders(source, config, Some(&base))?,
        None if !source.migrations.is_empty() => source.migrations.clone(),
        None => {
            let known = FOLDERS.iter().map(|name| base.join(name));
            let Some(folder) = known.into_iter().find(|folder| folder.is_dir()) else {
                bail!(
                    "error[{}]: none of {} is here\n  help: name the folder: `cargo watertight init --migrations DIR`",
                    Code::CATALOG_MISSING,
                    FOLDERS.join(", ")
                );
            };
            vec![folder]
        }
    };
    let mut migrations = Vec::new();
    for folder in &folders {
        migrations.extend(read_migrations(folder)?);
    }
    let Some(folder) = folders.last().filter(|folder| folder.is_dir()) else {
        bail!("a migration belongs into a folder: name it with `--migrations DIR`");
    };
    let mut files = Vec::new();
    collect(folder, "", &mut files)?;
    Ok(Found {
        config,
        base,
        folder: folder.clone(),
        files: files.iter().map(|file| file.path.clone()).collect(),
        texts: files.into_iter().map(|file| file.text).collect(),
        migrations,
    })
}

/// The configuration, and the folder that its paths are relative to.
#[cfg(feature = "database")]
pub(crate) fn config(named: Option<&Path>) -> Result<(Config, PathBuf)> {
    config_at(config_file(named)?.as_deref())
}

/// The configuration that is there, and the folder that its paths are relative to.
pub(crate) fn found_config(named: Option<&Path>) -> Result<Option<(Config, PathBuf)>> {
    let file = config_file(named)?;
    file.map(|file| config_at(Some(&file))).transpose()
}

fn config_file(named: Option<&Path>) -> Result<Option<PathBuf>> {
    match named {
        Some(file) => Ok(Some(file.to_owned())),
        None => upward("watertight.toml"),
    }
}

fn config_at(file: Option<&Path>) -> Result<(Config, PathBuf)> {
    Ok(match file {
        Some(file) => (
            read_config(file)?,
            file.parent().map(Path::to_owned).unwrap_or_default(),
        ),
        None => (Config::default(), PathBuf::new()),
    })
}

/// The project of a macro call, refused where the compiler would refuse it.
pub(crate) fn at(place: &Place) -> Result<Project> {
    let config = match place.configured {
        true => read_config(&place.config)?,
        false => Config::default(),
    };
    let base = place.config.parent().unwrap_or(Path::new("."));
    let mut migrations = Vec::new();
    let mut recorded = Vec::new();
    // A snapshot takes the place of all folders of migrations.
    if let Some(name) = &config.snapshot {
        let text = read(&base.join(name))?;
        recorded.push(MigrationFile {
            path: name.clone(),
            version: String::new(),
            checksum: checksum(&text),
        });
        let source = SourceFile {
            path: name.clone(),
            text,
        };
        let pulled = snapshot(source)
            .map_err(|problem| anyhow::anyhow!("{}", render_all(&[*problem], "")))?;
        migrations.push(pulled);
    }
    let folders = match config.snapshot {
        Some(_) => [].as_slice(),
        None => config.migrations.as_slice(),
    };
    for name in folders {
        let folder = base.join(name);
        let mut files = Vec::new();
        collect(&folder, "", &mut files)?;
        let checksums: HashMap<String, String> = files
            .iter()
            .map(|file| (file.path.clone(), checksum(&file.text)))
            .collect();
        let ordered = ordered(files)?;
        recorded.extend(ordered.iter().map(|migration| MigrationFile {
            path: format!("{name}/{}", migration.path),
            version: migration.version.to_string(),
            checksum: checksums.get(&migration.path).cloned().unwrap_or_default(),
        }));
        migrations.extend(ordered);
    }
    if migrations.is_empty() {
        bail!(
            "[{}] no migrations below `{}`",
            Code::CATALOG_MISSING,
            base.display()
        );
    }
    let catalog = Catalog::build(&config, &migrations);
    let problems: Vec<Diagnostic> = catalog
        .diagnostics()
        .iter()
        .filter(|problem| problem.is_error())
        .cloned()
        .collect();
    if !problems.is_empty() {
        bail!("{}", render_all(&problems, ""));
    }
    Ok(Project {
        catalog,
        files: recorded,
    })
}

fn checksum(text: &str) -> String {
    let digest = Sha384::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is told about the migrations without refusing anything: side channels of the schema.
pub(crate) fn warnings(catalog: &Catalog) -> impl Iterator<Item = &Diagnostic> {
    catalog
        .diagnostics()
        .iter()
        .filter(|problem| !problem.is_error())
}

/// A warning with what mends it, on one line.
pub(crate) fn one_line(warning: &Diagnostic) -> String {
    let mut text = format!("{}: {}", warning.code, warning.message);
    if let Some(mend) = warning.help.first() {
        let mend: Vec<&str> = mend.split_whitespace().collect();
        let mend = mend.join(" ");
        // SQL is what to write; a sentence says so itself.
        let sql = mend.starts_with(|c: char| c.is_ascii_uppercase());
        text = format!("{text}; {}{mend}", if sql { "write " } else { "" });
    }
    text
}

fn folders(source: &Source, config: &Config, base: Option<&Path>) -> Result<Vec<PathBuf>> {
    if !source.migrations.is_empty() {
        return Ok(source.migrations.clone());
    }
    if let (Some(base), Some(snapshot)) = (base, &config.snapshot) {
        return Ok(vec![base.join(snapshot)]);
    }
    if let Some(base) = base {
        return Ok(config
            .migrations
            .iter()
            .map(|folder| base.join(folder))
            .collect());
    }
    match upward("migrations")? {
        Some(folder) => Ok(vec![folder]),
        None => bail!(
            "error[{}]: there is neither `watertight.toml` nor a folder `migrations` here or above\n  \
             help: name the migrations with `--migrations DIR`, or in `watertight.toml`: migrations = [\"db/migrations\"]",
            Code::CATALOG_MISSING
        ),
    }
}

/// The nearest file or folder of this name, from the current directory upward.
fn upward(name: &str) -> Result<Option<PathBuf>> {
    let here = std::env::current_dir().context("the current directory can't be read")?;
    Ok(here
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|path| path.exists()))
}

fn read_config(file: &Path) -> Result<Config> {
    let text = read(file)?;
    Config::parse(&text).map_err(|problems| {
        anyhow::anyhow!("in {}:\n{}", file.display(), render_all(&problems, &text))
    })
}

fn read_migrations(folder: &Path) -> Result<Vec<Migration>> {
    if folder.is_file() {
        let name = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let path = name.unwrap_or_default();
        let text = read(folder)?;
        if is_snapshot(&text) {
            return snapshot(SourceFile { path, text })
                .map(|migration| vec![migration])
                .map_err(|problem| anyhow::anyhow!("{}", render_all(&[*problem], "")));
        }
        // One file alone needs no number.
        let numbered = SourceFile {
            path: format!("0_{path}"),
            text,
        };
        let mut ordered = ordered(vec![numbered])?;
        for migration in &mut ordered {
            migration.path.clone_from(&path);
        }
        return Ok(ordered);
    }
    let mut files = Vec::new();
    collect(folder, "", &mut files)?;
    ordered(files)
}

fn ordered(files: Vec<SourceFile>) -> Result<Vec<Migration>> {
    order(files).map_err(|problems| anyhow::anyhow!("{}", render_all(&problems, "")))
}

/// Every `.sql` file below a folder: one that lies where no tool looks for it is refused later.
pub(crate) fn collect(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "error[{}]: `{}` can't be read",
            Code::CATALOG_MISSING,
            folder.display()
        )
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(
            entry
                .with_context(|| format!("`{}` can't be read", folder.display()))?
                .path(),
        );
    }
    paths.sort();
    for path in paths {
        let Some(name) = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
        else {
            continue;
        };
        let below = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        if path.is_dir() {
            collect(&path, &below, files)?;
        } else if name.to_lowercase().ends_with(".sql") {
            files.push(SourceFile {
                path: below,
                text: read(&path)?,
            });
        } else if is_code(&below) {
            // A migration in code: refused by its name.
            let text = String::new();
            files.push(SourceFile { path: below, text });
        }
    }
    Ok(())
}

pub(crate) fn read(file: &Path) -> Result<String> {
    let bytes =
        std::fs::read(file).with_context(|| format!("`{}` can't be read", file.display()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("`{}` is not UTF-8", file.display()))?;
    // A byte order mark is no part of the SQL.
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}
