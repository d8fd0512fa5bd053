//! Adds what the compiler makes of the sources: statements and pools that come out of macros.
//!
//! The compiler prints the expanded code of each library and binary. Places are those of the expansion,
//! which is shown as a file of its own. Invariant: what the sources show already is not told twice.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::depth::{MOST, STACK, depth};
use super::extract::extract;
use super::facts::{FileFacts, OURS_BY_MACRO, Text};
use super::sources::Workspace;
use crate::lock::workspace::metadata;

/// Expands every library and binary of the workspace.
pub(crate) fn add(workspace: &mut Workspace, manifest: Option<&Path>) -> Result<()> {
    let metadata = metadata(manifest)?;
    let target = metadata.target_directory.join("watertight");
    let mut expanded = Vec::new();
    for (index, package) in workspace.packages.iter().enumerate() {
        let found = metadata.packages.iter().find(|it| it.name == package.name);
        let targets = found.iter().flat_map(|it| &it.targets);
        for unit in targets {
            let kind = |name: &str| unit.kind.iter().any(|kind| kind == name);
            let mut which = if kind("bin") {
                vec!["--bin", unit.name.as_str()]
            } else if kind("lib") || kind("rlib") {
                vec!["--lib"]
            } else {
                continue;
            };
            which.extend(["-p", package.name.as_str()]);
            let text = expand(manifest, &target, &which)?;
            let shown = format!("{} (expanded)", unit.name);
            expanded.push((index, shown, unit.name.replace('-', "_"), text));
        }
    }
    let mut known: HashSet<String> = HashSet::new();
    for file in &workspace.files {
        known.extend(file.statements.iter().filter_map(|it| written(&it.text)));
    }
    for (package, shown, root, text) in expanded {
        let facts = FileFacts {
            path: workspace.root.join(&shown),
            shown,
            text,
            package,
            module: vec![root.clone()],
            ..FileFacts::default()
        };
        let found = deep(facts)
            .with_context(|| format!("the expansion of `{root}` can't be read as Rust"))?;
        // Only what no source shows; tools, types and our own macros were read there.
        let mut statements = found.statements;
        statements.retain(|statement| match written(&statement.text) {
            Some(text) => known.insert(text),
            None => false,
        });
        workspace.files.push(FileFacts {
            statements,
            functions: found.functions,
            imports: found.imports,
            path: found.path,
            shown: found.shown,
            text: found.text,
            package: found.package,
            module: found.module,
            ..FileFacts::default()
        });
    }
    for file in &mut workspace.files {
        file.unseen
            .retain(|(what, _)| what == OURS_BY_MACRO || !what.starts_with("a macro of one's own"));
    }
    Ok(())
}

/// Reads a text on a stack that its tree fits on.
fn deep(facts: FileFacts) -> Result<FileFacts> {
    if depth(&facts.text) > MOST {
        bail!("an expression in it nests deeper than {MOST} levels");
    }
    let read = move || -> Result<FileFacts> {
        let file = syn::parse_file(&facts.text)?;
        Ok(extract(facts, &file))
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(read)?;
    thread
        .join()
        .unwrap_or_else(|_| bail!("its reader ended early"))
}

/// The text of a statement, where it stands there whole.
fn written(text: &Text) -> Option<String> {
    match text {
        Text::Literal(literal) => Some(literal.value.clone()),
        Text::Made { parts, .. } => Some(parts.join("\u{1}")),
        _ => None,
    }
}

fn expand(manifest: Option<&Path>, target: &Path, which: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["rustc", "--profile", "check"]).args(which);
    if let Some(manifest) = manifest {
        command.arg("--manifest-path").arg(manifest);
    }
    // The option is one of the nightly compiler; this lets the installed one take it.
    command
        .args(["--", "-Zunpretty=expanded"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", target);
    let output = command.output().context("cargo can't be started")?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` can't be expanded, so `--expanded` can't be answered: it needs a workspace that builds with the installed compiler (no nightly, no `cargo expand`); without it, what macros hide is listed as W1260\n{}",
            which.join(" "),
            error.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
