//! `cargo watertight init`: what an existing project needs, as files to read.
//!
//! Stages: `infer` finds the tenant, `plan` drafts and proves what each relation needs, `decide` tells
//! what nobody but a person knows, `naming` and `write` make the files. Invariant: nothing is written
//! without `--write`, and no file that is there is written over.

mod clippy;
mod decide;
mod infer;
mod naming;
mod plan;
mod write;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use watertight_analysis::catalog::quote;
use watertight_analysis::{Catalog, Config};

use crate::args::InitArgs;
use crate::manners::now;
use crate::output::clean::{clean, one_line};
use crate::paint::Paint;
use crate::project::{self, Found};
use plan::{Plan, State};
use write::Roles;

/// The name of the migration.
const NAME: &str = "row_level_security";

/// A file of the proposal.
struct File {
    path: PathBuf,
    /// What is there now, and stays.
    old: Option<String>,
    text: String,
    /// Added to rather than left alone where it is there.
    merge: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<ExitCode> {
    let found = project::found(&args.source)?;
    let texts = || {
        found
            .migrations
            .iter()
            .map(|migration| migration.text.as_str())
    };
    let roles = Roles {
        login: args.login_role.clone(),
        tenant: args.tenant_role.clone(),
    };
    let (config, why) = match &found.config {
        Some(config) => (config.clone(), String::new()),
        None => {
            let mut config = Config::default();
            let first = Catalog::build(&config, &found.migrations);
            let tenant = infer::infer(&first, args.tenant_column.as_deref())?;
            config.migrations = vec![found.folder_in_config()];
            config.application_role.clone_from(&roles.tenant);
            config.tenant.column = tenant.column;
            config.tenant.kind = tenant.kind;
            if let Some(setting) = infer::setting(texts()) {
                config.tenant.setting = setting;
            }
            (config, format!("The tenant's id: {}", tenant.why))
        }
    };
    let plan = plan::plan(&config, &found.migrations);
    let files = files(&found, &config, &why, &plan, &roles)?;
    let mut out = std::io::stdout().lock();
    let paint = Paint::stdout();
    summary(&mut out, paint, &config, &why, &plan)?;
    for file in &files {
        if args.write {
            put(&mut out, paint, file)?;
        } else {
            show(&mut out, paint, file)?;
        }
    }
    if !args.write {
        writeln!(out, "{}", paint.bold("Nothing was written. `cargo watertight init --write` writes what is new, and leaves what is there."))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn files(
    found: &Found,
    config: &Config,
    why: &str,
    plan: &Plan,
    roles: &Roles,
) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut add = |path: PathBuf, text: String| -> Result<()> {
        let old = path.exists().then(|| project::read(&path)).transpose()?;
        files.push(File {
            path,
            old,
            text,
            merge: false,
        });
        Ok(())
    };
    let base = &found.base;
    if found.config.is_none() {
        add(
            base.join("watertight.toml"),
            write::configuration(config, why),
        )?;
    }
    let proposed = plan.items.iter().any(|item| !item.up.is_empty());
    let mut name = "the migrations".to_owned();
    // Decisions alone are no migration: after the first run they stand in the one that is there.
    if proposed {
        let last = found
            .migrations
            .last()
            .map(|migration| migration.path.as_str());
        let texts = found.texts.iter().map(String::as_str);
        let (day, second, unix) = now();
        let now = naming::Now { day, second, unix };
        let naming = naming::next(&found.files, last, texts, NAME, &now)?;
        let (up, down) = write::migration(plan, &naming);
        name.clone_from(&naming.up);
        add(found.folder.join(&naming.up), up)?;
        if let (Some(down), Some(path)) = (down, &naming.down) {
            add(found.folder.join(path), down)?;
        }
    }
    add(base.join("watertight-roles.sql"), write::roles(plan, roles))?;
    add(
        base.join("watertight-checklist.md"),
        write::checklist(plan, roles, &name),
    )?;
    files.extend(clippy_file(base)?);
    Ok(files)
}

/// clippy reads `clippy.toml` or `.clippy.toml`.
fn clippy_file(base: &Path) -> Result<Option<File>> {
    let hidden = base.join(".clippy.toml");
    let path = match hidden.exists() {
        true => hidden,
        false => base.join("clippy.toml"),
    };
    let old = path.exists().then(|| project::read(&path)).transpose()?;
    let text = clippy::merged(old.as_deref().unwrap_or_default())?;
    Ok(text.map(|text| File {
        path,
        old,
        text,
        merge: true,
    }))
}

fn summary(
    out: &mut impl std::io::Write,
    paint: Paint,
    config: &Config,
    why: &str,
    plan: &Plan,
) -> Result<()> {
    let tenant = &config.tenant;
    writeln!(
        out,
        "{} column {} of type {}, setting {}",
        paint.bold("tenant:"),
        one_line(&quote(&tenant.column)),
        tenant.kind.sql(),
        one_line(&tenant.setting)
    )?;
    if let Some(why) = why.strip_prefix("The tenant's id: ") {
        writeln!(out, "        {why}")?;
    }
    let width = plan
        .items
        .iter()
        .map(|item| one_line(&item.name).chars().count())
        .max();
    for item in &plan.items {
        let word = match item.state {
            State::Proposed => paint.cyan("proposed"),
            State::Holds => paint.green("holds   "),
            State::Open => paint.yellow("decide  "),
        };
        let name = format!(
            "{:width$}",
            one_line(&item.name),
            width = width.unwrap_or_default().min(40)
        );
        writeln!(out, "{word} {name}  {}", one_line(&item.why))?;
    }
    writeln!(out)?;
    Ok(())
}

/// A file as a difference: what is new has a `+`.
fn show(out: &mut impl std::io::Write, paint: Paint, file: &File) -> Result<()> {
    let path = shown(&file.path);
    match &file.old {
        Some(_) if !file.merge => {
            writeln!(
                out,
                "{}",
                paint.bold(&format!("=== {path} is there, and stays as it is"))
            )?;
        }
        Some(old) => {
            writeln!(out, "{}", paint.bold(&format!("=== {path} (added to)")))?;
            let mut kept = old.lines().peekable();
            for line in file.text.lines() {
                if kept.next_if(|old| *old == line).is_some() {
                    writeln!(out, "  {}", clean(line))?;
                } else {
                    writeln!(out, "{}", paint.green(&format!("+ {}", clean(line))))?;
                }
            }
        }
        None => {
            writeln!(out, "{}", paint.bold(&format!("=== {path} (new)")))?;
            for line in file.text.lines() {
                writeln!(out, "{}", paint.green(&format!("+ {}", clean(line))))?;
            }
        }
    }
    writeln!(out)?;
    Ok(())
}

/// The path as seen from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn put(out: &mut impl std::io::Write, paint: Paint, file: &File) -> Result<()> {
    let path = shown(&file.path);
    if file.old.is_some() && !file.merge {
        writeln!(
            out,
            "{} {path}: it is there, and stays as it is",
            paint.yellow("kept")
        )?;
        return Ok(());
    }
    if let Some(folder) = file.path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("`{}` can't be made", folder.display()))?;
    }
    if file.merge && file.old.is_some() {
        std::fs::write(&file.path, &file.text)
            .with_context(|| format!("`{path}` can't be written"))?;
        writeln!(out, "{} {path}", paint.green("added to"))?;
        return Ok(());
    }
    // What came into being in between is left alone too.
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file.path);
    match made {
        Ok(mut new) => new.write_all(file.text.as_bytes())?,
        Err(error) => bail!("`{path}` can't be written: {error}"),
    }
    writeln!(out, "{} {path}", paint.green("wrote"))?;
    Ok(())
}
