//! What a `DO` block or a called function may touch.
//!
//! Invariant: a block is either read to the end, and what it may touch becomes unknown, or
//! everything does.

use super::build::Builder;
use super::routine::Body;
use crate::ddl::ir::{Ddl, Ref, Step};
use crate::ddl::plpgsql::{self, Item};
use crate::ddl::{self};
use crate::diagnostic::{Code, Severity};
use crate::functions::{Verdict, builtin};

/// Functions of common extensions that compute from their arguments. Others have to be allowed by
/// the configuration.
const EXTENSIONS: &[&str] = &[
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v3",
    "uuid_generate_v4",
    "uuid_generate_v5",
    "uuid_generate_v7",
    "uuid_nil",
    "gen_salt",
    "crypt",
    "digest",
    "hmac",
    "gen_random_bytes",
    "unaccent",
    "similarity",
    "word_similarity",
    "hstore",
];

impl Builder {
    pub(super) fn do_block(&mut self, language: &str, body: &str) {
        if language != "plpgsql" {
            self.dynamic(&format!("a DO block in {language}"));
            return;
        }
        if let Err(why) = self.block(body, 0) {
            self.dynamic(&format!("a DO block with {why}"));
        }
    }

    fn block(&mut self, body: &str, depth: usize) -> Result<(), String> {
        if depth > 3 {
            return Err("deep nesting".to_owned());
        }
        let mut steps = Vec::new();
        for item in plpgsql::read(body)? {
            match item {
                Item::Sql(text) => steps.extend(parse(&text)?),
                Item::Expr(expr) | Item::Assign { expr, .. } | Item::Return(expr) => {
                    if !expr.trim().is_empty() {
                        steps.extend(parse(&format!("SELECT {expr}"))?);
                    }
                }
                Item::Execute(text) => {
                    let sql = plpgsql::literal(&text)
                        .or_else(|| plpgsql::format_pattern(&text))
                        .ok_or("computed SQL text")?;
                    let parsed = parse(&sql)?;
                    // A name that is filled in could be any.
                    if text.trim_start().starts_with("format")
                        && parsed.iter().any(|step| !is_about_roles(&step.ddl))
                    {
                        return Err("computed SQL text".to_owned());
                    }
                    steps.extend(parsed);
                }
            }
        }
        for step in steps {
            self.maybe(step)?;
        }
        Ok(())
    }

    /// Applies a statement that may or may not run.
    fn maybe(&mut self, step: Step) -> Result<(), String> {
        match step.ddl {
            Ddl::Unknown { what } => return Err(format!("`{what}`")),
            Ddl::Do { .. } | Ddl::Rollback | Ddl::SearchPath { .. } | Ddl::Begin | Ddl::Commit => {
                return Err("control of the transaction or the session".to_owned());
            }
            Ddl::Harmless
            | Ddl::Data { .. }
            | Ddl::Role { .. }
            | Ddl::CreateSchema { .. }
            | Ddl::CreateType { .. }
            | Ddl::CreateSequence { .. }
            | Ddl::CreateCollation { .. }
            | Ddl::GrantRoles { grant: true, .. } => self.apply(step.ddl),
            // In a block, `SELECT … INTO` assigns variables.
            Ddl::CreateTableAs(table) => match &table.query {
                Ok(query) => self.calls_in_query(query),
                Err(why) => return Err(why.clone()),
            },
            other => {
                let tables = touched(&other).ok_or("a change that may or may not happen")?;
                for table in &tables {
                    match self.target(table) {
                        Some(id) => self.unknown(id, "a DO block changes it, perhaps"),
                        None if matches!(other, Ddl::CreateTable(_) | Ddl::CreateView(_)) => {}
                        None => self.missing("table", table),
                    }
                }
                if matches!(other, Ddl::CreateTable(_) | Ddl::CreateView(_)) {
                    self.apply(other);
                    for table in &tables {
                        if let Some(id) = self.target(table) {
                            self.unknown(id, "a DO block creates it, perhaps");
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a call in a migration is one whose effects are known: a built-in that does not run
    /// SQL text or change the session, a function that a migration defines, one that is allowed.
    fn is_known_call(&self, name: &str) -> bool {
        let own = self
            .catalog
            .functions
            .iter()
            .any(|function| function.name == name);
        let allowed = self
            .catalog
            .config
            .functions
            .iter()
            .any(|allowed| allowed.name.rsplit('.').next() == Some(name));
        let harmless = builtin(name).is_some_and(|function| match function.verdict {
            Verdict::Allowed(_) => true,
            Verdict::Refused(reason) => !matches!(reason, "sql" | "session"),
        });
        own || allowed || harmless || name == "current_setting" || EXTENSIONS.contains(&name)
    }

    fn dynamic(&mut self, what: &str) {
        self.diagnose(
            Code::MIGRATION_DYNAMIC,
            Severity::Error,
            format!(
                "what {what} touches is not known, so nothing that exists by then is protected"
            ),
            "write it as plain statements, or say in the line before it what it touches: \
             `-- @touches notes, tasks` or `-- @touches nothing`",
        );
        self.everything_unknown(&format!("what {what} touches is not known"));
    }

    /// Functions that a data statement of a migration calls.
    pub(super) fn calls(&mut self, names: &[String]) {
        for name in names {
            if !self.is_known_call(name) {
                self.dynamic(&format!("a call of `{name}`"));
                return;
            }
            let bodies: Vec<(String, Option<String>)> = self
                .catalog
                .functions
                .iter()
                .filter(|function| function.name == *name)
                .map(|function| match &function.body {
                    // SQL functions change data, and the calls in them are calls like any other.
                    Body::Sql { .. } => (function.language.clone(), None),
                    Body::Opaque { text, .. } => (function.language.clone(), Some(text.clone())),
                })
                .collect();
            for (language, text) in bodies {
                let Some(text) = text else { continue };
                let read = if language == "plpgsql" {
                    self.block(&text, 1)
                } else {
                    Err(language)
                };
                if let Err(why) = read {
                    self.dynamic(&format!("the function `{name}` ({why})"));
                    return;
                }
            }
        }
    }
}

fn parse(text: &str) -> Result<Vec<Step>, String> {
    ddl::steps(text).map_err(|errors| {
        errors.first().map_or_else(String::new, |error| {
            format!("text that is not read: {}", error.message)
        })
    })
}

/// Whether a statement concerns roles and privileges only, whatever names are filled in.
fn is_about_roles(ddl: &Ddl) -> bool {
    matches!(ddl, Ddl::Harmless)
}

/// The tables that a statement changes; nothing where it may be more than tables.
fn touched(ddl: &Ddl) -> Option<Vec<Ref>> {
    Some(match ddl {
        Ddl::AlterTable { target, .. } => vec![target.clone()],
        Ddl::CreateTable(table) => vec![table.name.clone()],
        Ddl::CreateView(view) => vec![view.name.clone()],
        Ddl::CreatePolicy(policy) | Ddl::AlterPolicy(policy) => vec![policy.table.clone()],
        Ddl::RenameColumn { table, .. }
        | Ddl::RenameConstraint { table, .. }
        | Ddl::CommentOnTable { table, .. } => vec![table.clone()],
        Ddl::CreateTrigger(trigger) => vec![trigger.table.clone()],
        Ddl::CreateRule(rule) => vec![rule.table.clone()],
        Ddl::CreateIndex(index) => vec![index.table.clone()],
        Ddl::Drop {
            objects,
            cascade: false,
            ..
        } => objects
            .iter()
            .map(|object| object.table.clone())
            .collect::<Option<Vec<_>>>()?,
        _ => return None,
    })
}
