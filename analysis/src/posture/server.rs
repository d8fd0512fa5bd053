//! The server: its version, and what leaves it past every policy.

use std::collections::BTreeMap;

use super::{Look, listed};
use crate::catalog::quote;
use crate::diagnostic::Code;
use crate::finding::{Finding, Level, Place};

/// The first minor version of each major one without known faults of row-level security:
/// CVE-2026-120154, -16237, -116311 and -116327 (November 2026), and a plan that outlived BYPASSRLS.
const FIRST_GOOD: &[(u32, u32)] = &[(14, 25), (15, 20), (16, 16), (17, 12), (18, 6)];

pub(super) fn look(look: &mut Look<'_>) {
    version(look);
    publications(look);
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
            .note("among them: `ON CONFLICT … WHERE` that sees hidden rows (CVE-2026-120154), upserts through filtering views (CVE-2026-16237), and `DROP OWNED BY` that opens restrictive policies (CVE-2026-116311)")
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
    for publication in &look.facts.publications {
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
