//! The server: its version, and what the faults of an old one open; publications, which leave it past
//! every policy.

use std::collections::BTreeMap;

use super::facts::Relation;
use super::{Look, at, listed};
use crate::catalog::quote;
use crate::diagnostic::Code;
use crate::finding::{Finding, Level, Place};
use crate::ir::QueryBody;

/// The first minor version of each major one without known faults of row-level security:
/// CVE-2026-120154, -16237, -116311 and -116327 (November 2026), and a plan that outlived BYPASSRLS.
const FIRST_GOOD: &[(u32, u32)] = &[(14, 25), (15, 20), (16, 16), (17, 12), (18, 6)];

pub(super) fn look(look: &mut Look<'_>) {
    version(look);
    publications(look);
    if let Some(first) = look.first_with_fixes() {
        restrictive(look, &first);
        upserts(look, &first);
    }
}

impl Look<'_> {
    /// The minor version that has the fixes, where the server has not.
    fn first_with_fixes(&self) -> Option<String> {
        let number = self.facts.server.number;
        let (major, minor) = (number / 10_000, number % 10_000);
        let (_, first) = FIRST_GOOD.iter().find(|(known, _)| *known == major)?;
        (minor < *first).then(|| format!("{major}.{first}"))
    }
}

/// A restrictive policy for a role by name, which that role can open: CVE-2026-116311.
fn restrictive(look: &mut Look<'_>, first: &str) {
    let reach: Vec<String> = look
        .facts
        .becomes(look.role)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let relations: Vec<&Relation> = look.facts.relations.iter().collect();
    for relation in relations.into_iter().filter(|it| it.reachable() && it.rls) {
        let Some(known) = look.in_catalog(relation) else {
            continue;
        };
        for policy in known.policies.iter().filter(|policy| !policy.permissive) {
            let Some(role) = policy.roles.iter().find(|role| reach.contains(*role)) else {
                continue;
            };
            let (shown, name, role) = (relation.qualified(), quote(&policy.name), quote(role));
            let message = format!(
                "the restrictive policy `{name}` of `{shown}` is for `{role}`, and on this server `DROP OWNED BY {role}`, which that role may run, opens it to everybody"
            );
            look.found(
                at(Code::SERVER_VERSION, relation, message)
                    .about(policy.name.as_str())
                    .note(format!("CVE-2026-116311, mended in {first}"))
                    .help(format!("install {first} or newer; until then, where the policy may hold for all: ALTER POLICY {name} ON {shown} TO PUBLIC")),
            );
        }
    }
}

/// A view that keeps rows out by its own condition, and takes upserts: CVE-2026-16237.
fn upserts(look: &mut Look<'_>, first: &str) {
    let relations: Vec<&Relation> = look.facts.relations.iter().collect();
    for relation in relations {
        if relation.kind != 'v' || !relation.may("INSERT") || !relation.may("UPDATE") {
            continue;
        }
        let view = look
            .in_catalog(relation)
            .and_then(|known| known.view.as_ref());
        // What is not understood may well have a condition.
        let filters = view.is_none_or(|view| match view.query.as_ref().map(|query| &query.body) {
            Some(QueryBody::Select(select)) => select.filter.is_some(),
            _ => true,
        });
        if !filters {
            continue;
        }
        let shown = relation.qualified();
        let message = format!(
            "the view `{shown}` keeps rows out by its condition, and the application role may insert and update through it: on this server `INSERT … ON CONFLICT DO UPDATE` reaches the rows that it keeps out"
        );
        let mut finding = at(Code::SERVER_VERSION, relation, message)
            .note(format!("CVE-2026-16237, mended in {first}"))
            .help(format!("install {first} or newer; until then let the application write to the tables under row-level security"));
        if let Some(revoke) = look.revoke(relation, &["INSERT"]) {
            finding = finding.help(format!("or: {revoke}"));
        }
        look.found(finding);
    }
}

fn version(look: &mut Look<'_>) {
    let number = look.facts.server.number;
    let (major, minor) = (number / 10_000, number % 10_000);
    let version = look.facts.version().to_owned();
    let place = Place::object("server", "PostgreSQL");
    let good = FIRST_GOOD.iter().find(|(known, _)| *known == major);
    let newest = FIRST_GOOD.last().map_or(0, |(known, _)| *known);
    match good {
        Some((_, first)) if minor >= *first => {
            look.clear(place, format!("{version} has the fixes of row-level security that are known"));
        }
        Some((_, first)) => look.found(
            Finding::new(
                Code::SERVER_VERSION,
                place,
                format!("PostgreSQL {version} has faults that break row-level security; {major}.{first} mends them"),
            )
            .note("among them: `ON CONFLICT … WHERE` that sees hidden rows (CVE-2026-120154), upserts through filtering views (CVE-2026-16237), `DROP OWNED BY` that opens restrictive policies (CVE-2026-116311), and plans that are kept after a role has lost BYPASSRLS")
            .help(format!("install {major}.{first} or newer and restart; a minor version needs no dump")),
        ),
        None if major > newest => {
            look.clear(place, format!("{version} is newer than any fault that is known"));
        }
        None => look.found(
            Finding::new(
                Code::SERVER_VERSION,
                place,
                format!("PostgreSQL {version} gets no fixes any more"),
            )
            .level(Level::High)
            .help("move to a version that is kept"),
        ),
    }
}

fn publications(look: &mut Look<'_>) {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for publication in look.facts.publications.iter().filter(|it| !it.filtered) {
        let table = look
            .facts
            .relation(&publication.schema, &publication.relation);
        let Some(table) = table.filter(|table| look.tenant_column(table).is_some()) else {
            continue;
        };
        let tables = by_name.entry(publication.name.clone()).or_default();
        tables.push(table.qualified());
    }
    for (name, tables) in by_name {
        let shown = quote(&name);
        let message = format!(
            "the publication `{shown}` sends every tenant's rows of {}: logical replication knows no policy",
            listed(&tables)
        );
        look.found(
            Finding::new(Code::PUBLICATION, Place::object("publication", shown), message)
                .review()
                .help("make sure that whoever subscribes may see every tenant, or publish with a row filter: WHERE (…)"),
        );
    }
}
