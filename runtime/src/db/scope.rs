//! A scope: one transaction, bound to one tenant, on one connection.
//!
//! Invariant: no `PgConnection` and no `Executor` is reachable from outside the crate. A
//! statement runs between [`Tx::statement`] and [`InFlight::settle`]; whatever happens in between
//! (an error, a drop, a panic) leaves a scope that can neither go on nor commit.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::PgConnection;

use super::begin::{End, Messages, Mode};
use super::error::{DbError, DbErrorKind, DbResult};
use super::gate::TenantKeys;
use super::guard::Guard;
use super::health::Watch;
use crate::audit::Origin;
use crate::id::TenantId;
use crate::life::Life;

/// One read-only transaction bound to the session's tenant.
///
/// Statements take `&mut Scope`; they must carry a proof. Dropping the scope ends the transaction
/// without waiting. If a statement's future was dropped before it finished, the connection is
/// closed instead of returning to the pool.
#[must_use = "a scope holds a connection of the pool until it is dropped"]
pub struct Scope<'a> {
    pub(crate) tx: Tx,
    tenant: TenantId,
    life: PhantomData<&'a ()>,
}

/// One transaction that may change data, bound to the session's tenant.
///
/// It dereferences to [`Scope`], so statements that only read accept it too. Nothing is stored
/// until [`commit`](WriteScope::commit) returns `Ok`; dropping it rolls back.
#[must_use = "a write scope that is dropped rolls back; call `commit`"]
pub struct WriteScope<'a> {
    scope: Scope<'a>,
    /// Which transaction and tenant this value was opened for. `DerefMut` lets safe code swap the
    /// inner scopes of two write scopes; commit compares.
    id: u64,
    tenant: TenantId,
}

impl<'a> Scope<'a> {
    pub(crate) const fn new(tx: Tx, tenant: TenantId) -> Self {
        Self {
            tx,
            tenant,
            life: PhantomData,
        }
    }

    /// The transaction and the tenant that it was opened for.
    pub(crate) const fn parts(&mut self) -> (&mut Tx, &TenantId) {
        (&mut self.tx, &self.tenant)
    }

    /// Takes the connection for one statement, after checking that the scope is sound, that the
    /// statement was proved against this pool's catalog, and that a write runs in a write scope.
    ///
    /// It does not run while anything at all is weaker than was proved.
    #[cfg(test)]
    pub(crate) fn statement(&mut self, catalog: &str, writes: bool) -> DbResult<InFlight<'_>> {
        self.tx.statement(catalog, writes, None)
    }
}

impl<'a> WriteScope<'a> {
    pub(crate) fn new(tx: Tx, tenant: TenantId) -> Self {
        Self {
            id: tx.id,
            tenant: tenant.clone(),
            scope: Scope::new(tx, tenant),
        }
    }

    /// Stores the changes: one message asserts that the tenant is still the scope's, adds the
    /// audit record of the effect (if a statement wrote) and commits. All of it happens or nothing.
    ///
    /// # Errors
    /// [`DbErrorKind::Aborted`] if an earlier statement of the scope failed or was dropped, even
    /// if its error was ignored, or if the assertion fails: nothing was stored.
    /// [`DbErrorKind::CommitUnknown`] if the connection was lost before the answer came.
    /// Otherwise the class of what a deferred constraint reported: nothing was stored.
    pub async fn commit(self) -> DbResult<()> {
        let Self { scope, id, tenant } = self;
        let tx = scope.tx;
        let origin = tx.wrote.then_some(&tx.origin);
        // Dropped last, so that it finds how the commit ended.
        let _unrecorded = origin.and_then(Origin::unrecorded);
        // Counted before the call is asked whether it goes on: when a call has ended, its record has
        // this commit or there is none.
        let (end, effect) = tx.shared.messages.commit(&tenant, origin);
        let result = match tx.ready_to_commit(id) {
            Ok(()) => tx.commit(end).await,
            Err(error) => Err(error),
        };
        let unknown = |error: &DbError| error.kind() == DbErrorKind::CommitUnknown;
        if let Some(effect) = effect
            && !result.as_ref().is_err_and(unknown)
        {
            effect.ended(result.is_ok());
        }
        result
    }

    /// Gives up the changes and waits until the server has done so.
    ///
    /// Dropping the scope has the same effect without waiting.
    pub async fn rollback(self) {
        self.scope.tx.rollback().await;
    }
}

impl<'a> Deref for WriteScope<'a> {
    type Target = Scope<'a>;

    fn deref(&self) -> &Scope<'a> {
        &self.scope
    }
}

impl<'a> DerefMut for WriteScope<'a> {
    fn deref_mut(&mut self) -> &mut Scope<'a> {
        &mut self.scope
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("mode", &self.tx.mode)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WriteScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteScope").finish_non_exhaustive()
    }
}

/// What all transactions of one pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) messages: Messages,
    pub(crate) catalog: &'static str,
    /// Of a tenant's pool, as its database was when it was last compared; a system pool has none and
    /// tells conflicts as they are.
    pub(crate) tenant_keys: RwLock<Option<TenantKeys>>,
    pub(crate) watch: Arc<Watch>,
}

impl Shared {
    /// Classifies an error of a statement or a commit.
    fn classify(&self, error: sqlx::Error) -> DbError {
        self.watch.suspect(&error);
        let keys = self.tenant_keys.read();
        let keys = keys.unwrap_or_else(PoisonError::into_inner);
        let judged = keys.as_ref().map(|keys| keys.judge(&error));
        drop(keys);
        let error = DbError::from(error);
        // A system pool has no list: it tells conflicts as they are.
        let Some(judged) = judged else { return error };
        match error.kind() {
            DbErrorKind::Conflict if judged.within => error.saying(judged.message),
            DbErrorKind::InvalidValue => error.saying(judged.message),
            DbErrorKind::Conflict => {
                tracing::warn!(
                    target: "watertight::db",
                    cause = error.told(),
                    "a conflict on a constraint without the tenant column is told as an internal error"
                );
                error.of_kind(DbErrorKind::Internal)
            }
            _ => error,
        }
    }
}

/// The transaction under a scope, whoever it belongs to.
pub(crate) struct Tx {
    guard: Guard,
    shared: Arc<Shared>,
    origin: Origin,
    /// Never used twice in a process.
    id: u64,
    mode: Mode,
    /// A statement failed or is in flight: the transaction can't go on.
    failed: bool,
    /// A statement that writes was sent, so that the commit has an effect to record.
    wrote: bool,
}

impl Tx {
    /// `guard` has begun a transaction of this mode.
    pub(crate) fn new(guard: Guard, shared: Arc<Shared>, origin: Origin, mode: Mode) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        origin.count_trip();
        Self {
            guard,
            shared,
            origin,
            id,
            mode,
            failed: false,
            wrote: false,
        }
    }

    /// Whether a prepared statement may have a name.
    pub(crate) fn names_statements(&self) -> bool {
        self.shared.messages.names_statements()
    }

    /// `relations` is what the statement's proof rests on, or everything.
    pub(crate) fn statement(
        &mut self,
        catalog: &str,
        writes: bool,
        relations: Option<&[&str]>,
    ) -> DbResult<InFlight<'_>> {
        self.life().check()?;
        if self.failed {
            return Err(DbError::new(DbErrorKind::Aborted));
        }
        if catalog != self.shared.catalog {
            return Err(DbError::with_cause(
                DbErrorKind::StaleCatalog,
                "the statement was proved against another catalog than the pool was opened with",
            ));
        }
        self.shared.watch.admit(relations)?;
        if writes && self.mode == Mode::Read {
            return Err(DbError::with_cause(
                DbErrorKind::Denied,
                "a statement that writes was handed a read scope",
            ));
        }
        self.guard.send()?;
        self.origin.count_trip();
        self.wrote |= writes;
        // Cleared by `settle`; a dropped or panicking future never gets there.
        self.failed = true;
        Ok(InFlight { tx: self })
    }

    /// Remembers that a statement's result could not be used, so that commit refuses.
    pub(crate) const fn fail(&mut self) {
        self.failed = true;
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How long the transaction may go on: no longer than the call that it was opened in, and than
    /// its credentials.
    pub(crate) const fn life(&self) -> &Life {
        self.origin.life()
    }

    pub(crate) fn ready_to_commit(&self, id: u64) -> DbResult<()> {
        self.life().check()?;
        if self.failed {
            return Err(DbError::with_cause(
                DbErrorKind::Aborted,
                "an earlier statement of the transaction failed or was dropped",
            ));
        }
        if self.id != id || self.mode != Mode::Write {
            return Err(DbError::with_cause(
                DbErrorKind::Aborted,
                "the transaction is not the one that this scope was opened for",
            ));
        }
        Ok(())
    }

    /// Sends the commit message. The connection is closed unless it reports success.
    pub(crate) async fn commit(mut self, end: End) -> DbResult<()> {
        self.origin.count_trip();
        match self.guard.commit(end).await {
            Ok(()) => Ok(()),
            Err(error) if DbError::lost_connection(&error) => {
                Err(DbError::with_cause(DbErrorKind::CommitUnknown, error))
            }
            // The assertion's division by zero: the tenant is not the scope's any more.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("22012") => {
                tracing::error!(
                    target: "watertight::db",
                    "a transaction lost its tenant before commit; it was rolled back"
                );
                Err(DbError::with_cause(DbErrorKind::Aborted, error))
            }
            Err(error) => Err(self.shared.classify(error)),
        }
    }

    pub(crate) async fn rollback(mut self) {
        // Only a transaction with nothing in flight is worth waiting for; others are closed.
        if !self.failed
            && self.mode == Mode::Write
            && self.guard.whole("ROLLBACK".into()).await.is_err()
        {
            tracing::debug!(target: "watertight::db", "rollback failed, connection closed");
        }
    }
}

/// One statement on its way: between sending and the end of its answer.
///
/// Dropping it without [`settle`](InFlight::settle) leaves the connection to be closed and the
/// scope unusable.
#[must_use = "settle it with the statement's result, or the connection is closed"]
pub(crate) struct InFlight<'s> {
    tx: &'s mut Tx,
}

impl InFlight<'_> {
    /// The connection, inside the scope's transaction.
    pub(crate) fn connection(&mut self) -> DbResult<&mut PgConnection> {
        self.tx
            .guard
            .connection()
            .ok_or_else(|| DbError::new(DbErrorKind::Internal))
    }

    /// Tells how the statement ended. Call it only after its answer was read to the end: after
    /// `fetch_all`, or when a stream yielded `None` or an error.
    ///
    /// # Errors
    /// The statement's own, classified and remembered: the scope refuses to go on or commit.
    pub(crate) fn settle<T>(self, result: Result<T, sqlx::Error>) -> DbResult<T> {
        match result {
            Ok(value) => {
                self.tx.failed = false;
                self.tx.guard.answered(self.tx.mode);
                Ok(value)
            }
            Err(error) => {
                // The server's own error ends a statement cleanly: the transaction is aborted but
                // the connection is fit. Anything else (lost, protocol, decoding) is in doubt.
                if matches!(error, sqlx::Error::Database(_)) && !DbError::lost_connection(&error) {
                    self.tx.guard.answered(self.tx.mode);
                }
                Err(self.tx.shared.classify(error))
            }
        }
    }

    /// How long the transaction may go on.
    pub(crate) const fn life(&self) -> &Life {
        self.tx.life()
    }

    /// Adds to the rows that the call's audit record reports.
    pub(crate) fn count_rows(&self, rows: u64) {
        self.tx.origin.count_rows(rows);
    }
}
