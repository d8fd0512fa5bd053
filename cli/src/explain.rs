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
    writeln!(out, "{}", explain::page(code).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
