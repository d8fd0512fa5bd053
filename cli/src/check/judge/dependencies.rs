//! Dependencies that can reach a database: by the lock file, without the network.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Place};

use super::Judge;

/// Packages that speak to a PostgreSQL server themselves.
const DRIVERS: [&str; 12] = [
    "sqlx-postgres",
    "tokio-postgres",
    "postgres",
    "pq-sys",
    "libpq-sys",
    "postgres-openssl",
    "cornucopia_async",
    "pgwire",
    "sqlx-core",
    "odbc-sys",
    "connectorx",
    "sqlx-any",
];
/// Packages that reach one, whatever a lock file says: what is usual beside tools.
const KNOWN: [&str; 16] = [
    "bb8-postgres",
    "bb8-tiberius",
    "cornucopia",
    "deadpool-diesel",
    "deadpool-postgres",
    "diesel",
    "diesel-async",
    "mongodb",
    "mysql_async",
    "r2d2_postgres",
    "redis",
    "rusqlite",
    "sea-orm",
    "sea-query-binder",
    "toasty",
    "welds",
];
/// Packages whose calls this check reads, and ours.
const READ: [&str; 10] = [
    "sqlx",
    "sqlx-core",
    "sqlx-postgres",
    "tokio-postgres",
    "postgres",
    "watertight",
    "watertight-macros",
    "watertight-test",
    "watertight-devdb",
    "cargo-watertight",
];

#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Judge<'_> {
    pub(super) fn dependencies(&mut self) {
        let path = self.workspace.root.join("Cargo.lock");
        let direct: HashSet<&String> = self
            .workspace
            .packages
            .iter()
            .flat_map(|package| package.dependencies.values())
            .collect();
        let place = Place::source(self.workspace.shown(&path), None);
        let lock = crate::project::read(&path)
            .ok()
            .and_then(|text| toml::from_str::<Lock>(&text).ok());
        let mut direct: Vec<&String> = direct.into_iter().collect();
        direct.sort();
        let Some(lock) = lock else {
            let manifest = self.workspace.root.join("Cargo.toml");
            self.by_name(
                &direct,
                &Place::source(self.workspace.shown(&manifest), None),
            );
            return;
        };
        let mut graph: HashMap<&str, Vec<&str>> = HashMap::new();
        for package in &lock.package {
            let names = package.dependencies.iter();
            let names = names.map(|it| it.split(' ').next().unwrap_or_default());
            graph.entry(&package.name).or_default().extend(names);
        }
        let members: HashSet<&str> = self
            .workspace
            .packages
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        for name in direct {
            if READ.contains(&name.as_str()) || members.contains(name.as_str()) {
                continue;
            }
            if let Some(driver) = reaches(&graph, name) {
                let told = unseen(name, &place).note(format!("it depends on `{driver}`"));
                self.found(told);
            } else if KNOWN.contains(&name.as_str()) {
                self.found(unseen(name, &place));
            }
        }
    }

    /// Without a lock file only what the manifests name is known.
    fn by_name(&mut self, direct: &[&String], place: &Place) {
        for name in direct {
            if KNOWN.contains(&name.as_str()) {
                self.found(unseen(name, place));
            }
        }
        let told = Finding::new(
            Code::UNSEEN,
            place.clone(),
            "there is no `Cargo.lock`, so of the dependencies only those are known that the manifests name",
        )
        .help("`cargo generate-lockfile`, and this check says which of them can reach a database");
        self.found(told.review());
    }
}

fn unseen(name: &str, place: &Place) -> Finding {
    Finding::new(
        Code::DATABASE_DEPENDENCY,
        place.clone(),
        format!("`{name}` can reach a database, and how this project uses it is not looked at"),
    )
    .help("what goes through it needs a look by a person: its queries, its pools, its errors")
    .about(name.to_owned())
    .review()
}

/// The driver that a package is built on.
fn reaches<'a>(graph: &HashMap<&'a str, Vec<&'a str>>, from: &'a str) -> Option<&'a str> {
    let mut seen = HashSet::new();
    let mut pending = vec![from];
    while let Some(name) = pending.pop() {
        if !seen.insert(name) {
            continue;
        }
        if DRIVERS.contains(&name) {
            return Some(name);
        }
        pending.extend(graph.get(name).into_iter().flatten());
    }
    None
}
