//! System work: what happens before there is a tenant, under a role of its own.
//!
//! Invariant: a tool can't reach it. A `SystemPool` is opened by the program with its own URL, and
//! nothing that a tool is given leads to one. It accepts only statements of `#[system_query]` that
//! name its role, and every scope leaves a record.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::begin::{Mode, push_text};
use super::connections::{Connections, Options, PoolError};
use super::error::{DbError, DbErrorKind, DbResult};
use super::gate::{self, Findings, Role};
use super::pooler::Pooler;
use super::scope::Tx;
use crate::audit::Origin;
use crate::error::Reference;
use crate::statement::Catalog;

/// The most records of system reads that wait to be written; more go to the log alone.
const QUEUE: usize = 1024;
const BATCH: usize = 64;

/// A pool for login, API keys, sign-up and maintenance: work that has no tenant yet.
///
/// Its role is not the application role and must not be a superuser; what it may touch is what it
/// is granted, and what the policies `TO` this role let it see. Cloning shares the connections.
#[derive(Clone)]
pub struct SystemPool {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Arc<Connections>,
    role: String,
    records: Option<mpsc::Sender<Message>>,
}

/// Settings of a [`SystemPool`]; every one has a default.
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct SystemPoolBuilder {
    url: String,
    options: Options,
}

/// One transaction of system work.
///
/// It accepts statements of `#[system_query]` only. Dropping it rolls back.
#[must_use = "a scope holds a connection of the pool until it is dropped"]
pub struct SystemScope<'a> {
    tx: Tx,
    trace: Trace,
    life: PhantomData<&'a ()>,
}

impl SystemPool {
    /// Starts a pool for the system role's URL, with settings other than the defaults.
    pub fn builder(url: impl Into<String>) -> SystemPoolBuilder {
        let options = Options {
            max_connections: 4,
            application_name: "watertight-system".to_owned(),
            ..Options::default()
        };
        SystemPoolBuilder {
            url: url.into(),
            options,
        }
    }

    /// Opens a pool with the default settings; `catalog` is `watertight::catalog!()`.
    ///
    /// # Errors
    /// As [`SystemPoolBuilder::connect`].
    pub async fn connect(url: impl Into<String>, catalog: Catalog) -> Result<Self, PoolError> {
        Self::builder(url).connect(catalog).await
    }

    /// The role that the pool logs in as, which the `role` of a `#[system_query]` must name.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.inner.role
    }

    /// Opens a read-only transaction.
    ///
    /// # Errors
    /// [`DbErrorKind::Busy`] if no connection became free in time, [`DbErrorKind::Unavailable`]
    /// if the database can't be reached.
    pub async fn read(&self) -> DbResult<SystemScope<'_>> {
        self.begin(Mode::Read).await
    }

    /// Opens a transaction that may change data; nothing is stored before
    /// [`commit`](SystemScope::commit).
    ///
    /// # Errors
    /// As [`read`](SystemPool::read).
    pub async fn write(&self) -> DbResult<SystemScope<'_>> {
        self.begin(Mode::Write).await
    }

    /// Writes the records that wait, refuses new scopes, waits for the open ones (ten seconds at
    /// most) and closes every connection.
    pub async fn close(&self) {
        if let Some(records) = &self.inner.records {
            let (done, written) = oneshot::channel();
            if records.send(Message::Flush(done)).await.is_ok() {
                // An error means that the task is gone, and with it the queue.
                let _ = written.await;
            }
        }
        self.inner.connections.close().await;
    }

    /// Leaves a record of work that is done under this pool's authority in other scopes.
    pub(crate) fn note(&self, names: &[&'static str]) {
        drop(Trace {
            pool: Arc::clone(&self.inner),
            reference: Reference::random(),
            statements: names.to_vec(),
            kind: "read",
        });
    }

    async fn begin(&self, mode: Mode) -> DbResult<SystemScope<'_>> {
        let inner = &*self.inner;
        let origin = Origin::new(Reference::random());
        let reference = origin.reference();
        let text = inner.connections.messages().begin_system(mode);
        let tx = inner.connections.begin(mode, None, text, origin).await?;
        let trace = Trace {
            pool: Arc::clone(&self.inner),
            reference,
            statements: Vec::new(),
            kind: if mode == Mode::Read {
                "read"
            } else {
                "rollback"
            },
        };
        Ok(SystemScope {
            tx,
            trace,
            life: PhantomData,
        })
    }
}

impl SystemScope<'_> {
    /// The transaction, for one statement that names `role`; its record will list `name`.
    pub(crate) fn admit(&mut self, role: &str, name: &'static str) -> DbResult<&mut Tx> {
        if role != self.trace.pool.role {
            return Err(DbError::with_cause(
                DbErrorKind::Denied,
                "a system statement names another role than its pool logs in as",
            ));
        }
        self.trace.statements.push(name);
        Ok(&mut self.tx)
    }

    /// Stores the changes together with their audit record.
    ///
    /// # Errors
    /// As [`WriteScope::commit`](crate::WriteScope::commit); a scope of
    /// [`SystemPool::read`] can't commit.
    pub async fn commit(self) -> DbResult<()> {
        let Self { tx, mut trace, .. } = self;
        tx.ready_to_commit(tx.id())?;
        let origin = Origin::new(trace.reference).tool(&trace.names());
        let end = tx.shared().messages.commit_system(&origin);
        // From here on the effect's own record tells what happened, unless nothing was stored.
        trace.kind = "effect";
        let answer = tx.commit(end).await;
        if answer
            .as_ref()
            .is_err_and(|e| e.kind() != DbErrorKind::CommitUnknown)
        {
            trace.kind = "rollback";
        }
        answer
    }
}

impl fmt::Debug for SystemScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemScope")
            .field("role", &self.trace.pool.role)
            .finish_non_exhaustive()
    }
}

/// Leaves the record of a scope when it ends, however it ends.
struct Trace {
    pool: Arc<Inner>,
    reference: Reference,
    statements: Vec<&'static str>,
    kind: &'static str,
}

enum Message {
    Record(Record),
    Flush(oneshot::Sender<()>),
}

struct Record {
    kind: &'static str,
    reference: Reference,
    statements: String,
}

impl Trace {
    fn names(&self) -> String {
        self.statements.join(", ")
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let (kind, reference, statements) = (self.kind, self.reference, self.names());
        tracing::info!(
            target: "watertight::audit",
            %reference, role = self.pool.role, kind, statements, "system work"
        );
        // An effect was recorded by its own transaction.
        if kind == "effect" {
            return;
        }
        let Some(records) = &self.pool.records else {
            return;
        };
        let record = Record {
            kind,
            reference,
            statements,
        };
        if records.try_send(Message::Record(record)).is_err() {
            tracing::warn!(target: "watertight::audit", %reference, "the queue is full: log only");
        }
    }
}

async fn write_records(connections: Arc<Connections>, mut queue: mpsc::Receiver<Message>) {
    let mut messages = Vec::new();
    while queue.recv_many(&mut messages, BATCH).await > 0 {
        let (mut values, mut flushes) = (String::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Record(record) => {
                    let comma = if values.is_empty() { "" } else { ", " };
                    values.push_str(&format!(
                        "{comma}('{}', '{}', ",
                        record.kind, record.reference
                    ));
                    push_text(&mut values, &record.statements);
                    values.push(')');
                }
                Message::Flush(done) => flushes.push(done),
            }
        }
        if !values.is_empty() {
            insert_records(&connections, &values).await;
        }
        for done in flushes {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

async fn insert_records(connections: &Connections, values: &str) {
    let begin = connections.messages().begin_system(Mode::Write);
    let insert = "INSERT INTO watertight.system_audit (kind, reference, tool) VALUES";
    if let Err(error) = connections
        .run_whole(format!("{begin}; {insert} {values}; COMMIT"))
        .await
    {
        tracing::warn!(
            target: "watertight::audit",
            cause = error.told(),
            "system reads are in the log only"
        );
    }
}

impl SystemPoolBuilder {
    /// The most connections that are open at a time (4).
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.options.max_connections = connections.max(1);
        self
    }

    /// How long to wait for a connection (5 s).
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.options.acquire_timeout = timeout;
        self
    }

    /// How long one statement may run (10 s).
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.options.statement_timeout = timeout;
        self
    }

    /// What stands between this pool and PostgreSQL ([`Pooler::None`]); tested when the pool opens.
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.options.pooler = pooler;
        self
    }

    /// Writes no audit records into the database; the log has them still.
    ///
    /// For databases that [`migrate`](crate::migrate) did not prepare.
    pub fn without_audit(mut self) -> Self {
        self.options.audit = false;
        self
    }

    /// Opens the pool on the database that `catalog` (`watertight::catalog!()`) describes.
    ///
    /// # Errors
    /// [`PoolError::Connect`] if the database can't be reached, [`PoolError::Refused`] if the role
    /// is a superuser, is the application role, or can't write its audit records.
    pub async fn connect(self, catalog: Catalog) -> Result<SystemPool, PoolError> {
        let connections = Arc::new(Connections::open(&self.url, &self.options, &catalog).await?);
        let mut connection = connections.aside().await?;
        let (role, findings) = gate::inspect_system(&mut connection, &catalog, self.options.audit)
            .await
            .map_err(PoolError::Connect)?;
        drop(connection);
        Findings::into_result(findings).map_err(PoolError::Refused)?;
        let Role { name: role, .. } = role;
        let records = self.options.audit.then(|| {
            let (sender, queue) = mpsc::channel(QUEUE);
            tokio::spawn(write_records(Arc::clone(&connections), queue));
            sender
        });
        Ok(SystemPool {
            inner: Arc::new(Inner {
                connections,
                role,
                records,
            }),
        })
    }
}

impl fmt::Debug for SystemPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemPool")
            .field("role", &self.inner.role)
            .finish_non_exhaustive()
    }
}

/// Without the URL, which holds a password.
impl fmt::Debug for SystemPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemPoolBuilder").finish_non_exhaustive()
    }
}
