//! `clippy.toml`: sqlx's own ways to the database, which go around a scope. clippy sees names after
//! macros and aliases are resolved.
//!
//! Invariant: what the file has stays as it is, byte for byte; entries are added to it.

use anyhow::{Context, Result, bail};
use toml::{Spanned, Table, Value};

const POOL: &str = "goes around the scope: open a `watertight::TenantPool`";
const CONNECTION: &str = "goes around the scope: take one from the call's context";
const RUN: &str = "runs what was not proved: put `#[tenant_query]` on the function";

/// Types that reach the database. clippy looks at the name that is written: an alias is one of its own.
const TYPES: &[(&str, &str)] = &[
    ("sqlx::Pool", POOL),
    ("sqlx::PgPool", POOL),
    ("sqlx::pool::PoolConnection", CONNECTION),
    ("sqlx::pool::PoolOptions", POOL),
    ("sqlx::postgres::PgPoolOptions", POOL),
    ("sqlx::postgres::PgConnection", CONNECTION),
    ("sqlx::postgres::PgListener", CONNECTION),
    ("sqlx::Transaction", CONNECTION),
];

/// Functions that run SQL on whatever they are given.
const METHODS: &[(&str, &str)] = &[
    ("sqlx::Executor::execute", RUN),
    ("sqlx::Executor::execute_many", RUN),
    ("sqlx::Executor::fetch", RUN),
    ("sqlx::Executor::fetch_all", RUN),
    ("sqlx::Executor::fetch_many", RUN),
    ("sqlx::Executor::fetch_one", RUN),
    ("sqlx::Executor::fetch_optional", RUN),
    ("sqlx::Connection::connect", CONNECTION),
    ("sqlx::query::Query::execute", RUN),
    ("sqlx::query::Query::fetch", RUN),
    ("sqlx::query::Query::fetch_all", RUN),
    ("sqlx::query::Query::fetch_one", RUN),
    ("sqlx::query::Query::fetch_optional", RUN),
    ("sqlx::query::Map::fetch", RUN),
    ("sqlx::query::Map::fetch_all", RUN),
    ("sqlx::query::Map::fetch_one", RUN),
    ("sqlx::query::Map::fetch_optional", RUN),
    ("sqlx::query::QueryAs::fetch", RUN),
    ("sqlx::query::QueryAs::fetch_all", RUN),
    ("sqlx::query::QueryAs::fetch_one", RUN),
    ("sqlx::query::QueryAs::fetch_optional", RUN),
    ("sqlx::query::QueryScalar::fetch", RUN),
    ("sqlx::query::QueryScalar::fetch_all", RUN),
    ("sqlx::query::QueryScalar::fetch_one", RUN),
    ("sqlx::query::QueryScalar::fetch_optional", RUN),
    ("sqlx_core::raw_sql::RawSql::execute", RUN),
    ("sqlx_core::raw_sql::RawSql::fetch_all", RUN),
    ("sqlx::Pool::begin", POOL),
    ("sqlx::Pool::acquire", POOL),
    ("sqlx::Pool::connect", POOL),
    ("sqlx::Pool::connect_lazy", POOL),
    ("sqlx::pool::PoolOptions::connect", POOL),
    ("sqlx::pool::PoolOptions::connect_with", POOL),
];

/// The file with our entries; nothing where it has them all.
pub(super) fn merged(old: &str) -> Result<Option<String>> {
    let mut text = old.to_owned();
    for (key, entries) in [("disallowed-types", TYPES), ("disallowed-methods", METHODS)] {
        text = with(&text, key, entries)?;
    }
    // Whatever was written must read as before, and more.
    let (before, after): (Table, Table) = (toml::from_str(old)?, toml::from_str(&text)?);
    for (key, value) in &before {
        let kept = match (value, after.get(key)) {
            (Value::Array(old), Some(Value::Array(new))) => new.starts_with(old),
            (old, new) => Some(old) == new,
        };
        if !kept {
            bail!("`clippy.toml` can't be added to: `{key}` would change");
        }
    }
    Ok((text != old).then_some(text))
}

fn with(text: &str, key: &str, entries: &[(&str, &str)]) -> Result<String> {
    let file: std::collections::BTreeMap<String, Spanned<Value>> =
        toml::from_str(text).context("`clippy.toml` can't be read")?;
    // clippy takes both spellings.
    let found = file.get(key).or_else(|| file.get(&key.replace('-', "_")));
    let listed = |path: &str| {
        let items = found.and_then(|value| value.get_ref().as_array());
        items.into_iter().flatten().any(|item| {
            item.as_str() == Some(path) || item.get("path").and_then(Value::as_str) == Some(path)
        })
    };
    let missing: String = entries
        .iter()
        .filter(|(path, _)| !listed(path))
        .map(|(path, reason)| {
            format!("    {{ path = \"{path}\", reason = \"{reason}\", allow-invalid = true }},\n")
        })
        .collect();
    if missing.is_empty() {
        return Ok(text.to_owned());
    }
    let Some(value) = found else {
        // Before the first table, because everything behind a header belongs to it.
        let table = text
            .lines()
            .position(|line| line.trim_start().starts_with('['));
        let split = table.map_or(text.len(), |table| {
            text.split_inclusive('\n').take(table).map(str::len).sum()
        });
        let (head, tail) = text.split_at(split);
        let gap = if head.is_empty() || head.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return Ok(format!("{head}{gap}{key} = [\n{missing}]\n{tail}"));
    };
    let span = value.span();
    let inside = text.get(span.clone()).unwrap_or_default();
    if !inside.ends_with(']') {
        bail!("`{key}` of `clippy.toml` is no list: add these entries by hand:\n{missing}");
    }
    let close = span.end - 1;
    let (head, tail) = text.split_at(close);
    let items = value
        .get_ref()
        .as_array()
        .is_some_and(|items| !items.is_empty());
    let mut comma = "";
    if items && !ends_with_comma(head) {
        comma = ",";
    }
    let gap = if head.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{head}{comma}{gap}{missing}{tail}"))
}

/// Whether the last thing before the closing bracket, comments apart, is a comma.
fn ends_with_comma(head: &str) -> bool {
    let lines = head.lines().rev().map(|line| {
        let comment = line.trim_start().starts_with('#');
        if comment { "" } else { line.trim_end() }
    });
    let mut rest = lines.filter(|line| !line.is_empty());
    rest.next().is_some_and(|line| line.ends_with(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str, key: &str) -> usize {
        let table: Table = toml::from_str(text).unwrap();
        table[key].as_array().unwrap().len()
    }

    #[test]
    fn what_was_there_stays() {
        for old in [
            "",
            "msrv = \"1.80\"\n",
            "msrv = \"1.80\"",
            "# ours\ndisallowed-types = [\"std::rc::Rc\"]\n",
            "disallowed-types = [\n    \"std::rc::Rc\",\n    # more to come\n]\n",
            "disallowed-methods = [\n    { path = \"std::env::var\", reason = \"settings\" }\n]\nmsrv = \"1.80\"\n",
            "disallowed-types = []\n",
        ] {
            let new = merged(old).unwrap().unwrap();
            assert!(paths(&new, "disallowed-types") >= TYPES.len(), "{new}");
            assert!(paths(&new, "disallowed-methods") >= METHODS.len(), "{new}");
            for line in old.lines().filter(|line| line.starts_with('#')) {
                assert!(new.contains(line));
            }
            assert_eq!(merged(&new).unwrap(), None, "{new}");
        }
    }
}
