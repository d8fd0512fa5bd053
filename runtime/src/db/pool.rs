//! The pool of a tenant-bound application role.
//!
//! Invariant: the only way to a connection is [`TenantPool::begin`], which returns it inside a
//! transaction that is bound to one tenant, or not at all.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::begin::{Messages, Mode};
use super::error::{DbError, DbErrorKind, DbResult};
use super::guard::Guard;
use super::scope::{Scope, Shared, Tx, WriteScope};
use crate::audit::Origin;
use crate::id::TenantId;
use crate::session::Session;
use crate::statement::Catalog;

/// A pool of connections on which nothing runs but scopes: transactions bound to one tenant.
///
/// Opening it compares the live database with the compiled catalog and refuses roles and tables
/// that row-level security does not bind. Cloning is cheap and shares the pool.
#[derive(Clone)]
pub struct TenantPool {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    slots: Arc<Semaphore>,
    acquire_timeout: Duration,
    runtime: Handle,
    shared: Arc<Shared>,
    catalog: Catalog,
}

/// Settings of a [`TenantPool`]; every one has a default.
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct TenantPoolBuilder {
    url: String,
    options: Options,
}

#[derive(Clone)]
struct Options {
    max_connections: u32,
    min_connections: u32,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    idle_in_transaction_timeout: Duration,
    max_lifetime: Duration,
    application_name: String,
    audit: bool,
}

/// Why a pool could not be opened. For the operator: it may name roles and tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The URL or a configured name can't be used.
    #[error("the pool's configuration is invalid: {0}")]
    Configuration(String),
    /// The database can't be reached, or refuses the login.
    #[error("can't connect to the database: {0}")]
    Connect(#[source] sqlx::Error),
}

impl TenantPool {
    /// Starts a pool for the application role's URL, with settings other than the defaults.
    pub fn builder(url: impl Into<String>) -> TenantPoolBuilder {
        TenantPoolBuilder {
            url: url.into(),
            options: Options {
                max_connections: 16,
                min_connections: 0,
                acquire_timeout: Duration::from_secs(5),
                statement_timeout: Duration::from_secs(10),
                idle_in_transaction_timeout: Duration::from_secs(30),
                max_lifetime: Duration::from_secs(30 * 60),
                application_name: "watertight".to_owned(),
                audit: true,
            },
        }
    }

    /// Opens a pool with the default settings.
    ///
    /// `catalog` is `watertight::catalog!()`.
    ///
    /// # Errors
    /// If the database can't be reached, or is weaker than the catalog says.
    pub async fn connect(url: impl Into<String>, catalog: Catalog) -> Result<Self, PoolError> {
        Self::builder(url).connect(catalog).await
    }

    /// The catalog that the pool was opened with.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// Waits for the scopes that are open and closes every connection.
    pub async fn close(&self) {
        self.inner.slots.close();
        self.inner.pool.close().await;
    }

    /// Opens a read-only transaction bound to the session's tenant.
    ///
    /// In a tool use `cx.read()`, which also joins the scope to the call's audit record.
    ///
    /// # Errors
    /// [`DbErrorKind::Busy`] if no connection became free in time, [`DbErrorKind::Unavailable`]
    /// if the database can't be reached.
    pub async fn read(&self, session: &Session) -> DbResult<Scope<'_>> {
        self.read_as(session.tenant(), Origin::of_session(session))
            .await
    }

    /// Opens a transaction that may change data, bound to the session's tenant.
    ///
    /// # Errors
    /// As [`read`](TenantPool::read).
    pub async fn write(&self, session: &Session) -> DbResult<WriteScope<'_>> {
        self.write_as(session.tenant(), Origin::of_session(session))
            .await
    }

    pub(crate) async fn read_as<'a>(
        &'a self,
        tenant: &TenantId,
        origin: Origin,
    ) -> DbResult<Scope<'a>> {
        let tx = self.begin(Mode::Read, tenant, origin).await?;
        Ok(Scope::new(tx, tenant.clone()))
    }

    pub(crate) async fn write_as<'a>(
        &'a self,
        tenant: &TenantId,
        origin: Origin,
    ) -> DbResult<WriteScope<'a>> {
        let tx = self.begin(Mode::Write, tenant, origin).await?;
        Ok(WriteScope::new(tx, tenant.clone()))
    }

    async fn begin(&self, mode: Mode, tenant: &TenantId, origin: Origin) -> DbResult<Tx> {
        let inner = &*self.inner;
        if tenant.kind() != inner.catalog.settings.tenant_kind {
            return Err(DbError::with_cause(
                DbErrorKind::Internal,
                "the session's tenant is not of the kind that the catalog says",
            ));
        }
        let text = inner.shared.messages.begin(mode, tenant);
        inner.begin(mode, text, origin).await
    }
}

impl Inner {
    async fn begin(&self, mode: Mode, text: String, origin: Origin) -> DbResult<Tx> {
        let deadline = Instant::now() + self.acquire_timeout;
        let permit = match timeout_at(deadline, self.slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(sqlx::Error::PoolClosed.into()),
            Err(_) => return Err(DbError::new(DbErrorKind::Busy)),
        };
        let permit = Arc::new(permit);
        // An idle connection may have died since it was used last (a restarted server); nothing
        // was sent on it for this scope yet, so the next one is tried, and at last a new one.
        let mut attempts = self.pool.options().get_max_connections().saturating_add(1);
        loop {
            let connection = timeout_at(deadline, self.pool.acquire())
                .await
                .map_err(|_| DbError::new(DbErrorKind::Unavailable))??;
            let guard = Guard::new(connection, self.runtime.clone(), Arc::clone(&permit));
            let begin = Tx::begin(
                guard,
                Arc::clone(&self.shared),
                origin.clone(),
                mode,
                text.clone(),
            );
            // Without this a server that stopped answering would hold the call for ever.
            match timeout_at(deadline, begin).await {
                Err(_) => return Err(DbError::new(DbErrorKind::Unavailable)),
                Ok(Ok(tx)) => return Ok(tx),
                Ok(Err(error)) => {
                    attempts = attempts.saturating_sub(1);
                    if attempts == 0 || !DbError::lost_connection(&error) {
                        return Err(error.into());
                    }
                }
            }
        }
    }
}

impl TenantPoolBuilder {
    /// The most connections that are open at a time (16).
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.options.max_connections = connections.max(1);
        self
    }

    /// Connections that are kept open even when idle (0).
    pub fn min_connections(mut self, connections: u32) -> Self {
        self.options.min_connections = connections;
        self
    }

    /// How long to wait for a connection before a call is told that the server is busy (5 s).
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.options.acquire_timeout = timeout;
        self
    }

    /// How long one statement may run (10 s). The server enforces it, also for a call whose
    /// client is gone.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.options.statement_timeout = timeout;
        self
    }

    /// How long a scope may be idle between two statements (30 s). The server ends it afterwards.
    pub fn idle_in_transaction_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_in_transaction_timeout = timeout;
        self
    }

    /// How old a connection may grow before it is replaced (30 min).
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.max_lifetime = lifetime;
        self
    }

    /// What `pg_stat_activity` shows (`watertight`).
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.options.application_name = name.into();
        self
    }

    /// Writes no audit records with the changes of this pool's scopes.
    ///
    /// For databases that `watertight::migrate` did not prepare. Calls then leave their trail in
    /// the log only.
    pub fn without_audit(mut self) -> Self {
        self.options.audit = false;
        self
    }

    /// Opens the pool against the database that `catalog` (`watertight::catalog!()`) describes.
    ///
    /// # Errors
    /// If the URL is invalid, or the database can't be reached.
    pub async fn connect(self, catalog: Catalog) -> Result<TenantPool, PoolError> {
        let Self { url, options } = self;
        let connect = PgConnectOptions::from_str(&url)
            .map_err(|error| PoolError::Configuration(error.to_string()))?
            .application_name(&options.application_name)
            .disable_statement_logging();
        let messages = Messages::new(
            &catalog,
            options.statement_timeout,
            options.idle_in_transaction_timeout,
            options.audit,
        )
        .map_err(|error| PoolError::Configuration(error.to_string()))?;
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections)
            .min_connections(options.min_connections)
            .acquire_timeout(options.acquire_timeout)
            .max_lifetime(options.max_lifetime)
            // A ping before each use costs a round trip; `begin` notices a dead connection.
            .test_before_acquire(false)
            .connect_with(connect)
            .await
            .map_err(PoolError::Connect)?;
        Ok(TenantPool {
            inner: Arc::new(Inner {
                slots: Arc::new(Semaphore::new(options.max_connections as usize)),
                acquire_timeout: options.acquire_timeout,
                runtime: Handle::current(),
                shared: Arc::new(Shared {
                    messages,
                    catalog: catalog.id(),
                }),
                pool,
                catalog,
            }),
        })
    }
}

impl fmt::Debug for TenantPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPool")
            .field("size", &self.inner.pool.size())
            .field("idle", &self.inner.pool.num_idle())
            .finish_non_exhaustive()
    }
}

/// Without the URL, which holds a password.
impl fmt::Debug for TenantPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPoolBuilder").finish_non_exhaustive()
    }
}
