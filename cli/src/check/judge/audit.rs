//! The audit trail: whether there is one, whether anything is written to it, and whether a tenant's
//! records can be told apart. A word alone is no trail.

use std::collections::HashSet;

use watertight_analysis::Code;
use watertight_analysis::catalog::Relation;
use watertight_analysis::finding::Finding;

use super::super::facts::{FileFacts, Span};
use super::tables::place_of;
use super::{Judge, finding};

/// What becomes of the calls of a package.
#[derive(Default)]
struct Trail {
    /// Tables that hold records of one tenant alone, in any package's schema.
    good: Vec<String>,
    /// Whether a table was told of.
    told: bool,
}

impl Judge<'_> {
    pub(super) fn audit(&mut self) {
        let workspace = self.workspace;
        let trail = self.trails();
        for (index, package) in workspace.packages.iter().enumerate() {
            let files = || {
                workspace
                    .files
                    .iter()
                    .filter(|file| file.package == index && !file.test)
            };
            let first = files().find_map(|file| {
                let tool = file.tools.iter().find(|tool| !tool.test && tool.sure);
                let span = tool.map(|it| &it.span).or(file.handlers.first())?;
                Some((file, span))
            });
            let Some((file, span)) = first else {
                continue;
            };
            if package.depends_on("watertight") {
                self.clear(
                    super::at(file, span),
                    "watertight's server records every call for its tenant",
                );
                continue;
            }
            if let Some(table) = trail.good.iter().find(|it| self.is_written(it)) {
                let reason = format!(
                    "calls are recorded in `{table}`, where a tenant's records are its own"
                );
                self.clear(super::at(file, span), reason);
                continue;
            }
            if trail.told {
                continue;
            }
            self.without_trail(file, span, &package.name, &trail);
        }
    }

    /// The tables of records, judged.
    fn trails(&mut self) -> Trail {
        let mut trail = Trail::default();
        let mut seen = HashSet::new();
        for schema in self.schemas {
            if !seen.insert(std::sync::Arc::as_ptr(&schema.catalog)) {
                continue;
            }
            let tables = schema.catalog.relations();
            for relation in tables.filter(|it| it.is_table() && is_record(it)) {
                let column = &schema.catalog.config().tenant.column;
                let shown = relation.display();
                if relation.is_global() || !schema.tenant {
                    continue;
                }
                let told = if relation.tenant().is_none() {
                    Finding::new(
                        Code::AUDIT_SEGREGATION,
                        place_of(schema, relation),
                        format!("`{shown}` records what was done, and not for which tenant"),
                    )
                    .help(format!(
                        "a column `{column}` that is NOT NULL, under the same policy as the data"
                    ))
                } else if !relation.rls.enabled {
                    Finding::new(
                        Code::AUDIT_SEGREGATION,
                        place_of(schema, relation),
                        format!("`{shown}` has no row-level security, so one tenant's records can't be shown without the others'"),
                    )
                    .help("the same policy as on the data")
                } else {
                    trail.good.push(relation.name.clone());
                    continue;
                };
                trail.told = true;
                self.found(told.about(shown));
            }
        }
        trail
    }

    /// Whether anything that is shipped adds rows to a table.
    fn is_written(&self, table: &str) -> bool {
        let table = table.to_lowercase();
        let adds = |text: &str| {
            let words: Vec<String> = text
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|it| !it.is_empty())
                .map(str::to_lowercase)
                .collect();
            // The name of a schema may stand before the table's.
            words.iter().enumerate().any(|(at, word)| {
                let next = |by: usize| words.get(at + by).map(String::as_str);
                word == "insert"
                    && next(1) == Some("into")
                    && (next(2) == Some(&table) || next(3) == Some(&table))
            })
        };
        let sources = self.workspace.files.iter().filter(|file| !file.test);
        sources
            .flat_map(|file| file.statements.iter().map(move |it| (file, it)))
            .filter(|(_, statement)| !statement.test)
            .any(|(file, statement)| self.written(file, statement).iter().any(|it| adds(it)))
            || self.workspace.loose.iter().any(|(_, text, _)| adds(text))
    }

    /// Calls that leave no record in a table that is known.
    fn without_trail(&mut self, file: &FileFacts, span: &Span, package: &str, trail: &Trail) {
        let records = || {
            let files = self.workspace.files.iter().filter(|file| !file.test);
            files
                .flat_map(|file| file.records.iter().map(move |it| (file, it)))
                .filter(|(_, record)| !record.test)
        };
        let help =
            "a row for each call, with the tenant, in a table under the same policy as its data";
        let about = package.to_owned();
        if let Some(table) = trail.good.first() {
            let told = finding(
                Code::AUDIT_SEGREGATION,
                file,
                span,
                format!(
                    "`{table}` is there for records of calls, and no statement of the sources adds one"
                ),
            );
            return self.found(told.help(help).about(about));
        }
        let called = records().find(|(_, record)| !record.log);
        if let Some((home, record)) = called {
            let told = finding(
                Code::AUDIT_SEGREGATION,
                home,
                &record.span,
                format!(
                    "`{}` may record calls; whose records it keeps apart can't be seen",
                    record.what
                ),
            )
            .help(help)
            .about(about);
            return self.found(told.review());
        }
        let logged = records().next().is_some();
        let told = finding(
            Code::AUDIT_SEGREGATION,
            file,
            span,
            match logged {
                true => format!(
                    "calls of `{package}` are lines of a log alone, which all tenants share"
                ),
                false => {
                    format!("nothing in `{package}` records which tool was called for which tenant")
                }
            },
        )
        .help(help)
        .about(about);
        let known = self
            .schema(file.package)
            .is_some_and(|schema| schema.tenant && schema.known || schema.configured);
        self.found(match known {
            true => told,
            false => told
                .note("no table of it has a tenant, so it may serve one organisation alone")
                .review(),
        });
    }
}

/// Whether a table holds records of what was done: by its name, or by what its columns are called.
fn is_record(relation: &Relation) -> bool {
    let has = |names: &[&str]| {
        relation
            .columns
            .iter()
            .any(|column| names.contains(&column.name.to_lowercase().as_str()))
    };
    let when = [
        "at",
        "called_at",
        "created_at",
        "executed_at",
        "logged_at",
        "occurred_at",
        "recorded_at",
        "timestamp",
        "ts",
    ];
    let by = [
        "actor",
        "actor_id",
        "args",
        "arguments",
        "outcome",
        "performed_by",
    ];
    let acts = has(&["action", "operation"]) && has(&by) || has(&["tool", "tool_name"]);
    is_trail(&relation.name) || acts && has(&when)
}

/// Whether a table is called like a record of what was done.
fn is_trail(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    let logs = words
        .last()
        .is_some_and(|it| ["log", "logs", "trail", "events", "journal"].contains(it));
    let called = words.last().is_some_and(|it| {
        [
            "call",
            "calls",
            "executions",
            "invocations",
            "requests",
            "runs",
            "usage",
        ]
        .contains(it)
    });
    let of = [
        "access", "activity", "call", "calls", "event", "tool", "request", "usage", "security",
    ];
    words
        .iter()
        .any(|it| matches!(*it, "audit" | "audits" | "auditlog"))
        || called
            && words
                .iter()
                .any(|it| matches!(*it, "tool" | "tools" | "mcp"))
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
            "tool_calls",
            "mcp_tool_invocations",
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
            "phone_calls",
        ] {
            assert!(!is_trail(name), "{name}");
        }
    }
}
