//! Where tickets are opened.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::context::BackgroundContext;
use super::run::run;
use super::ticket::{self, Ticket};
use crate::auth::ScopeRules;
use crate::db::TenantPool;
use crate::error::{Reference, ToolError, ToolResult};
use crate::sealed::{Sealer, SealingKey};
use crate::server::ServerState;

/// A run that takes longer is given up.
const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Opens tickets and runs their work. Cheap to clone.
///
/// A worker program makes one with the server's key; within the server's own process,
/// [`Guard::background`](crate::Guard::background) gives one.
///
/// ```
/// # use watertight::{Background, JobError, SealingKey, TenantPool, Ticket};
/// # #[derive(serde::Deserialize)] struct Export { year: i32 }
/// # async fn next() -> String { String::new() }
/// # async fn example(pool: TenantPool, key: SealingKey) {
/// let background = Background::builder(pool).sealing_key(key).build();
/// loop {
///     let ticket = Ticket::new(next().await);
///     let done = background.run("exports", &ticket, |cx, export: Export| async move {
///         let mut db = cx.read().await?;
///         // … the caller's tenant, and nothing else
///         # let _ = (export.year, &mut db);
///         Ok(())
///     });
///     match done.await {
///         Ok(()) => {}                          // done
///         Err(JobError::Ticket) => {}           // drop it: it will never open
///         Err(JobError::Failed(_error)) => {}   // put it back
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Background {
    state: Arc<ServerState>,
    time_limit: Duration,
}

/// Settings of a [`Background`].
#[must_use = "nothing happens until `build`"]
pub struct BackgroundBuilder {
    pool: TenantPool,
    keys: Vec<SealingKey>,
    prefix_key: Option<SealingKey>,
    time_limit: Duration,
}

/// Why a piece of work was not done: drop it, or try again.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It never will be: the ticket has expired, was changed, was sealed with a key that this worker
    /// does not have, is for another purpose, or carries work of another form.
    #[error("not a ticket for this work, or not any more")]
    Ticket,
    /// The work failed, panicked or took too long. The cause is in the log.
    #[error(transparent)]
    Failed(ToolError),
}

impl Background {
    /// Starts with the pool of the application role.
    pub fn builder(pool: TenantPool) -> BackgroundBuilder {
        BackgroundBuilder {
            pool,
            keys: Vec::new(),
            prefix_key: None,
            time_limit: TIME_LIMIT,
        }
    }

    pub(crate) fn of_server(state: &Arc<ServerState>) -> Self {
        Self {
            state: Arc::clone(state),
            time_limit: TIME_LIMIT,
        }
    }

    /// Opens a ticket that [`ToolContext::ticket`](crate::ToolContext::ticket) made for this purpose,
    /// and runs its work on behalf of that caller. The run has a record in the tenant's trail, called
    /// `background:` and the purpose.
    ///
    /// A ticket can be opened more than once, because most queues deliver more than once: let the work
    /// bear repetition.
    ///
    /// # Errors
    /// [`JobError::Ticket`] if it is none for this purpose, or not any more; [`JobError::Failed`]
    /// with the work's own error, or if it panicked or took longer than the limit.
    pub async fn run<J: DeserializeOwned, T, W: Future<Output = ToolResult<T>>>(
        &self,
        purpose: &'static str,
        ticket: &Ticket,
        work: impl FnOnce(BackgroundContext, J) -> W,
    ) -> Result<T, JobError> {
        let name = format!("background:{purpose}");
        let reference = Reference::random();
        let Some((session, job)) = ticket::open(self.state.sealer(), purpose, ticket) else {
            self.state
                .audit()
                .refused(reference, "a ticket did not open");
            return Err(JobError::Ticket);
        };
        let work = |context| work(context, job);
        run(
            &self.state,
            &session,
            &name,
            reference,
            self.time_limit,
            work,
        )
        .await
        .map_err(JobError::Failed)
    }

    /// Waits until the records of what has run so far are written. Call it before the program ends.
    pub async fn flush(&self) {
        self.state.audit().flush().await;
    }
}

impl BackgroundBuilder {
    /// A key of the server that makes the tickets, as in
    /// [`ServerBuilder::sealing_key`](crate::ServerBuilder::sealing_key). Any of them opens.
    pub fn sealing_key(mut self, key: SealingKey) -> Self {
        self.keys.push(key);
        self
    }

    /// The server's key for [`scope_key`](BackgroundContext::scope_key), as in
    /// [`ServerBuilder::scope_key`](crate::ServerBuilder::scope_key).
    pub fn scope_key(mut self, key: SealingKey) -> Self {
        self.prefix_key = Some(key);
        self
    }

    /// How long one run may take (15 min).
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The worker.
    #[must_use]
    pub fn build(self) -> Background {
        let state = ServerState::new(Some(self.pool), ScopeRules::default())
            .sealed_with(Sealer::new(&self.keys))
            .prefixed_with(self.prefix_key);
        Background {
            state: Arc::new(state),
            time_limit: self.time_limit,
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Background")
    }
}

impl fmt::Debug for BackgroundBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackgroundBuilder")
    }
}
