//! `cargo watertight doctor`: what a live database does to the isolation of tenants.
//!
//! Stages: `read` asks the server in one read-only transaction, the analysis judges, `fix` writes the
//! migration that mends. Invariant: nothing is written to the server, and the password of the URL is
//! never shown.

mod fix;
mod read;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use watertight_analysis::migrations::{SourceFile, snapshot};
use watertight_analysis::posture::{Facts, Inferred, drift, infer, judge, tenant_directives};
use watertight_analysis::render::render_all;
use watertight_analysis::{Catalog, Config};

use crate::args::{DoctorArgs, Source};
use crate::output::Report;
use crate::project;
pub(crate) use read::{Live, plain, read};

/// The file name under which the snapshot is judged.
const LIVE: &str = "the live database";

pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let (report, base) = examine(args.database.url(), &args.source, args.role.clone())?;
    if args.fix {
        let mut out = std::io::stdout().lock();
        out.write_all(fix::migration(&report.findings).as_bytes())?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    args.manners.finish(report, &base)
}

/// What there is to tell of a database, and the folder of the configuration.
pub(crate) fn examine(
    url: &str,
    source: &Source,
    role: Option<String>,
) -> Result<(Report, PathBuf)> {
    let found = project::found_config(source.config.as_deref())?;
    let configured = found.is_some();
    let (config, base) = found.unwrap_or_else(|| (Config::default(), PathBuf::new()));
    let chosen = role.or_else(|| configured.then(|| config.application_role.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime can't be started")?;
    let live = runtime.block_on(read(url, chosen))?;
    let (catalog, inferred) = catalog(&live, config, configured)?;
    let mut posture = judge(&catalog, &live.facts);
    let mut about = vec![
        ("database", live.place.clone()),
        ("server", format!("PostgreSQL {}", live.facts.version())),
        ("application role", live.role.clone()),
        ("tenant", tenant(&catalog, inferred.as_ref())),
    ];
    let mut anchors = BTreeMap::new();
    match migrations(source, configured) {
        Some(Ok(written)) => {
            posture
                .findings
                .extend(drift(&written, &catalog, &live.facts));
            anchors = anchored(&written, &base);
        }
        Some(Err(error)) => about.push(("drift", format!("not looked at: {error:#}"))),
        None => {}
    }
    let report = Report {
        command: "doctor",
        about,
        findings: posture.findings,
        clear: posture.clear,
        anchors,
        ..Report::default()
    };
    Ok((report, base))
}

/// The catalog of the live database, with what had to be inferred.
pub(crate) fn catalog(
    live: &Live,
    mut config: Config,
    configured: bool,
) -> Result<(Catalog, Option<Inferred>)> {
    config.application_role.clone_from(&live.role);
    let mut first = build(&config, &live.text)?;
    let inferred = (!configured).then(|| infer(&live.facts, &first));
    if let Some(inferred) = inferred.as_ref().filter(|it| **it != Inferred::default()) {
        inferred.apply(&mut config);
        first = build(&config, &live.text)?;
    }
    let directives = tenant_directives(&first);
    if directives.is_empty() {
        return Ok((first, inferred));
    }
    let text = format!("{}\n{};\n", live.text, directives.join(";\n"));
    Ok((build(&config, &text)?, inferred))
}

fn build(config: &Config, text: &str) -> Result<Catalog> {
    let source = SourceFile {
        path: LIVE.to_owned(),
        text: text.to_owned(),
    };
    let migration =
        snapshot(source).map_err(|problem| anyhow::anyhow!("{}", render_all(&[*problem], "")))?;
    Ok(Catalog::build(config, &[migration]))
}

/// What names the tenant, in a sentence.
fn tenant(catalog: &Catalog, inferred: Option<&Inferred>) -> String {
    let tenant = &catalog.config().tenant;
    let how = match inferred {
        None => "",
        Some(Inferred { column: None, .. }) => " (no column of the database looks like a tenant's)",
        Some(Inferred { setting: None, .. }) => {
            " (the column inferred; no policy compares it with a setting: say it in watertight.toml)"
        }
        Some(_) => " (inferred; say it in watertight.toml)",
    };
    format!(
        "column `{}` of type {}, setting `{}`{how}",
        tenant.column,
        tenant.kind.sql(),
        tenant.setting
    )
}

/// The catalog of the migrations, where there are some to compare with.
fn migrations(source: &Source, configured: bool) -> Option<Result<Catalog>> {
    let given = !source.migrations.is_empty();
    (configured || given).then(|| project::catalog(source))
}

/// The file that makes each object.
fn anchored(catalog: &Catalog, base: &Path) -> BTreeMap<String, String> {
    let folder = catalog.config().migrations.first();
    catalog
        .relations()
        .map(|relation| {
            let path = folder.map_or_else(PathBuf::new, |folder| base.join(folder));
            let path = path.join(&relation.created_in);
            (relation.qualified(), path.to_string_lossy().into_owned())
        })
        .collect()
}

/// The role that is judged, where none is given.
fn guess(facts: &Facts) -> Result<String> {
    if facts.has_role("app") {
        return Ok("app".to_owned());
    }
    let login = facts.login();
    if !facts.is_privileged(login) {
        return Ok(login.to_owned());
    }
    match facts.plain_logins().as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => bail!(
            "no role of the server could be the application's: every one that can log in is superuser, bypasses row-level security or owns tables; name it with `--role ROLE`"
        ),
        several => bail!(
            "which role the application connects as can't be told; name it with `--role ROLE`: {}",
            several.join(", ")
        ),
    }
}
