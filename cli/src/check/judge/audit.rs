//! The audit trail: whether there is one, and whether a tenant's records can be told apart.

use std::collections::HashSet;

use watertight_analysis::Code;
use watertight_analysis::finding::Finding;

use super::tables::place_of;
use super::{Judge, finding};

impl Judge<'_> {
    pub(super) fn audit(&mut self) {
        let workspace = self.workspace;
        let mut seen = HashSet::new();
        let mut trail = false;
        for schema in self.schemas {
            if !seen.insert(std::sync::Arc::as_ptr(&schema.catalog)) {
                continue;
            }
            let tables = schema
                .catalog
                .relations()
                .filter(|it| it.is_table() && is_trail(&it.name));
            for relation in tables {
                trail = true;
                let column = &schema.catalog.config().tenant.column;
                let shown = relation.display();
                if relation.is_global() || !schema.tenant {
                    continue;
                }
                if relation.tenant().is_none() {
                    let told = Finding::new(
                        Code::AUDIT_SEGREGATION,
                        place_of(schema, relation),
                        format!("`{shown}` records what was done, and not for which tenant"),
                    )
                    .help(format!(
                        "a column `{column}` that is NOT NULL, under the same policy as the data"
                    ))
                    .about(shown);
                    self.found(told);
                } else if !relation.rls.enabled {
                    let told = Finding::new(
                        Code::AUDIT_SEGREGATION,
                        place_of(schema, relation),
                        format!("`{shown}` has no row-level security, so one tenant's records can't be shown without the others'"),
                    )
                    .help("the same policy as on the data")
                    .about(shown);
                    self.found(told);
                }
            }
        }
        let named = workspace
            .files
            .iter()
            .any(|file| !file.test && file.names_audit);
        for (index, package) in workspace.packages.iter().enumerate() {
            let first = workspace
                .files
                .iter()
                .filter(|file| file.package == index)
                .find_map(|file| Some((file, file.tools.iter().find(|tool| !tool.test)?)));
            let Some((file, tool)) = first else {
                continue;
            };
            if package.depends_on("watertight") {
                self.clear(
                    super::at(file, &tool.span),
                    "watertight's server records every call for its tenant",
                );
            } else if !trail && !named {
                let told = finding(
                    Code::AUDIT_SEGREGATION,
                    file,
                    &tool.span,
                    format!("nothing in `{}` records which tool was called for which tenant", package.name),
                )
                .help("a row for each call, with the tenant, in a table under the same policy as its data")
                .about(package.name.clone());
                self.found(told);
            }
        }
    }
}

/// Whether a table is called like a record of what was done.
fn is_trail(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    let logs = words
        .last()
        .is_some_and(|it| ["log", "logs", "trail", "events"].contains(it));
    let of = [
        "access", "activity", "call", "calls", "event", "tool", "request", "usage", "security",
    ];
    words
        .iter()
        .any(|it| matches!(*it, "audit" | "audits" | "auditlog"))
        || logs && words.iter().any(|it| of.contains(it))
        || lower == "activities"
        || lower == "activity"
}

#[cfg(test)]
mod tests {
    use super::is_trail;

    #[test]
    fn trails_are_told_from_other_tables() {
        for name in [
            "audit",
            "audit_log",
            "tool_calls_log",
            "activity",
            "access_logs",
            "security_events",
        ] {
            assert!(is_trail(name), "{name}");
        }
        for name in [
            "blog",
            "catalog",
            "logs_of_ships",
            "events",
            "auditorium",
            "call_centers",
        ] {
            assert!(!is_trail(name), "{name}");
        }
    }
}
