//! What the macros expand in a build: statements that come out of other macros among them.
//!
//! The build has a target folder of its own, in which everything is compiled with `WATERTIGHT_COLLECT`
//! set: what cargo takes for fresh was written down when it was compiled. Invariant: a crate that was
//! compiled again has no line of an earlier compilation.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use proc_macro2::TokenStream;
use serde::Deserialize;
use watertight_syntax::query::Kind;

use super::workspace::metadata;

/// A call as the compiler saw it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) attribute: TokenStream,
    pub(crate) item: TokenStream,
    pub(crate) file: PathBuf,
    /// From one.
    pub(crate) line: usize,
    /// The folder of its package.
    pub(crate) package: PathBuf,
}

/// A line of what the macros write.
#[derive(Debug, Deserialize)]
struct Line {
    kind: String,
    attribute: String,
    item: String,
    file: Option<PathBuf>,
    line: usize,
    package: PathBuf,
}

/// What cargo says of a unit that it built.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    #[serde(default)]
    fresh: bool,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds the workspace's libraries and binaries, and reads what their macros wrote down.
pub(crate) fn records(manifest: Option<&Path>) -> Result<Vec<Record>> {
    let metadata = metadata(manifest)?;
    let target = metadata.target_directory.join("watertight");
    let folder = target.join("collect");
    if !folder.is_dir() {
        // Compiled without being written down: once more.
        std::fs::remove_dir_all(&target).ok();
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("`{}` can't be made", folder.display()))?;
    }
    let begun = SystemTime::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "check",
            "--workspace",
            "--message-format",
            "json-render-diagnostics",
        ])
        .env("WATERTIGHT_COLLECT", &folder)
        .env("CARGO_TARGET_DIR", &target)
        .stderr(std::process::Stdio::inherit());
    if let Some(manifest) = manifest {
        command.arg("--manifest-path").arg(manifest);
    }
    let output = command.output().context("cargo can't be started")?;
    if !output.status.success() {
        bail!("the workspace does not build, so what its macros make is not known");
    }
    let names: HashMap<&Path, &str> = metadata
        .packages
        .iter()
        .map(|package| (package.manifest_path.as_path(), package.name.as_str()))
        .collect();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else {
            continue;
        };
        let (true, false, Some(unit)) = (
            message.reason == "compiler-artifact",
            message.fresh,
            message.target,
        ) else {
            continue;
        };
        let Some(package) = names.get(message.manifest_path.as_path()) else {
            continue;
        };
        let kind = match unit.kind.iter().any(|kind| kind == "bin") {
            true => "bin",
            false => "lib",
        };
        let krate = unit.name.replace('-', "_");
        let path = folder.join(format!("{package}.{krate}.{kind}.jsonl"));
        let written = path.metadata().and_then(|it| it.modified());
        // Its last call was taken out: nothing began the file anew.
        if written.is_ok_and(|written| written < begun) {
            std::fs::remove_file(&path).ok();
        }
    }
    read(&folder)
}

fn read(folder: &Path) -> Result<Vec<Record>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("`{}` can't be read", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let text = crate::project::read(&path)?;
        for line in text.lines() {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("`{}` is not understood", path.display()))?;
            let tokens = |text: &str| {
                let parsed: Result<TokenStream, _> = text.parse();
                parsed.map_err(|error| anyhow::anyhow!("`{}`: {error}", path.display()))
            };
            records.push(Record {
                kind: match line.kind.as_str() {
                    "system" => Kind::System,
                    "unproved" => Kind::Unproved,
                    _ => Kind::Tenant,
                },
                attribute: tokens(&line.attribute)?,
                item: tokens(&line.item)?,
                file: line.file.unwrap_or_else(|| line.package.clone()),
                line: line.line,
                package: line.package,
            });
        }
    }
    Ok(records)
}
