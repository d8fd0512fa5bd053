//! A job over all tenants: each in its own context, some at a time, and none in the way of another.
//!
//! Invariant: it takes the holder of a system pool to make one, whom no tool is; and each run sees
//! the one tenant that it is for.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;

use super::context::BackgroundContext;
use super::run::run;
use crate::auth::ScopeRules;
use crate::db::{SystemPool, TenantPool};
use crate::error::{Reference, ToolError, ToolErrorKind, ToolResult};
use crate::id::TenantId;
use crate::sealed::SealingKey;
use crate::server::ServerState;
use crate::session::{Grant, Session};

/// A job that runs for each tenant of a list, such as a nightly one.
///
/// The list comes from a `#[system_query]`; the work runs on the application role's pool, so it is
/// bound by row-level security like a tool. Its records are in each tenant's own trail: issuer
/// `system:` and the system pool's role, subject the job's name.
///
/// ```
/// # use watertight::{DbResult, SystemPool, SystemScope, TenantPool, TenantId, background::Maintenance};
/// # async fn organisations(_: &mut SystemScope<'_>) -> DbResult<Vec<i64>> { Ok(Vec::new()) }
/// # async fn example(system: SystemPool, pool: TenantPool) -> DbResult<()> {
/// let tenants = organisations(&mut system.read().await?).await?;
/// let report = Maintenance::new("expire-trials", &system, pool)
///     .at_a_time(8)
///     .for_each_tenant(tenants.into_iter().map(TenantId::bigint), |cx| async move {
///         let db = cx.write().await?;
///         // … this tenant's rows
///         Ok(db.commit().await?)
///     })
///     .await;
/// if !report.failed().is_empty() {
///     eprintln!("{report}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens until `for_each_tenant`"]
pub struct Maintenance {
    job: &'static str,
    system: SystemPool,
    pool: TenantPool,
    prefix_key: Option<SealingKey>,
    at_a_time: usize,
    time_limit: Duration,
}

/// How a [`Maintenance`] went. `Display` tells the numbers, and no tenant.
#[derive(Debug)]
#[must_use = "it says for which tenants the job failed"]
pub struct MaintenanceReport {
    job: &'static str,
    done: usize,
    failed: Vec<FailedTenant>,
}

/// A tenant for which a job failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedTenant {
    /// Which.
    pub tenant: TenantId,
    /// The run's name in the log, where the cause is, and in the tenant's trail.
    pub reference: Reference,
    /// The error.
    pub error: ToolError,
}

impl Maintenance {
    /// A job of this name.
    pub fn new(job: &'static str, system: &SystemPool, pool: TenantPool) -> Self {
        Self {
            job,
            system: system.clone(),
            pool,
            prefix_key: None,
            at_a_time: 4,
            time_limit: Duration::from_secs(10 * 60),
        }
    }

    /// For how many tenants it runs at a time (4). Fewer than the pool has connections leave some to
    /// the tools.
    pub fn at_a_time(mut self, tenants: usize) -> Self {
        self.at_a_time = tenants.max(1);
        self
    }

    /// How long it may take for one tenant (10 min).
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The server's key for [`scope_key`](BackgroundContext::scope_key).
    pub fn scope_key(mut self, key: SealingKey) -> Self {
        self.prefix_key = Some(key);
        self
    }

    /// Runs `work` for each of these tenants. A failure, a panic or a time-out for one of them does not
    /// stop the others; the report has it.
    pub async fn for_each_tenant<W: Future<Output = ToolResult<()>>>(
        self,
        tenants: impl IntoIterator<Item = TenantId>,
        work: impl Fn(BackgroundContext) -> W,
    ) -> MaintenanceReport {
        let state = ServerState::new(Some(self.pool), ScopeRules::default());
        let state = Arc::new(state.prefixed_with(self.prefix_key));
        let issuer = format!("system:{}", self.system.role());
        let name = format!("maintenance:{}", self.job);
        let report = Mutex::new(MaintenanceReport {
            job: self.job,
            done: 0,
            failed: Vec::new(),
        });
        self.system.note(&["for_each_tenant", self.job]);
        futures_util::stream::iter(tenants)
            .for_each_concurrent(self.at_a_time, |tenant| {
                let (state, issuer, name, report, work) = (&state, &issuer, &name, &report, &work);
                let (job, limit) = (self.job, self.time_limit);
                async move {
                    let session = Session::from_grant(Grant {
                        issuer: issuer.clone(),
                        subject: job.to_owned(),
                        tenant: tenant.clone(),
                        home: None,
                        scopes: Vec::new(),
                        client: None,
                        expires_at: None,
                    });
                    let reference = Reference::random();
                    let ended = run(state, &session, name, reference, limit, work).await;
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    match ended {
                        Ok(()) => report.done += 1,
                        Err(error) => report.failed.push(FailedTenant {
                            tenant,
                            reference,
                            error,
                        }),
                    }
                }
            })
            .await;
        state.audit().flush().await;
        let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        tracing::info!(target: "watertight::audit", %report, "maintenance");
        report
    }
}

impl MaintenanceReport {
    /// For how many tenants it succeeded.
    #[must_use]
    pub const fn done(&self) -> usize {
        self.done
    }

    /// Those for which it did not.
    #[must_use]
    pub fn failed(&self) -> &[FailedTenant] {
        &self.failed
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_failed(self) -> Vec<FailedTenant> {
        self.failed
    }
}

impl fmt::Display for MaintenanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed.len();
        write!(f, "{}: done for {} tenants", self.job, self.done)?;
        if failed == 0 {
            return Ok(());
        }
        write!(f, ", failed for {failed}")?;
        let kinds: std::collections::BTreeMap<&str, usize> =
            self.failed
                .iter()
                .fold(Default::default(), |mut kinds, failed| {
                    let kind = ToolErrorKind::as_str(failed.error.kind());
                    *kinds.entry(kind).or_default() += 1;
                    kinds
                });
        let kinds: Vec<_> = kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        write!(f, " ({})", kinds.join(", "))
    }
}

impl fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintenance")
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}
