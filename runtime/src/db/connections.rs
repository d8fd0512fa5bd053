//! The connections under a pool, and how one of them enters a transaction.
//!
//! Invariant: a connection leaves this module only inside a [`Guard`], and only after the begin
//! message's answer was seen.

use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use super::begin::{Auditing, Messages, Mode};
use super::error::{DbError, DbErrorKind, DbResult};
use super::gate::{self, Findings, Inspected, TenantKeys, Terms};
use super::guard::Guard;
use super::health::Watch;
use super::pooler::Pooler;
use super::scope::{Shared, Tx};
use super::slots::{Slot, Slots};
use crate::audit::{AuditOptions, Origin};
use crate::id::TenantId;
use crate::statement::Catalog;

/// How long closing a pool waits for open scopes: one that was leaked never ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a pool could not be opened. For the operator: it may name roles and tables, but neither
/// the URL nor its password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The URL or a configured name can't be used.
    #[error("the pool's configuration is invalid: {0}")]
    Configuration(String),
    /// The database can't be reached, or refuses the login.
    #[error("can't connect to the database: {0}")]
    Connect(#[source] sqlx::Error),
    /// The database does not keep tenants apart as the compiled proofs assume.
    #[error(transparent)]
    Refused(Findings),
}

#[derive(Clone)]
pub(super) struct Options {
    pub(super) max_connections: u32,
    pub(super) max_per_tenant: Option<u32>,
    pub(super) min_connections: u32,
    pub(super) acquire_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) idle_in_transaction_timeout: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) application_name: String,
    pub(super) audit: bool,
    pub(super) auditing: AuditOptions,
    pub(super) tenant_role: Option<String>,
    pub(super) verify_every: Option<Duration>,
    /// What is told of violated constraints, by name.
    pub(super) messages: Vec<(String, &'static str)>,
    pub(super) pooler: Pooler,
    pub(super) sound_server: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 16,
            max_per_tenant: None,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(30 * 60),
            application_name: "watertight".to_owned(),
            audit: true,
            auditing: AuditOptions::new(),
            tenant_role: None,
            verify_every: Some(Duration::from_secs(5 * 60)),
            messages: Vec::new(),
            pooler: Pooler::None,
            sound_server: false,
        }
    }
}

pub(super) struct Connections {
    pool: PgPool,
    /// One for each connection: waiting for one is being busy, failing to open one is being without
    /// a database. sqlx reports both as the same time-out.
    slots: Slots,
    acquire_timeout: Duration,
    runtime: Handle,
    shared: Arc<Shared>,
    pooler: Pooler,
}

impl Connections {
    pub(super) async fn open(
        url: &str,
        options: &Options,
        catalog: &Catalog,
    ) -> Result<Self, PoolError> {
        let configuration = |error: String| PoolError::Configuration(error);
        let mut connect = PgConnectOptions::from_str(url)
            .map_err(|error| configuration(error.to_string()))?
            .application_name(&options.application_name)
            // sqlx would log statements with their text, and slow ones at a level that is on.
            .disable_statement_logging();
        if options.pooler.mixes() {
            // PgBouncer refuses what it can't carry over; each scope sets it.
            connect = connect.extra_float_digits(None);
        }
        if !options.pooler.names_statements() {
            connect = connect.statement_cache_capacity(0);
        }
        let messages = Messages::new(
            catalog,
            options.statement_timeout,
            options.idle_in_transaction_timeout,
            options.audit.then(|| Auditing {
                key: options.auditing.key.clone(),
            }),
            options.tenant_role.as_deref(),
            options.pooler,
        )
        .map_err(|error| configuration(error.to_string()))?;
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .min_connections(options.min_connections)
            .acquire_timeout(options.acquire_timeout)
            .max_lifetime(options.max_lifetime)
            // A ping before each use costs a round trip; `begin` notices a dead connection.
            .test_before_acquire(false)
            .connect_with(connect)
            .await
            .map_err(|error| refused(error, options.pooler))?;
        Ok(Self {
            slots: Slots::new(
                options.max_connections,
                options.max_per_tenant.unwrap_or_else(|| {
                    // Three quarters: one flood leaves the others a quarter.
                    options.max_connections.saturating_mul(3).div_ceil(4)
                }),
            ),
            acquire_timeout: options.acquire_timeout,
            runtime: Handle::current(),
            shared: Arc::new(Shared {
                messages,
                catalog: catalog.id(),
                tenant_keys: RwLock::default(),
                watch: Arc::new(Watch::new()),
            }),
            pooler: options.pooler,
            pool,
        })
    }

    /// A connection of the pool outside any transaction.
    #[cfg(test)]
    pub(super) async fn inspect(
        &self,
    ) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, PoolError> {
        self.pool.acquire().await.map_err(PoolError::Connect)
    }

    /// A connection beside the pool's, with the same login, after testing what is in between.
    ///
    /// Scopes may hold every connection of the pool, and what a gate reads in a transaction would stay
    /// open on a pooled one if the future were dropped.
    pub(super) async fn aside(&self) -> Result<PgConnection, PoolError> {
        let options = self.pool.connect_options();
        let (connection, finding) = gate::check_pooler(&options, self.pooler)
            .await
            .map_err(|error| refused(error, self.pooler))?;
        Findings::into_result(finding.into_iter().collect()).map_err(PoolError::Refused)?;
        Ok(connection)
    }

    /// Compares the live database with the catalog, and takes over which conflicts may be told: a
    /// constraint may have been made anew under its name. The inner error is a message for a constraint
    /// that can't have one; then no conflict is told as one.
    pub(super) async fn verify(
        &self,
        catalog: &Catalog,
        terms: Terms<'_>,
    ) -> Result<Result<(), String>, PoolError> {
        let mut connection = self.aside().await?;
        let Inspected { findings, keys } = gate::inspect(&mut connection, catalog, terms)
            .await
            .map_err(PoolError::Connect)?;
        // Its answer does not matter: dropped, the connection is closed as well.
        let _ = connection.close().await;
        let (keys, told) = match keys {
            Ok(keys) => (keys, Ok(())),
            Err(told) => (TenantKeys::default(), Err(told)),
        };
        *self
            .shared
            .tenant_keys
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(keys);
        Findings::into_result(findings).map_err(PoolError::Refused)?;
        Ok(told)
    }

    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.shared.watch
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    pub(super) fn messages(&self) -> &Messages {
        &self.shared.messages
    }

    pub(super) fn size(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    pub(super) fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    pub(super) async fn close(&self) {
        self.slots.close();
        if timeout(CLOSE_TIMEOUT, self.pool.close()).await.is_err() {
            tracing::warn!(target: "watertight::db", "a scope is still open; its connection is left");
        }
    }

    /// Waits for a connection and begins a transaction on it with `text`.
    /// `tenant` is whose limit counts; system work has none.
    pub(super) async fn begin(
        &self,
        mode: Mode,
        tenant: Option<&TenantId>,
        text: String,
        origin: Origin,
    ) -> DbResult<Tx> {
        self.watch().admit(Some(&[]))?;
        let deadline = Instant::now() + self.acquire_timeout;
        let slot = self.slot(deadline, tenant).await?;
        let guard = self.send(deadline, &slot, Some(mode), &text).await?;
        Ok(Tx::new(guard, Arc::clone(&self.shared), origin, mode))
    }

    /// Runs a text that begins and ends its own transaction, in one message.
    ///
    /// It is sent again if the connection was lost, so running it twice must change nothing.
    pub(super) async fn run_whole(&self, text: String) -> DbResult<()> {
        let deadline = Instant::now() + self.acquire_timeout;
        let slot = self.slot(deadline, None).await?;
        self.send(deadline, &slot, None, &text).await.map(drop)
    }

    /// Whether the database answers within a time. Where every connection of the pool is in use, which
    /// says nothing of the database, one beside it asks.
    pub(super) async fn answers(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let asked = async {
            match self.slot(Instant::now() + within / 4, None).await {
                Ok(slot) => self.send(deadline, &slot, None, "SELECT 1").await.is_ok(),
                Err(error) if error.kind() == DbErrorKind::Busy => self.answers_aside().await,
                Err(_) => false,
            }
        };
        timeout_at(deadline, asked).await.unwrap_or(false)
    }

    async fn answers_aside(&self) -> bool {
        let asked = async {
            let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
            sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
            connection.close().await
        };
        match asked.await {
            Ok(()) => true,
            // "Too many connections" is an answer.
            Err(error) => error
                .as_database_error()
                .is_some_and(|it| it.code().as_deref() == Some("53300")),
        }
    }

    async fn slot(&self, deadline: Instant, tenant: Option<&TenantId>) -> DbResult<Arc<Slot>> {
        let tenant = tenant.map(TenantId::as_setting);
        match timeout_at(deadline, self.slots.acquire(tenant.as_deref())).await {
            Ok(Ok(slot)) => Ok(Arc::new(slot)),
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed.into()),
            Err(_) => Err(DbError::new(DbErrorKind::Busy)),
        }
    }

    /// Sends the first message of a connection's use: it begins a transaction of a mode, or is a
    /// whole one.
    ///
    /// An idle connection may have died since it was used last, as all do when the server
    /// restarts. Then the next one is tried and in the end a new one is opened.
    async fn send(
        &self,
        deadline: Instant,
        slot: &Arc<Slot>,
        begins: Option<Mode>,
        text: &str,
    ) -> DbResult<Guard> {
        let unavailable = || DbError::new(DbErrorKind::Unavailable);
        let mut attempts = self.pool.options().get_max_connections();
        loop {
            let connection = match timeout_at(deadline, self.pool.acquire()).await {
                Ok(Ok(connection)) => connection,
                // Whatever kept a connection from opening (a closed port, a proxy without a
                // server, a wrong password since yesterday), to the caller it is all the same.
                Ok(Err(error)) => {
                    let error = DbError::from(error);
                    return Err(match error.kind() {
                        DbErrorKind::Busy => error,
                        _ => error.of_kind(DbErrorKind::Unavailable),
                    });
                }
                Err(_) => return Err(unavailable()),
            };
            let mut guard = Guard::new(connection, self.runtime.clone(), Arc::clone(slot));
            // Without a limit, a server that stopped answering would hold the call for ever.
            let sent = async {
                match begins {
                    Some(mode) => guard.begin(mode, text.to_owned()).await,
                    None => guard.whole(text.to_owned()).await,
                }
            };
            match timeout_at(deadline, sent).await {
                Ok(Ok(())) => return Ok(guard),
                Ok(Err(error)) if attempts > 0 && DbError::lost_connection(&error) => attempts -= 1,
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(unavailable()),
            }
        }
    }
}

/// A pooler may refuse a connection in words of its own.
fn refused(error: sqlx::Error, pooler: Pooler) -> PoolError {
    match gate::refused_by_pooler(&error, pooler) {
        Some(finding) => PoolError::Refused(finding.into()),
        None => PoolError::Connect(error),
    }
}
