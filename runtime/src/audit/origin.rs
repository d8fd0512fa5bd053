//! On whose behalf a transaction runs, and how long it may: what its effect record says.
//!
//! Invariant: plain data; it decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use crate::error::Reference;
use crate::life::Life;
use crate::session::Session;

/// The call behind a scope. Cloning it shares the counters.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    reference: Reference,
    tool: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    subject: Option<Arc<str>>,
    home_tenant: Option<Arc<str>>,
    rows: Arc<AtomicU64>,
    trips: Arc<AtomicU64>,
    effects: Arc<Effects>,
    life: Life,
}

/// The commits of a call.
#[derive(Debug, Default)]
struct Effects {
    sent: AtomicI32,
    certain: AtomicI32,
    uncertain: AtomicI32,
}

/// A commit on its way. Dropped before its end is known, it stays uncertain.
#[must_use = "tell how it ended"]
pub(crate) struct Effect {
    effects: Arc<Effects>,
}

impl Effect {
    /// The commit happened, or it did not.
    pub(crate) fn ended(self, happened: bool) {
        self.effects.uncertain.fetch_sub(1, Ordering::Relaxed);
        if happened {
            self.effects.certain.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Origin {
    /// A scope that was opened by hand, outside of a call: it makes its own reference.
    pub(crate) fn of_session(session: &Session) -> Self {
        Self::new(Reference::random()).on_behalf_of(session)
    }

    /// Whom the session names, and where they belong if that is not plain from the tenant.
    pub(crate) fn on_behalf_of(mut self, session: &Session) -> Self {
        self.home_tenant = session.home_tenant().map(|home| home.as_setting().into());
        self.life = session.life().clone();
        self.principal(session.issuer(), session.subject())
    }

    /// `reference` is what the client is told and what joins the records of a call.
    pub(crate) fn new(reference: Reference) -> Self {
        Self {
            reference,
            tool: None,
            issuer: None,
            subject: None,
            home_tenant: None,
            rows: Arc::default(),
            trips: Arc::default(),
            effects: Arc::default(),
            life: Life::default(),
        }
    }

    pub(crate) fn tool(mut self, name: &str) -> Self {
        self.tool = Some(name.into());
        self
    }

    pub(crate) fn principal(mut self, issuer: &str, subject: &str) -> Self {
        self.issuer = Some(issuer.into());
        self.subject = Some(subject.into());
        self
    }

    pub(crate) const fn reference(&self) -> Reference {
        self.reference
    }

    pub(crate) fn tool_name(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    pub(crate) fn home_tenant(&self) -> Option<&str> {
        self.home_tenant.as_deref()
    }

    /// A commit is about to be sent: which one of the call it is, and what to tell its end to.
    pub(crate) fn effect(&self) -> (i32, Effect) {
        self.effects.uncertain.fetch_add(1, Ordering::Relaxed);
        let ordinal = self.effects.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let effects = Arc::clone(&self.effects);
        (ordinal, Effect { effects })
    }

    /// How many commits happened, and of how many nobody knows.
    pub(crate) fn effects(&self) -> (i32, i32) {
        let load = |number: &AtomicI32| number.load(Ordering::Relaxed);
        (load(&self.effects.certain), load(&self.effects.uncertain))
    }

    /// How long a transaction on this behalf may go on.
    pub(crate) const fn life(&self) -> &Life {
        &self.life
    }

    /// Adds to the rows that the call has read or changed so far.
    pub(crate) fn count_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// One more message to the database was sent whose answer is waited for.
    pub(crate) fn count_trip(&self) {
        self.trips.fetch_add(1, Ordering::Relaxed);
    }

    /// The round trips to the database that the call has waited for so far. What the driver sends to
    /// prepare a statement on a connection that has not seen it is not among them.
    pub(crate) fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// The rows that the call has read or changed so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}
