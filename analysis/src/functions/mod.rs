//! What is known of PostgreSQL's own functions and operators: allowed or refused, and whether they
//! can raise an error.
//!
//! The list of functions is generated from a server and a reviewed list (`scripts/builtins.py`).
//! What is not on it is refused.

pub(crate) mod literals;
pub(crate) mod operators;
pub(crate) mod overloads;
pub(crate) mod types;

use std::collections::HashMap;
use std::sync::OnceLock;

/// A function, aggregate or window function of PostgreSQL's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Builtin {
    /// Whether it may be called, and if not, why.
    pub(crate) verdict: Verdict,
    /// Whether it is an aggregate (or can be one).
    pub(crate) aggregate: bool,
    /// Whether it is a window function and nothing else.
    pub(crate) window: bool,
    /// Whether it returns a set.
    pub(crate) set: bool,
    /// The names of its `OUT` columns, with commas; `?` when overloads differ.
    pub(crate) columns: &'static str,
    /// Its result type; empty when overloads differ.
    pub(crate) result: &'static str,
}

/// What the list says of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It computes from its arguments alone.
    Allowed(Errors),
    /// It does more; the reason is a word of the generated list.
    Refused(&'static str),
}

/// When a function raises an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// On some arguments.
    May,
    /// Never.
    Never,
    /// Never when it is called with this many arguments.
    NeverWith(usize),
    /// Never when the arguments of these numbers, where given, are literals.
    NeverWithLiterals(&'static str),
}

impl Builtin {
    /// Why it is refused, as a clause of a sentence.
    pub(crate) fn refusal(reason: &str) -> &'static str {
        match reason {
            "session" => "changes the session while the statement runs",
            "sql" => "runs SQL text or reads a table that it is given by name",
            "large-object" => "reads or writes large objects, which belong to no tenant",
            "sequence" => "reads or moves a counter that all tenants share",
            "lock" => "takes or tells of locks that all tenants share",
            "message" => "sends a message that crosses tenants",
            "other-sessions" => "acts on other sessions",
            "wait" => "holds the connection while it waits",
            "file" => "reads files of the server",
            "transaction" => "tells about the transactions of all tenants",
            "metadata" => "reads catalogs, statistics or the state of the server",
            _ => "is not on the list of those that stay within the scope",
        }
    }

    /// What to write in its place; nothing where there is no such thing.
    pub(crate) fn instead(reason: &str) -> Option<&'static str> {
        Some(match reason {
            "session" => {
                "leave it out: the settings of a scope are the scope's own, its tenant above all"
            }
            "sql" => {
                "write the statement itself; a part that varies is a bounded choice, \
                 `#[tenant_query(\"… {sort} …\", sort(name = \"…\", newest = \"…\"))]`"
            }
            "large-object" => "keep bytes in a `bytea` column of a table with the tenant's column",
            "sequence" => {
                "leave the column out of the INSERT, so that its default draws the number, \
                 and read it by `RETURNING`"
            }
            "lock" => {
                "lock a row of the tenant's: \
                 `SELECT 1 FROM … WHERE tenant_id = $tenant AND … FOR UPDATE`"
            }
            "message" => {
                "write a row to a table of the tenant's, for a worker to read; clients that \
                 listen to a resource are told by `cx.notify_resource_updated(&uri)`"
            }
            "wait" => "wait in the tool, outside of the scope: `tokio::time::sleep(…)`",
            "file" => "keep what is in the file in a table",
            "transaction" => {
                "give the rows a column for it: `created_at timestamptz NOT NULL DEFAULT now()`"
            }
            "metadata" => {
                "write what is known of the schema into the code; for a number of rows use `count(*)`"
            }
            _ => return None,
        })
    }
}

/// Finds a function of PostgreSQL's own.
pub(crate) fn builtin(name: &str) -> Option<&'static Builtin> {
    static TABLE: OnceLock<HashMap<&'static str, Builtin>> = OnceLock::new();
    TABLE.get_or_init(read).get(name)
}

/// Functions of PostgreSQL's own of which at least one form depends on the session or the time
/// (`provolatile` in `pg_proc`).
const STABLE: &[&str] = &[
    "age",
    "date",
    "date_part",
    "date_trunc",
    "extract",
    "generate_series",
    "json_to_tsvector",
    "jsonb_to_tsvector",
    "length",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "timezone",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "websearch_to_tsquery",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "current_database",
    "current_user",
    "enum_first",
    "enum_last",
    "enum_range",
    "format",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_populate_record",
    "json_populate_recordset",
    "json_to_record",
    "json_to_recordset",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first_tz",
    "jsonb_path_query_tz",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "make_timestamptz",
    "now",
    "pg_trigger_depth",
    "pg_typeof",
    "row_to_json",
    "session_user",
    "statement_timestamp",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "transaction_timestamp",
    "xml",
    "xml_is_well_formed",
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "timeofday",
];

/// Whether a form of a function of PostgreSQL's own depends on the session or the time.
pub(crate) fn is_stable(name: &str) -> bool {
    STABLE.contains(&name)
}

fn read() -> HashMap<&'static str, Builtin> {
    include_str!("../../functions/builtins.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(entry)
        .collect()
}

/// One line of the list; a line of another form is left out, and what is left out is refused.
fn entry(line: &'static str) -> Option<(&'static str, Builtin)> {
    let mut fields = line.split('\t');
    let name = fields.next()?;
    let kinds = fields.next()?;
    let verdict = fields.next()?;
    let detail = fields.next()?;
    let set = fields.next()? == "set";
    let columns = fields.next()?;
    let result = fields.next()?;
    let verdict = match (verdict, detail) {
        ("allowed", "may") => Verdict::Allowed(Errors::May),
        ("allowed", "never") => Verdict::Allowed(Errors::Never),
        ("allowed", constant) if constant.starts_with("constant/") => Verdict::Allowed(
            Errors::NeverWithLiterals(constant.strip_prefix("constant/")?),
        ),
        ("allowed", never) => Verdict::Allowed(Errors::NeverWith(
            never.strip_prefix("never/")?.parse().ok()?,
        )),
        ("refused", reason) => Verdict::Refused(reason),
        _ => return None,
    };
    Some((
        name,
        Builtin {
            verdict,
            aggregate: kinds.contains('a'),
            window: kinds == "w",
            set,
            columns,
            result,
        },
    ))
}

impl Errors {
    /// Whether the argument at a position, counted from zero, has to be a literal.
    pub(crate) fn wants_literal(positions: &str, position: usize) -> bool {
        u32::try_from(position + 1)
            .ok()
            .and_then(|number| char::from_digit(number, 10))
            .is_some_and(|digit| positions.contains(digit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_read() {
        let lines = include_str!("../../functions/builtins.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        assert_eq!(read().len(), lines);
    }

    #[test]
    fn the_dangerous_ones_are_refused() {
        for name in [
            "set_config",
            "query_to_xml",
            "table_to_xml",
            "cursor_to_xml",
            "ts_stat",
            "ts_rewrite",
            "lo_get",
            "loread",
            "nextval",
            "currval",
            "setval",
            "pg_read_file",
            "pg_ls_dir",
            "pg_sleep",
            "pg_terminate_backend",
            "pg_advisory_xact_lock",
            "pg_notify",
            "pg_stat_get_live_tuples",
            "pg_relation_size",
            "has_table_privilege",
            "to_regclass",
            "txid_current",
            "pg_current_xact_id",
            "pg_logical_emit_message",
            "pg_get_viewdef",
            "database_to_xml",
            "schema_to_xml",
            "pg_stat_get_activity",
            "setseed",
            "currtid2",
        ] {
            let builtin = builtin(name).unwrap_or_else(|| panic!("{name}"));
            assert!(matches!(builtin.verdict, Verdict::Refused(_)), "{name}");
        }
        // What no list names is refused as well.
        assert!(builtin("textin").is_none() && builtin("dblink").is_none());
    }
}
