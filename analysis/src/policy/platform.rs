//! Functions of common platforms and extensions that migrations call and that no migration defines.
//!
//! Invariant: a reviewed list by schema and name. It counts only where no migration ever defined a
//! function of that name, or may have, and none of its relations stands in that schema: then the
//! function is the platform's.

use crate::catalog::Catalog;
use crate::catalog::walk::{Called, Mentions};

/// What a call touches of what migrations create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touches {
    /// It reads a setting, or writes tables of its own.
    Nothing,
    /// The table that its first argument names, and the tables tied to it by foreign keys.
    Table(String),
    /// It runs this SQL text later.
    Later(String),
}

/// Functions that only read settings of the session, which PostgREST sets.
const READERS: &[(&str, &str)] = &[
    ("auth", "uid"),
    ("auth", "jwt"),
    ("auth", "role"),
    ("auth", "email"),
];

/// Functions that write nothing but tables of their own schema.
const ASIDE: &[(&str, &str)] = &[
    ("cron", "unschedule"),
    ("net", "http_get"),
    ("net", "http_post"),
    ("net", "http_delete"),
    ("pgmq", "create"),
    ("pgmq", "create_non_partitioned"),
    ("pgmq", "create_unlogged"),
    ("pgmq", "send"),
    ("pgmq", "send_batch"),
    ("pgmq", "purge_queue"),
    ("pgmq", "drop_queue"),
    ("vault", "create_secret"),
    ("vault", "update_secret"),
];

/// Functions that change the table which their first argument names: TimescaleDB, Citus, pg_partman
/// and supa_audit. The first two have no schema of their own, unless they are told one.
const ON_A_TABLE: &[(&str, &str)] = &[
    ("", "create_hypertable"),
    ("", "add_dimension"),
    ("", "set_chunk_time_interval"),
    ("", "add_retention_policy"),
    ("", "remove_retention_policy"),
    ("", "add_compression_policy"),
    ("", "remove_compression_policy"),
    ("", "add_reorder_policy"),
    ("", "create_distributed_table"),
    ("", "create_reference_table"),
    ("partman", "create_parent"),
    ("audit", "enable_tracking"),
    ("audit", "disable_tracking"),
];

/// What a call of a platform's function touches; nothing where it is none.
pub(crate) fn touches(catalog: &Catalog, call: &Called) -> Option<Touches> {
    let (schema, name) = match call.parts.as_slice() {
        [name] => ("", name.as_str()),
        [schema, name] => (schema.as_str(), name.as_str()),
        _ => return None,
    };
    let is_in = |list: &[(&str, &str)]| list.contains(&(schema, name));
    let free = !catalog.shadows_function(name)
        && (schema.is_empty() || catalog.relations().all(|r| r.schema != schema));
    if !free {
        return None;
    }
    if reads_a_setting(catalog, call) || is_in(ASIDE) {
        return Some(Touches::Nothing);
    }
    let plain = call.arguments.iter().all(|(name, _)| name.is_none());
    let text = |index: usize| call.arguments.get(index).and_then(|(_, text)| text.clone());
    if is_in(ON_A_TABLE) && plain {
        return text(0).map(Touches::Table);
    }
    // The schedule and the command, or a name before them.
    if (schema, name) == ("cron", "schedule") && plain && matches!(call.arguments.len(), 2 | 3) {
        return text(call.arguments.len() - 1).map(Touches::Later);
    }
    None
}

/// Whether a call only reads a setting: `auth.uid()` and its kin, where migrations do not make the
/// schema `auth` themselves.
fn reads_a_setting(catalog: &Catalog, call: &Called) -> bool {
    let [schema, name] = call.parts.as_slice() else {
        return false;
    };
    READERS.contains(&(schema.as_str(), name.as_str()))
        && call.arguments.is_empty()
        && !catalog.shadows_function(name)
        && !catalog.schemas.contains(schema)
}

/// Whether every call by this last name that was found only reads a setting.
pub(super) fn only_read_settings(catalog: &Catalog, found: &Mentions, name: &str) -> bool {
    let mut calls = found.calls.iter().filter(|call| call.name() == name);
    let count = found
        .functions
        .iter()
        .filter(|known| *known == name)
        .count();
    let (mut all, mut read) = (0, 0);
    for call in &mut calls {
        all += 1;
        read += usize::from(reads_a_setting(catalog, call));
    }
    read > 0 && read == all && all == count
}

/// Whether a function of this last name may be one that reads a setting.
pub(super) fn may_read_a_setting(name: &str) -> bool {
    READERS.iter().any(|(_, reader)| *reader == name)
}
