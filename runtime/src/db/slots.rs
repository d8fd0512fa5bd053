//! Who may hold a connection: one slot for each connection of the pool, and no more than some of them
//! for one tenant, so that a tenant with many calls waits for itself and not the others for it.
//!
//! Invariant: a tenant waits for its own slots first, and stands in the pool's queue with no more
//! calls than it may hold connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// How many tenants are remembered before those without a call are forgotten.
const TENANTS: usize = 256;

pub(super) struct Slots {
    all: Arc<Semaphore>,
    per_tenant: usize,
    tenants: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// The right to one connection, for one scope.
pub(super) struct Slot {
    _of_pool: OwnedSemaphorePermit,
    _of_tenant: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(connections: u32, per_tenant: u32) -> Self {
        let connections = connections as usize;
        Self {
            all: Arc::new(Semaphore::new(connections)),
            per_tenant: (per_tenant as usize).clamp(1, connections.max(1)),
            tenants: Mutex::new(HashMap::new()),
        }
    }

    /// Waits for a slot, within the limit of the tenant if there is one.
    pub(super) async fn acquire(&self, tenant: Option<&str>) -> Result<Slot, AcquireError> {
        let of_tenant = match tenant {
            Some(tenant) => Some(self.of(tenant).acquire_owned().await?),
            None => None,
        };
        Ok(Slot {
            _of_pool: Arc::clone(&self.all).acquire_owned().await?,
            _of_tenant: of_tenant,
        })
    }

    /// Lets nobody wait any more.
    pub(super) fn close(&self) {
        self.all.close();
    }

    /// A permit keeps its semaphore alive, so one that nothing holds has no call.
    fn of(&self, tenant: &str) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tenants.get(tenant).and_then(Weak::upgrade) {
            return known;
        }
        if tenants.len() >= TENANTS && tenants.len() == tenants.capacity() {
            tenants.retain(|_, slots| slots.strong_count() > 0);
        }
        let slots = Arc::new(Semaphore::new(self.per_tenant));
        tenants.insert(tenant.to_owned(), Arc::downgrade(&slots));
        slots
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_tenant_leaves_room_for_others() {
        let slots = Slots::new(3, 2);
        let first = slots.acquire(Some("a")).await.unwrap();
        let _second = slots.acquire(Some("a")).await.unwrap();
        assert!(slots.acquire(Some("a")).now_or_never().is_none());
        let third = slots.acquire(Some("b")).now_or_never().unwrap().unwrap();
        assert!(slots.acquire(Some("c")).now_or_never().is_none());
        assert!(slots.acquire(None).now_or_never().is_none());
        drop(third);
        drop(first);
        slots.acquire(Some("a")).now_or_never().unwrap().unwrap();
        slots.close();
        assert!(slots.acquire(None).await.is_err());
    }

    #[tokio::test]
    async fn tenants_without_a_call_are_forgotten() {
        let slots = Slots::new(2, 1);
        let kept = slots.acquire(Some("kept")).await.unwrap();
        for tenant in 0..10 * TENANTS {
            drop(slots.acquire(Some(&tenant.to_string())).await.unwrap());
        }
        assert!(slots.tenants.lock().unwrap().len() < 4 * TENANTS);
        assert!(slots.acquire(Some("kept")).now_or_never().is_none());
        drop(kept);
    }

    #[tokio::test]
    async fn who_waits_for_itself_is_not_in_the_way() {
        let slots = Arc::new(Slots::new(2, 1));
        let held = slots.acquire(Some("a")).await.unwrap();
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let slots = Arc::clone(&slots);
                tokio::spawn(async move { slots.acquire(Some("a")).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(slots.acquire(Some("b")).now_or_never().is_some());
        drop(held);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
    }
}
