//! `cargo watertight explain`: the page of a rule.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use watertight_analysis::diagnostic::CODES;
use watertight_analysis::{Code, explain};

use crate::args::ExplainArgs;
use crate::paint::Paint;

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let paint = Paint::stdout();
    let Some(text) = &args.code else {
        for code in CODES {
            writeln!(
                out,
                "{}  {:<30} {}",
                paint.bold(code.number()),
                code.name(),
                code.summary()
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(code) = Code::find(text) else {
        bail!("there is no rule `{text}`; `cargo watertight explain` lists them");
    };
    writeln!(
        out,
        "{} {}: {}\n",
        paint.bold(code.number()),
        code.name(),
        code.summary()
    )?;
    let page = explain::page(code);
    writeln!(out, "{}", plain(page).trim_end())?;
    if page.contains("```sql") {
        writeln!(out, "\n{EXAMPLES}")?;
    }
    Ok(ExitCode::SUCCESS)
}

const EXAMPLES: &str = "The examples are run on a real server by the tests. They have two tenants, `acme` and \
`bolt`, a tenant column of type text, and a session of `acme`.";

/// The page as a terminal shows it best: blocks are indented, and their fences left out.
fn plain(page: &str) -> String {
    let mut out = String::new();
    let mut block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            block = !block;
            // A block stands apart from the prose around it.
            if !out.ends_with("\n\n") {
                out.push('\n');
            }
        } else if block && !line.is_empty() {
            out.push_str("    ");
            out.push_str(line);
            out.push('\n');
        } else if !(line.is_empty() && out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
