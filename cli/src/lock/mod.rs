//! `cargo watertight lock`: what the proofs of a workspace rest on, in one file that is committed.
//!
//! Stages: `workspace` finds the sources, `collect` judges them, `write` makes the text, `compare`
//! tells what a change loosens.

pub(crate) mod build;
pub(crate) mod collect;
mod compare;
pub(crate) mod model;
pub(crate) mod workspace;
mod write;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::args::{LockArgs, LockFormat};
use crate::output::clean::{clean, one_line};
use crate::paint::Paint;
use collect::{Collected, collect};
use compare::{Difference, compare};
use model::Lock;
use workspace::Workspace;

/// The name of the file at the root of a workspace.
const NAME: &str = "watertight.lock";

/// What a run came to.
struct Outcome {
    /// `written`, `up-to-date`, `out-of-date` or `refused`.
    status: &'static str,
    refused: Vec<String>,
    difference: Difference,
    /// Statements, warnings, and what could not be looked into.
    lock: Lock,
}

pub(crate) fn run(args: &LockArgs) -> Result<ExitCode> {
    let workspace = Workspace::read(args.manifest_path.as_deref(), &args.package)?;
    let path = match (
        &args.file,
        args.package.as_slice(),
        workspace.packages.as_slice(),
    ) {
        (Some(file), _, _) => file.clone(),
        (None, [], _) => workspace.root.join(NAME),
        // A part of the workspace must not take the place of the whole.
        (None, _, [package]) => package.join(NAME),
        (None, _, _) => bail!("several packages in one lock: say where, with `--file FILE`"),
    };
    let built = match args.build {
        true => Some(build::records(args.manifest_path.as_deref())?),
        false => None,
    };
    let Collected { lock, refused } = collect(&workspace, built.as_deref())?;
    let text = write::text(&lock);
    let old = match path.exists() {
        true => Some(crate::project::read(&path)?),
        false => None,
    };
    let mut difference = Difference::default();
    let status = if !refused.is_empty() {
        "refused"
    } else if old.as_deref() == Some(text.as_str()) {
        "up-to-date"
    } else {
        difference = differ(old.as_deref(), &lock, args.check);
        if args.check {
            "out-of-date"
        } else {
            std::fs::write(&path, &text)
                .with_context(|| format!("`{}` can't be written", path.display()))?;
            "written"
        }
    };
    let outcome = Outcome {
        status,
        refused,
        difference,
        lock,
    };
    match args.format {
        LockFormat::Text => show(&outcome, &workspace.shown(&path))?,
        LockFormat::Json => {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &as_json(&outcome)?)?;
            writeln!(out)?;
        }
    }
    Ok(match status {
        "refused" | "out-of-date" => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// What changed since the committed file.
fn differ(old: Option<&str>, lock: &Lock, check: bool) -> Difference {
    let mut difference = match old.map(toml::from_str::<Lock>) {
        Some(Ok(old)) => compare(&old, lock),
        Some(Err(error)) => Difference {
            loosened: vec![format!(
                "the file is no lock that this version reads, so nothing can be compared: {}",
                error.message()
            )],
            changed: Vec::new(),
        },
        // The first lock has nothing to be looser than.
        None => Difference::default(),
    };
    if check && difference.loosened.is_empty() && difference.changed.is_empty() {
        difference.changed.push(match old {
            None => "there is no lock yet".to_owned(),
            Some(_) => "the file was edited by hand: what it says is right, how it is written not"
                .to_owned(),
        });
    }
    difference
}

fn show(outcome: &Outcome, path: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let paint = Paint::stdout();
    for refused in &outcome.refused {
        writeln!(out, "{}\n", clean(refused))?;
    }
    let Difference { loosened, changed } = &outcome.difference;
    if !loosened.is_empty() {
        writeln!(out, "{}", paint.red("loosened:"))?;
    }
    for line in loosened {
        writeln!(out, "  {}", one_line(line))?;
    }
    if !changed.is_empty() {
        writeln!(out, "{}", paint.bold("changed:"))?;
    }
    for line in changed {
        writeln!(out, "  {}", one_line(line))?;
    }
    for warning in outcome.lock.catalog.iter().flat_map(|it| &it.warnings) {
        writeln!(out, "{} {}", paint.yellow("warning:"), clean(warning))?;
    }
    for unseen in &outcome.lock.unseen {
        let label = paint.yellow("unseen:");
        writeln!(
            out,
            "{label} {}: {}",
            one_line(&unseen.file),
            clean(&unseen.what)
        )?;
    }
    let statements = outcome.lock.statement.len();
    let line = match outcome.status {
        "refused" => paint.red(&format!(
            "{} refused; `{path}` was not written",
            count(outcome.refused.len(), "statement")
        )),
        "up-to-date" => paint.green(&format!(
            "`{path}` is up to date: {}",
            count(statements, "statement")
        )),
        "written" => format!("wrote `{path}`: {}", count(statements, "statement")),
        _ => paint.red(&format!(
            "`{path}` is out of date: run `cargo watertight lock` and commit it"
        )),
    };
    writeln!(out, "{line}")?;
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn as_json(outcome: &Outcome) -> Result<Value> {
    Ok(json!({
        "status": outcome.status,
        "refused": outcome.refused,
        "loosened": outcome.difference.loosened,
        "changed": outcome.difference.changed,
        "lock": serde_json::to_value(&outcome.lock)?,
    }))
}
