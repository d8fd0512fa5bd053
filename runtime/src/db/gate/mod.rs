//! The gate: what must hold of the live database before a pool opens.
//!
//! Invariant: only a fact that is *weaker* than the compiled catalog says refuses; all of them
//! are found and told at once, each with the SQL that mends it. Additions that weaken nothing
//! pass, so that a binary starts on the next version's additive migrations.

mod keys;
mod live;
mod privileges;
mod relations;
mod role;
mod settings;
mod version;

use std::fmt;

use sqlx::PgConnection;

use crate::statement::Catalog;

pub(crate) use keys::TenantKeys;
pub(crate) use role::Role;

/// One reason why the pool does not open, and the SQL that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    what: String,
    mend: String,
}

impl Finding {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: mend.into(),
        }
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The SQL, or the step, that mends it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
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

/// Compares the live database with what the compiled proofs rely on.
pub(crate) async fn inspect(
    connection: &mut PgConnection,
    catalog: &Catalog,
    audit: bool,
    tenant_role: Option<&str>,
) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    version::warn(connection);
    let role = Role::read(connection).await?;
    if let Some(tenant_role) = tenant_role
        && !role::take_on(connection, &role, tenant_role, catalog, &mut findings).await?
    {
        return Ok(findings);
    }
    role::check(connection, &role, &mut findings).await?;
    relations::check(connection, catalog, &role, &mut findings).await?;
    privileges::check(connection, catalog, &role, &mut findings).await?;
    settings::check(connection, catalog, &role, &mut findings).await?;
    settings::check_migrations(connection, catalog, &mut findings).await?;
    if audit {
        settings::check_audit(connection, "audit", &role, &mut findings).await?;
    }
    // What is missing there is told by name already.
    if findings.is_empty() {
        let role = tenant_role.unwrap_or(&role.name);
        live::check(connection, catalog, role, &mut findings).await?;
    }
    Ok(findings)
}

/// What must hold of a system role, which row-level security binds by policies of its own.
pub(crate) async fn inspect_system(
    connection: &mut PgConnection,
    catalog: &Catalog,
    audit: bool,
) -> Result<(Role, Vec<Finding>), sqlx::Error> {
    let role = Role::read(connection).await?;
    let mut findings = role::check_system(&role, catalog);
    if audit {
        settings::check_audit(connection, "system_audit", &role, &mut findings).await?;
    }
    Ok((role, findings))
}

/// A name as SQL spells it.
fn quoted(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.bytes().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}
