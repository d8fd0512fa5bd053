//! On whose behalf a transaction runs, and how long it may: what its effect record says.
//!
//! Invariant: plain data; it decides nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::by_hand::{HandWriter, Unrecorded};
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
    work: Arc<Work>,
    life: Life,
    by_hand: Option<HandWriter>,
}

/// What a call has done so far. All that runs for one request shares it, by whatever way it got its
/// context: then the record of the call counts what a tool of someone else's committed.
#[derive(Debug, Default)]
pub(crate) struct Work {
    rows: AtomicU64,
    trips: AtomicU64,
    effects: Mutex<Counts>,
    recorded: AtomicBool,
}

/// The commits of a call.
#[derive(Debug, Default)]
struct Counts {
    sent: i32,
    /// The ordinals of those that happened.
    certain: Vec<i32>,
    uncertain: i32,
}

impl Work {
    fn counts<T>(&self, with: impl FnOnce(&mut Counts) -> T) -> T {
        // A panic while holding it can't have left anything in it half done.
        with(&mut self.effects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Which commits happened, how many that are, and of how many nobody knows (yet).
    pub(crate) fn effects(&self) -> (Option<String>, i32, i32) {
        self.counts(|counts| {
            let ordinals = watertight_audit::ordinals(counts.certain.clone());
            let certain = i32::try_from(counts.certain.len()).unwrap_or(i32::MAX);
            (ordinals, certain, counts.uncertain)
        })
    }

    /// The rows that the call has read or changed so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Who serves the call sees to its record.
    pub(crate) fn note_record(&self) {
        self.recorded.store(true, Ordering::Release);
    }

    /// The call has a record, now or when it ends.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }
}

/// A commit on its way. Dropped before its end is known, it stays uncertain.
#[must_use = "tell how it ended"]
pub(crate) struct Effect {
    work: Arc<Work>,
    ordinal: i32,
}

impl Effect {
    /// The commit happened, or it did not.
    pub(crate) fn ended(self, happened: bool) {
        self.work.counts(|counts| {
            counts.uncertain -= 1;
            if happened {
                counts.certain.push(self.ordinal);
            }
        });
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
            work: Arc::default(),
            life: Life::default(),
            by_hand: None,
        }
    }

    /// The same, with what its request has done so far.
    pub(crate) fn sharing(mut self, work: &Arc<Work>) -> Self {
        self.work = Arc::clone(work);
        self
    }

    /// The call gets a record.
    pub(crate) fn note_record(&self) {
        self.work.note_record();
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
        let ordinal = self.work.counts(|counts| {
            counts.uncertain += 1;
            counts.sent += 1;
            counts.sent
        });
        let work = Arc::clone(&self.work);
        (ordinal, Effect { work, ordinal })
    }

    /// Which commits happened, how many that are, and of how many nobody knows (yet).
    pub(crate) fn effects(&self) -> (Option<String>, i32, i32) {
        self.work.effects()
    }

    /// Outside of a call: what records a commit.
    pub(crate) fn recorded_by(mut self, writer: HandWriter) -> Self {
        self.by_hand = Some(writer);
        self
    }

    /// Outside of a call: what records the commit that is about to be sent.
    pub(crate) fn unrecorded(&self) -> Option<Unrecorded> {
        self.by_hand.as_ref().map(|by_hand| by_hand.begin(self))
    }

    /// How long a transaction on this behalf may go on.
    pub(crate) const fn life(&self) -> &Life {
        &self.life
    }

    /// Adds to the rows that the call has read or changed so far.
    pub(crate) fn count_rows(&self, rows: u64) {
        self.work.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// One more message to the database was sent whose answer is waited for.
    pub(crate) fn count_trip(&self) {
        self.work.trips.fetch_add(1, Ordering::Relaxed);
    }

    /// The round trips to the database that the call has waited for so far. What the driver sends to
    /// prepare a statement on a connection that has not seen it is not among them.
    pub(crate) fn trips(&self) -> u64 {
        self.work.trips.load(Ordering::Relaxed)
    }

    /// The rows that the call has read or changed so far.
    pub(crate) fn rows(&self) -> u64 {
        self.work.rows()
    }
}
