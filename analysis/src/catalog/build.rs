//! Builds the catalog: applies each migration's statements to the state of the ones before.

use std::collections::{BTreeSet, HashMap};

use super::{Catalog, Defined};
use crate::config::Config;
use crate::migrations::Migration;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The path of the migration.
    pub path: String,
    /// The line, from one.
    pub line: usize,
}

pub(super) fn build(config: &Config, migrations: &[Migration]) -> Catalog {
    Catalog {
        config: config.clone(),
        id: identity(config, migrations),
        relations: Vec::new(),
        by_name: HashMap::new(),
        functions: Vec::new(),
        function_names: HashMap::new(),
        operators: Vec::new(),
        types: Vec::new(),
        collations: Vec::new(),
        casts: Vec::new(),
        schemas: BTreeSet::from(["public".to_owned()]),
        search_path: vec![config.application_role.clone(), "public".to_owned()],
        roles: BTreeSet::from([config.application_role.clone()]),
        roles_unknown: None,
        ever: Defined::default(),
        diagnostics: Vec::new(),
    }
}

/// FNV-1a over everything that the catalog is made from, twice with different bases: 128 bits.
/// It detects accidental mixtures; it is no signature.
fn identity(config: &Config, migrations: &[Migration]) -> String {
    let mut text = format!("{config:?}");
    for migration in migrations {
        text.push('\0');
        text.push_str(&migration.path);
        text.push('\0');
        text.push_str(&migration.text);
    }
    let hash = |seed: u64| {
        text.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    format!(
        "{:016x}{:016x}",
        hash(0xcbf2_9ce4_8422_2325),
        hash(0x9ae1_6a3b_2f90_404f)
    )
}
