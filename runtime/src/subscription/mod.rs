//! Who wants to know that a resource has changed, and who may.
//!
//! Invariant: listeners are kept by tenant, and a change is looked up by its tenant; there is no
//! way to tell all of them. A listener whose token has expired is told nothing.

mod listener;
mod notifier;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::mpsc::{self, error::TrySendError};

pub(crate) use listener::{follow, listen};
pub use notifier::{Notifier, TenantOfChange};

use crate::error::ToolError;
use crate::id::TenantId;
use crate::resource::{Found, Registry};
use crate::session::{Principal, Session};

/// URIs that one principal may listen to at a time.
const PER_PRINCIPAL: usize = 512;
/// Changes that wait for a slow listener; further ones are not kept for it.
const WAITING: usize = 64;

/// All listeners of a server.
#[derive(Debug)]
pub(crate) struct Hub {
    resources: Arc<Registry>,
    listeners: Mutex<Listeners>,
}

/// What changes: a resource of a tenant, whatever the spelling of its URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    tenant: TenantId,
    resource: usize,
    values: Vec<String>,
}

#[derive(Debug, Default)]
struct Listeners {
    by_subject: HashMap<Subject, Vec<Listener>>,
    by_principal: HashMap<Principal, usize>,
    next: u64,
}

#[derive(Debug)]
struct Listener {
    id: u64,
    connection: Connection,
    principal: Principal,
    until: Option<SystemTime>,
    /// As the listener spelled it.
    uri: String,
    changes: mpsc::Sender<String>,
}

/// What ends with one stream, or with one legacy session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// A `subscriptions/listen`.
    Stream(u64),
    /// A legacy MCP session, which the guard ties to its principal.
    Session(String),
    /// Standard input and output.
    Stdio,
}

impl Listener {
    fn is_over(&self, now: SystemTime) -> bool {
        self.changes.is_closed() || self.until.is_some_and(|until| until <= now)
    }
}

impl Hub {
    pub(crate) fn new(resources: Arc<Registry>) -> Self {
        Self {
            resources,
            listeners: Mutex::default(),
        }
    }

    pub(crate) fn resources(&self) -> &Registry {
        &self.resources
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that no other has the name of.
    fn new_stream(&self) -> Connection {
        let mut listeners = self.lock();
        listeners.next += 1;
        Connection::Stream(listeners.next)
    }

    /// Adds a listener, for the session's own tenant.
    fn add(
        &self,
        session: &Session,
        found: &Found,
        connection: &Connection,
        changes: &mpsc::Sender<String>,
    ) -> Result<(), ToolError> {
        let principal = session.principal();
        let mut listeners = self.lock();
        listeners.forget_those_that_are_over();
        let count = listeners.by_principal.entry(principal.clone()).or_default();
        if *count >= PER_PRINCIPAL {
            return Err(ToolError::busy().because("too many subscriptions of one principal"));
        }
        *count += 1;
        listeners.next += 1;
        let listener = Listener {
            id: listeners.next,
            connection: connection.clone(),
            principal,
            until: session.expires_at(),
            uri: found.uri.clone(),
            changes: changes.clone(),
        };
        let subject = Subject {
            tenant: session.tenant().clone(),
            resource: found.index,
            values: found.values.clone(),
        };
        let others = listeners.by_subject.entry(subject).or_default();
        others.push(listener);
        Ok(())
    }

    /// Removes what a connection listens to; all of it without a URI.
    fn remove(&self, session: &Session, connection: &Connection, uri: Option<&str>) {
        let principal = session.principal();
        self.lock().retain(|listener| {
            listener.connection != *connection
                || listener.principal != principal
                || uri.is_some_and(|uri| uri != listener.uri)
        });
    }

    /// Tells the listeners of this tenant. Says how many there were; `None` if no resource has the
    /// URI.
    fn changed(&self, tenant: &TenantId, uri: &str) -> Option<usize> {
        let found = self.resources.find(uri)?;
        let subject = Subject {
            tenant: tenant.clone(),
            resource: found.index,
            values: found.values,
        };
        let now = SystemTime::now();
        let listeners = self.lock();
        let mut told = 0;
        for listener in listeners.by_subject.get(&subject).into_iter().flatten() {
            if listener.is_over(now) {
                continue;
            }
            match listener.changes.try_send(listener.uri.clone()) {
                Ok(()) => told += 1,
                Err(TrySendError::Full(_)) => {
                    tracing::warn!(
                        listener = listener.id,
                        "a listener is too slow and misses a change"
                    );
                }
                Err(TrySendError::Closed(_)) => {}
            }
        }
        Some(told)
    }
}

impl Listeners {
    fn forget_those_that_are_over(&mut self) {
        let now = SystemTime::now();
        self.retain(|listener| !listener.is_over(now));
    }

    fn retain(&mut self, keep: impl Fn(&Listener) -> bool) {
        for listeners in self.by_subject.values_mut() {
            listeners.retain(|listener| {
                let keep = keep(listener);
                if !keep && let Some(count) = self.by_principal.get_mut(&listener.principal) {
                    *count = count.saturating_sub(1);
                }
                keep
            });
        }
        self.by_subject.retain(|_, listeners| !listeners.is_empty());
        self.by_principal.retain(|_, count| *count > 0);
    }
}
