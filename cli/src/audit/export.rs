//! `audit export`: one tenant's trail for people who review access.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value};
use sqlx::Row as _;

use super::access::Reader;
use super::args::{ExportArgs, ExportFormat};

/// The columns, as text or null, in the order of the table.
const COLUMNS: [&str; 16] = [
    "at",
    "kind",
    "reference",
    "tool",
    "issuer",
    "subject",
    "home_tenant",
    "client",
    "arguments",
    "outcome",
    "error",
    "rows",
    "duration_us",
    "protocol",
    "probe",
    "effects",
];

pub(super) async fn run(args: &ExportArgs) -> Result<ExitCode> {
    let mut reader = Reader::open(&args.database).await?;
    reader.enter(&args.tenant).await?;
    let mut to: Box<dyn Write> = match &args.output {
        Some(file) => {
            Box::new(BufWriter::new(File::create(file).with_context(|| {
                format!("`{}` can't be written", file.display())
            })?))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    if args.format == ExportFormat::Csv {
        write!(to, "{}\r\n", COLUMNS.join(","))?;
    }
    let sql = "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at, kind, reference, \
                      tool, issuer, subject, home_tenant, client, arguments::text AS arguments, outcome, error, \
                      rows::text AS rows, duration_us::text AS duration_us, protocol, probe::text AS probe, \
                      effects::text AS effects \
               FROM watertight.audit \
               WHERE tenant_id = $1 AND ($2::text IS NULL OR at >= $2::timestamptz) \
                 AND ($3::text IS NULL OR at < $3::timestamptz) ORDER BY id";
    let mut rows = sqlx::query(sql)
        .bind(&args.tenant)
        .bind(&args.since)
        .bind(&args.until)
        .fetch(&mut reader.connection);
    while let Some(row) = rows.try_next().await.context("the trail can't be read")? {
        let mut cells = Vec::with_capacity(COLUMNS.len());
        for column in COLUMNS {
            let cell: Option<String> = row.try_get(column)?;
            cells.push((column, cell));
        }
        match args.format {
            ExportFormat::Csv => {
                let cells: Vec<String> = cells.iter().map(|(_, cell)| field(cell)).collect();
                write!(to, "{}\r\n", cells.join(","))?;
            }
            ExportFormat::Jsonl => writeln!(to, "{}", object(cells))?,
        }
    }
    to.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A field of RFC 4180. What a spreadsheet would run as a formula is kept from that.
fn field(cell: &Option<String>) -> String {
    let Some(text) = cell else {
        return String::new();
    };
    let guarded = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.clone(),
    };
    match guarded.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", guarded.replace('"', "\"\"")),
        false => guarded,
    }
}

/// Numbers, booleans and arguments as what they are.
fn object(cells: Vec<(&str, Option<String>)>) -> Value {
    let members = cells.into_iter().map(|(name, cell)| {
        let parsed = matches!(
            name,
            "arguments" | "rows" | "duration_us" | "probe" | "effects"
        );
        let value = match cell {
            None => Value::Null,
            Some(text) if parsed => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            Some(text) => Value::String(text),
        };
        (name.to_owned(), value)
    });
    Value::Object(members.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_text_and_nothing_else() {
        let quoted = |text: &str| field(&Some(text.to_owned()));
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(field(&None), "");
    }
}
