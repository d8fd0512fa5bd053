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
use crate::ddl::ir::Ref;
use crate::ddl::split_path;
use crate::diagnostic::{Code, Severity};
use crate::functions::{Verdict, builtin};
use crate::ir::{Expr, Query, Statement};
use crate::policy::of_an_extension;

/// What a statement evaluates, directly or through what it reaches.
#[derive(Debug, Default)]
pub(super) struct Evaluated {
    functions: Vec<String>,
    relations: Vec<RelationId>,
    seen_functions: HashSet<String>,
    seen_relations: HashSet<RelationId>,
    /// The names of functions as they are written, with their schemas, by their last parts.
    written: HashMap<String, String>,
    /// Whether a rule may rewrite a statement: what it does instead is not kept.
    rules: bool,
}

impl Evaluated {
    /// Rows of these relations are written or rewritten.
    pub(super) fn reads(&mut self, relations: Vec<RelationId>) {
        self.relations.extend(relations);
    }
}

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

    /// Rows of these relations are read, checked or rewritten, and these functions are called.
    pub(super) fn evaluates(&mut self, relations: Vec<RelationId>, functions: Vec<String>) {
        self.evaluate(Evaluated {
            functions,
            relations,
            ..Evaluated::default()
        });
    }

    pub(super) fn note(&self, found: &Mentions, work: &mut Evaluated) {
        work.functions.extend(found.functions.iter().cloned());
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
                return;
            }
        }
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
    pub(super) fn stored_functions(&self, id: RelationId) -> Vec<String> {
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
            .flat_map(|expr| mentions(expr).functions)
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
