//! Fills a lock: judges every statement of the workspace as the compiler would, and writes down
//! what the catalogs say.
//!
//! Invariant: a statement is judged by the expansion of its macro, so that the lock can't say more
//! than the compiler does. A refused statement makes no lock.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use proc_macro2::TokenStream;
use sha2::{Digest as _, Sha256};
use watertight_analysis::catalog::{
    Body, Catalog as Known, Command, Directive, Function as KnownFunction, Policy,
    Relation as KnownRelation, RelationKind,
};
use watertight_analysis::prove::Grade;
use watertight_build::{Project as Place, locate, named};
use watertight_syntax::project::{Files, Project, StatementFile};
use watertight_syntax::query::{Judgement, Kind, Question, examine};

use super::build::Record;
use super::model::{Catalog, Exception, Function, Lock, Relation, Statement, Unseen, VERSION};
use super::workspace::Workspace;
use crate::project;

/// What a build sees into, of what a scan of the sources can't.
pub(crate) const BY_MACRO: [&str; 3] = [
    "a macro of one's own writes statements",
    "a macro that a statement is handed to",
    "a file that is included",
];

/// A lock, or what is refused.
pub(crate) struct Collected {
    pub(crate) lock: Lock,
    /// Each with its place.
    pub(crate) refused: Vec<String>,
}

/// One macro call and where it stands.
struct Asked<'a> {
    kind: Kind,
    arguments: TokenStream,
    item: TokenStream,
    /// The modules, types and functions around it.
    path: Vec<String>,
    /// Its file as the lock shows it.
    shown: String,
    /// Line and column, both from one.
    start: (usize, usize),
    sources: Sources<'a>,
}

impl Asked<'_> {
    /// Judges it, and writes down what came of it.
    fn answer(self, workspace: &Workspace, lock: &mut Lock, refused: &mut Vec<String>) {
        let examined = examine(self.kind, self.arguments, self.item, &self.sources);
        for error in &examined.errors {
            let start = error.span().start();
            let (line, column) = match start.line {
                0 => self.start,
                line => (line, start.column + 1),
            };
            refused.push(format!("{}:{line}:{column}: {error}", self.shown));
        }
        let several = examined.judged.len() > 1;
        for (index, judged) in examined.judged.into_iter().enumerate() {
            let which = match judged.combination.clone() {
                Some(combination) => combination.replace('`', ""),
                None if several => format!("{}", index + 1),
                None => String::new(),
            };
            let mut path = self.path.clone();
            if self.kind != Kind::Unproved {
                path.push(judged.function.clone());
            }
            let catalog = self
                .sources
                .place(judged.catalog.as_deref())
                .map(|place| catalog_path(workspace, &place))
                .unwrap_or_default();
            lock.statement.push(statement(
                judged,
                path.join("::"),
                self.shown.clone(),
                (which, catalog),
            ));
        }
    }
}

/// Fills a lock from the sources, and from what a build wrote down.
pub(crate) fn collect(workspace: &Workspace, built: Option<&[Record]>) -> Result<Collected> {
    let projects = Projects::default();
    let mut lock = Lock {
        version: VERSION,
        ..Lock::default()
    };
    let mut refused = Vec::new();
    for file in &workspace.files {
        for call in &file.source.calls {
            let mut path = file.module.clone();
            path.extend(call.path.iter().cloned());
            let start = call.span.start();
            let asked = Asked {
                kind: call.kind,
                arguments: call.arguments.clone(),
                item: call.item.clone(),
                path,
                shown: workspace.shown(&file.path),
                start: (start.line, start.column + 1),
                sources: Sources {
                    path: &file.path,
                    package: &file.package,
                    projects: &projects,
                },
            };
            asked.answer(workspace, &mut lock, &mut refused);
        }
        for exception in &file.source.exceptions {
            let mut path = file.module.clone();
            path.extend(exception.path.iter().cloned());
            lock.exception.push(Exception {
                place: path.join("::"),
                rule: exception.rule.to_owned(),
                reason: exception.reason.clone(),
            });
        }
    }
    for record in built.unwrap_or_default() {
        let home = workspace.files.iter().find(|file| file.path == record.file);
        let known = home.is_some_and(|file| {
            let mut calls = file.source.calls.iter();
            calls.any(|call| call.span.start().line == record.line)
        });
        // Only the packages that were asked for.
        if known || !workspace.packages.contains(&record.package) {
            continue;
        }
        let mut path = home.map(|file| file.module.clone()).unwrap_or_default();
        path.push("(made by a macro)".to_owned());
        let asked = Asked {
            kind: record.kind,
            arguments: record.attribute.clone(),
            item: record.item.clone(),
            path,
            shown: workspace.shown(&record.file),
            start: (record.line, 1),
            sources: Sources {
                path: &record.file,
                package: &record.package,
                projects: &projects,
            },
        };
        asked.answer(workspace, &mut lock, &mut refused);
    }
    for (place, project) in projects.all() {
        lock.catalog.push(catalog(workspace, &place, &project)?);
    }
    let by_macro = |what: &str| built.is_some() && BY_MACRO.contains(&what);
    for (file, what) in workspace.unseen.iter().filter(|(_, what)| !by_macro(what)) {
        lock.unseen.push(Unseen {
            file: file.clone(),
            what: what.clone(),
        });
    }
    sort(&mut lock);
    Ok(Collected { lock, refused })
}

/// One order, whatever the file system's; a key that several share is numbered.
fn sort(lock: &mut Lock) {
    lock.catalog.sort_by(|a, b| a.path.cmp(&b.path));
    // Stable: several of one function keep the order of the source.
    lock.statement
        .sort_by(|a, b| (&a.function, &a.file).cmp(&(&b.function, &b.file)));
    lock.exception.sort();
    lock.unseen.sort();
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for statement in &mut lock.statement {
        let (function, which) = statement.key();
        let count = seen
            .entry((function.to_owned(), which.to_owned()))
            .or_default();
        *count += 1;
        if *count > 1 {
            let again = format!("again, {count}");
            statement.which = match statement.which.is_empty() {
                true => again,
                false => format!("{}; {again}", statement.which),
            };
        }
    }
}

fn statement(
    judged: Judgement,
    function: String,
    file: String,
    (which, catalog): (String, String),
) -> Statement {
    let mut statement = Statement {
        function,
        file,
        which,
        catalog,
        sql: judged.source,
        returns_tenant: judged.returns_tenant.unwrap_or_default(),
        ..Statement::default()
    };
    if let Some(proof) = &judged.proof {
        statement.grade = match proof.grade {
            Grade::Rls => "rls",
            Grade::Predicate => "predicate",
        }
        .to_owned();
        statement.derivation = crate::prove::derivation(proof);
        statement.relations.clone_from(&proof.relations);
        statement.writes = proof.writes;
        // The target of an upsert occurs twice, for one reason.
        statement.derivation.dedup();
    }
    match judged.question {
        Question::Tenant => {}
        Question::Unproved { reason } => {
            statement.grade = "unproved".to_owned();
            statement.reason = reason;
        }
        Question::System {
            role,
            tables,
            reason,
        } => {
            statement.grade = "system".to_owned();
            statement.role = role;
            statement.tables = tables;
            statement.reason = reason;
        }
    }
    statement
}

fn catalog_path(workspace: &Workspace, place: &Place) -> String {
    let path = match (place.configured, place.migrations.first()) {
        (false, Some(folder)) => folder,
        _ => &place.config,
    };
    workspace.shown(path)
}

fn catalog(workspace: &Workspace, place: &Place, project: &Project) -> Result<Catalog> {
    let known = &project.catalog;
    let config = known.config();
    let hash = match place.configured {
        true => hash(project::read(&place.config)?.as_bytes()),
        false => String::new(),
    };
    let mut relation: Vec<Relation> = known
        .relations()
        .filter(|relation| relation.kind != RelationKind::Sequence)
        .map(|found| self::relation(known, found))
        .collect();
    relation.sort_by(|a, b| a.name.cmp(&b.name));
    let function = config.functions.iter().map(|allowed| Function {
        name: allowed.name.clone(),
        reason: allowed.reason.clone(),
        body: bodies(known, &allowed.name),
    });
    let mut warnings: Vec<String> = project::warnings(known).map(project::one_line).collect();
    warnings.sort();
    warnings.dedup();
    Ok(Catalog {
        path: catalog_path(workspace, place),
        tenant: format!(
            "{} {}, setting {}",
            config.tenant.column,
            config.tenant.kind.sql(),
            config.tenant.setting
        ),
        application_role: config.application_role.clone(),
        search_path: known.search_path().to_vec(),
        require_rls: config.require_rls,
        relax_force: config.relax_force,
        allow_stale_catalog: config.allow_stale_catalog,
        forbid_unproved: config.forbid_unproved,
        config: hash,
        migrations: project
            .files
            .iter()
            .map(|file| format!("{} {}", file.path, short(&file.checksum)))
            .collect(),
        warnings,
        relation,
        function: function.collect(),
        words: config.tenant.words.clone(),
        not_tenant: config
            .not_tenant
            .iter()
            .map(|name| format!("{}: {}", name.name, name.reason))
            .collect(),
    })
}

fn relation(known: &Known, relation: &KnownRelation) -> Relation {
    let mut classes: Vec<(String, String)> = Vec::new();
    for command in Command::ALL {
        let class = known.class(relation, command);
        let text = match class.reason() {
            Some(reason) => format!("{} ({})", class.word(), reason.replace(", ", "; ")),
            None => class.word().to_owned(),
        };
        classes.push((command.sql().to_lowercase(), text));
    }
    let one = classes
        .first()
        .filter(|(_, first)| classes.iter().all(|(_, it)| it == first));
    let class = match one {
        Some((_, class)) => class.clone(),
        None => {
            let parts: Vec<String> = classes
                .iter()
                .map(|(command, class)| format!("{command} {class}"))
                .collect();
            parts.join(", ")
        }
    };
    let rls = match (relation.rls.enabled, relation.rls.forced) {
        (true, true) => "forced",
        (true, false) => "enabled",
        (false, _) => "off",
    };
    let mut policies: Vec<String> = relation.policies.iter().map(policy).collect();
    policies.sort();
    Relation {
        name: relation.display(),
        kind: crate::catalog::kind(relation).to_owned(),
        rls: rls.to_owned(),
        class,
        directive: match &relation.directive {
            Some(Directive::Global { reason }) => format!("@global {reason}"),
            Some(Directive::Tenant { column }) => format!("@tenant {column}"),
            None => String::new(),
        },
        policies,
    }
}

fn policy(policy: &Policy) -> String {
    let kind = if policy.permissive {
        "PERMISSIVE"
    } else {
        "RESTRICTIVE"
    };
    let command = policy.command.map_or("ALL", Command::sql);
    let conditions = without_places(&format!("{:?} {:?}", policy.using, policy.check));
    let hash: String = hash(conditions.as_bytes()).chars().take(8).collect();
    format!(
        "{}: {kind} {command} TO {} #{hash}",
        policy.name,
        policy.roles.join(", ")
    )
}

/// The form of an expression without where it stands in its file.
fn without_places(form: &str) -> String {
    let mut parts = form.split("span: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        out.push_str(part.get(end.unwrap_or(part.len())..).unwrap_or_default());
    }
    out
}

/// A hash for each function that an allowed name stands for: everything of it that runs.
fn bodies(known: &Known, name: &str) -> Vec<String> {
    let mut found: Vec<String> = known
        .all_functions()
        .iter()
        .filter(|function| {
            function.name == name || format!("{}.{}", function.schema, function.name) == name
        })
        .map(|function| {
            format!(
                "{} {}",
                function.signature(),
                hash(reached(known, function).as_bytes())
            )
        })
        .collect();
    found.sort();
    found
}

/// Everything of a function that runs, and of the functions that its text names: they are trusted
/// with it.
fn reached(known: &Known, function: &KnownFunction) -> String {
    let mut whole = BTreeSet::new();
    let mut pending = vec![function];
    while let Some(function) = pending.pop() {
        let body = match &function.body {
            Body::Sql { text, .. } if !text.is_empty() => text.clone(),
            Body::Opaque { text, .. } => text.clone(),
            other => without_places(&format!("{other:?}")),
        };
        let head = without_places(&format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            function.kind,
            function.arguments,
            function.returns,
            function.returns_set,
            function.volatility,
            function.strict,
            function.settings,
        ));
        let text = format!(
            "{}\n{}\n{}\n{head}\n{body}",
            function.signature(),
            function.language,
            function.security_definer
        );
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let named: BTreeSet<String> = words.map(str::to_owned).collect();
        // What was followed before is not followed again.
        if whole.insert(text) {
            let called = known.all_functions().iter();
            pending.extend(called.filter(|other| named.contains(&other.name)));
        }
    }
    whole.into_iter().collect::<Vec<_>>().join("\n")
}

/// SHA-256, as far as a review needs it.
fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    short(&hex)
}

/// 128 bits of a longer hash in hexadecimal.
fn short(hex: &str) -> String {
    hex.chars().take(32).collect()
}

/// A project, or what the user is told instead.
type Loaded = Result<Arc<Project>, String>;

/// The projects that were read, by their configuration.
#[derive(Default)]
pub(crate) struct Projects {
    read: Mutex<HashMap<PathBuf, (Place, Loaded)>>,
}

impl Projects {
    fn get(&self, place: Place) -> Loaded {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, project)) = read.get(&place.config) {
            return project.clone();
        }
        let project = project::at(&place)
            .map(Arc::new)
            .map_err(|error| format!("{error:#}"));
        read.insert(place.config.clone(), (place, project.clone()));
        project
    }

    /// Those that could be read; the others are errors of their statements.
    fn all(self) -> Vec<(Place, Arc<Project>)> {
        let read = self
            .read
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        read.into_values()
            .filter_map(|(place, project)| Some((place, project.ok()?)))
            .collect()
    }
}

/// The files that the macro calls of one source file ask for.
pub(crate) struct Sources<'a> {
    pub(crate) path: &'a Path,
    /// The folder of its package.
    pub(crate) package: &'a Path,
    pub(crate) projects: &'a Projects,
}

impl Sources<'_> {
    /// As the macros look for it: from the source file, then from its package.
    fn place(&self, catalog: Option<&str>) -> Result<Place, String> {
        let starts = [self.path.to_path_buf(), self.package.to_path_buf()];
        match catalog {
            Some(catalog) => named(catalog, &starts)
                .map_err(|_| format!("there is no configuration at `{catalog}`")),
            None => locate(&starts).ok_or_else(|| "there are no migrations".to_owned()),
        }
    }
}

impl Files for Sources<'_> {
    fn project(&self, catalog: Option<&str>) -> Result<Arc<Project>, String> {
        self.projects.get(self.place(catalog)?)
    }

    fn statement(&self, path: &str) -> Result<StatementFile, String> {
        let found = self.package.join(Path::new(path));
        match project::read(&found) {
            Ok(text) => Ok(StatementFile {
                path: found.to_string_lossy().into_owned(),
                text,
            }),
            Err(error) => Err(format!("{error:#}")),
        }
    }
}
