//! Workflow commands of GitHub Actions: each finding becomes an annotation of a pull request.

use std::io::Write;

use anyhow::Result;
use watertight_analysis::finding::{Level, Verdict};

use super::Report;
use super::clean::{clean, one_line};

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    for finding in &report.findings {
        let command = match (finding.verdict, finding.level) {
            (Verdict::Finding, Level::High | Level::Medium) => "error",
            (_, Level::Low) => "notice",
            _ => "warning",
        };
        let anchor = report.anchor(finding);
        let mut place = format!(
            "file={},line={}",
            property(&one_line(&anchor.file)),
            anchor.line
        );
        // The runner takes columns on one line only.
        if let Some((column, end_line, end_column)) = anchor.columns {
            place.push_str(&format!(",endLine={end_line}"));
            if end_line == anchor.line {
                place.push_str(&format!(",col={column},endColumn={end_column}"));
            }
        }
        let title = format!(
            "{} {} {}",
            finding.code,
            finding.level,
            finding.verdict.word()
        );
        let place_of = one_line(&finding.place.to_string());
        let mut text = vec![format!("{} ({place_of})", clean(&finding.message))];
        text.extend(report.told(finding));
        writeln!(
            out,
            "::{command} {place},title={}::{}",
            property(&title),
            data(&text.join("\n"))
        )?;
    }
    writeln!(out, "{}", report.summary().line())?;
    Ok(())
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
