//! The live policies, judged by what they imply: the database is read as one text, and the analysis
//! that proved the statements says of each relation whether it still confines each command.
//!
//! PostgreSQL rewrites expressions, so their text can't be compared with that of the migrations.
//!
//! Invariant: what a proof relies on and the live database does not clearly give is a finding; what
//! it gives beyond that is none.

use sqlx::{PgConnection, Row as _};
use watertight_analysis::catalog::{Class, Command};
use watertight_analysis::config::{AllowedFunction, Config, TenantKind};
use watertight_analysis::migrations::{SourceFile, snapshot};
use watertight_analysis::snapshot::{
    AFTER_VIEWS, BEFORE_VIEWS, PREPARE_WITHIN, Section, Snapshot, VIEWS, View,
};

use super::{Finding, qualified};
use crate::statement::Catalog;

/// What a relation lost is told once: by its own name where `findings` has it already.
pub(super) async fn check(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    if catalog.relations().iter().all(|it| !relies(it.relied)) {
        return Ok(());
    }
    let text = read(connection, role).await?;
    let (catalog, role) = (*catalog, role.to_owned());
    // A parser and a prover, which would hold up other tasks.
    let judged = tokio::task::spawn_blocking(move || judge(&catalog, &role, text));
    for finding in judged.await.map_err(|_| sqlx::Error::WorkerCrashed)? {
        let told = |told: &Finding| told.relation.is_some() && told.relation == finding.relation;
        if !findings.iter().any(told) {
            findings.push(finding);
        }
    }
    Ok(())
}

fn relies(relied: &str) -> bool {
    relied.bytes().any(|letter| letter != b'-')
}

fn judge(catalog: &Catalog, role: &str, text: String) -> Vec<Finding> {
    let file = SourceFile {
        path: "the live database".to_owned(),
        text,
    };
    let Ok(live) = snapshot(file) else {
        return vec![Finding::new(
            "the live database can't be read",
            "report this as a bug of watertight",
        )];
    };
    let config = config(catalog, role);
    let live = watertight_analysis::Catalog::build(&config, &[live]);
    let mut findings = Vec::new();
    for relation in catalog.relations() {
        let name = qualified(relation.schema, relation.name);
        let Some(found) = live
            .relations()
            .find(|found| found.schema == relation.schema && found.name == relation.name)
        else {
            // That it is missing was told.
            continue;
        };
        let mut lost: Vec<(&str, String)> = Vec::new();
        for (command, relied) in Command::ALL.into_iter().zip(relation.relied.bytes()) {
            let why = match (relied, live.class(found, command)) {
                (b'p' | b's', Class::Protected | Class::Denied) | (b's', Class::Scoped) => continue,
                (b'p' | b's', Class::Unprotected { reason } | Class::Unknown { reason }) => reason,
                (b'p', Class::Scoped) => "row-level security does not confine it".to_owned(),
                (b'p' | b's', Class::Global) => "it is declared global there".to_owned(),
                _ => continue,
            };
            lost.push((command.sql(), why));
        }
        if let Some((_, why)) = lost.first() {
            let commands: Vec<&str> = lost.iter().map(|(command, _)| *command).collect();
            findings.push(Finding::on(
                &name,
                format!(
                    "{} on {name} is no longer confined to the tenant as it was proved: {why}",
                    commands.join(", ")
                ),
                format!(
                    "restore the policies and triggers of {name} as the migrations create them; \
                     `cargo watertight catalog pull` shows what is there"
                ),
            ));
        }
    }
    findings
}

/// The configuration under which the statements were proved, for this role.
fn config(catalog: &Catalog, role: &str) -> Config {
    let settings = catalog.settings;
    let mut config = Config::default();
    config.tenant.column = settings.tenant_column.to_owned();
    config.tenant.kind = match settings.tenant_kind {
        crate::id::TenantKind::Uuid => TenantKind::Uuid,
        crate::id::TenantKind::Bigint => TenantKind::Bigint,
        crate::id::TenantKind::Text => TenantKind::Text,
    };
    config.tenant.setting = settings.setting.to_owned();
    config.application_role = role.to_owned();
    let path = settings.search_path.iter().map(|part| (*part).to_owned());
    config.search_path = Some(path.collect());
    config.relax_force = settings.relax_force;
    let allowed = settings.functions.iter();
    config.functions = allowed
        .map(|name| AllowedFunction::new(*name, "allowed where the statements were proved"))
        .collect();
    config
}

/// Reads everything, within the gate's transaction; afterwards names need their schemas.
async fn read(connection: &mut PgConnection, role: &str) -> Result<String, sqlx::Error> {
    for statement in PREPARE_WITHIN {
        sqlx::raw_sql(*statement).execute(&mut *connection).await?;
    }
    let version: String = sqlx::query_scalar("SELECT pg_catalog.current_setting('server_version')")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    let mut snapshot = Snapshot::new(&version);
    for section in BEFORE_VIEWS {
        read_section(connection, section, role, &mut snapshot).await?;
    }
    let mut views = Vec::new();
    let rows = sqlx::query(VIEWS).persistent(false);
    for row in rows.fetch_all(&mut *connection).await? {
        views.push(View {
            id: row.try_get("id")?,
            statement: row.try_get("statement")?,
            reads: row.try_get("reads")?,
        });
    }
    snapshot.views(views);
    for section in AFTER_VIEWS {
        read_section(connection, section, role, &mut snapshot).await?;
    }
    Ok(snapshot.into_text())
}

async fn read_section(
    connection: &mut PgConnection,
    section: &Section,
    role: &str,
    snapshot: &mut Snapshot,
) -> Result<(), sqlx::Error> {
    let mut query = sqlx::query_scalar::<_, Option<String>>(section.query).persistent(false);
    if section.asks_role() {
        query = query.bind(role);
    }
    let statements = query.fetch_all(&mut *connection).await?;
    // What has no definition is judged as what the rest leaves unknown.
    let statements: Vec<String> = statements.into_iter().flatten().collect();
    snapshot.section(section, &statements);
    Ok(())
}
