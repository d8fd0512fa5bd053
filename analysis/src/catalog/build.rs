//! Builds the catalog: applies each migration's statements to the state of the ones before.
//!
//! Invariant: the state after a statement is what PostgreSQL would have, or unknown.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::model::{RelationId, Unknown};
use super::{Catalog, Defined, finish, remedy};
use crate::config::Config;
use crate::ddl::ir::{Ddl, Ref, Step};
use crate::ddl::{self};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::migrations::Migration;
use crate::worker;

/// The schema that temporary tables live in while migrations run.
pub(super) const TEMPORARY: &str = "pg_temp";

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The path of the migration.
    pub path: String,
    /// The line, from one.
    pub line: usize,
}

/// What puts a role above row-level security.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Powers {
    pub(super) superuser: bool,
    pub(super) bypassrls: bool,
}

/// The state while migrations are applied.
#[derive(Clone, Debug)]
pub(super) struct Builder {
    pub(super) catalog: Catalog,
    /// The schemas that unqualified names are looked up in; new objects go into the first.
    pub(super) path: Vec<String>,
    /// The path to go back to at the end of the transaction.
    pub(super) path_before_local: Option<Vec<String>>,
    /// What an earlier file left as the path, where the same connection goes on.
    pub(super) path_left: Option<Vec<String>>,
    /// After a file that left `search_path` empty: what statements with IF EXISTS would have changed,
    /// which were skipped if the path is still empty. Any other unqualified name shows that it is not.
    pub(super) skipped: Option<Vec<RelationId>>,
    /// Names of temporary tables of earlier files, which may or may not still be there.
    pub(super) stale_temporary: HashSet<String>,
    /// Temporary tables that end with the transaction.
    pub(super) drop_on_commit: Vec<String>,
    /// Membership of roles: member and role.
    pub(super) members: BTreeSet<(String, String)>,
    /// What `CREATE ROLE` and `ALTER ROLE` say of `BYPASSRLS` and `SUPERUSER`.
    pub(super) powers: BTreeMap<String, Powers>,
    /// `ALTER ROLE … SET search_path` by role, where the empty one is all of them, and database.
    pub(super) role_paths: BTreeMap<(String, Option<String>), Vec<String>>,
    /// Roles that privileges were granted to.
    pub(super) granted: BTreeSet<String>,
    /// Functions of operators, casts and domains, which run without being named as calls.
    pub(super) implicit: Vec<String>,
    pub(super) at: Location,
    /// Whether the file itself has opened a transaction.
    pub(super) in_transaction: bool,
    /// What `path_left` was before a `SET LOCAL` that only some tools run in a transaction.
    pub(super) path_left_before_local: Option<Option<Vec<String>>>,
    snapshot: Option<Box<Builder>>,
    /// Names of foreign keys and checks by schema, with the table that had each first.
    pub(super) constraint_names: HashMap<(String, String), RelationId>,
    /// Relations whose views and policies read others: what a change elsewhere may reach.
    pub(super) readers: BTreeSet<RelationId>,
    /// Names of relations that went into a schema which is not known.
    pub(super) ambiguous_names: HashSet<String>,
    /// Roles that migrations name; a schema called like one is where its unqualified names lead.
    pub(super) named_roles: BTreeSet<String>,
    /// The role that `SET ROLE` switched to; `?` where it is not known.
    pub(super) current_role: Option<String>,
    /// The path that later connections start with, perhaps.
    pub(super) default_path: Option<Vec<String>>,
    /// Whether this is a snapshot: it describes, and nothing of it ever runs.
    pub(super) describes: bool,
    /// What a script may or may not have made: relations, policies and the like by their marks.
    pub(super) perhaps: HashSet<String>,
    /// Whether an extension was made whose relations are not known.
    pub(super) extensions: bool,
    /// How deep the following of what is evaluated has gone into itself.
    pub(super) following: usize,
    /// Functions of event triggers, which may run with every later statement, whether they are
    /// dropped or not.
    pub(super) event_functions: BTreeSet<String>,
    /// SQL text that a scheduler of a platform runs from time to time.
    pub(super) jobs: BTreeSet<String>,
    /// The statement of a script that is being applied, and why it only may run.
    pub(super) script: (String, String),
}

pub(super) fn build(config: &Config, migrations: &[Migration]) -> Catalog {
    let built = worker::run(|| {
        let mut builder = Builder::new(config, migrations);
        for migration in migrations {
            builder.migration(migration);
        }
        finish::finish(builder)
    });
    built.unwrap_or_else(|bug| {
        // Nothing is known, so nothing is proved.
        let mut catalog = Builder::new(config, migrations).catalog;
        catalog.ever.anything = Some("the analysis of the migrations failed".to_owned());
        catalog.diagnostics.push(*bug);
        catalog
    })
}

impl Builder {
    fn new(config: &Config, migrations: &[Migration]) -> Self {
        let catalog = Catalog {
            config: config.clone(),
            id: identity(config, migrations),
            relations: Vec::new(),
            by_name: HashMap::new(),
            functions: Vec::new(),
            function_names: HashMap::new(),
            operators: Vec::new(),
            types: Vec::new(),
            collations: Vec::new(),
            casts: Vec::new(),
            schemas: BTreeSet::from(["public".to_owned()]),
            search_path: Vec::new(),
            roles: BTreeSet::from([config.application_role.clone()]),
            roles_unknown: None,
            bypasses_rls: None,
            ever: Defined::default(),
            diagnostics: Vec::new(),
        };
        Self {
            catalog,
            path: vec!["public".to_owned()],
            path_before_local: None,
            path_left: None,
            skipped: None,
            stale_temporary: HashSet::new(),
            drop_on_commit: Vec::new(),
            members: BTreeSet::new(),
            powers: BTreeMap::new(),
            role_paths: BTreeMap::new(),
            granted: BTreeSet::new(),
            implicit: Vec::new(),
            at: Location {
                path: String::new(),
                line: 0,
            },
            in_transaction: false,
            path_left_before_local: None,
            snapshot: None,
            constraint_names: HashMap::new(),
            readers: BTreeSet::new(),
            ambiguous_names: HashSet::new(),
            named_roles: BTreeSet::new(),
            current_role: None,
            default_path: None,
            describes: matches!(migrations, [one] if crate::migrations::is_snapshot(&one.text)),
            perhaps: HashSet::new(),
            extensions: false,
            following: 0,
            jobs: BTreeSet::new(),
            event_functions: BTreeSet::new(),
            script: Default::default(),
        }
    }

    fn migration(&mut self, migration: &Migration) {
        self.at = Location {
            path: migration.path.clone(),
            line: 1,
        };
        let steps = match ddl::steps(&migration.text) {
            Ok(steps) => steps,
            Err(errors) => {
                for mut error in errors {
                    if error.code == Code::SYNTAX {
                        error.code = Code::MIGRATION_SYNTAX;
                    }
                    self.at.line = error
                        .span
                        .as_ref()
                        .map_or(1, |span| line(&migration.text, span.start));
                    // The excerpt belongs to the migration, which the caller may not have at hand.
                    let note = format!("in {} line {}", self.at.path, self.at.line);
                    error.span = None;
                    self.catalog.diagnostics.push(error.note(note));
                }
                self.everything_unknown(&format!("`{}` could not be read", migration.path));
                return;
            }
        };
        let rolls_back = steps.iter().any(|step| matches!(step.ddl, Ddl::Rollback));
        let mut previous = 0;
        let mut untouched = true;
        let mut counted = 0;
        self.at.line = 1;
        for step in steps {
            let between = migration
                .text
                .get(counted..step.span.start)
                .unwrap_or_default();
            self.at.line += between.matches('\n').count();
            counted = step.span.start;
            let before = migration
                .text
                .get(previous..step.span.start)
                .unwrap_or_default();
            previous = step.span.end;
            let touches = touches(before);
            if matches!(step.ddl, Ddl::Begin) {
                self.in_transaction = true;
                // Where the tool has opened a transaction already, this BEGIN does nothing, and a
                // ROLLBACK takes back what stands before it as well: only the first will do.
                if rolls_back && untouched {
                    let copy = self.clone();
                    self.snapshot = Some(Box::new(copy));
                }
            }
            untouched = false;
            self.step(step, touches);
        }
        self.end_of_file();
    }

    /// Applies one statement; `touches` is what a directive in front of it declares.
    fn step(&mut self, step: Step, touches: Option<Vec<String>>) {
        if let Some(touches) = touches
            && matches!(
                step.ddl,
                Ddl::Do { .. } | Ddl::Unknown { .. } | Ddl::Data { .. } | Ddl::Evaluates { .. }
            )
        {
            self.declared(&touches);
            return;
        }
        if self.describes
            && matches!(
                step.ddl,
                Ddl::Do { .. } | Ddl::Data { .. } | Ddl::Evaluates { .. } | Ddl::Reindex
            )
        {
            self.unreadable("a statement that runs something, in a snapshot, which only describes");
            return;
        }
        match step.ddl {
            Ddl::Begin => {}
            Ddl::Commit => self.end_of_transaction(),
            Ddl::Rollback => match self.snapshot.take() {
                Some(snapshot) => {
                    *self = *snapshot;
                    self.in_transaction = false;
                }
                None => self.unreadable("ROLLBACK without a BEGIN in the same file"),
            },
            other => self.apply(other),
        }
        // They see what the statement made, and under which name.
        if !self.event_functions.is_empty() {
            let functions = self.event_functions.iter().cloned().collect();
            self.evaluates(Vec::new(), functions);
        }
    }

    fn end_of_transaction(&mut self) {
        self.in_transaction = false;
        if let Some(left) = self.path_left_before_local.take() {
            self.path_left = left;
        }
        self.snapshot = None;
        if let Some(path) = self.path_before_local.take() {
            self.path = path;
        }
        for name in std::mem::take(&mut self.drop_on_commit) {
            if let Some(id) = self.lookup(TEMPORARY, &name) {
                self.remove(id);
            }
        }
    }

    fn end_of_file(&mut self) {
        if self.in_transaction {
            self.unreadable("BEGIN without COMMIT");
        }
        self.current_role = None;
        self.end_of_transaction();
        let temporary: Vec<(String, RelationId)> = self
            .catalog
            .by_name
            .get(TEMPORARY)
            .map(|names| names.iter().map(|(name, id)| (name.clone(), *id)).collect())
            .unwrap_or_default();
        for (name, id) in temporary {
            self.remove(id);
            self.stale_temporary.insert(name);
        }
        let usual = vec!["public".to_owned()];
        if self.path != usual {
            // An empty path finds nothing: whoever goes on like that gets an error, but for
            // statements with IF EXISTS.
            if self.path.is_empty() {
                self.skipped.get_or_insert_default();
            } else {
                self.path_left = Some(self.path.clone());
                self.diagnose(
                    Code::SEARCH_PATH,
                    Severity::Warning,
                    format!(
                        "the migration leaves `search_path` as `{}`",
                        self.path.join(", ")
                    ),
                    "write `SET LOCAL search_path`, or set it back at the end: whether the next \
                     migration sees it depends on the tool",
                );
            }
            self.path = usual;
        }
        for job in self.jobs.clone() {
            self.runs_later(&job);
        }
        if let Some(path) = &self.default_path {
            self.path_left = Some(path.clone());
        }
    }

    /// Nothing is known about this relation any more.
    pub(super) fn unknown(&mut self, id: RelationId, reason: &str) {
        let place = format!(" ({} line {})", self.at.path, self.at.line);
        if let Some(relation) = self.relation_mut(id) {
            relation.unknown.get_or_insert_with(|| Unknown {
                reason: format!("{reason}{place}"),
                help: remedy::of(reason).to_owned(),
            });
        }
    }

    /// Nothing is known about anything that exists by now.
    pub(super) fn everything_unknown(&mut self, reason: &str) {
        for id in self.ids() {
            self.unknown(id, reason);
        }
        let reason = format!("{reason} ({} line {})", self.at.path, self.at.line);
        for function in &mut self.catalog.functions {
            function.unknown.get_or_insert_with(|| reason.clone());
        }
        self.catalog
            .ever
            .anything
            .get_or_insert_with(|| reason.clone());
        self.catalog.roles_unknown.get_or_insert(reason);
    }

    /// A statement that can't be read: everything is unknown, and the message says what to do.
    pub(super) fn unreadable(&mut self, what: &str) {
        self.diagnose(
            Code::MIGRATION_UNKNOWN,
            Severity::Error,
            format!(
                "what `{what}` touches is not known, so nothing that exists by then is protected"
            ),
            remedy::PLAIN,
        );
        self.everything_unknown(&format!("what `{what}` touches is not known"));
    }

    /// What a directive declares to be touched.
    fn declared(&mut self, touches: &[String]) {
        for name in touches {
            let parts: Vec<String> = name
                .split('.')
                .map(|part| part.trim_matches('"').to_owned())
                .collect();
            let reference = match parts.as_slice() {
                [name] => Ref {
                    schema: None,
                    name: name.clone(),
                },
                [schema, name] => Ref {
                    schema: Some(schema.clone()),
                    name: name.clone(),
                },
                _ => {
                    self.unreadable(name);
                    continue;
                }
            };
            match self.target(&reference) {
                Some(id) => self.unknown(
                    id,
                    "a directive says that an unreadable statement touches it",
                ),
                None => {
                    self.diagnose(
                        Code::DIRECTIVE,
                        Severity::Error,
                        format!("`@touches` names `{name}`, which does not exist here"),
                        "name tables that an earlier statement creates, or `nothing`",
                    );
                    self.everything_unknown(&format!(
                        "`@touches` names `{name}`, which does not exist"
                    ));
                }
            }
        }
    }

    pub(super) fn diagnose(&mut self, code: Code, severity: Severity, message: String, help: &str) {
        let diagnostic = match severity {
            Severity::Error => Diagnostic::error(code, message),
            Severity::Warning => Diagnostic::warning(code, message),
        };
        let place = format!("in {} line {}", self.at.path, self.at.line);
        self.catalog
            .diagnostics
            .push(diagnostic.note(place).help(help));
    }

    /// Something that a statement changes and that no migration creates.
    pub(super) fn missing(&mut self, what: &str, name: &Ref) {
        // A loop over all tables meets those of tools as well, where they are.
        if super::script::server::BOOKKEEPING.contains(&name.name.as_str()) {
            return;
        }
        let name = match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        self.diagnose(
            Code::MIGRATION_REFERENCE,
            Severity::Warning,
            format!("the {what} `{name}` is changed, but no migration before it creates it"),
            "add the migration that creates it, or remove the statement",
        );
    }
}

/// What a `-- @touches …` in the line before a statement declares; `nothing` is an empty list.
fn touches(before: &str) -> Option<Vec<String>> {
    let line = before.lines().rev().map(str::trim).find(|line| {
        // Markers of a tool may stand in between.
        !line.is_empty() && !line.starts_with("-- +goose") && !line.starts_with("--> statement")
    })?;
    // A line of a block comment is no line comment.
    if line.contains("*/") || before.rfind("/*") > before.rfind("*/") {
        return None;
    }
    let line = line.strip_prefix("--")?.trim().strip_prefix("@touches")?;
    if !line.starts_with(char::is_whitespace) {
        return None;
    }
    let line = line.trim();
    if line == "nothing" || line.starts_with("nothing ") {
        return Some(Vec::new());
    }
    Some(line.split(',').map(|name| name.trim().to_owned()).collect())
}

fn line(text: &str, offset: usize) -> usize {
    text.get(..offset)
        .map_or(1, |before| before.matches('\n').count() + 1)
}

/// FNV-1a over everything that the catalog is made from, twice with different bases: 128 bits.
/// It detects accidental mixtures; it is no signature.
fn identity(config: &Config, migrations: &[Migration]) -> String {
    let mut text = format!("{config:?}");
    for migration in migrations {
        text.push('\0');
        text.push_str(&migration.path);
        text.push('\0');
        text.push_str(&migration.text);
    }
    let hash = |seed: u64| {
        text.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    format!(
        "{:016x}{:016x}",
        hash(0xcbf2_9ce4_8422_2325),
        hash(0x9ae1_6a3b_2f90_404f)
    )
}
