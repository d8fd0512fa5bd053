//! `audit export`: one tenant's trail for people who review access.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value};
use sqlx::Row as _;

use super::access::Reader;
use super::args::{ExportArgs, ExportFormat};

/// The columns, as text or null, in the order of the table.
const COLUMNS: [&str; 18] = [
    "at",
    "kind",
    "reference",
    "tool",
    "issuer",
    "subject",
    "home_tenant",
    "client",
    "agent",
    "arguments",
    "outcome",
    "error",
    "rows",
    "duration_us",
    "protocol",
    "probe",
    "effects",
    "uncertain",
];

pub(super) async fn run(args: &ExportArgs) -> Result<ExitCode> {
    let mut reader = Reader::open(&args.database).await?;
    reader.enter(&args.tenant).await?;
    let mut to: Box<dyn Write> = match &args.output {
        Some(file) => {
            Box::new(BufWriter::new(private(file).with_context(|| {
                format!("`{}` can't be written", file.display())
            })?))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };
    if args.format == ExportFormat::Csv {
        let names = COLUMNS.map(|name| field(&Some(name.to_owned())));
        write!(to, "{}\r\n", names.join(","))?;
    }
    let sql = "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at, kind, reference, \
                      tool, issuer, subject, home_tenant, client, agent, arguments::text AS arguments, outcome, error, \
                      rows::text AS rows, duration_us::text AS duration_us, protocol, probe::text AS probe, \
                      effects::text AS effects, uncertain::text AS uncertain \
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

/// An empty file that its owner alone reads: it holds personal data.
fn private(file: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    // It may have been there, with another mode. What is no file of ours keeps it.
    #[cfg(unix)]
    if opened.metadata()?.is_file() {
        use std::os::unix::fs::PermissionsExt as _;
        opened.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(opened)
}

/// What spreadsheets begin a formula with, also in full width.
const FORMULA: [char; 8] = [
    '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// A field of RFC 4180, always quoted. What a spreadsheet would run as a formula is kept from that,
/// also where one takes `;`, a tab or the end of a line within the field for a separator.
fn field(cell: &Option<String>) -> String {
    let mut field = String::from("\"");
    // Where a cell may begin, if only quotes and spaces stand in between.
    let (mut begins, mut at) = (true, 1);
    for letter in cell.as_deref().unwrap_or_default().chars() {
        if begins && FORMULA.contains(&letter) {
            field.insert(at, '\'');
        }
        let separates = matches!(letter, ';' | ',' | '|' | '\t' | '\n' | '\r');
        begins = separates || begins && matches!(letter, '"' | ' ' | '\u{a0}');
        match letter {
            '"' => field.push_str("\"\""),
            _ if acts(letter) => field.extend(letter.escape_default()),
            _ => field.push(letter),
        }
        if separates {
            at = field.len();
        }
    }
    field.push('"');
    field
}

/// Control characters, and those that change the direction of what follows or are not seen.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Numbers, booleans and arguments as what they are.
fn object(cells: Vec<(&str, Option<String>)>) -> Value {
    let members = cells.into_iter().map(|(name, cell)| {
        let parsed = matches!(
            name,
            "arguments" | "rows" | "duration_us" | "probe" | "effects" | "uncertain"
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
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(field(&None), "\"\"");
        assert_eq!(quoted("1-2, a=b"), "\"1-2, a=b\"");
    }

    #[test]
    fn nothing_begins_a_formula_wherever_a_spreadsheet_cuts() {
        let quoted = |text: &str| field(&Some(text.to_owned()));
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quoted("x;=cmd|' /C calc'!A0"), "\"x;'=cmd|' /C calc'!A0\"");
        assert_eq!(quoted("x; \"=1"), "\"x;' \"\"=1\"");
        assert_eq!(quoted("\n=1+1"), "\"\\n'=1+1\"");
        assert_eq!(quoted("a\t@b"), "\"a\\t'@b\"");
        assert_eq!(quoted("\u{ff1d}1"), "\"'\u{ff1d}1\"");
        assert_eq!(quoted(" +1"), "\"' +1\"");
        assert_eq!(quoted("a\u{1b}[8m\u{202e}"), "\"a\\u{1b}[8m\\u{202e}\"");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trail.csv");
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        drop(private(&file).unwrap());
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        drop(private(&file).unwrap());
        assert_eq!(mode(), 0o600);
    }
}
