//! The gate: what must hold of the live database before a pool opens.
//!
//! Invariant: only a fact that is *weaker* than the compiled catalog says refuses; all of them
//! are found and told at once, each with the SQL that mends it. Additions that weaken nothing
//! pass, so that a binary starts on the next version's additive migrations.

mod keys;
mod live;
mod pooler;
mod privileges;
mod relations;
mod role;
mod settings;
mod version;

use std::fmt;

use sqlx::PgConnection;

use crate::statement::Catalog;

pub(crate) use keys::TenantKeys;
pub(crate) use pooler::{check as check_pooler, refused_by as refused_by_pooler};
pub(crate) use role::Role;
#[cfg(test)]
pub(crate) use version::is_faulty;

/// One reason why the pool does not open, and the SQL that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    what: String,
    mend: String,
    relation: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: mend.into(),
            relation: None,
        }
    }

    /// One that concerns a single relation, by its qualified name.
    fn on(relation: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            relation: Some(relation.to_owned()),
            ..Self::new(what, mend)
        }
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What mends it: lines of SQL, which end with a semicolon, or a step in words.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }

    /// The SQL of [`mend`](Finding::mend), without steps in words. Empty where only these mend it.
    #[must_use]
    pub fn sql(&self) -> String {
        let lines = self.mend.lines().filter(|line| line.ends_with(';'));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The relation that it concerns, schema-qualified as SQL spells it; without one it concerns every
    /// statement.
    #[must_use]
    pub fn relation(&self) -> Option<&str> {
        self.relation.as_deref()
    }
}

/// Everything that the gate found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The findings in the order in which they were made; never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    pub(crate) fn into_result(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() {
            Ok(())
        } else {
            Err(Self(findings))
        }
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this database does not keep tenants apart:")?;
        for (number, finding) in self.0.iter().enumerate() {
            write!(f, "\n  {}. {}", number + 1, finding.what)?;
            for line in finding.mend.lines() {
                write!(f, "\n     mend: {line}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// What a look at the live database gives.
pub(crate) struct Inspected {
    pub(crate) findings: Vec<Finding>,
    /// Which conflicts may be told as such, or what is wrong with what is to be told of them.
    pub(crate) keys: Result<TenantKeys, String>,
}

/// How the gate looks: as which role, and how strictly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) audit: bool,
    pub(crate) tenant_role: Option<&'a str>,
    /// A server with known faults refuses, instead of being warned of.
    pub(crate) sound_server: bool,
    /// What is told of violated constraints, by name.
    pub(crate) messages: &'a [(String, &'static str)],
}

/// One transaction, so that everything is seen at one moment, and on one server connection where a
/// pooler is in between.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Compares the live database with what the compiled proofs rely on.
///
/// `connection` is not to be used afterwards if this fails: a transaction may be open on it.
pub(crate) async fn inspect(
    connection: &mut PgConnection,
    catalog: &Catalog,
    terms: Terms<'_>,
) -> Result<Inspected, sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    let inspected = Inspected {
        keys: TenantKeys::read(connection, catalog, terms.messages).await?,
        findings: look(connection, catalog, terms).await?,
    };
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    Ok(inspected)
}

async fn look(
    connection: &mut PgConnection,
    catalog: &Catalog,
    terms: Terms<'_>,
) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    version::check(connection, terms.sound_server, &mut findings).await?;
    let role = Role::read(connection).await?;
    if let Some(tenant_role) = terms.tenant_role
        && !role::take_on(connection, &role, tenant_role, catalog, &mut findings).await?
    {
        return Ok(findings);
    }
    role::check(connection, &role, &mut findings).await?;
    relations::check(connection, catalog, &role, &mut findings).await?;
    privileges::check(connection, catalog, &role, &mut findings).await?;
    settings::check(connection, catalog, &role, &mut findings).await?;
    settings::check_migrations(connection, catalog, &mut findings).await?;
    if terms.audit {
        settings::check_audit(connection, "audit", &role, &mut findings).await?;
    }
    // What concerns everything needs no more; what one relation lost may weaken others by their policies
    // and triggers.
    if findings.iter().all(|finding| finding.relation.is_some()) {
        let role = terms.tenant_role.unwrap_or(&role.name);
        live::check(connection, catalog, role, &mut findings).await?;
    }
    Ok(findings)
}

/// What must hold of a system role, which row-level security binds by policies of its own.
///
/// `connection` is not to be used afterwards if this fails: a transaction may be open on it.
pub(crate) async fn inspect_system(
    connection: &mut PgConnection,
    catalog: &Catalog,
    audit: bool,
) -> Result<(Role, Vec<Finding>), sqlx::Error> {
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    let role = Role::read(connection).await?;
    let mut findings = role::check_system(&role, catalog);
    if audit {
        settings::check_audit(connection, "system_audit", &role, &mut findings).await?;
    }
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    Ok((role, findings))
}

/// A name as SQL spells it; as the proofs spell those of their relations.
fn quoted(name: &str) -> String {
    watertight_analysis::catalog::quote(name)
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}
