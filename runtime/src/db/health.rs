//! The gate after the pool has opened: the live database is compared again and again, and scopes are
//! refused from the moment that it is weaker than the proofs assume until it is mended.
//!
//! Invariant: what can't be looked at changes nothing: a database that is away for a while is neither
//! sound nor weaker than it was.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::connections::{Connections, PoolError};
use super::error::{DbError, DbErrorKind, DbResult};
use super::gate::Findings;
use crate::statement::Catalog;

/// Errors that say that the database is another than was compiled for come in bursts. The next look
/// comes no sooner than this part of the usual interval after the last: ten seconds of five minutes.
const LEAST_PART: u32 = 30;

/// What is known of the database behind a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// When the database was last compared with the compiled catalog.
    pub verified_at: SystemTime,
    /// What has become weaker; scopes are refused while there is something. For the operator: it
    /// names roles and tables.
    pub findings: Option<Findings>,
}

impl Health {
    /// Whether scopes are opened.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.findings.is_none()
    }
}

/// The state that scopes look at, and the bell that asks for another look.
#[derive(Debug)]
pub(crate) struct Watch {
    health: RwLock<Health>,
    wake: Notify,
}

impl Watch {
    /// The gate has just let the pool pass.
    pub(super) fn new() -> Self {
        Self {
            health: RwLock::new(Health {
                verified_at: SystemTime::now(),
                findings: None,
            }),
            wake: Notify::new(),
        }
    }

    pub(super) fn health(&self) -> Health {
        let health = self.health.read().unwrap_or_else(PoisonError::into_inner);
        health.clone()
    }

    /// Whether a scope may begin.
    pub(super) fn admit(&self) -> DbResult<()> {
        let health = self.health.read().unwrap_or_else(PoisonError::into_inner);
        match &health.findings {
            None => Ok(()),
            Some(_) => Err(DbError::with_cause(
                DbErrorKind::Unavailable,
                "the database does not keep tenants apart as the proofs assume",
            )),
        }
    }

    /// A statement found the database to be another than it was compiled for: no such column,
    /// table or function, or a privilege that is gone.
    pub(super) fn suspect(&self, error: &sqlx::Error) {
        const CODES: [&str; 4] = ["42703", "42P01", "42883", "42501"];
        let code = error.as_database_error().and_then(|error| error.code());
        if code.is_some_and(|code| CODES.contains(&&*code)) {
            self.wake.notify_one();
        }
    }

    /// Takes over what a comparison found.
    pub(super) fn settle(&self, compared: &Result<(), PoolError>) {
        let findings = match compared {
            Ok(()) => None,
            Err(PoolError::Refused(findings)) => Some(findings.clone()),
            Err(error) => {
                tracing::warn!(target: "watertight::db", %error, "the database could not be verified");
                return;
            }
        };
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        match (&health.findings, &findings) {
            (_, Some(findings)) => {
                tracing::error!(target: "watertight::db", %findings, "scopes are refused");
            }
            (Some(_), None) => {
                tracing::info!(target: "watertight::db", "the database is sound again");
            }
            (None, None) => {}
        }
        *health = Health {
            verified_at: SystemTime::now(),
            findings,
        };
    }
}

/// Compares every so often, and soon after an error that hints at a change, until the pool is gone.
pub(super) async fn watch(
    connections: Weak<Connections>,
    catalog: Catalog,
    tenant_role: Option<Arc<str>>,
    every: Duration,
) {
    loop {
        let Some(watch) = connections.upgrade().map(|it| Arc::clone(it.watch())) else {
            return;
        };
        let least = Instant::now() + every / LEAST_PART;
        tokio::select! {
            () = sleep(every) => {}
            () = watch.wake.notified() => sleep_until(least).await,
        }
        let Some(connections) = connections.upgrade() else {
            return;
        };
        if connections.is_closed() {
            return;
        }
        let compared = connections.verify(&catalog, tenant_role.as_deref()).await;
        watch.settle(&compared);
    }
}
