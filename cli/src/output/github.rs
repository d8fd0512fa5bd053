//! Workflow commands of GitHub Actions: each finding becomes an annotation of a pull request.

use std::io::Write;

use anyhow::Result;
use watertight_analysis::finding::{Level, Verdict};

use super::Report;

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    for finding in &report.findings {
        let command = match (finding.verdict, finding.level) {
            (Verdict::Finding, Level::High | Level::Medium) => "error",
            (_, Level::Low) => "notice",
            _ => "warning",
        };
        let (file, line, column) = report.anchor(finding);
        let column = column
            .map(|column| format!(",col={column}"))
            .unwrap_or_default();
        let title = format!(
            "{} {} {}",
            finding.code,
            finding.level,
            finding.verdict.word()
        );
        let mut text = vec![format!("{} ({})", finding.message, finding.place)];
        text.extend(finding.help.iter().cloned());
        text.extend(finding.mend.iter().map(|sql| format!("{sql};")));
        writeln!(
            out,
            "::{command} file={},line={line}{column},title={}::{}",
            property(&file),
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
