//! What a `DO` block or a called function may touch.
//!
//! Invariant: a block is either read to the end, and what it may touch becomes unknown, or
//! everything does.

use std::collections::{HashMap, HashSet};

use super::build::Builder;
use super::model::{ColumnDefault, PolicyExpr, RelationId};
use super::remedy;
use super::routine::Body;
use super::walk::{Mentions, mentions, query_mentions, statement_mentions};
use crate::ddl::ir::{Ddl, Ref};
use crate::ddl::split_path;
use crate::diagnostic::{Code, Severity};
use crate::functions::{Verdict, builtin};
use crate::ir::{Expr, Query, Statement};
use crate::policy::of_an_extension;
use crate::policy::platform::{self, Touches};

/// What a statement evaluates, directly or through what it reaches.
#[derive(Debug, Default)]
pub(super) struct Evaluated {
    functions: Vec<String>,
    relations: Vec<RelationId>,
    seen_functions: HashSet<String>,
    seen_relations: HashSet<RelationId>,
    /// The names of functions as they are written, with their schemas, by their last parts.
    written: HashMap<String, String>,
    /// Tables that functions of platforms change, and those functions.
    changed: Vec<(String, String)>,
    /// SQL text that runs later.
    later: Vec<String>,
    /// Whether a rule may rewrite a statement: what it does instead is not kept.
    rules: bool,
}

impl Evaluated {
    /// Rows of these relations are written or rewritten.
    pub(super) fn reads(&mut self, relations: Vec<RelationId>) {
        self.relations.extend(relations);
    }
}

/// What event triggers ask for the command that fired them.
const EVENTS: &[&str] = &[
    "pg_event_trigger_ddl_commands",
    "pg_event_trigger_dropped_objects",
];

/// How deep a function may call, through what it changes, itself.
const FOLLOWING: usize = 6;

impl Builder {
    pub(super) fn do_block(&mut self, language: &str, body: &str) {
        let mut work = Evaluated::default();
        let read = match language {
            "plpgsql" => self.run_block(body, true, &mut work),
            other => Err(other.to_owned()),
        };
        match read {
            Ok(()) => self.evaluate(work),
            Err(why) => self.dynamic(&format!("a DO block with {why}")),
        }
    }

    /// A query or data change of a migration: it matters only for what it evaluates.
    pub(super) fn data(&mut self, statement: &Statement) {
        if let Some(name) = self.of_the_server(statement) {
            self.unreadable(&format!("a change of `{name}`"));
            return;
        }
        let mut work = Evaluated::default();
        self.note(&statement_mentions(statement), &mut work);
        self.evaluate(work);
    }

    /// The server's own table that a statement changes, as a whole or in a WITH: what it says of
    /// tables, policies and roles is what the server goes by.
    pub(super) fn of_the_server(&self, statement: &Statement) -> Option<String> {
        let (target, with) = match statement {
            Statement::Query(query) => (None, query.with.as_ref()),
            Statement::Insert(insert) => (Some(&insert.target), insert.with.as_ref()),
            Statement::Update(update) => (Some(&update.target), update.with.as_ref()),
            Statement::Delete(delete) => (Some(&delete.target), delete.with.as_ref()),
            Statement::Merge(merge) => (Some(&merge.target), merge.with.as_ref()),
        };
        let named = target.and_then(|target| {
            let name = match target.name.parts.as_slice() {
                [name] => Ref {
                    schema: None,
                    name: name.clone(),
                },
                [.., schema, name] => Ref {
                    schema: Some(schema.clone()),
                    name: name.clone(),
                },
                [] => return None,
            };
            self.is_of_the_server(&name).then_some(name.name)
        });
        let inner = with.into_iter().flat_map(|with| &with.ctes);
        named.or_else(|| {
            inner
                .filter_map(|cte| self.of_the_server(&cte.statement))
                .next()
        })
    }

    /// Whether a name is that of one of the server's own tables.
    pub(super) fn is_of_the_server(&self, name: &Ref) -> bool {
        match name.schema.as_deref() {
            Some(schema) => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
            None => name.name.starts_with("pg_") && self.find(name).is_none(),
        }
    }

    pub(super) fn evaluates_query(&mut self, query: &Query) {
        let mut work = Evaluated::default();
        self.note(&query_mentions(query), &mut work);
        self.evaluate(work);
    }

    /// What these expressions call runs.
    pub(super) fn evaluates_found(&mut self, found: &[Mentions]) {
        let mut work = Evaluated::default();
        for found in found {
            self.note(found, &mut work);
        }
        self.evaluate(work);
    }

    /// Rows of these relations are read, checked or rewritten, and these functions are called.
    pub(super) fn evaluates(&mut self, relations: Vec<RelationId>, functions: Vec<String>) {
        self.evaluate(Evaluated {
            functions,
            relations,
            ..Evaluated::default()
        });
    }

    pub(super) fn note(&self, found: &Mentions, work: &mut Evaluated) {
        let mut functions = found.functions.clone();
        for call in &found.calls {
            let Some(touches) = platform::touches(&self.catalog, call) else {
                continue;
            };
            if let Some(at) = functions.iter().position(|name| name == call.name()) {
                functions.swap_remove(at);
            }
            match touches {
                Touches::Nothing => {}
                Touches::Table(table) => work.changed.push((table, call.parts.join("."))),
                Touches::Later(text) => work.later.push(text),
            }
        }
        work.functions.extend(functions);
        for call in &found.calls {
            work.written
                .entry(call.name().to_owned())
                .or_insert_with(|| call.parts.join("."));
        }
        let defined = |name: &&String| self.catalog.function_names.contains_key(*name);
        work.functions
            .extend(found.fields.iter().filter(defined).cloned());
        for parts in &found.relations {
            let reference = match parts.as_slice() {
                [name] => Ref {
                    schema: None,
                    name: name.clone(),
                },
                [schema, name] | [_, schema, name] => Ref {
                    schema: Some(schema.clone()),
                    name: name.clone(),
                },
                _ => continue,
            };
            work.relations.extend(self.find(&reference));
        }
    }

    /// Follows functions, triggers, defaults, checks, views and keys to whatever they evaluate.
    fn evaluate(&mut self, work: Evaluated) {
        if self.describes {
            return;
        }
        if self.following > FOLLOWING {
            self.dynamic("a function that changes what calls it");
            return;
        }
        self.following += 1;
        self.follow(work);
        self.following -= 1;
    }

    fn follow(&mut self, mut work: Evaluated) {
        // Operators, casts and domains call their functions without being named as calls.
        work.functions.extend(self.implicit.iter().cloned());
        loop {
            if let Some(name) = work.functions.pop() {
                if work.seen_functions.insert(name.clone())
                    && let Err(why) = self.evaluate_function(&name, &mut work)
                {
                    self.dynamic(&why);
                    return;
                }
            } else if let Some(id) = work.relations.pop() {
                if work.seen_relations.insert(id) {
                    self.note_relation(id, &mut work);
                }
            } else {
                if work.rules {
                    self.dynamic("a statement on a table with a rule");
                }
                for (table, function) in std::mem::take(&mut work.changed) {
                    self.changed_by(&table, &function);
                }
                for text in std::mem::take(&mut work.later) {
                    self.runs_later(&text);
                    self.jobs.insert(text);
                }
                return;
            }
        }
    }

    /// A function of a platform changes a table, and what is tied to it by foreign keys.
    fn changed_by(&mut self, table: &str, function: &str) {
        let parts = split_name(table);
        let name = match parts.as_slice() {
            [name] => Ref {
                schema: None,
                name: name.clone(),
            },
            [schema, name] => Ref {
                schema: Some(schema.clone()),
                name: name.clone(),
            },
            _ => return self.dynamic(&format!("a call of `{function}`")),
        };
        let Some(first) = self.target(&name) else {
            return self.dynamic(&format!("a call of `{function}`"));
        };
        let mut tied = vec![first];
        let mut next = 0;
        while let Some(id) = tied.get(next).copied() {
            next += 1;
            let Some(relation) = self.relation(id) else {
                continue;
            };
            let mut near: Vec<RelationId> =
                relation.foreign_keys.iter().map(|k| k.target).collect();
            near.extend(relation.children.iter().chain(&relation.parents));
            let refers =
                |other: &&super::Relation| other.foreign_keys.iter().any(|k| k.target == id);
            near.extend(
                self.catalog
                    .relations()
                    .filter(refers)
                    .map(|other| other.id),
            );
            near.retain(|other| !tied.contains(other));
            tied.extend(near);
        }
        for id in tied {
            self.unknown(id, &format!("what `{function}` does to it is not known"));
        }
    }

    /// SQL text that runs at some time from now on: it may only change data. What it calls is read
    /// as it is now, and again after every later migration.
    pub(super) fn runs_later(&mut self, text: &str) {
        let mut work = Evaluated::default();
        let mut unclear = !self.is_data(text, &mut work);
        // Text that runs text is not followed.
        unclear |= !work.later.is_empty() || !work.changed.is_empty();
        if unclear {
            let words: Vec<&str> = text.split_whitespace().take(6).collect();
            return self.dynamic(&format!("the scheduled job `{}`", words.join(" ")));
        }
        self.evaluate(work);
    }

    fn is_data(&self, text: &str, work: &mut Evaluated) -> bool {
        let Ok(steps) = crate::ddl::steps(text) else {
            return false;
        };
        for step in steps {
            match step.ddl {
                Ddl::Data {
                    statement: Ok(statement),
                } => self.note(&statement_mentions(&statement), work),
                Ddl::Evaluates { relations } => {
                    work.reads(
                        relations
                            .iter()
                            .filter_map(|name| self.find(name))
                            .collect(),
                    );
                }
                Ddl::Reindex => {
                    let stored: Vec<_> = self
                        .ids()
                        .into_iter()
                        .flat_map(|id| self.stored(id))
                        .collect();
                    for found in &stored {
                        self.note(found, work);
                    }
                }
                Ddl::Harmless => {}
                _ => return false,
            }
        }
        true
    }

    fn evaluate_function(&mut self, name: &str, work: &mut Evaluated) -> Result<(), String> {
        if !self.is_known_call(name) {
            let written = work.written.get(name).map_or(name, String::as_str);
            return Err(format!("a call of `{written}`"));
        }
        let bodies: Vec<_> = self
            .catalog
            .functions
            .iter()
            .filter(|function| function.name == name)
            .map(|function| {
                let allowed = self.allows(function);
                let settings = function.settings.clone();
                (
                    function.language.clone(),
                    function.body.clone(),
                    settings,
                    allowed,
                )
            })
            .collect();
        for (language, body, settings, allowed) in bodies {
            // It runs under its own path, and so does what it calls.
            let around = self.path.clone();
            let before = work.functions.len();
            for (setting, value) in settings {
                match (setting.as_str(), value) {
                    ("search_path", Some(value)) => {
                        self.path = split_path(&value)
                            .into_iter()
                            .filter(|s| s != "$user" && s != "pg_catalog" && s != "pg_temp")
                            .collect();
                    }
                    ("search_path" | "role" | "session_authorization", _) => {
                        return Err(format!("the function `{name}` (it sets `{setting}`)"));
                    }
                    _ => {}
                }
            }
            match body {
                Body::Sql { statements, .. } => {
                    for statement in &statements {
                        if let Some(name) = self.of_the_server(statement) {
                            return Err(format!("a change of `{name}`"));
                        }
                        self.note(&statement_mentions(statement), work);
                    }
                }
                Body::Opaque { text, .. } if language == "plpgsql" => {
                    // What is read of an allowed one counts all the same.
                    if let Err(why) = self.run_block(&text, false, work)
                        && !allowed
                    {
                        return Err(format!("the function `{name}` ({why})"));
                    }
                }
                Body::Opaque { .. } if allowed => {}
                Body::Opaque { why, .. } => return Err(format!("the function `{name}` ({why})")),
            }
            let calls = work.functions.get(before..).unwrap_or_default();
            let own = |called: &String| self.catalog.function_names.contains_key(called);
            if self.path != around && calls.iter().any(own) {
                return Err(format!(
                    "the function `{name}` (it calls functions under a search path of its own)"
                ));
            }
            self.path = around;
        }
        Ok(())
    }

    /// The functions that the defaults, checks and indexes of a table call.
    pub(super) fn stored(&self, id: RelationId) -> Vec<Mentions> {
        let Some(relation) = self.relation(id) else {
            return Vec::new();
        };
        let defaults = relation
            .columns
            .iter()
            .filter_map(|column| match &column.default {
                ColumnDefault::Expr(expr) | ColumnDefault::Generated(expr) => Some(expr),
                _ => None,
            });
        let checks = relation
            .checks
            .iter()
            .filter_map(|check| check.expr.as_ref());
        let indexes = relation.index_expressions.iter().flatten();
        defaults
            .chain(checks)
            .chain(indexes)
            .map(mentions)
            .collect()
    }

    fn note_relation(&self, id: RelationId, work: &mut Evaluated) {
        let Some(relation) = self.relation(id) else {
            return;
        };
        if !relation.rules.is_empty() {
            work.rules = true;
        }
        for trigger in &relation.triggers {
            // The server's own trigger functions only touch the row.
            let name = trigger.function.parts.last().cloned().unwrap_or_default();
            if self
                .catalog
                .functions
                .iter()
                .any(|function| function.name == name)
            {
                work.functions.push(name);
            }
        }
        let mut exprs: Vec<&Expr> = relation.index_expressions.iter().flatten().collect();
        let conditions = relation
            .triggers
            .iter()
            .filter_map(|t| t.condition.as_ref());
        exprs.extend(conditions.filter_map(Option::as_ref));
        exprs.extend(
            relation
                .checks
                .iter()
                .filter_map(|check| check.expr.as_ref()),
        );
        for column in &relation.columns {
            if let ColumnDefault::Expr(expr) | ColumnDefault::Generated(expr) = &column.default {
                exprs.push(expr);
            }
        }
        for policy in &relation.policies {
            for side in [&policy.using, &policy.check] {
                if let PolicyExpr::Expr(expr) = side {
                    exprs.push(expr);
                }
            }
        }
        let found: Vec<Mentions> = exprs.into_iter().map(mentions).collect();
        for found in &found {
            self.note(found, work);
        }
        if let Some(query) = relation.view.as_ref().and_then(|view| view.query.as_ref()) {
            self.note(&query_mentions(query), work);
        }
        work.relations
            .extend(relation.children.iter().chain(&relation.parents).copied());
        // Foreign keys act on the rows that refer to it.
        for other in self.catalog.relations() {
            if other.foreign_keys.iter().any(|key| key.target == id) {
                work.relations.push(other.id);
            }
        }
    }

    /// The same before the search path of the application is settled: a name alone is that of a
    /// function in `public` or along the path of the migrations.
    fn allows(&self, function: &super::Function) -> bool {
        let functions = &self.catalog.config.functions;
        let near = function.schema == "public" || self.path.contains(&function.schema);
        functions
            .iter()
            .any(|allowed| match allowed.name.rsplit_once('.') {
                Some((schema, name)) => function.schema == schema && function.name == name,
                None => function.name == allowed.name && near,
            })
    }

    fn is_allowed(&self, name: &str) -> bool {
        let functions = &self.catalog.config.functions;
        functions
            .iter()
            .any(|allowed| allowed.name.rsplit('.').next() == Some(name))
    }

    /// Whether a call in a migration is one whose effects are known: a built-in that does not run
    /// SQL text or change the session, a function that a migration defines, one that is allowed.
    fn is_known_call(&self, name: &str) -> bool {
        let own = self
            .catalog
            .functions
            .iter()
            .any(|function| function.name == name);
        let harmless = builtin(name).is_some_and(|function| match function.verdict {
            Verdict::Allowed(_) => true,
            Verdict::Refused(reason) => !matches!(reason, "sql" | "session"),
        });
        own || self.is_allowed(name)
            || harmless
            || name == "current_setting"
            || EVENTS.contains(&name)
            || of_an_extension(name)
    }

    fn dynamic(&mut self, what: &str) {
        let message = format!(
            "what {what} touches is not known, so nothing that exists by then is protected"
        );
        let place = format!("in {} line {}", self.at.path, self.at.line);
        // One cause is told once, with its places.
        if let Some(told) = self
            .catalog
            .diagnostics
            .iter_mut()
            .find(|told| told.code == Code::MIGRATION_DYNAMIC && told.message == message)
        {
            if !told.notes.contains(&place) {
                told.notes.push(place);
            }
            return self.everything_unknown(&format!("what {what} touches is not known"));
        }
        if let Some(name) = what
            .strip_prefix("a call of `")
            .and_then(|n| n.strip_suffix('`'))
        {
            let help = format!(
                "no migration defines it. Where it is a function of an extension or of the \
                 platform, which a statement or a policy calls, allow it in `watertight.toml`: \
                 `functions = [{{ name = \"{name}\", reason = \"…\" }}]`; or say in the line before \
                 the statement what it touches: `-- @touches nothing`"
            );
            self.diagnose(Code::MIGRATION_DYNAMIC, Severity::Error, message, &help);
            return self.everything_unknown(&format!("what {what} touches is not known"));
        }
        self.diagnose(
            Code::MIGRATION_DYNAMIC,
            Severity::Error,
            message,
            remedy::PLAIN,
        );
        self.everything_unknown(&format!("what {what} touches is not known"));
    }
}

/// The parts of a name in text, folded unless quoted.
fn split_name(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c if quoted => part.push(c),
            c => part.extend(c.to_lowercase()),
        }
    }
    parts.push(part);
    parts
}
