//! Markdown, for a comment on a pull request or the summary of a job.
//!
//! Invariant: what a project names is text or code in it, never markup, and calls nobody: `@global` in a
//! comment would be a person.

use std::io::Write;

use anyhow::Result;
use watertight_analysis::finding::Clear;

use super::Report;
use super::clean::{clean, one_line};

/// Hosts refuse a summary of more than a mebibyte, and a comment of more than 65,536 characters.
const MOST: usize = 200;

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    writeln!(out, "## watertight {}\n", report.command)?;
    for (name, value) in &report.about {
        // What has code in it is a sentence.
        let value = match value.contains('`') {
            true => prose(value),
            false => code(value),
        };
        writeln!(out, "- {name}: {value}")?;
    }
    writeln!(out, "\n**{}**", report.summary().line())?;
    if !report.findings.is_empty() {
        findings(report, out)?;
    }
    if report.shows_clear {
        for (word, list) in [("Held", &report.clear), ("Not applicable", &report.skipped)] {
            held(word, list, out)?;
        }
    }
    let suppressed = report.suppressed.iter();
    let suppressed: Vec<Clear> = suppressed
        .map(|(finding, reason)| {
            Clear::new(finding.place.clone(), format!("{}: {reason}", finding.code))
        })
        .collect();
    held("Suppressed", &suppressed, out)
}

/// What holds, and what could not be looked at.
fn held(word: &str, list: &[Clear], out: &mut impl Write) -> Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n<details><summary>{word}</summary>\n")?;
    for one in list.iter().take(MOST) {
        let place = code(&one.place.to_string());
        writeln!(out, "- {place}: {}", prose(&one.reason))?;
    }
    more(list.len(), out)?;
    writeln!(out, "\n</details>")?;
    Ok(())
}

fn findings(report: &Report, out: &mut impl Write) -> Result<()> {
    writeln!(out, "\n| | rule | where | what |\n|---|---|---|---|")?;
    for finding in report.findings.iter().take(MOST) {
        let anchor = report.anchor(finding);
        let place = match anchor.columns {
            Some((column, ..)) => format!("{}:{}:{column}", finding.place, anchor.line),
            None => finding.place.to_string(),
        };
        writeln!(
            out,
            "| {} {} | {} {} | {} | {} |",
            finding.level,
            finding.verdict.word(),
            finding.code,
            finding.code.name(),
            cell(&code(&place)),
            cell(&prose(&finding.message))
        )?;
    }
    more(report.findings.len(), out)?;
    writeln!(out, "\n<details><summary>What mends it</summary>\n")?;
    for finding in report.findings.iter().take(MOST) {
        let place = code(&finding.place.to_string());
        writeln!(out, "**{}** {place}\n", finding.code)?;
        for label in finding
            .label
            .iter()
            .chain(finding.also.iter().map(|(_, it)| it))
        {
            writeln!(out, "- {}", prose(label))?;
        }
        for text in &finding.notes {
            writeln!(out, "- {}", prose(text))?;
        }
        for text in &finding.help {
            writeln!(out, "- {}", prose(text))?;
        }
        if !finding.mend.is_empty() {
            let sql = format!("{};", finding.mend.join(";\n"));
            let sql = clean(&sql);
            let fence = "`".repeat(longest_run(&sql).max(2) + 1);
            writeln!(out, "\n{fence}sql\n{sql}\n{fence}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "</details>")?;
    Ok(())
}

fn more(count: usize, out: &mut impl Write) -> Result<()> {
    if count > MOST {
        writeln!(out, "\n… and {} more", count - MOST)?;
    }
    Ok(())
}

/// A text in which backticks are code, and nothing is markup.
fn prose(text: &str) -> String {
    let text = one_line(text);
    let parts: Vec<&str> = text.split('`').collect();
    // The last part is behind an even number of backticks, or the last of them opens nothing.
    let balanced = parts.len() % 2 == 1;
    let mut out = String::new();
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == parts.len();
        match number % 2 == 1 && (balanced || !last) {
            true => out.push_str(&code(part)),
            false => {
                if number % 2 == 1 {
                    out.push_str("\\`");
                }
                out.push_str(&plain(part));
            }
        }
    }
    out
}

/// Text that is neither markup nor a mention.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '*' | '_' | '[' | ']' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A span of code, whatever the text holds.
fn code(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    match text.starts_with('`') || text.ends_with('`') {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`');
    runs.map(str::len).max().unwrap_or_default()
}

/// Text within a cell of a table, where a bar ends a cell even in code.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_project_is_markup() {
        assert_eq!(
            prose("`a<b>` is <img src=x> of @global, *not* [this](x)"),
            "`a<b>` is &lt;img src=x&gt; of &#64;global, \\*not\\* \\[this\\](x)"
        );
        assert_eq!(prose("an open ` tick"), "an open \\` tick");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(cell(&code("a|b")), "`a\\|b`");
    }
}
