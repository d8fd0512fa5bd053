//! What a live database does to the isolation of tenants, judged from its catalogs alone.
//!
//! Whoever has a connection runs the snapshot's queries and `QUERIES` in one transaction and hands the
//! answers over; nothing here does I/O. Invariant: what is not understood needs review, and never
//! counts as clear. The application role is the one that the catalog was built for.

mod drift;
mod facts;
mod functions;
mod infer;
mod keys;
mod policies;
mod queries;
mod roles;
mod server;
mod shape;
mod shared;
mod tables;
mod unset;
mod views;

use crate::catalog::{Catalog, quote};
use crate::diagnostic::Code;
use crate::finding::{Clear, Finding, Place, sort};

pub use drift::drift;
pub use facts::Facts;
pub use infer::{Inferred, infer, tenant_directives};
pub use queries::{QUERIES, Query};

/// What was found, and what is as it should be.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Posture {
    /// What is wrong or needs review, the worst first.
    pub findings: Vec<Finding>,
    /// What was looked at and holds.
    pub clear: Vec<Clear>,
}

/// Judges a live database: `catalog` is made from its snapshot, `facts` from `QUERIES`.
pub fn judge(catalog: &Catalog, facts: &Facts) -> Posture {
    let mut look = Look {
        catalog,
        facts,
        role: &catalog.config().application_role,
        posture: Posture::default(),
    };
    server::look(&mut look);
    roles::look(&mut look);
    tables::look(&mut look);
    policies::look(&mut look);
    views::look(&mut look);
    functions::look(&mut look);
    keys::look(&mut look);
    shared::look(&mut look);
    let mut posture = look.posture;
    sort(&mut posture.findings);
    posture
}

/// One look at a database.
struct Look<'a> {
    catalog: &'a Catalog,
    facts: &'a Facts,
    /// The application role.
    role: &'a str,
    posture: Posture,
}

impl<'a> Look<'a> {
    fn found(&mut self, finding: Finding) {
        self.posture.findings.push(finding);
    }

    fn clear(&mut self, place: Place, reason: impl Into<String>) {
        self.posture.clear.push(Clear::new(place, reason));
    }

    /// The same relation in the catalog.
    fn in_catalog(&self, relation: &facts::Relation) -> Option<&'a crate::catalog::Relation> {
        let found = self
            .catalog
            .relation(Some(&relation.schema), &relation.name);
        found.found()
    }

    /// The column that tells the tenant of a row, whether or not equality on it is exact.
    fn tenant_column(&self, relation: &facts::Relation) -> Option<&'a crate::catalog::Column> {
        let relation = self.in_catalog(relation)?;
        if relation.is_global() {
            return None;
        }
        let position = crate::catalog::finish::named_tenant_column(self.catalog, relation)?;
        relation.columns.get(position)
    }

    /// `tenant column = the session's tenant`, as a policy of this table is best written.
    fn condition(&self, relation: &facts::Relation) -> Option<String> {
        let column = self.tenant_column(relation)?;
        let setting = self.catalog.config().tenant.setting.replace('\'', "''");
        let ty = self
            .facts
            .columns_of(relation)
            .find(|known| known.name == column.name)
            .map(|known| known.ty.as_str())
            .unwrap_or("text");
        let cast = match ty {
            "text" | "character varying" => String::new(),
            ty if ty.starts_with("character varying") => String::new(),
            ty => format!("::{ty}"),
        };
        Some(format!(
            "{} = (SELECT nullif(current_setting('{setting}', true), ''){cast})",
            quote(&column.name)
        ))
    }

    /// Whether row-level security does not hold for a role at all.
    fn bypasses(&self, role: &str) -> bool {
        self.facts
            .role(role)
            .is_some_and(|role| role.sup || role.bypass)
    }

    /// Those among grantees through which the application role holds what they were given, as SQL
    /// spells them: itself, the groups whose rights it has, everybody.
    fn holders<'g>(&self, grantees: impl IntoIterator<Item = &'g String>) -> Vec<String> {
        let roles = self.facts.has_rights_of(self.role);
        let mut found: Vec<String> = grantees
            .into_iter()
            .filter(|name| *name == "PUBLIC" || roles.contains(name.as_str()))
            .map(|name| grantee(name))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// From whom a privilege has to be taken, so that the application role has it no more.
    fn takes_from<'g>(&self, grantees: impl IntoIterator<Item = &'g String>) -> String {
        let holders = self.holders(grantees);
        if holders.is_empty() {
            quote(self.role)
        } else {
            holders.join(", ")
        }
    }

    /// The grantees through which the application role holds a privilege on a relation.
    fn grantees(&self, relation: &facts::Relation, privileges: &[&str]) -> Vec<String> {
        let grants = relation.grants.iter();
        let held = grants.filter(|grant| privileges.contains(&grant.privilege.as_str()));
        self.holders(held.map(|grant| &grant.grantee))
    }

    /// `REVOKE` of privileges that the application role holds on a relation.
    fn revoke(&self, relation: &facts::Relation, privileges: &[&str]) -> Option<String> {
        let from = self.grantees(relation, privileges);
        let what = if relation.kind == 'S' {
            "SEQUENCE "
        } else {
            ""
        };
        (!from.is_empty()).then(|| {
            format!(
                "REVOKE {} ON {what}{} FROM {}",
                privileges.join(", "),
                relation.qualified(),
                from.join(", ")
            )
        })
    }
}

/// A grantee as SQL spells it.
fn grantee(name: &str) -> String {
    if name == "PUBLIC" {
        name.to_owned()
    } else {
        quote(name)
    }
}

/// The place of a relation.
fn place(relation: &facts::Relation) -> Place {
    let kind = match relation.kind {
        'v' => "view",
        'm' => "materialized view",
        'f' => "foreign table",
        'S' => "sequence",
        _ if relation.partition => "partition",
        _ => "table",
    };
    Place::object(kind, relation.qualified())
}

/// A finding about a relation.
fn at(code: Code, relation: &facts::Relation, message: impl Into<String>) -> Finding {
    Finding::new(code, place(relation), message)
}

/// Names in a sentence: the first few, then how many more.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
