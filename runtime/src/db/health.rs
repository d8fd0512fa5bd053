//! The gate after the pool has opened: the live database is compared again and again. From the moment
//! that it is weaker than the proofs assume until it is mended, the statements that rest on what was
//! lost are refused; and all of them where the loss is not one relation's.
//!
//! Invariant: what can't be looked at changes nothing: a database that is away for a while is neither
//! sound nor weaker than it was.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::connections::{Connections, PoolError};
use super::error::{DbError, DbErrorKind, DbResult};
use super::gate::{Findings, Terms};
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
    /// What has become weaker. What rests on it is refused: statements over the relation that a finding
    /// names, every scope where it names none. For the operator: it names roles and tables.
    pub findings: Option<Findings>,
}

impl Health {
    /// Whether nothing has become weaker.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.findings.is_none()
    }

    /// Whether scopes are opened: what was lost, if anything, concerns single relations.
    #[must_use]
    pub fn opens_scopes(&self) -> bool {
        let mut findings = self.findings.iter().flat_map(Findings::as_slice);
        findings.all(|finding| finding.relation().is_some())
    }
}

#[derive(Debug)]
struct Known {
    health: Health,
    refused: Refused,
}

/// What is not to run.
#[derive(Debug, Default)]
struct Refused {
    everything: bool,
    relations: HashSet<String>,
}

impl Refused {
    fn new(health: &Health) -> Self {
        let findings = health.findings.iter().flat_map(Findings::as_slice);
        Self {
            everything: !health.opens_scopes(),
            relations: findings
                .filter_map(|finding| finding.relation().map(str::to_owned))
                .collect(),
        }
    }

    /// `relations` is what a statement rests on; without a list, on everything.
    fn concerns(&self, relations: Option<&[&str]>) -> bool {
        self.everything
            || match relations {
                None => !self.relations.is_empty(),
                Some(relations) => relations.iter().any(|it| self.relations.contains(*it)),
            }
    }
}

/// The state that scopes look at, and the bell that asks for another look.
#[derive(Debug)]
pub(crate) struct Watch {
    known: RwLock<Known>,
    wake: Notify,
}

impl Watch {
    /// The gate has just let the pool pass.
    pub(super) fn new() -> Self {
        Self {
            known: RwLock::new(Known {
                health: Health {
                    verified_at: SystemTime::now(),
                    findings: None,
                },
                refused: Refused::default(),
            }),
            wake: Notify::new(),
        }
    }

    pub(super) fn health(&self) -> Health {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.health.clone()
    }

    /// Whether what rests on these relations may go on, or on everything; a scope that begins rests on
    /// none yet.
    pub(super) fn admit(&self, relations: Option<&[&str]>) -> DbResult<()> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if !known.refused.concerns(relations) {
            return Ok(());
        }
        Err(DbError::with_cause(
            DbErrorKind::Unavailable,
            "the database does not keep tenants apart as the proofs assume",
        ))
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
    pub(super) fn settle(&self, error: Option<&PoolError>) {
        let findings = match error {
            None => None,
            Some(PoolError::Refused(findings)) => Some(findings.clone()),
            Some(error) => {
                tracing::warn!(target: "watertight::db", %error, "the database could not be verified");
                return;
            }
        };
        let health = Health {
            verified_at: SystemTime::now(),
            findings,
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match (&known.health.findings, &health.findings) {
            (_, Some(findings)) => {
                let what = if health.opens_scopes() {
                    "the statements over the tables concerned are refused"
                } else {
                    "scopes are refused"
                };
                tracing::error!(target: "watertight::db", %findings, "{what}");
            }
            (Some(_), None) => {
                tracing::info!(target: "watertight::db", "the database is sound again");
            }
            (None, None) => {}
        }
        *known = Known {
            refused: Refused::new(&health),
            health,
        };
    }
}

/// [`Terms`] for as long as the pool is there.
#[derive(Clone, Debug)]
pub(super) struct OwnTerms {
    pub(super) audit: bool,
    pub(super) tenant_role: Option<Arc<str>>,
    pub(super) sound_server: bool,
    pub(super) messages: Arc<[(String, &'static str)]>,
}

impl OwnTerms {
    pub(super) fn borrowed(&self) -> Terms<'_> {
        Terms {
            audit: self.audit,
            tenant_role: self.tenant_role.as_deref(),
            sound_server: self.sound_server,
            messages: &self.messages,
        }
    }
}

/// Compares every so often, and soon after an error that hints at a change, until the pool is gone.
pub(super) async fn watch(
    connections: Weak<Connections>,
    catalog: Catalog,
    terms: OwnTerms,
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
        let compared = connections.verify(&catalog, terms.borrowed()).await;
        watch.settle(compared.err().as_ref());
    }
}
