//! The pool of the application role.
//!
//! Invariant: the only way to a connection is a scope, which is bound to one tenant.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::begin::Mode;
use super::connections::{Connections, Options, PoolError};
use super::error::{DbError, DbErrorKind, DbResult};
use super::health::{self, Health};
use super::pooler::Pooler;
use super::scope::{Scope, Tx, WriteScope};
use crate::audit::{AuditOptions, AuditRecord, ByHand, HandWriter, Origin};
use crate::id::TenantId;
use crate::session::Session;
use crate::statement::Catalog;

/// A pool of connections on which nothing runs but scopes: transactions bound to one tenant.
///
/// Opening it compares the live database with the compiled catalog, and refuses a role or a table
/// that row-level security does not bind. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct TenantPool {
    connections: Arc<Connections>,
    catalog: Catalog,
    auditing: AuditOptions,
    terms: health::OwnTerms,
    by_hand: Arc<ByHand>,
}

/// Settings of a [`TenantPool`]; every one has a default.
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct TenantPoolBuilder {
    url: String,
    options: Options,
}

impl TenantPool {
    /// Starts a pool for the application role's URL, with settings other than the defaults.
    pub fn builder(url: impl Into<String>) -> TenantPoolBuilder {
        TenantPoolBuilder {
            url: url.into(),
            options: Options::default(),
        }
    }

    /// Opens a pool with the default settings; `catalog` is `watertight::catalog!()`.
    ///
    /// # Errors
    /// If the database can't be reached, or is weaker than the catalog says.
    pub async fn connect(url: impl Into<String>, catalog: Catalog) -> Result<Self, PoolError> {
        Self::builder(url).connect(catalog).await
    }

    /// The catalog that the pool was opened with.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
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
    /// In a tool use `cx.write()`. A write outside of a call leaves a completion of its own in the
    /// audit trail: by the writer of the server on this pool, or one of the pool's, which
    /// [`close`](TenantPool::close) waits for.
    ///
    /// # Errors
    /// As [`read`](TenantPool::read).
    pub async fn write(&self, session: &Session) -> DbResult<WriteScope<'_>> {
        let mut origin = Origin::of_session(session);
        if self.audits() {
            let record = AuditRecord::of_session(session, origin.reference(), "");
            origin = origin.recorded_by(HandWriter::new(self.by_hand.writer(self), record));
        }
        self.write_as(session.tenant(), origin).await
    }

    /// Compares the live database with the catalog again. While it is weaker, the statements over the
    /// relations concerned are refused; every scope, if the loss is not a relation's.
    ///
    /// A pool does so by itself every few minutes, and soon after an error that hints at a change.
    ///
    /// # Errors
    /// [`PoolError::Refused`] with everything that has become weaker.
    pub async fn verify(&self) -> Result<(), PoolError> {
        self.compare().await.map(drop)
    }

    async fn compare(&self) -> Result<Result<(), String>, PoolError> {
        let compared = self
            .connections
            .verify(&self.catalog, self.terms.borrowed())
            .await;
        self.connections.watch().settle(compared.as_ref().err());
        compared
    }

    /// When the database was last compared with the catalog, and what has become weaker since the
    /// pool was opened.
    #[must_use]
    pub fn health(&self) -> Health {
        self.connections.watch().health()
    }

    /// Whether the database answers within a time, also where every connection is in use.
    pub(crate) async fn answers(&self, within: Duration) -> bool {
        self.connections.answers(within).await
    }

    /// Refuses new scopes, waits for the open ones (ten seconds at most) and closes every
    /// connection. A server flushes its audit trail before.
    pub async fn close(&self) {
        self.by_hand.flush().await;
        self.connections.close().await;
    }

    /// Who records what is written by hand.
    pub(crate) const fn by_hand(&self) -> &Arc<ByHand> {
        &self.by_hand
    }

    /// The same connections for the task that records, which does not keep itself alive.
    pub(crate) fn for_records(&self) -> Self {
        Self {
            by_hand: Arc::default(),
            ..self.clone()
        }
    }

    /// The most connections that are open at a time.
    pub(crate) fn most_connections(&self) -> u32 {
        self.connections.most()
    }

    /// How calls are audited.
    pub(crate) const fn auditing(&self) -> &AuditOptions {
        &self.auditing
    }

    /// Whether the database keeps the audit trail.
    pub(crate) fn audits(&self) -> bool {
        self.connections.messages().audits()
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

    #[cfg(test)]
    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Runs our own statements as `tenant`, the whole transaction in one message.
    ///
    /// `sql` must be built from checked names and hexadecimal digits only.
    pub(crate) async fn run_as(&self, tenant: &TenantId, sql: &str) -> DbResult<()> {
        self.check_kind(tenant)?;
        let begin = self.connections.messages().begin(Mode::Write, tenant);
        self.connections
            .run_whole(format!("{begin}; {sql}; COMMIT"))
            .await
    }

    async fn begin(&self, mode: Mode, tenant: &TenantId, origin: Origin) -> DbResult<Tx> {
        self.check_kind(tenant)?;
        let life = origin.life();
        life.check()?;
        let mut text = self.connections.messages().begin(mode, tenant);
        if let Some(left) = life.left() {
            self.connections.messages().push_end(&mut text, left);
        }
        self.connections
            .begin(mode, Some(tenant), text, origin)
            .await
    }

    fn check_kind(&self, tenant: &TenantId) -> DbResult<()> {
        if tenant.kind() == self.catalog.settings.tenant_kind {
            return Ok(());
        }
        Err(DbError::with_cause(
            DbErrorKind::Internal,
            "the session's tenant is not of the kind that the catalog says",
        ))
    }
}

impl TenantPoolBuilder {
    /// The most connections that are open at a time (16).
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.options.max_connections = connections.max(1);
        self
    }

    /// The most connections that the scopes of one tenant hold at a time (three quarters of all). What
    /// is beyond waits for that tenant's own scopes, so that one with many calls doesn't starve the
    /// others.
    pub fn max_connections_per_tenant(mut self, connections: u32) -> Self {
        self.options.max_per_tenant = Some(connections.max(1));
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

    /// The role that every scope takes on (`SET LOCAL ROLE`, in the message that begins it), while the
    /// login role has no privileges on the tables itself.
    ///
    /// A backstop below this crate: whatever else connects with the same URL reads nothing.
    ///
    /// ```sql
    /// CREATE ROLE tenant NOLOGIN;
    /// GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO tenant;
    /// ALTER ROLE app NOINHERIT;
    /// GRANT tenant TO app;
    /// ```
    ///
    /// Policies and the configuration's `application-role` name this role then.
    pub fn tenant_role(mut self, role: impl Into<String>) -> Self {
        self.options.tenant_role = Some(role.into());
        self
    }

    /// How often the live database is compared with the catalog while the pool is open (5 min), or
    /// `None` for never. When it has become weaker, what rests on the loss is refused until it is mended:
    /// the statements over a relation, or every scope.
    pub fn verify_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.options.verify_every = interval.into();
        self
    }

    /// What a client is told when this constraint or unique index is violated: `"that e-mail is
    /// taken"`. Without one, a conflict says that it contradicts existing data, and nothing more.
    ///
    /// The text is fixed at compile time, so that no value gets into it. A unique, exclusion or
    /// foreign-key constraint without the tenant column can have none: to tell a conflict on it would
    /// tell that another tenant's row exists. [`connect`](TenantPoolBuilder::connect) refuses that,
    /// and a name that the database does not have.
    ///
    /// ```no_run
    /// # async fn example(catalog: watertight::Catalog) -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = watertight::TenantPool::builder("postgres://…")
    ///     .constraint_message("customers_tenant_id_email_key", "that e-mail is taken")
    ///     .constraint_message("customers_plan_check", "there is no such plan")
    ///     .connect(catalog)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn constraint_message(mut self, name: impl Into<String>, text: &'static str) -> Self {
        self.options.messages.push((name.into(), text));
        self
    }

    /// How calls are audited: the key that links the records, what is kept of arguments, whether
    /// callers wait.
    pub fn audit(mut self, options: AuditOptions) -> Self {
        self.options.audit = true;
        self.options.auditing = options;
        self
    }

    /// What stands between this pool and PostgreSQL ([`Pooler::None`]). It is tested when the pool opens,
    /// and each time the database is compared; a pooler that was not named here refuses.
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.options.pooler = pooler;
        self
    }

    /// Refuses a server of a minor version with known faults in row-level security (before 14.25, 15.20,
    /// 16.16, 17.12 and 18.6), which is warned of otherwise.
    pub fn require_sound_server(mut self, require: bool) -> Self {
        self.options.sound_server = require;
        self
    }

    /// Writes no audit records together with the changes of this pool's scopes.
    ///
    /// For databases that [`migrate`](crate::migrate) did not prepare.
    pub fn without_audit(mut self) -> Self {
        self.options.audit = false;
        self
    }

    /// Opens the pool on the database that `catalog` (`watertight::catalog!()`) describes.
    ///
    /// # Errors
    /// [`PoolError::Connect`] if the database can't be reached, [`PoolError::Refused`] with all
    /// findings if the role is not bound by row-level security, or a table, a policy or a
    /// migration that the compiled proofs rely on is missing or weaker than they assume.
    pub async fn connect(self, catalog: Catalog) -> Result<TenantPool, PoolError> {
        let connections = Connections::open(&self.url, &self.options, &catalog).await?;
        let pool = TenantPool {
            connections: Arc::new(connections),
            catalog,
            auditing: self.options.auditing,
            by_hand: Arc::default(),
            terms: health::OwnTerms {
                audit: self.options.audit,
                tenant_role: self.options.tenant_role.as_deref().map(Arc::from),
                sound_server: self.options.sound_server,
                messages: self.options.messages.into(),
            },
        };
        let messages = pool.compare().await?;
        messages.map_err(PoolError::Configuration)?;
        if let Some(every) = self.options.verify_every {
            tokio::spawn(health::watch(
                Arc::downgrade(&pool.connections),
                catalog,
                pool.terms.clone(),
                every,
            ));
        }
        Ok(pool)
    }
}

impl fmt::Debug for TenantPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, idle) = self.connections.size();
        f.debug_struct("TenantPool")
            .field("size", &size)
            .field("idle", &idle)
            .finish_non_exhaustive()
    }
}

/// Without the URL, which holds a password.
impl fmt::Debug for TenantPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPoolBuilder").finish_non_exhaustive()
    }
}
