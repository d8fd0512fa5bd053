//! The catalog of a package: from its configuration, or from the migrations that are found, with the
//! tenant inferred and told.
//!
//! Invariant: what was inferred is said in the report. Where nothing makes tables, statements need
//! review; they are never clear.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use watertight_analysis::catalog::{Catalog, type_text};
use watertight_analysis::config::{Config, TenantKind};
use watertight_analysis::migrations::{Migration, SourceFile, is_snapshot, order, snapshot};
use watertight_analysis::posture::tenant_directives;
use watertight_analysis::words::{Extra, Tier, classify};
use watertight_analysis::{Code, Diagnostic};

use super::facts::Text;
use super::sources::Workspace;
use crate::project;

/// What is known of the tables of a package.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) extra: Extra,
    /// Whether a configuration says what the tenant is.
    pub(crate) configured: bool,
    /// Whether there are migrations at all.
    pub(crate) known: bool,
    /// Whether a column was found that names the tenant.
    pub(crate) tenant: bool,
    /// The configuration's or the package's folder.
    pub(crate) base: PathBuf,
    /// What was read, in a sentence.
    pub(crate) about: String,
    /// The files that make the tables: the migration's path, the path as reports show it, the text.
    pub(crate) files: Vec<(String, String, String)>,
    /// What is wrong with them.
    pub(crate) problems: Vec<Diagnostic>,
}

/// The schemas of all packages; several may share one.
pub(crate) fn schemas(
    workspace: &Workspace,
    migrations: &[PathBuf],
    config: Option<&Path>,
) -> Vec<Arc<Schema>> {
    let mut known: BTreeMap<Vec<PathBuf>, Arc<Schema>> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, package) in workspace.packages.iter().enumerate() {
        let place = config
            .map(|file| watertight_build::Project::with_config(file.to_path_buf()))
            .or_else(|| watertight_build::locate(std::slice::from_ref(&package.folder)));
        let configured = place.as_ref().filter(|place| place.configured);
        let (config, base, folders) = match configured {
            Some(place) => {
                let text = project::read(&place.config).unwrap_or_default();
                let parsed = Config::parse(&text);
                let base = place
                    .config
                    .parent()
                    .unwrap_or(Path::new("."))
                    .to_path_buf();
                let folders = match migrations {
                    [] => place.migrations.clone(),
                    given => given.to_vec(),
                };
                (Some(parsed), base, folders)
            }
            None => {
                let folders = match migrations {
                    [] => guess(workspace, index, place.as_ref()),
                    given => given.to_vec(),
                };
                (None, workspace.root.clone(), folders)
            }
        };
        let mut key = folders.clone();
        key.push(base.clone());
        if folders.is_empty() {
            key.push(package.folder.clone());
        }
        let schema = known
            .entry(key)
            .or_insert_with(|| Arc::new(Schema::read(workspace, index, config, base, &folders)));
        found.push(Arc::clone(schema));
    }
    found
}

/// Where migrations are, without a configuration: what `sqlx::migrate!` names, a folder of the usual
/// name, else files that make tables.
fn guess(
    workspace: &Workspace,
    package: usize,
    place: Option<&watertight_build::Project>,
) -> Vec<PathBuf> {
    let Some(home) = workspace.packages.get(package).map(|it| &it.folder) else {
        return Vec::new();
    };
    let named: Vec<PathBuf> = workspace
        .files
        .iter()
        .filter(|file| file.package == package && !file.test)
        .flat_map(|file| file.migrators.iter().map(|path| home.join(path)))
        .filter(|path| path.is_dir())
        .collect();
    if !named.is_empty() {
        return unique(named);
    }
    let usual: Vec<PathBuf> = place
        .map(|place| place.migrations.clone())
        .unwrap_or_default()
        .into_iter()
        .chain([home, &workspace.root].into_iter().flat_map(|folder| {
            [
                folder.join("migrations"),
                folder.join("db/migrations"),
                folder.join("sql/migrations"),
            ]
        }))
        .filter(|path| path.is_dir())
        .take(1)
        .collect();
    if !usual.is_empty() {
        return usual;
    }
    // Another package of the workspace may hold them.
    let named: Vec<PathBuf> = workspace
        .files
        .iter()
        .filter(|file| !file.test)
        .filter_map(|file| Some((workspace.package_of(file)?, &file.migrators)))
        .flat_map(|(package, paths)| paths.iter().map(|path| package.folder.join(path)))
        .filter(|path| path.is_dir())
        .collect();
    if !named.is_empty() {
        return unique(named);
    }
    let folders = workspace
        .packages
        .iter()
        .map(|it| it.folder.join("migrations"));
    let folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    if folders.len() == 1 {
        return folders;
    }
    let sends =
        |file: &super::facts::FileFacts| file.package == package && !file.statements.is_empty();
    if !workspace.files.iter().any(sends) {
        return Vec::new();
    }
    // A template is no file of SQL.
    let makes = |text: &str| text.to_ascii_uppercase().contains("CREATE TABLE") && is_sql(text);
    let files = workspace.loose.iter();
    let files = files.filter(|(_, text, of)| *of == package && makes(text));
    files.map(|(path, _, _)| path.clone()).collect()
}

/// Whether a text is read as SQL from its beginning to its end.
fn is_sql(text: &str) -> bool {
    let source = SourceFile {
        path: "0_schema.sql".to_owned(),
        text: text.to_owned(),
    };
    let (migrations, _) = in_order(vec![source]);
    let catalog = Catalog::build(&Config::default(), &migrations);
    let syntax = |problem: &Diagnostic| problem.code == Code::MIGRATION_SYNTAX;
    !catalog.diagnostics().iter().any(syntax)
}

fn unique(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    paths
}

impl Schema {
    fn read(
        workspace: &Workspace,
        package: usize,
        config: Option<Result<Config, Vec<Diagnostic>>>,
        base: PathBuf,
        folders: &[PathBuf],
    ) -> Self {
        let mut problems = Vec::new();
        let configured = config.is_some();
        let mut config = match config {
            Some(Ok(config)) => config,
            Some(Err(found)) => {
                problems.extend(found);
                Config::default()
            }
            None => Config::default(),
        };
        let mut files = Vec::new();
        let mut migrations = Vec::new();
        for folder in folders {
            let (read, mut wrong) = read(workspace, folder, &mut files);
            migrations.extend(read);
            problems.append(&mut wrong);
        }
        let mut about: Vec<String> = folders.iter().map(|it| workspace.shown(it)).collect();
        if !configured {
            let made = in_sources(workspace, package);
            if migrations.is_empty() && !made.is_empty() {
                about.push("CREATE TABLE in the sources".to_owned());
            }
            if migrations.is_empty() {
                migrations.extend(made);
            }
        }
        let known = !migrations.is_empty();
        let mut tenant = true;
        if !configured {
            let first = Catalog::build(&config, &migrations);
            let sent = workspace.files.iter().filter(|file| !file.test);
            let sent: Vec<&str> = sent.map(|file| file.text.as_str()).collect();
            tenant = infer(&mut config, &first, &migrations, &sent);
            let second = Catalog::build(&config, &migrations);
            let directives = tenant_directives(&second);
            if !directives.is_empty() {
                migrations.push(Migration {
                    path: "(inferred)".to_owned(),
                    version: u128::MAX,
                    name: "inferred".to_owned(),
                    text: format!("{};\n", directives.join(";\n")),
                });
                tenant = true;
            }
        }
        let catalog = Catalog::build(&config, &migrations);
        let about = match (known, about.is_empty()) {
            (false, _) => "no migrations found".to_owned(),
            (true, true) => "migrations".to_owned(),
            (true, false) => about.join(", "),
        };
        Self {
            extra: Extra::from_catalog(&catalog),
            catalog: Arc::new(catalog),
            configured,
            known,
            tenant,
            base,
            about,
            files,
            problems,
        }
    }

    /// What names the tenant, in a sentence.
    pub(crate) fn tenant_line(&self) -> String {
        let tenant = &self.catalog.config().tenant;
        let how = match (self.configured, self.known, self.tenant) {
            (true, _, _) => "",
            (false, true, true) => " (inferred; say it in watertight.toml)",
            (false, true, false) => " (no column of the migrations looks like a tenant's)",
            (false, false, _) => " (assumed; no migrations were found)",
        };
        format!(
            "column `{}` of type {}, setting `{}`{how}",
            tenant.column,
            tenant.kind.sql(),
            tenant.setting
        )
    }
}

/// Reads a folder or a file of migrations.
fn read(
    workspace: &Workspace,
    folder: &Path,
    files: &mut Vec<(String, String, String)>,
) -> (Vec<Migration>, Vec<Diagnostic>) {
    let mut sources = Vec::new();
    if folder.is_file() {
        let text = project::read(folder).unwrap_or_default();
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        files.push((name.clone(), workspace.shown(folder), text.clone()));
        let source = SourceFile { path: name, text };
        if is_snapshot(&source.text) {
            return match snapshot(source) {
                Ok(migration) => (vec![migration], Vec::new()),
                Err(problem) => (Vec::new(), vec![*problem]),
            };
        }
        return in_order(vec![source]);
    }
    if let Err(error) = project::collect(folder, "", &mut sources) {
        let problem = Diagnostic::error(Code::CATALOG_MISSING, format!("{error:#}"));
        return (Vec::new(), vec![problem]);
    }
    for source in &sources {
        let shown = workspace.shown(&folder.join(&source.path));
        files.push((source.path.clone(), shown, source.text.clone()));
    }
    match order(sources.clone()) {
        Ok(ordered) => (ordered, Vec::new()),
        // Names that no tool knows: the order of the alphabet is told as a guess.
        Err(problems) => {
            let (ordered, _) = in_order(sources);
            (ordered, problems)
        }
    }
}

/// Files without numbers, by their names.
fn in_order(mut sources: Vec<SourceFile>) -> (Vec<Migration>, Vec<Diagnostic>) {
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let migrations = sources
        .into_iter()
        .enumerate()
        .map(|(at, source)| Migration {
            version: at as u128,
            name: source.path.clone(),
            path: source.path,
            text: source.text,
        });
    (migrations.collect(), Vec::new())
}

/// `CREATE TABLE` and the like in statements of the sources.
fn in_sources(workspace: &Workspace, package: usize) -> Vec<Migration> {
    let mut text = String::new();
    let files = workspace.files.iter();
    for file in files.filter(|file| file.package == package && !file.test) {
        for statement in file.statements.iter().filter(|it| !it.test) {
            if let Text::Literal(literal) = &statement.text {
                let upper = literal.value.to_ascii_uppercase();
                let makes = [
                    "CREATE TABLE",
                    "ALTER TABLE",
                    "CREATE POLICY",
                    "CREATE OR REPLACE",
                    "CREATE FUNCTION",
                    "CREATE VIEW",
                    "COMMENT ON",
                ];
                if makes.iter().any(|it| upper.trim_start().starts_with(it)) {
                    text.push_str(literal.value.trim_end().trim_end_matches(';'));
                    text.push_str(";\n");
                }
            }
        }
    }
    match text.is_empty() {
        true => Vec::new(),
        false => vec![Migration {
            path: "(sources)".to_owned(),
            version: 0,
            name: "sources".to_owned(),
            text,
        }],
    }
}

/// The tenant column that most tables have, and the setting that policies read.
fn infer(config: &mut Config, catalog: &Catalog, migrations: &[Migration], sent: &[&str]) -> bool {
    let mut columns: BTreeMap<&str, (usize, TenantKind)> = BTreeMap::new();
    for relation in catalog.relations().filter(|it| it.is_table()) {
        for column in &relation.columns {
            let named = classify(&column.name, &Extra::from_config(config))
                .is_some_and(|found| found.tier == Tier::First);
            if !named {
                continue;
            }
            let ty = column.ty.as_ref().map(type_text).unwrap_or_default();
            let ty = ty.rsplit('.').next().unwrap_or_default().to_owned();
            let kind = match ty.as_str() {
                "uuid" => TenantKind::Uuid,
                "int8" | "int4" | "int2" | "bigint" | "integer" | "smallint" | "bigserial"
                | "serial" => TenantKind::Bigint,
                _ => TenantKind::Text,
            };
            columns.entry(&column.name).or_insert((0, kind)).0 += 1;
        }
    }
    let found = columns
        .into_iter()
        .max_by_key(|(name, (count, _))| (*count, name.ends_with("_id"), *name == "tenant_id"));
    let text: Vec<&str> = migrations.iter().map(|it| it.text.as_str()).collect();
    let text = text.join("\n");
    let mut settings: BTreeMap<&str, usize> = BTreeMap::new();
    for rest in text.split("current_setting('").skip(1) {
        if let Some((name, _)) = rest.split_once('\'')
            && name.contains('.')
        {
            *settings.entry(name).or_default() += 1;
        }
    }
    if settings.is_empty() {
        // Without a policy the setting is what the sources set.
        for rest in sent
            .iter()
            .flat_map(|text| text.split("set_config('").skip(1))
        {
            if let Some((name, _)) = rest.split_once('\'')
                && name.contains('.')
            {
                *settings.entry(name).or_default() += 1;
            }
        }
    }
    if let Some((name, _)) = settings.into_iter().max_by_key(|(_, count)| *count) {
        config.tenant.setting = name.to_owned();
    }
    let Some((name, (_, kind))) = found else {
        return false;
    };
    config.tenant.column = name.to_owned();
    config.tenant.kind = kind;
    true
}
