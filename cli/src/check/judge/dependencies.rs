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
        let Some(lock) = lock else {
            let told = Finding::new(
                Code::UNSEEN,
                place,
                "there is no `Cargo.lock`, so which dependencies can reach a database is not known",
            );
            self.found(told.review());
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
        let mut direct: Vec<&String> = direct.into_iter().collect();
        direct.sort();
        for name in direct {
            if READ.contains(&name.as_str()) || members.contains(name.as_str()) {
                continue;
            }
            if let Some(driver) = reaches(&graph, name) {
                let told = Finding::new(
                    Code::DATABASE_DEPENDENCY,
                    place.clone(),
                    format!("`{name}` can reach a database, and its source is not looked at"),
                )
                .note(format!("it depends on `{driver}`"))
                .about(name.clone());
                self.found(told.review());
            }
        }
    }
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
