//! What there is to attack: the tables with their columns, as the catalogs tell them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// Columns of every table of the project, with what a made-up value has to respect.
const COLUMNS: &str = "SELECT pg_catalog.to_jsonb(found)::text FROM ( \
    SELECT n.nspname || '.' || c.relname AS relation, a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, \
      pg_catalog.format_type(COALESCE(NULLIF(t.typbasetype, 0), t.oid), NULL) AS base, t.typcategory AS category, \
      (SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = COALESCE(NULLIF(t.typbasetype, 0), t.oid) ORDER BY e.enumsortorder LIMIT 1) AS label, \
      a.attnotnull OR t.typnotnull AS required, a.atthasdef OR a.attidentity <> '' AS has_default, a.attgenerated <> '' OR a.attidentity = 'a' AS generated, \
      CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length, \
      pg_catalog.has_column_privilege($1::name, c.oid, a.attnum, 'SELECT') AS readable \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    ORDER BY 1, a.attnum) AS found";

/// A column.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    relation: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
    /// The type under a domain.
    pub(super) base: String,
    /// `pg_type.typcategory`.
    pub(super) category: char,
    /// The first value of an enumeration.
    pub(super) label: Option<String>,
    pub(super) required: bool,
    pub(super) has_default: bool,
    pub(super) generated: bool,
    pub(super) length: Option<usize>,
    /// Whether the application role may read it.
    pub(super) readable: bool,
}

/// The columns of each table, by `schema.name` without quotes.
pub(super) async fn columns(
    connection: &mut PgConnection,
    role: &str,
) -> Result<BTreeMap<String, Vec<Column>>> {
    let rows: Vec<String> = sqlx::query_scalar(COLUMNS)
        .bind(role)
        .fetch_all(connection)
        .await
        .context("reading columns")?;
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in rows {
        let column: Column = serde_json::from_str(&row).context("a column")?;
        tables
            .entry(column.relation.clone())
            .or_default()
            .push(column);
    }
    Ok(tables)
}

impl Column {
    /// A made-up value as SQL; `mark` stands in texts, and `number` makes values differ.
    pub(super) fn value(&self, mark: &str, number: u32) -> Option<String> {
        if let Some(label) = &self.label {
            return Some(format!("{}::{}", literal(label), self.ty));
        }
        let text = |value: &str| Some(format!("{}::{}", literal(value), self.ty));
        match (self.category, self.base.as_str()) {
            (_, "uuid") => Some("gen_random_uuid()".to_owned()),
            (_, "json" | "jsonb") => text(&format!("{{\"mark\": \"{mark}\"}}")),
            (_, "bytea") => text("\\x00"),
            (_, "inet" | "cidr") => text("192.0.2.1"),
            (_, "xml") => text(&format!("<mark>{mark}</mark>")),
            ('S', "\"char\"") => text("a"),
            ('S', _) | (_, "citext") => {
                let marked = format!("{mark}-{number}");
                match self.length {
                    Some(length) if length < marked.len() => text(&short(number, length)),
                    _ => text(&marked),
                }
            }
            ('N', "smallint") => text(&format!("{}", 1 + number % 1000)),
            ('N', _) => text(&format!("{}", 1_000_000 + number)),
            ('B', _) => text("true"),
            // Days that no two rows share.
            ('D', "date") => Some(format!("('2001-01-01'::date + {number})::{}", self.ty)),
            ('D', "time without time zone" | "time with time zone") => text("12:00"),
            ('D', _) => Some(format!(
                "('2001-01-01 12:00'::timestamp + {number} * interval '1 day')::{}",
                self.ty
            )),
            ('T', _) => text("1 day"),
            ('A', _) => text("{}"),
            ('R', "daterange" | "tsrange" | "tstzrange") => Some(format!(
                "('[' || ('2001-01-01'::date + {number}) || ',' || ('2001-01-01'::date + {number} + 1) || ')')::{}",
                self.ty
            )),
            ('R', _) if !self.base.contains("multirange") => {
                text(&format!("[{},{})", 2 * number, 2 * number + 1))
            }
            ('R', _) => text("{}"),
            ('V', _) => text("0"),
            _ => None,
        }
    }
}

/// A short text that differs with the number, in letters.
fn short(number: u32, length: usize) -> String {
    const MOST: usize = 7;
    let mut rest = number;
    let mut letters = Vec::new();
    for _ in 0..length.min(MOST) {
        letters.push(char::from(b'a' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// A string literal, whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
