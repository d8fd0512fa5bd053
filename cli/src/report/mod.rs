//! `cargo watertight report`: evidence for a reviewer, as one page that needs nothing else, or as JSON.
//!
//! Stages: `map` finds tools and what they reach, `trail` and `records` what is known of their audit, `gather`
//! fills the model from what `lock`, `check` and `doctor` judge, `html` writes the page. Invariant: the page and the JSON say the same, and a text of
//! the project is never markup.

mod evidence;
mod gather;
mod html;
mod map;
mod model;
mod page;
#[cfg(feature = "database")]
mod records;
mod trail;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::{ReportArgs, ReportFormat};
use crate::lock::collect::collect;
use crate::lock::workspace::Workspace;
use crate::manners;
use model::State;

pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode> {
    let workspace = Workspace::read(args.manifest_path.as_deref(), &args.package)?;
    let collected = collect(&workspace, None)?;
    let mut document = gather::document(&workspace, &collected, manners::today());
    if !args.package.is_empty() {
        document.title = args.package.join(", ");
    }
    let manifest = args.manifest_path.as_deref();
    let source = source(args, &workspace, &collected.lock);
    let (mut report, base) = crate::check::examine(manifest, &args.package, &source)?;
    #[cfg(feature = "database")]
    if let Some(url) = &args.database_url {
        let (live, _) = crate::doctor::examine(url, &source, args.role.clone())?;
        gather::database(&mut document, &live);
        let role = live
            .about
            .iter()
            .find(|(name, _)| *name == "application role");
        let role = role.map_or("", |(_, role)| role.as_str());
        document.audit.extend(records::look(url, role)?);
        report.findings.extend(live.findings);
    }
    // Together, because a suppression that one of them has no use for may be the other's.
    manners::accept(&mut report, args.suppressions.as_deref(), &base)?;
    gather::add(&mut document, &report);
    gather::settle(&mut document);
    let text = match args.format {
        ReportFormat::Html => html::page(&document),
        ReportFormat::Json => format!("{}\n", serde_json::to_string_pretty(&document)?),
    };
    match &args.output {
        Some(path) => {
            std::fs::write(path, text)
                .with_context(|| format!("`{}` can't be written", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(match document.state {
        State::Bad => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Where the configuration is: what was said, else the only one of the workspace.
fn source(
    args: &ReportArgs,
    workspace: &Workspace,
    lock: &crate::lock::model::Lock,
) -> crate::args::Source {
    let only = match lock.catalog.as_slice() {
        [one] if !one.config.is_empty() => Some(workspace.root.join(&one.path)),
        _ => None,
    };
    crate::args::Source {
        migrations: Vec::new(),
        config: args.config.clone().or(only),
    }
}
