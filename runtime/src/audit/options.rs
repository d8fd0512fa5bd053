//! How calls are audited: what is kept of arguments, under which key, and who waits for it.
//!
//! Invariant: plain settings. The defaults keep names of arguments and no values, and never make a
//! caller wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use watertight_audit::AuditKey;

use super::anchor::AuditAnchor;

/// How completion records are collected.
///
/// What a crash loses is what is in memory then: `delay` and the time of one batch while the database
/// keeps up, and at most `queue` and one `batch` while it does not, or is away. The effect of a
/// write is never among that.
#[derive(Clone, Copy, Debug)]
pub struct AuditLimits {
    /// The longest that a record waits for others (200 ms).
    pub delay: Duration,
    /// The most records that are written at a time (256).
    pub batch: usize,
    /// The most records that wait (8192). Those that find the queue full go to the log.
    pub queue: usize,
}

impl Default for AuditLimits {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(200),
            batch: 256,
            queue: 8192,
        }
    }
}

/// What a record keeps of a call's arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditArguments {
    /// Nothing.
    None,
    /// Their names.
    #[default]
    Names,
    /// Their names, and of each value its kind and size.
    Redacted,
    /// Names and values, as the client sent them. The trail then holds whatever users tell the
    /// model; it is as secret as the tables.
    Full,
}

/// How the calls of a pool's tools are audited. Given to
/// [`TenantPoolBuilder::audit`](crate::db::TenantPoolBuilder::audit).
///
/// ```no_run
/// use watertight::audit::{AuditArguments, AuditKey, AuditOptions, FileAnchor};
///
/// # fn example() -> Result<AuditOptions, Box<dyn std::error::Error>> {
/// let options = AuditOptions::new()
///     .key(AuditKey::from_base64(&std::env::var("AUDIT_KEY")?)?)
///     .anchor(FileAnchor::append("/var/lib/crm/audit-heads.jsonl")?)
///     .arguments(AuditArguments::Redacted);
/// # Ok(options)
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "nothing happens until a pool has them"]
pub struct AuditOptions {
    pub(crate) key: Option<AuditKey>,
    pub(crate) anchor: Option<Arc<dyn AuditAnchor>>,
    pub(crate) arguments: AuditArguments,
    pub(crate) strict: bool,
    pub(crate) limits: AuditLimits,
    pub(crate) publish_every: Option<Duration>,
}

impl AuditOptions {
    /// How often heads are published unless something else is said.
    pub(crate) const PUBLISH_EVERY: Duration = Duration::from_secs(60);

    /// Records in batches, names of arguments alone, no key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Links the records of each tenant by MACs under this key, so that `cargo watertight audit
    /// verify` finds what was changed, removed, inserted or reordered in the table. All instances
    /// of a server have the same key; the database never has it.
    ///
    /// To replace it, start the processes again with another one, some before others if need be. What
    /// they write are chains of their own, which name their key; `audit verify` is given both keys, the
    /// new one first and the other with the time at which its last process had ended.
    pub fn key(mut self, key: AuditKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Where the newest record of each chain is published, beside the log. Only what is kept out of
    /// the reach of whoever can write to the database shows that a trail's end was cut off.
    pub fn anchor(mut self, anchor: impl AuditAnchor) -> Self {
        self.anchor = Some(Arc::new(anchor));
        self
    }

    /// How often that happens (once a minute), beside the first record of a chain and an orderly end.
    /// What was written after the last time before a crash can be cut off unseen.
    pub fn publish_every(mut self, interval: Duration) -> Self {
        self.publish_every = Some(interval);
        self
    }

    /// What is kept of arguments (their names).
    pub fn arguments(mut self, arguments: AuditArguments) -> Self {
        self.arguments = arguments;
        self
    }

    /// A call is answered only after its record is stored; if that can't be done, the answer is
    /// that the service is unavailable, after ten seconds at most. Without, a call that only read is answered at once, and
    /// its record follows within [`AuditLimits::delay`].
    ///
    /// The record of a *write* commits with the write in either case, or the write does not commit.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// How records are collected.
    pub fn limits(mut self, limits: AuditLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl fmt::Debug for AuditOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditOptions")
            .field("key", &self.key)
            .field("anchor", &self.anchor.is_some())
            .field("arguments", &self.arguments)
            .field("strict", &self.strict)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
