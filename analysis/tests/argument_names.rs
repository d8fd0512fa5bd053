//! The tenant words against the argument names of public MCP servers: how many of the names that
//! choose a tenant are found, and how many honest ones are refused, by tier.
//!
//! `cargo test -p watertight-analysis --test argument_names -- --nocapture` prints the table that
//! `argument_names.md` keeps.

#![allow(clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use watertight_analysis::words::{Extra, Tier, classify, classify_sql};

/// One line of the fixture.
struct Row {
    server: &'static str,
    argument: &'static str,
    is_tenant: bool,
    is_sql: bool,
}

fn rows() -> Vec<Row> {
    include_str!("fixtures/argument_names.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [server, _tool, argument, is_tenant, note] = columns[..] else {
                panic!("five columns: {line}");
            };
            Row {
                server,
                // The last step of a path is the name that the walk looks at.
                argument: argument.rsplit('.').next().unwrap_or(argument),
                is_tenant: match is_tenant {
                    "yes" => true,
                    "no" => false,
                    other => panic!("yes or no: {other}"),
                },
                is_sql: note == "raw SQL",
            }
        })
        .collect()
}

/// A project without a catalog: the words that everyone has.
fn tier(argument: &str) -> Option<Tier> {
    let extra = Extra {
        tenant_column: "tenant_id".to_owned(),
        ..Extra::default()
    };
    classify(argument, &extra).map(|found| found.tier)
}

#[derive(Default)]
struct Count {
    refused: usize,
    rightly: usize,
    tenants: usize,
    names: usize,
}

impl Count {
    fn precision(&self) -> f64 {
        self.rightly as f64 / self.refused.max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.rightly as f64 / self.tenants.max(1) as f64
    }

    /// Honest names that a person has to give a reason for.
    fn honest_refused(&self) -> f64 {
        (self.refused - self.rightly) as f64 / (self.names - self.tenants).max(1) as f64
    }
}

/// Each name of a server counts once, however many tools take it: a project gives one reason.
fn counted(refuses: impl Fn(&str) -> bool) -> Count {
    let mut seen: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for row in rows() {
        *seen.entry((row.server, row.argument)).or_default() |= row.is_tenant;
    }
    let mut count = Count::default();
    for ((_, argument), is_tenant) in seen {
        let refused = refuses(argument);
        count.names += 1;
        count.tenants += usize::from(is_tenant);
        count.refused += usize::from(refused);
        count.rightly += usize::from(refused && is_tenant);
    }
    count
}

fn names(wanted: impl Fn(&Row) -> bool) -> BTreeSet<String> {
    rows()
        .iter()
        .filter(|row| wanted(row))
        .map(|row| format!("{} {}", row.server, row.argument))
        .collect()
}

#[test]
fn precision_and_recall_by_tier() {
    let first = counted(|argument| tier(argument) == Some(Tier::First));
    let both = counted(|argument| tier(argument).is_some());
    println!(
        "{} names of arguments, {} of them a tenant's",
        both.names, both.tenants
    );
    for (name, count) in [("first tier", &first), ("both tiers", &both)] {
        println!(
            "{name}: {} refused, precision {:.2}, recall {:.2}, honest names refused {:.3}",
            count.refused,
            count.precision(),
            count.recall(),
            count.honest_refused(),
        );
    }
    println!(
        "missed: {:?}",
        names(|row| row.is_tenant && tier(row.argument).is_none())
    );
    println!(
        "honest, first tier: {:?}",
        names(|row| !row.is_tenant && tier(row.argument) == Some(Tier::First))
    );
    println!(
        "honest, second tier: {:?}",
        names(|row| !row.is_tenant && tier(row.argument) == Some(Tier::Second))
    );
    assert!(both.names > 500, "the fixture is read");
    assert!(first.precision() >= 0.75, "{:.2}", first.precision());
    assert!(first.recall() >= 0.60, "{:.2}", first.recall());
    assert!(both.recall() >= 0.90, "{:.2}", both.recall());
    assert!(
        both.honest_refused() <= 0.06,
        "{:.3}",
        both.honest_refused()
    );
}

#[test]
fn raw_sql_by_name() {
    let found = names(|row| row.is_sql && classify_sql(row.argument).is_some());
    let missed = names(|row| row.is_sql && classify_sql(row.argument).is_none());
    let alarms = names(|row| !row.is_sql && classify_sql(row.argument).is_some());
    println!("raw SQL found: {found:?}\nmissed: {missed:?}\nhonest refused: {alarms:?}");
    assert!(found.len() >= 4, "{found:?}");
    // `query` is an honest word: it is raw SQL in three servers, and a text to search for in ten.
    assert!(
        missed
            .iter()
            .all(|name| name.ends_with(" query") || name.ends_with(" rollback"))
    );
    assert!(alarms.len() <= 1, "{alarms:?}");
}
