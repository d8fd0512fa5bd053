//! The tripwire: does something that leaves the server contain the session tenant's id?
//!
//! It is a detector and not a guarantee: it knows the usual spellings of an identifier, and only
//! that of the caller's own tenant, and of the one where an operator is at home. What keeps other tenants' data away is row-level security.
//!
//! Invariant: scanning reads each byte a few times at most, and allocates only for a text with
//! `\u` escapes in it.

mod base64;
mod escapes;
mod member;
mod patterns;
mod text;
mod uuid;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::{TenantId, TenantKind};

/// Text identifiers shorter than this are ordinary words and are looked for in members only.
const LONG_TEXT: usize = 16;
/// Tripwires kept ready. One is a few kilobytes and takes some microseconds to make.
const KEPT: usize = 1024;

/// Looks for one tenant's identifier.
pub(crate) enum Tripwire {
    /// Anywhere, in the spellings of a uuid.
    Uuid(uuid::UuidWire),
    /// Anywhere, as a word of its own.
    Text(text::TextWire),
    /// As the value of a member whose name is a tenant word. A short number is in every result.
    Member(member::MemberWire),
    /// The tenant that was chosen, and the one where the caller is at home.
    Both(Arc<Tripwire>, Arc<Tripwire>),
    /// Nothing, to measure what looking costs.
    #[cfg(test)]
    Off,
}

impl Tripwire {
    /// `tenant_column` is one more name that a member may have.
    pub(crate) fn new(tenant: &TenantId, tenant_column: &str) -> Self {
        match (tenant.as_uuid(), tenant.kind()) {
            (Some(id), _) => Self::Uuid(uuid::UuidWire::new(id)),
            (None, TenantKind::Text) if tenant.as_setting().len() >= LONG_TEXT => {
                Self::Text(text::TextWire::new(&tenant.as_setting()))
            }
            _ => Self::Member(member::MemberWire::new(&tenant.as_setting(), tenant_column)),
        }
    }

    /// Whether these bytes, JSON or plain text, contain the identifier.
    pub(crate) fn finds(&self, bytes: &[u8]) -> bool {
        #[cfg(test)]
        if matches!(self, Self::Off) {
            return false;
        }
        if let Self::Both(one, other) = self {
            return one.finds(bytes) || other.finds(bytes);
        }
        if let Self::Uuid(wire) = self {
            let mut escapes = false;
            return wire.finds(bytes, &mut escapes)
                || escapes
                    && escapes::decoded(bytes)
                        .is_some_and(|decoded| wire.finds(&decoded, &mut escapes));
        }
        self.finds_as_written(bytes)
            || escapes::decoded(bytes).is_some_and(|decoded| self.finds_as_written(&decoded))
    }

    fn finds_as_written(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Uuid(wire) => wire.finds(bytes, &mut false),
            Self::Text(wire) => wire.finds(bytes),
            Self::Member(wire) => wire.finds(bytes),
            Self::Both(one, other) => one.finds_as_written(bytes) || other.finds_as_written(bytes),
            #[cfg(test)]
            Self::Off => false,
        }
    }
}

// By hand: it holds the identifier.
impl std::fmt::Debug for Tripwire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uuid(_) => "Tripwire(uuid)",
            Self::Text(_) => "Tripwire(text)",
            Self::Member(_) => "Tripwire(member)",
            Self::Both(..) => "Tripwire(both)",
            #[cfg(test)]
            Self::Off => "Tripwire(off)",
        })
    }
}

/// The tripwires of the tenants seen lately.
#[derive(Debug)]
pub(crate) struct Tripwires {
    tenant_column: String,
    kept: Mutex<HashMap<TenantId, Arc<Tripwire>>>,
    #[cfg(test)]
    off: std::sync::atomic::AtomicBool,
}

impl Tripwires {
    pub(crate) fn new(tenant_column: impl Into<String>) -> Self {
        Self {
            tenant_column: tenant_column.into(),
            kept: Mutex::default(),
            #[cfg(test)]
            off: std::sync::atomic::AtomicBool::new(false),
        }
    }

    #[cfg(test)]
    fn switch(&self, on: bool) {
        self.off.store(!on, std::sync::atomic::Ordering::Relaxed);
    }

    /// For a session of `tenant`, of a caller who is at home in another one, if there is such.
    pub(crate) fn of_session(&self, tenant: &TenantId, home: Option<&TenantId>) -> Arc<Tripwire> {
        let own = self.of(tenant);
        match home.filter(|home| *home != tenant) {
            Some(home) => Arc::new(Tripwire::Both(own, self.of(home))),
            None => own,
        }
    }

    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<Tripwire> {
        #[cfg(test)]
        if self.off.load(std::sync::atomic::Ordering::Relaxed) {
            return Arc::new(Tripwire::Off);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wire) = kept.get(tenant) {
            return Arc::clone(wire);
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let wire = Arc::new(Tripwire::new(tenant, &self.tenant_column));
        kept.insert(tenant.clone(), Arc::clone(&wire));
        wire
    }
}

#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;
