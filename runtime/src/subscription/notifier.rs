//! Telling listeners that a resource has changed.

use std::fmt;
use std::sync::Arc;

use super::Hub;
use crate::id::TenantId;
use crate::session::Session;
use crate::tool::ToolContext;

/// Tells clients that a resource has changed. Cheap to clone; [`Server::notifier`] gives one, for
/// changes that happen outside of a call.
///
/// [`Server::notifier`]: crate::Server::notifier
#[derive(Clone)]
pub struct Notifier(Arc<Hub>);

impl Notifier {
    pub(crate) const fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// Tells those who listen to this URI and are of the tenant whose data changed, and says how
    /// many they were. Call it after the commit: who is told reads at once.
    ///
    /// The same URI means another thing to another tenant, so nobody else is told, and there is no
    /// way to tell everybody.
    pub fn resource_updated(&self, of: &impl TenantOfChange, uri: &str) -> usize {
        self.0.changed(of.tenant(), uri).unwrap_or_else(|| {
            tracing::warn!("an update of a URI that no resource has; nobody was told");
            0
        })
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notifier")
    }
}

/// What says whose data changed: a session, the context of a call, or the tenant itself.
pub trait TenantOfChange {
    /// The tenant.
    fn tenant(&self) -> &TenantId;
}

impl TenantOfChange for TenantId {
    fn tenant(&self) -> &TenantId {
        self
    }
}

impl TenantOfChange for Session {
    fn tenant(&self) -> &TenantId {
        Session::tenant(self)
    }
}

impl TenantOfChange for ToolContext {
    fn tenant(&self) -> &TenantId {
        self.session().tenant()
    }
}

impl ToolContext {
    /// Tells the clients of this caller's tenant that listen to the URI that what it names has
    /// changed. Call it after the commit.
    pub fn notify_resource_updated(&self, uri: &str) {
        match self.caller().state().notifier() {
            Some(notifier) => {
                notifier.resource_updated(self, uri);
            }
            None => tracing::debug!("this server has no resources; nobody was told"),
        }
    }
}
