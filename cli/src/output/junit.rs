//! JUnit's XML: a test case for each finding, which fails, and for each place that is clear.

use std::io::Write;

use anyhow::Result;

use super::Report;

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    let failures = report.findings.len();
    let skipped = report.suppressed.len() + report.skipped.len();
    let tests = failures + skipped + report.clear.len();
    let name = escape(&format!("watertight {}", report.command));
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites tests=\"{tests}\" failures=\"{failures}\">"
    )?;
    writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
    )?;
    let case = |class: &str, name: &str| {
        format!(
            "    <testcase classname=\"{}\" name=\"{}\"",
            escape(class),
            escape(name)
        )
    };
    for finding in &report.findings {
        let mut text = vec![finding.place.to_string()];
        text.extend(finding.notes.iter().cloned());
        text.extend(finding.help.iter().cloned());
        text.extend(finding.mend.iter().map(|sql| format!("{sql};")));
        let class = format!("{}.{}", finding.code.name(), finding.code);
        let name = format!("{} {}", finding.place, finding.subject);
        let kind = format!("{} {}", finding.verdict.word(), finding.level);
        writeln!(out, "{}>", case(&class, name.trim_end()))?;
        writeln!(
            out,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>",
            escape(&kind),
            escape(&finding.message),
            escape(&text.join("\n"))
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

/// Text as XML holds it; control characters, which it can't, are left out.
fn escape(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&apos;"),
                other => out.push(other),
            }
            out
        })
}
