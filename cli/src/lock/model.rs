//! What the lock file holds. Read from TOML, written by `write`, compared by `compare`.
//!
//! Invariant: nothing in it depends on the machine or on the time; every list has one order.

use serde::{Deserialize, Serialize};

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lock {
    pub(crate) version: u32,
    pub(crate) catalog: Vec<Catalog>,
    pub(crate) statement: Vec<Statement>,
    pub(crate) exception: Vec<Exception>,
    pub(crate) unseen: Vec<Unseen>,
}

/// One configuration with its migrations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Catalog {
    /// The configuration file, or the folder of migrations where there is none.
    pub(crate) path: String,
    /// The tenant column, its type and the setting.
    pub(crate) tenant: String,
    pub(crate) application_role: String,
    pub(crate) search_path: Vec<String>,
    pub(crate) require_rls: bool,
    pub(crate) relax_force: bool,
    pub(crate) allow_stale_catalog: bool,
    pub(crate) forbid_unproved: bool,
    /// The hash of the configuration; empty where there is none.
    pub(crate) config: String,
    /// `path hash`, in the order in which they apply.
    pub(crate) migrations: Vec<String>,
    /// Side channels and gaps of the schema.
    pub(crate) warnings: Vec<String>,
    pub(crate) relation: Vec<Relation>,
    /// Functions that the configuration allows.
    pub(crate) function: Vec<Function>,
    /// Further words for a tenant, which arguments of tools may not be called.
    pub(crate) words: Vec<String>,
    /// Names that the configuration allows for arguments of tools: `name: reason`.
    pub(crate) not_tenant: Vec<String>,
}

/// One relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `forced`, `enabled` or `off`.
    pub(crate) rls: String,
    /// The class by command, or one for all.
    pub(crate) class: String,
    /// `@global reason` or `@tenant column`.
    pub(crate) directive: String,
    /// `name: PERMISSIVE ALL TO public #hash`: the hash is that of its conditions.
    pub(crate) policies: Vec<String>,
}

/// An allowed function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) reason: String,
    /// A hash for each overload that the migrations define, of it and of the functions that it
    /// names; empty for an extension's.
    pub(crate) body: Vec<String>,
}

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Statement {
    pub(crate) function: String,
    pub(crate) file: String,
    /// Which of several: a combination of choices, or a number in a body.
    pub(crate) which: String,
    /// `rls`, `predicate`, `unproved` or `system`.
    pub(crate) grade: String,
    pub(crate) catalog: String,
    /// Of `unproved!` and system queries.
    pub(crate) reason: String,
    /// Why its rows may tell a client the tenant.
    #[serde(rename = "returns-tenant")]
    pub(crate) returns_tenant: String,
    pub(crate) role: String,
    pub(crate) tables: Vec<String>,
    /// The text as written, with its choices filled in: parameters keep their names.
    pub(crate) sql: String,
    pub(crate) derivation: Vec<String>,
    /// What it touches; the derivation says it in the file.
    #[serde(skip)]
    pub(crate) relations: Vec<String>,
    /// Whether it writes; the text says it in the file.
    #[serde(skip)]
    pub(crate) writes: bool,
}

impl Statement {
    /// What identifies it from one lock to the next.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.function, &self.which)
    }

    /// The key for people.
    pub(crate) fn title(&self) -> String {
        if self.which.is_empty() {
            format!("`{}`", self.function)
        } else {
            format!("`{}` ({})", self.function, self.which)
        }
    }
}

/// An exception from the boundary of tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exception {
    pub(crate) place: String,
    pub(crate) rule: String,
    pub(crate) reason: String,
}

/// What could not be looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Unseen {
    pub(crate) file: String,
    pub(crate) what: String,
}
