//! What an attack must not set off: functions that may reach files, programs or other servers, which
//! no rollback takes back, and in a database that others use also what locks or changes more than rows.
//!
//! Invariant: errs on the side of caution: a function is harmless only where its text is known and
//! names nothing of that kind, nor another one that does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Words that lead beyond the database.
const BEYOND: &[&str] = &[
    "dblink",
    "dblink_exec",
    "dblink_connect",
    "dblink_connect_u",
    "dblink_send_query",
    "dblink_open",
    "http",
    "http_get",
    "http_post",
    "http_put",
    "http_delete",
    "net",
    "pg_net",
    "urlencode",
    "aws_lambda",
    "aws_s3",
    "plsh",
    "pg_background_launch",
    "cron",
    "copy",
    "program",
    "lo_export",
    "lo_import",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_file_write",
    "pg_ls_dir",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_logical_emit_message",
    "pg_create_logical_replication_slot",
    "pg_drop_replication_slot",
    "pg_logical_slot_get_changes",
];
/// Words of what is more than a change of rows.
const HEAVY: &[&str] = &[
    "truncate",
    "alter",
    "create",
    "drop",
    "execute",
    "lock",
    "vacuum",
    "refresh",
    "reindex",
    "cluster",
    "analyze",
    "grant",
    "revoke",
    "pg_advisory_lock",
    "pg_sleep",
    "setval",
    "postgres_fdw",
];

#[derive(Deserialize)]
struct Function {
    schema: String,
    name: String,
    language: String,
    trusted: bool,
    source: String,
}

#[derive(Deserialize)]
struct Trigger {
    schema: String,
    relation: String,
    function: String,
}

#[derive(Deserialize)]
struct Rewrite {
    schema: String,
    relation: String,
    definition: String,
}

#[derive(Deserialize)]
struct Relation {
    schema: String,
    name: String,
    kind: char,
}

#[derive(Deserialize)]
struct Uses {
    schema: String,
    view: String,
    kind: String,
    name: String,
}

/// What is risky, by `schema.name`, and why.
#[derive(Debug, Default)]
pub(super) struct Risks {
    functions: BTreeMap<String, String>,
    tables: BTreeMap<String, String>,
    /// What is risky to read: foreign tables, and views over them.
    reads: BTreeMap<String, String>,
}

impl Risks {
    /// From the rows of the posture's queries.
    pub(super) fn read(raw: &[(&'static str, String)], in_place: bool) -> Result<Self> {
        fn of<T: for<'a> Deserialize<'a>>(raw: &[(&str, String)], name: &str) -> Result<Vec<T>> {
            let rows = raw.iter().filter(|(query, _)| *query == name);
            rows.map(|(_, row)| {
                serde_json::from_str(row).with_context(|| format!("a row of `{name}`"))
            })
            .collect()
        }
        let mut risks = Self::default();
        for relation in of::<Relation>(raw, "relation")? {
            if relation.kind == 'f' {
                let name = format!("{}.{}", relation.schema, relation.name);
                risks
                    .reads
                    .insert(name, "its rows are on another server".to_owned());
            }
        }
        risks.close(
            &of::<Function>(raw, "function")?,
            &of::<Trigger>(raw, "trigger")?,
            &of::<Rewrite>(raw, "rewrite")?,
            &of::<Uses>(raw, "uses")?,
            in_place,
        );
        Ok(risks)
    }

    /// Finds what is risky by itself, and then what names that.
    fn close(
        &mut self,
        functions: &[Function],
        triggers: &[Trigger],
        rules: &[Rewrite],
        uses: &[Uses],
        in_place: bool,
    ) {
        let risks = self;
        let texts: Vec<(String, BTreeSet<String>)> = functions
            .iter()
            .map(|function| {
                (
                    format!("{}.{}", function.schema, function.name),
                    words(&function.source),
                )
            })
            .collect();
        for (function, (name, text)) in functions.iter().zip(&texts) {
            let harmless =
                function.trusted && !matches!(function.language.as_str(), "c" | "internal");
            let named = BEYOND.iter().find(|word| text.contains(**word));
            let heavy = HEAVY.iter().find(|word| in_place && text.contains(**word));
            let why = if !harmless {
                Some(format!(
                    "it is written in `{}`, whose code may do anything",
                    function.language
                ))
            } else if let Some(word) = named {
                Some(format!(
                    "it may reach beyond the database: it names `{word}`"
                ))
            } else {
                heavy.map(|word| format!("it may do more than change rows: it names `{word}`"))
            };
            if let Some(why) = why {
                risks.functions.insert(name.clone(), why);
            }
        }
        // What names something risky is risky too.
        loop {
            let before = (risks.functions.len(), risks.tables.len(), risks.reads.len());
            for uses in uses {
                let why = match uses.kind.as_str() {
                    "function" => risks.functions.get(&uses.name),
                    _ => risks.reads.get(&uses.name),
                };
                if why.is_some() {
                    let why = format!(
                        "it reads `{}`, which may reach beyond the database",
                        uses.name
                    );
                    let view = format!("{}.{}", uses.schema, uses.view);
                    risks.reads.entry(view).or_insert(why);
                }
            }
            for trigger in triggers {
                if risks.functions.contains_key(&trigger.function) {
                    let why = format!(
                        "its trigger runs `{}`, which may do what no rollback takes back",
                        trigger.function
                    );
                    let table = format!("{}.{}", trigger.schema, trigger.relation);
                    risks.tables.entry(table).or_insert(why);
                }
            }
            for rule in rules {
                if let Some(name) = risks.named(&words(&rule.definition)) {
                    let why = format!(
                        "its rule names `{name}`, which may do what no rollback takes back"
                    );
                    let table = format!("{}.{}", rule.schema, rule.relation);
                    risks.tables.entry(table).or_insert(why);
                }
            }
            for (name, text) in &texts {
                if !risks.functions.contains_key(name)
                    && let Some(other) = risks.named(text)
                {
                    let why =
                        format!("it names `{other}`, which may do what no rollback takes back");
                    risks.functions.insert(name.clone(), why);
                }
            }
            if before == (risks.functions.len(), risks.tables.len(), risks.reads.len()) {
                return;
            }
        }
    }

    /// A risky function or table that a text names.
    fn named(&self, text: &BTreeSet<String>) -> Option<String> {
        let all = self.functions.keys().chain(self.tables.keys());
        let mut all = all.chain(self.reads.keys());
        all.find(|name| {
            let last = name.rsplit('.').next().unwrap_or(name);
            text.contains(&last.to_lowercase())
        })
        .cloned()
    }

    /// Why a function is not called.
    pub(super) fn function(&self, schema: &str, name: &str) -> Option<String> {
        self.functions.get(&format!("{schema}.{name}")).cloned()
    }

    /// Why a relation is not read.
    pub(super) fn read_of(&self, dotted: &str) -> Option<&String> {
        self.reads.get(dotted)
    }

    /// Why no row is written to a table.
    pub(super) fn table(&self, dotted: &str) -> Option<&String> {
        self.tables.get(dotted)
    }
}

/// The words of a text, in lower case.
fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, language: &str, source: &str) -> Function {
        Function {
            schema: "public".to_owned(),
            name: name.to_owned(),
            language: language.to_owned(),
            trusted: language != "plpython3u",
            source: source.to_owned(),
        }
    }

    #[test]
    fn what_leads_beyond_is_risky_and_so_is_what_names_it() {
        let functions = [
            function("send", "plpgsql", "BEGIN PERFORM net.http_post('…'); END"),
            function(
                "on_insert",
                "plpgsql",
                "BEGIN PERFORM send(); RETURN NEW; END",
            ),
            function("stamp", "plpgsql", "BEGIN NEW.at := now(); RETURN NEW; END"),
            function(
                "log_it",
                "plpgsql",
                "BEGIN INSERT INTO orders VALUES (1); RETURN NEW; END",
            ),
            function("py", "plpython3u", "pass"),
            function("dynamic", "plpgsql", "BEGIN EXECUTE q; END"),
        ];
        let trigger = |relation: &str, function: &str| Trigger {
            schema: "public".to_owned(),
            relation: relation.to_owned(),
            function: format!("public.{function}"),
        };
        let triggers = [
            trigger("orders", "on_insert"),
            trigger("notes", "stamp"),
            trigger("lines", "log_it"),
        ];
        for in_place in [true, false] {
            let mut risks = Risks::default();
            risks.close(&functions, &triggers, &[], &[], in_place);
            assert!(risks.table("public.orders").is_some());
            assert!(risks.table("public.notes").is_none());
            // Its trigger writes to a table whose trigger reaches out.
            assert!(risks.table("public.lines").is_some());
            assert!(risks.function("public", "py").is_some());
            assert_eq!(risks.function("public", "dynamic").is_some(), in_place);
        }
    }
}
