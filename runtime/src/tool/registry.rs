//! Our tools as they were compiled, each once in the life of the process: so that a call of a
//! method finds its own, and a tool that comes back inside an rmcp router is known again.
//!
//! Invariant: an entry is what the tool's own type or function says; it never changes.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use rmcp::model::Tool as Published;

use super::compiled::{Compiled, InvalidTool};

type Entry = Result<Arc<Compiled>, InvalidTool>;

static KNOWN: LazyLock<RwLock<HashMap<TypeId, Entry>>> = LazyLock::new(RwLock::default);

/// What `K` was compiled to; compiled now, if this is the first time.
pub(super) fn once<K: 'static>(compile: impl FnOnce() -> Result<Compiled, InvalidTool>) -> Entry {
    let key = TypeId::of::<K>();
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = known.get(&key) {
        return entry.clone();
    }
    drop(known);
    // Outside of the lock: this runs code of the user's types.
    let entry = compile().map(Arc::new);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.entry(key).or_insert(entry).clone()
}

/// The schema of the tool of ours that publishes the same under the same name, if there is one: a
/// published form that has been through JSON shares no pointer with it.
pub(crate) fn published_like_ours(tool: &Published) -> Option<Arc<rmcp::model::JsonObject>> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut tools = known.values().filter_map(|entry| entry.as_ref().ok());
    let own = tools.find(|own| {
        own.published.name == tool.name && own.published.input_schema == tool.input_schema
    });
    own.map(|own| Arc::clone(&own.published.input_schema))
}

/// The tool of ours that published this. A clone of what we published shares its schema; nothing
/// else does, whatever its name.
pub(crate) fn published_by_us(tool: &Published) -> Option<Arc<Compiled>> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut tools = known.values().filter_map(|entry| entry.as_ref().ok());
    tools
        .find(|own| Arc::ptr_eq(&own.published.input_schema, &tool.input_schema))
        .cloned()
}
