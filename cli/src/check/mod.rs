//! `cargo watertight check`: a workspace's source, without running it.
//!
//! Stages: `sources` finds the files and `extract` reads each into facts, `schema` finds the migrations,
//! `judge` compares. Invariant: no code of the workspace is run unless
//! `--build` or `--expanded` asks for a build; what can't be looked into is listed, and
//! never clear.

mod built;
mod depth;
mod expanded;
mod extract;
mod facts;
mod judge;
mod literal;
mod schema;
mod sources;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use watertight_analysis::finding::Place;

use crate::args::{CheckArgs, Source};
use crate::lock::build;
use crate::output::Report;
use sources::Workspace;

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode> {
    let manifest = args.manifest_path.as_deref();
    let deeper = Deeper {
        build: args.build,
        expanded: args.expanded,
    };
    let (report, base) = look(manifest, &args.package, &args.source, deeper)?;
    args.manners.finish(report, &base)
}

/// What is looked at beside the sources, for which the workspace is built.
#[derive(Clone, Copy, Debug, Default)]
struct Deeper {
    build: bool,
    expanded: bool,
}

/// What there is to tell of a workspace, and the folder in which suppressions are looked for. Runs no
/// code of the workspace.
pub(crate) fn examine(
    manifest: Option<&Path>,
    packages: &[String],
    source: &Source,
) -> Result<(Report, PathBuf)> {
    look(manifest, packages, source, Deeper::default())
}

fn look(
    manifest: Option<&Path>,
    packages: &[String],
    source: &Source,
    deeper: Deeper,
) -> Result<(Report, PathBuf)> {
    let progress = std::io::stderr().is_terminal();
    let mut workspace = Workspace::read(manifest, packages, progress)?;
    if deeper.build {
        built::add(&mut workspace, &build::records(manifest)?);
    }
    if deeper.expanded {
        expanded::add(&mut workspace, manifest)?;
    }
    if workspace.packages.is_empty() {
        bail!(
            "the workspace of `{}` has no package, so there is nothing to look at",
            workspace.root.join("Cargo.toml").display()
        );
    }
    let schemas = schema::schemas(&workspace, &source.migrations, source.config.as_deref());
    let judge::Verdicts {
        findings,
        clear,
        texts,
    } = judge::judge(&workspace, &schemas);
    let mut about = vec![(
        "looked at",
        format!(
            "{} in {}",
            counted(workspace.files.len(), "file"),
            counted(workspace.packages.len(), "package")
        ),
    )];
    let mut told = Vec::new();
    for schema in &schemas {
        let line = format!("{}; {}", schema.about, schema.tenant_line());
        if !told.contains(&line) && (schema.known || schemas.len() == 1) {
            about.push(("schema", line.clone()));
            told.push(line);
        }
    }
    let mut sources: BTreeMap<String, String> = texts.into_iter().collect();
    for file in &workspace.files {
        sources.insert(file.shown.clone(), file.text.clone());
    }
    // What a workspace accepts stands at its root; else beside the configuration.
    let at_root = workspace.root.join(crate::manners::SUPPRESSIONS).exists();
    let base = match schemas.first().filter(|_| !at_root) {
        Some(schema) if schema.configured && schemas.iter().all(|it| it.base == schema.base) => {
            schema.base.clone()
        }
        _ => workspace.root.clone(),
    };
    let mut findings = findings;
    let mut seen = std::collections::HashSet::new();
    findings.retain(|finding| {
        let span = match &finding.place {
            Place::Source { span, .. } => *span,
            Place::Object { .. } => None,
        };
        seen.insert((finding.fingerprint(), span))
    });
    let report = Report {
        command: "check",
        about,
        partial: !packages.is_empty(),
        findings,
        clear,
        sources,
        root: workspace.root.clone(),
        ..Report::default()
    };
    Ok((report, base))
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
