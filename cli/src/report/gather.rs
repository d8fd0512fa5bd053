//! Fills the report: the workspace as `lock` judges it, its tools, and what `doctor` finds.
//!
//! Invariant: a verdict comes from the same judge as the command's that has it; nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};

use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level, Place, Verdict, rule};

use super::map::{self, Function};
use super::model::{
    Document, Exception, Fact, Recorded, State, Statement, Table, Told, Tool, Unseen, VERSION,
};
use super::trail;
use crate::lock::collect::Collected;
use crate::lock::model::Lock;
use crate::lock::workspace::Workspace;
use crate::output::{Report, position};

/// Everything but a live database.
pub(super) fn document(workspace: &Workspace, collected: &Collected, made: String) -> Document {
    let lock = &collected.lock;
    let title = workspace.root.file_name();
    let mut document = Document {
        version: VERSION,
        title: title.map_or_else(String::new, |it| it.to_string_lossy().into_owned()),
        made,
        ..Document::default()
    };
    document.tables = tables(lock);
    document.statements = statements(lock, &mut document.tables);
    let functions = map::functions(workspace);
    document.tools = tools(&functions, &document.statements);
    document.findings = collected.refused.iter().map(|text| refused(text)).collect();
    document.findings.extend(warnings(lock));
    document.exceptions = exceptions(lock);
    document.unseen = lock
        .unseen
        .iter()
        .map(|unseen| Unseen {
            file: unseen.file.clone(),
            what: unseen.what.clone(),
        })
        .collect();
    let trail = trail::read(workspace);
    trail::mark(&mut document, &trail);
    document.audit = trail::facts(&document, &trail);
    document.versions = versions(lock);
    document
}

fn tables(lock: &Lock) -> Vec<Table> {
    let catalogs = lock.catalog.iter();
    catalogs
        .flat_map(|catalog| catalog.relation.iter().map(move |it| (catalog, it)))
        .map(|(catalog, relation)| Table {
            name: relation.name.clone(),
            catalog: catalog.path.clone(),
            kind: relation.kind.replace('_', " "),
            state: class_state(&relation.class),
            class: relation.class.clone(),
            rls: relation.rls.clone(),
            policies: relation.policies.clone(),
            directive: relation.directive.clone(),
            used: 0,
        })
        .collect()
}

/// A table that no statement may use is no danger by itself, but somebody has to know.
fn class_state(class: &str) -> State {
    let words = ["scoped", "unprotected", "unknown"];
    if words.iter().any(|word| class.contains(word)) {
        State::Look
    } else {
        State::Good
    }
}

fn statements(lock: &Lock, tables: &mut [Table]) -> Vec<Statement> {
    let mut found = Vec::new();
    for statement in &lock.statement {
        let touched = statement.relations.iter().chain(&statement.tables);
        let touched: BTreeSet<usize> = touched
            .filter_map(|name| {
                tables.iter().position(|table| {
                    let same = table.name == *name || format!("public.{}", table.name) == *name;
                    same && table.catalog == statement.catalog
                })
            })
            .collect();
        for position in &touched {
            if let Some(table) = tables.get_mut(*position) {
                table.used += 1;
            }
        }
        found.push(Statement {
            function: statement.function.clone(),
            which: statement.which.clone(),
            file: statement.file.clone(),
            state: match statement.grade.as_str() {
                "rls" | "predicate" => State::Good,
                "unproved" | "system" => State::Look,
                _ => State::Bad,
            },
            grade: match statement.grade.as_str() {
                "" => "refused".to_owned(),
                grade => grade.to_owned(),
            },
            writes: statement.writes,
            sql: outdented(&statement.sql),
            proof: statement.derivation.clone(),
            reason: statement.reason.clone(),
            tables: touched.into_iter().collect(),
        });
    }
    found
}

/// The text without the indentation that its place in the source gave it.
fn outdented(sql: &str) -> String {
    let rest = || sql.lines().skip(1).filter(|line| !line.trim().is_empty());
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let common = rest().map(indent).min().unwrap_or_default();
    let lines = sql.trim_end().lines().enumerate();
    let lines = lines.map(|(number, line)| match number {
        0 => line,
        _ => line.get(common..).unwrap_or(line.trim_start()),
    });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .trim_start_matches('\n')
        .to_owned()
}

fn tools(functions: &[Function], statements: &[Statement]) -> Vec<Tool> {
    let reached = map::reached(functions);
    let mut tools = Vec::new();
    for (position, paths) in reached {
        let Some((function, published)) = functions
            .get(position)
            .and_then(|function| Some((function, function.tool.as_ref()?)))
        else {
            continue;
        };
        let used: Vec<usize> = statements
            .iter()
            .enumerate()
            .filter(|(_, statement)| paths.contains(&statement.function))
            .map(|(position, _)| position)
            .collect();
        let worst = used
            .iter()
            .filter_map(|it| statements.get(*it))
            .map(|it| it.state)
            .max();
        let mut remarks = Vec::new();
        if !published.guarded {
            remarks.push("rmcp's own attribute: its arguments, errors and SQL are checked only where `check` looks; `#[watertight::tool]` takes its place".to_owned());
        }
        tools.push(Tool {
            name: published.name.clone(),
            kind: published.kind,
            state: match published.guarded {
                true => worst.unwrap_or_default(),
                false => State::Look,
            },
            description: published.description.clone(),
            file: function.file.clone(),
            line: function.line,
            requires: published.requires.clone(),
            read_only: published.read_only,
            guarded: published.guarded,
            recorded: Recorded::NotSeen,
            statements: used,
            remarks,
        });
    }
    tools.sort_by(|a, b| {
        (a.kind != "tool", &a.file, a.line).cmp(&(b.kind != "tool", &b.file, b.line))
    });
    tools
}

/// A refusal, as the compiler would print it: `file:line:column: [W0101] message`, then an excerpt.
fn refused(text: &str) -> Told {
    let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (place, message) = head.split_once(": ").unwrap_or(("", head));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let number = message
        .split_once('[')
        .and_then(|(_, rest)| Some(rest.split_once(']')?.0));
    let code = number.and_then(Code::find);
    let message = match message.split_once("] ") {
        Some((before, after)) if code.is_some() && before.len() < 12 => after,
        _ => message,
    };
    Told {
        source: "lock",
        code: code.map_or("", Code::number).to_owned(),
        name: code.map_or("", Code::name).to_owned(),
        state: State::Bad,
        severity: code
            .map_or(Level::High, |code| rule(code).level)
            .to_string(),
        verdict: "refused".to_owned(),
        place: place.to_owned(),
        message: message.to_owned(),
        text: rest.to_owned(),
        ..Told::default()
    }
}

/// What the migrations leave open: `W0709: message; write …`.
fn warnings(lock: &Lock) -> Vec<Told> {
    let all = lock
        .catalog
        .iter()
        .flat_map(|catalog| catalog.warnings.iter().map(move |it| (catalog, it)));
    all.map(|(catalog, warning)| {
        let (number, rest) = warning.split_once(": ").unwrap_or(("", warning));
        let (message, help) = rest.split_once("; ").unwrap_or((rest, ""));
        let code = Code::find(number);
        Told {
            source: "migrations",
            code: number.to_owned(),
            name: code.map_or("", Code::name).to_owned(),
            state: State::Look,
            severity: Level::Low.to_string(),
            verdict: Verdict::NeedsReview.word().to_owned(),
            place: catalog.path.clone(),
            message: message.to_owned(),
            help: [help]
                .iter()
                .filter(|it| !it.is_empty())
                .map(|it| (*it).to_owned())
                .collect(),
            ..Told::default()
        }
    })
    .collect()
}

fn exceptions(lock: &Lock) -> Vec<Exception> {
    let mut found: Vec<Exception> = lock
        .exception
        .iter()
        .map(|it| Exception {
            what: match it.rule.as_str() {
                "not_tenant" => "an argument that is no tenant's".to_owned(),
                "open" => "an argument of any form".to_owned(),
                rule => rule.to_owned(),
            },
            place: it.place.clone(),
            reason: it.reason.clone(),
        })
        .collect();
    for statement in &lock.statement {
        let mut add = |what: String, reason: &str| {
            found.push(Exception {
                what,
                place: statement.function.clone(),
                reason: reason.to_owned(),
            });
        };
        match statement.grade.as_str() {
            "unproved" => add("a statement without proof".to_owned(), &statement.reason),
            "system" => add(
                format!("a statement outside of a tenant, as `{}`", statement.role),
                &statement.reason,
            ),
            _ => {}
        }
        if !statement.returns_tenant.is_empty() {
            add(
                "rows that tell the tenant".to_owned(),
                &statement.returns_tenant,
            );
        }
    }
    for catalog in &lock.catalog {
        let mut add = |what: &str, place: &str, reason: &str| {
            found.push(Exception {
                what: what.to_owned(),
                place: place.to_owned(),
                reason: reason.to_owned(),
            });
        };
        for function in &catalog.function {
            add(
                "a function that is allowed unseen",
                &function.name,
                &function.reason,
            );
        }
        for name in &catalog.not_tenant {
            let (name, reason) = name.split_once(": ").unwrap_or((name, ""));
            add("a name that is no tenant's, everywhere", name, reason);
        }
        for relation in &catalog.relation {
            if let Some(reason) = relation.directive.strip_prefix("@global ") {
                add("a table that all tenants read", &relation.name, reason);
            }
        }
        for (set, what) in [
            (
                catalog.relax_force,
                "row-level security counts without FORCE (`relax-force`)",
            ),
            (
                catalog.allow_stale_catalog,
                "changed migrations rebuild nothing (`allow-stale-catalog`)",
            ),
        ] {
            if set {
                add(what, &catalog.path, "set in the configuration");
            }
        }
    }
    found
}

fn versions(lock: &Lock) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        state: State::Good,
        name: name.to_owned(),
        value,
    };
    let mut facts = vec![fact("watertight", env!("CARGO_PKG_VERSION").to_owned())];
    for catalog in &lock.catalog {
        facts.push(fact("catalog", catalog.path.clone()));
        facts.push(fact("tenant", catalog.tenant.clone()));
        facts.push(fact("application role", catalog.application_role.clone()));
        for migration in &catalog.migrations {
            facts.push(fact("migration", migration.clone()));
        }
    }
    facts
}

/// What was looked at in a live database.
#[cfg(feature = "database")]
pub(super) fn database(document: &mut Document, report: &Report) {
    let fact = |name: String, value: String| Fact {
        state: State::Good,
        name,
        value,
    };
    let about = report.about.iter();
    let clear = report.clear.iter();
    document.database = Some(super::model::Database {
        state: State::Good,
        about: about
            .map(|(name, value)| fact((*name).to_owned(), value.clone()))
            .collect(),
        findings: 0,
        clear: clear
            .map(|clear| fact(clear.place.to_string(), clear.reason.clone()))
            .collect(),
    });
}

/// Adds what a look at sources and at a database found, and what was accepted.
pub(super) fn add(document: &mut Document, report: &Report) {
    // Exceptions are told with their reasons, of the statements themselves.
    let findings = report.findings.iter();
    for finding in findings.filter(|finding| finding.code != Code::EXCEPTION) {
        let live = matches!(finding.place, Place::Object { .. });
        if let Some(database) = document.database.as_mut().filter(|_| live) {
            database.state = database.state.max(finding_state(finding));
            database.findings += 1;
        }
        let source = if live { "doctor" } else { "check" };
        document.findings.push(told(report, source, finding));
    }
    for (finding, reason) in &report.suppressed {
        document.exceptions.push(Exception {
            what: format!("{} {}, suppressed", finding.code, finding.code.name()),
            place: place(report, finding),
            reason: reason.clone(),
        });
    }
}

/// The object, or the file with its line.
fn place(report: &Report, finding: &Finding) -> String {
    let Place::Source { path, span } = &finding.place else {
        return finding.place.to_string();
    };
    match (report.sources.get(path), span) {
        (Some(text), Some((start, _))) => {
            let (line, column) = position(text, *start);
            format!("{path}:{line}:{column}")
        }
        _ => path.clone(),
    }
}

fn finding_state(finding: &Finding) -> State {
    match (finding.verdict, finding.level) {
        (Verdict::Finding, Level::High | Level::Medium) => State::Bad,
        _ => State::Look,
    }
}

fn told(report: &Report, source: &'static str, finding: &Finding) -> Told {
    Told {
        source,
        code: finding.code.number().to_owned(),
        name: finding.code.name().to_owned(),
        state: finding_state(finding),
        severity: finding.level.to_string(),
        verdict: finding.verdict.word().to_owned(),
        place: place(report, finding),
        message: finding.message.clone(),
        text: String::new(),
        notes: finding.notes.clone(),
        help: finding.help.clone(),
        mend: finding.mend.clone(),
    }
}

/// The worst first; what two commands say of one place is told once.
pub(super) fn settle(document: &mut Document) {
    once(&mut document.findings);
    // Stable: what is alike stays in the order of the sources.
    document
        .tools
        .sort_by_key(|tool| std::cmp::Reverse(tool.state));
    let severity = |text: &str| match text {
        "HIGH" => 0,
        "MEDIUM" => 1,
        _ => 2,
    };
    document.findings.sort_by(|a, b| {
        let key = |it: &Told| {
            (
                std::cmp::Reverse(it.state),
                severity(&it.severity),
                it.code.clone(),
                it.place.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    document.settle();
}

/// One command may find the same in many places, and each is told. Of two commands that say the same the one
/// that has more places counts, and of the other what is in files that the first does not name.
fn once(findings: &mut Vec<Told>) {
    let key = |told: &Told| (told.code.clone(), told.message.clone());
    let mut counts: BTreeMap<(String, String), Vec<(&'static str, usize)>> = BTreeMap::new();
    for told in findings.iter() {
        let sources = counts.entry(key(told)).or_default();
        match sources
            .iter_mut()
            .find(|(source, _)| *source == told.source)
        {
            Some((_, count)) => *count += 1,
            None => sources.push((told.source, 1)),
        }
    }
    // The first of those that have the most; a catalog's warnings have no line.
    let first = |told: &Told| {
        let sources = counts.get(&key(told)).map_or(&[][..], Vec::as_slice);
        let rank = |(source, count): &(&str, usize)| (*source != "migrations", *count);
        let most = sources.iter().map(rank).max();
        let found = sources.iter().find(|it| Some(rank(it)) == most);
        found.map_or("", |(source, _)| *source)
    };
    let in_files = |source: &str| matches!(source, "lock" | "check");
    let file = |told: &Told| {
        let path = told.place.split(':').next().unwrap_or_default();
        path.to_owned()
    };
    let named: BTreeSet<((String, String), String)> = findings
        .iter()
        .filter(|told| told.source == first(told))
        .map(|told| (key(told), file(told)))
        .collect();
    findings.retain(|told| {
        let counts = first(told);
        let elsewhere = || !named.contains(&(key(told), file(told)));
        told.source == counts || (in_files(told.source) && in_files(counts) && elsewhere())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &'static str, place: &str, message: &str) -> Told {
        Told {
            source,
            place: place.to_owned(),
            message: message.to_owned(),
            ..Told::default()
        }
    }

    #[test]
    fn the_same_in_many_places_is_told_of_each_and_by_one_command() {
        let mut findings = vec![
            told("lock", "src/a.rs:3:1", "m"),
            told("lock", "src/b.rs:3:1", "m"),
            told("check", "src/a.rs:3:20", "m"),
            told("check", "src/plain.rs:9:9", "m"),
            told("migrations", "watertight.toml", "key"),
            told("check", "migrations/1.sql:2:1", "key"),
            told("doctor", "table public.a", "key"),
        ];
        once(&mut findings);
        let left: Vec<&str> = findings.iter().map(|it| it.place.as_str()).collect();
        assert_eq!(
            left,
            [
                "src/a.rs:3:1",
                "src/b.rs:3:1",
                "src/plain.rs:9:9",
                "migrations/1.sql:2:1"
            ]
        );
    }
}
