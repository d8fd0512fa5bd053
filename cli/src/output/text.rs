//! For people: one block for each finding, the worst first, then one line that sums up.

use std::io::Write;

use anyhow::Result;
use watertight_analysis::finding::{Finding, Level, Place, Verdict};

use super::{Report, position};
use crate::paint::Paint;

pub(super) fn write(report: &Report, out: &mut impl Write, paint: Paint) -> Result<()> {
    for (name, value) in &report.about {
        writeln!(out, "{} {value}", paint.bold(&format!("{name}:")))?;
    }
    if !report.about.is_empty() {
        writeln!(out)?;
    }
    for finding in &report.findings {
        block(report, finding, out, paint)?;
        writeln!(out)?;
    }
    if report.shows_clear {
        for (word, list) in [("held", &report.clear), ("not applicable", &report.skipped)] {
            for one in list {
                writeln!(out, "{} {}: {}", paint.bold(word), one.place, one.reason)?;
            }
        }
        writeln!(out)?;
    }
    let summary = report.summary();
    let line = summary.line();
    let line = match (summary.findings(), summary.needs_review) {
        (0, 0) => paint.green(&line),
        (0, _) => paint.yellow(&line),
        _ => paint.red(&line),
    };
    writeln!(out, "{line}")?;
    if let Some(first) = report.findings.first() {
        let code = first.code.number();
        writeln!(
            out,
            "`cargo watertight explain {code}` tells more of a rule"
        )?;
    }
    Ok(())
}

fn block(report: &Report, finding: &Finding, out: &mut impl Write, paint: Paint) -> Result<()> {
    let head = format!("{}[{}]", finding.verdict.word(), finding.code);
    let level = finding.level.to_string();
    let (head, level) = match (finding.verdict, finding.level) {
        (Verdict::Finding, Level::High) => (paint.red(&head), paint.red(&level)),
        (_, Level::Low) => (paint.cyan(&head), paint.cyan(&level)),
        _ => (paint.yellow(&head), paint.yellow(&level)),
    };
    writeln!(out, "{head} {level} {}", paint.bold(&finding.message))?;
    place(report, finding, out, paint)?;
    for note in &finding.notes {
        section(out, paint, "note", note)?;
    }
    for help in &finding.help {
        section(out, paint, "help", help)?;
    }
    if !finding.mend.is_empty() {
        let sql: Vec<String> = finding.mend.iter().map(|sql| format!("{sql};")).collect();
        section(out, paint, "mend", &sql.join("\n"))?;
    }
    Ok(())
}

fn section(out: &mut impl Write, paint: Paint, kind: &str, text: &str) -> Result<()> {
    let indent = format!("\n{:width$}", "", width = kind.len() + 7);
    let text = text.trim_end().replace('\n', &indent);
    writeln!(out, "   {} {text}", paint.bold(&format!("= {kind}:")))?;
    Ok(())
}

/// The object, or the place in a file with its line.
fn place(report: &Report, finding: &Finding, out: &mut impl Write, paint: Paint) -> Result<()> {
    let arrow = paint.blue("-->");
    let Place::Source { path, span } = &finding.place else {
        writeln!(out, "  {arrow} {}", finding.place)?;
        return Ok(());
    };
    let (Some(text), Some((start, end))) = (report.sources.get(path), span) else {
        writeln!(out, "  {arrow} {path}")?;
        return Ok(());
    };
    let (line, column) = position(text, *start);
    writeln!(out, "  {arrow} {path}:{line}:{column}")?;
    let shown = text.lines().nth(line - 1).unwrap_or_default();
    let rest = shown.chars().count().saturating_sub(column - 1);
    let length = text
        .get(*start..*end)
        .map_or(1, |part| part.chars().count());
    let carets = "^".repeat(length.clamp(1, rest.max(1)));
    let (number, bar) = (line.to_string(), paint.blue("|"));
    let width = number.len();
    writeln!(out, "{:width$} {bar}", "")?;
    writeln!(out, "{} {bar} {shown}", paint.blue(&number))?;
    writeln!(
        out,
        "{:width$} {bar} {:lead$}{}",
        "",
        "",
        paint.red(&carets),
        lead = column - 1
    )?;
    Ok(())
}
