//! Who records the writes of scopes that were opened by hand, outside of a call.
//!
//! Invariant: a write by hand leaves a completion as a call does, so that its effect is counted in a
//! chain. The writer is the server's on the same pool; without a server the pool starts one.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;

use super::origin::Origin;
use super::record::{AuditRecord, Outcome};
use super::writer::{AuditWriter, WeakWriter};
use crate::db::TenantPool;

/// Of one pool, shared by its clones. The writers' own clones have another one, so that a pool that
/// is dropped ends its writer.
#[derive(Debug, Default)]
pub(crate) struct ByHand(Mutex<Writers>);

#[derive(Debug, Default)]
struct Writers {
    servers: Option<WeakWriter>,
    own: Option<AuditWriter>,
}

impl ByHand {
    /// A server's writer, which is asked first from now on.
    pub(super) fn register(&self, writer: &AuditWriter) {
        self.writers(|writers| writers.servers = writer.downgrade());
    }

    /// The writer for a write through `pool`.
    pub(crate) fn writer(&self, pool: &TenantPool) -> AuditWriter {
        self.writers(|writers| {
            let servers = writers.servers.as_ref().and_then(WeakWriter::upgrade);
            servers.unwrap_or_else(|| {
                let own = writers
                    .own
                    .get_or_insert_with(|| AuditWriter::of_pool(pool));
                own.clone()
            })
        })
    }

    /// Writes what the pool's own writer has.
    pub(crate) async fn flush(&self) {
        let own = self.writers(|writers| writers.own.clone());
        if let Some(own) = own {
            own.flush().await;
        }
    }

    /// The same for another writer's flush, unless that is the pool's own.
    pub(super) async fn flush_beside(&self, writer: &AuditWriter) {
        let own = self.writers(|writers| writers.own.clone());
        if let Some(own) = own.filter(|own| !own.is(writer)) {
            own.flush().await;
        }
    }

    fn writers<T>(&self, with: impl FnOnce(&mut Writers) -> T) -> T {
        // A panic while holding it can't have left anything in it half done.
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What records a write by hand. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct HandWriter(Arc<(AuditWriter, AuditRecord)>);

impl HandWriter {
    pub(crate) fn new(writer: AuditWriter, record: AuditRecord) -> Self {
        Self(Arc::new((writer, record)))
    }

    /// Before the commit is sent: what is recorded when this is dropped, however the commit ended.
    pub(crate) fn begin(&self, origin: &Origin) -> Unrecorded {
        Unrecorded {
            by: self.clone(),
            origin: origin.clone(),
        }
    }
}

/// A commit by hand. When this is dropped, it is recorded, unless nothing was stored for certain.
pub(crate) struct Unrecorded {
    by: HandWriter,
    origin: Origin,
}

impl Drop for Unrecorded {
    fn drop(&mut self) {
        let (writer, record) = &*self.by.0;
        let mut record = record.clone();
        record.count(&self.origin);
        if record.effects == 0 && record.uncertain == 0 {
            return;
        }
        record.outcome = match record.uncertain {
            0 => Outcome::Ok,
            _ => Outcome::Failed,
        };
        let took = Utc::now() - record.at;
        record.duration = took.to_std().unwrap_or_default();
        writer.record(record);
    }
}
