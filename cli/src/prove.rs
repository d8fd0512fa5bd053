//! `cargo watertight prove`: the verdict on each statement, for people and for scripts.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use watertight_analysis::prove::Grade;
use watertight_analysis::render::render_all;
use watertight_analysis::script::split;
use watertight_analysis::{
    Catalog, Code, Diagnostic, Proof, TenantBinding, on_kept_worker, prepare, prove,
};

use crate::args::{Input, ProveArgs, ProveFormat};
use crate::output::clean::one_line;
use crate::output::diagnostic;
use crate::paint::Paint;
use crate::project;

/// What some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line of the output.
#[derive(Debug, Serialize)]
struct Verdict {
    id: Value,
    verdict: &'static str,
    grade: Option<&'static str>,
    codes: Vec<&'static str>,
    message: String,
}

pub(crate) fn run(args: &ProveArgs) -> Result<ExitCode> {
    let catalog = Arc::new(project::catalog(&args.source)?);
    let mut out = std::io::stdout().lock();
    let paint = Paint::stdout();
    match args.input {
        Input::Jsonl => {
            let reader = open(&args.file)?;
            for line in reader.split(b'\n') {
                let line = line.context("the input can't be read")?;
                let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
                if line.trim_ascii().is_empty() {
                    continue;
                }
                match request(line) {
                    Ok((id, sql)) => answer(&mut out, args.format, paint, &catalog, id, &sql)?,
                    Err((id, message)) => print(
                        &mut out,
                        args.format,
                        paint,
                        "",
                        Verdict {
                            id,
                            verdict: "refused",
                            grade: None,
                            codes: vec![Code::SYNTAX.number()],
                            message,
                        },
                    )?,
                }
            }
        }
        Input::Sql => {
            let mut text = String::new();
            open(&args.file)?
                .read_to_string(&mut text)
                .context("the input can't be read")?;
            for (index, range) in split(&text).into_iter().enumerate() {
                let sql = text.get(range).unwrap_or_default();
                answer(
                    &mut out,
                    args.format,
                    paint,
                    &catalog,
                    Value::from(index + 1),
                    sql,
                )?;
            }
        }
    }
    if args.format == ProveFormat::Text {
        // Of the schema, not of one statement: each once, and no verdict depends on them.
        for warning in project::warnings(&catalog) {
            let label = paint.yellow("warning:");
            let warning = project::one_line(warning);
            writeln!(out, "{label} {}", one_line(&warning))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn open(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(std::io::BufReader::new(std::io::stdin())));
    }
    let opened =
        std::fs::File::open(file).with_context(|| format!("`{}` can't be read", file.display()))?;
    Ok(Box::new(std::io::BufReader::new(opened)))
}

/// The id and the statement of a line; an error keeps the id as far as there is one.
fn request(line: &[u8]) -> Result<(Value, String), (Value, String)> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| (Value::Null, format!("the line is no JSON: {error}")))?;
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    match value.get("sql").and_then(Value::as_str) {
        Some(sql) => Ok((id, sql.to_owned())),
        None => Err((id, "the line has no text `sql`".to_owned())),
    }
}

fn answer(
    out: &mut impl Write,
    format: ProveFormat,
    paint: Paint,
    catalog: &Arc<Catalog>,
    id: Value,
    sql: &str,
) -> Result<()> {
    let (shared, text) = (Arc::clone(catalog), sql.to_owned());
    let judged = on_kept_worker(move || {
        prepare(&text, TenantBinding::LastParameter, shared.config())
            .and_then(|prepared| prove(&shared, &prepared))
    })
    .unwrap_or_else(|bug| Err(vec![*bug]));
    let verdict = match judged {
        Ok(proof) => {
            let grade = match proof.grade {
                Grade::Rls => "rls",
                Grade::Predicate => "predicate",
            };
            Verdict {
                id,
                verdict: "proved",
                grade: Some(grade),
                codes: Vec::new(),
                message: derivation(&proof).join("\n"),
            }
        }
        Err(problems) => Verdict {
            id,
            verdict: "refused",
            grade: None,
            codes: codes(&problems),
            message: match format {
                ProveFormat::Jsonl => render_all(&problems, sql),
                ProveFormat::Text => {
                    let drawn = problems.iter().map(|it| diagnostic(it, sql, paint));
                    drawn.collect::<Vec<_>>().join("\n\n")
                }
            },
        },
    };
    print(out, format, paint, sql, verdict)
}

/// The codes of a refusal in order, each once.
fn codes(problems: &[Diagnostic]) -> Vec<&'static str> {
    let mut codes = Vec::new();
    for problem in problems.iter().filter(|problem| problem.is_error()) {
        if !codes.contains(&problem.code.number()) {
            codes.push(problem.code.number());
        }
    }
    codes
}

/// Why every occurrence stays within the tenant.
pub(crate) fn derivation(proof: &Proof) -> Vec<String> {
    let mut lines = Vec::new();
    for occurrence in &proof.occurrences {
        let reasons = occurrence.reasons.join(", ");
        lines.push(if reasons.contains(&format!("` is {}", occurrence.class)) {
            // It says by itself what it is about, by the name in the statement.
            reasons
        } else if reasons.is_empty() {
            format!("`{}` is {}", occurrence.relation, occurrence.class)
        } else {
            format!(
                "`{}` is {}: {reasons}",
                occurrence.relation, occurrence.class
            )
        });
    }
    if lines.is_empty() {
        lines.push("no relation is read or written".to_owned());
    }
    lines
}

fn print(
    out: &mut impl Write,
    format: ProveFormat,
    paint: Paint,
    sql: &str,
    verdict: Verdict,
) -> Result<()> {
    if format == ProveFormat::Jsonl {
        serde_json::to_writer(&mut *out, &verdict)?;
        writeln!(out)?;
        return Ok(());
    }
    let first = sql.trim().lines().next().unwrap_or_default();
    let title = match &verdict.id {
        Value::String(id) => id.clone(),
        Value::Null => String::new(),
        other => format!("statement {other}"),
    };
    let head = match verdict.grade {
        Some(grade) => paint.green(&format!("proved ({grade})")),
        None => paint.red("refused"),
    };
    writeln!(out, "{}  {}", paint.bold(&one_line(&title)), head)?;
    if verdict.grade.is_some() {
        writeln!(out, "  {}", one_line(first))?;
        for line in verdict.message.lines() {
            writeln!(out, "  {}", one_line(line))?;
        }
    } else {
        // Drawn already.
        for line in verdict.message.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out)?;
    Ok(())
}
