//! JUnit's XML: a test case for each finding, which fails, and for each place that is clear.
//!
//! The members are those that Jenkins', GitLab's and Azure's readers share.

use std::io::Write;

use anyhow::Result;

use super::Report;
use super::clean::{clean, number};

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    let failures = report.findings.len();
    let skipped = report.suppressed.len() + report.skipped.len();
    let tests = failures + skipped + report.clear.len();
    let name = escape(&format!("watertight {}", report.command));
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"0\">"
    )?;
    writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"0\">"
    )?;
    let case = |class: &str, name: &str| {
        format!(
            "    <testcase classname=\"{}\" name=\"{}\" time=\"0\"",
            escape(class),
            escape(name)
        )
    };
    for finding in &report.findings {
        let mut text = vec![finding.place.to_string()];
        text.extend(report.told(finding));
        let class = format!("{}.{}", finding.code.name(), finding.code);
        let name = format!("{} {}", finding.place, finding.subject);
        let kind = format!("{} {}", finding.verdict.word(), finding.level);
        writeln!(out, "{}>", case(&class, name.trim_end()))?;
        writeln!(
            out,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>",
            escape(&kind),
            escape(&finding.message),
            content(&text.join("\n"))
        )?;
    }
    for (finding, reason) in &report.suppressed {
        let class = format!("{}.{}", finding.code.name(), finding.code);
        let name = format!("{} {}", finding.place, finding.subject);
        writeln!(out, "{}>", case(&class, name.trim_end()))?;
        writeln!(
            out,
            "      <skipped message=\"{}\"/>\n    </testcase>",
            escape(reason)
        )?;
    }
    for one in &report.skipped {
        writeln!(out, "{}>", case("not-applicable", &one.place.to_string()))?;
        writeln!(
            out,
            "      <skipped message=\"{}\"/>\n    </testcase>",
            escape(&one.reason)
        )?;
    }
    for clear in &report.clear {
        writeln!(out, "{}/>", case("clear", &clear.place.to_string()))?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")?;
    Ok(())
}

/// Text in the value of an attribute, where a reader takes a bare newline for a space.
fn escape(text: &str) -> String {
    content(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Text in an element. What acts on a terminal, and what XML can't hold, is written as its number.
fn content(text: &str) -> String {
    let text = clean(text);
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&apos;"),
                '\u{fffe}' | '\u{ffff}' => out.push_str(&number(c)),
                other => out.push(other),
            }
            out
        })
}
