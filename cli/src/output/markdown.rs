//! Markdown, for a comment on a pull request or the summary of a job.

use std::io::Write;

use anyhow::Result;

use super::Report;

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    writeln!(out, "## watertight {}\n", report.command)?;
    for (name, value) in &report.about {
        writeln!(out, "- {name}: `{}`", value.replace('`', "'"))?;
    }
    writeln!(out, "\n**{}**", report.summary().line())?;
    if !report.findings.is_empty() {
        findings(report, out)?;
    }
    if report.shows_clear {
        held(report, out)?;
    }
    Ok(())
}

/// What holds, and what could not be looked at.
fn held(report: &Report, out: &mut impl Write) -> Result<()> {
    for (word, list) in [("Held", &report.clear), ("Not applicable", &report.skipped)] {
        if list.is_empty() {
            continue;
        }
        writeln!(out, "\n<details><summary>{word}</summary>\n")?;
        for one in list {
            writeln!(out, "- {}: {}", one.place, one.reason.replace('\n', " "))?;
        }
        writeln!(out, "\n</details>")?;
    }
    Ok(())
}

fn findings(report: &Report, out: &mut impl Write) -> Result<()> {
    writeln!(out, "\n| | rule | where | what |\n|---|---|---|---|")?;
    for finding in &report.findings {
        writeln!(
            out,
            "| {} {} | {} {} | {} | {} |",
            finding.level,
            finding.verdict.word(),
            finding.code,
            finding.code.name(),
            cell(&format!("`{}`", finding.place)),
            cell(&finding.message)
        )?;
    }
    writeln!(out, "\n<details><summary>What mends it</summary>\n")?;
    for finding in &report.findings {
        writeln!(out, "**{}** {}\n", finding.code, finding.place)?;
        for text in finding.notes.iter().chain(&finding.help) {
            writeln!(out, "- {}", text.replace('\n', " "))?;
        }
        if !finding.mend.is_empty() {
            writeln!(out, "\n```sql\n{};\n```", finding.mend.join(";\n"))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "</details>")?;
    Ok(())
}

/// Text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
