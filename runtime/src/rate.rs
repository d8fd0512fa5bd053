//! How many calls a tenant may make: so many per second, with room for a burst.
//!
//! The generic cell rate algorithm: for each tenant one point in time, up to which its calls so far
//! have used up what it is given. A point that has passed says nothing, so the tenant is forgotten.
//!
//! Invariant: a tenant is measured by its own calls alone, and the memory is that of the tenants that
//! called within the last burst.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::id::TenantId;

/// How many tenants are remembered before those that may burst again are forgotten.
const TENANTS: usize = 1024;
/// The audit trail and the log are told of a tenant's refusals no more often.
const TOLD: Duration = Duration::from_secs(1);

/// What one tenant may do. See [`ServerBuilder::calls_per_second`](crate::ServerBuilder::calls_per_second).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// A hundred calls a second is many users' worth of conversations with a model; two seconds' worth
    /// of them may come at once.
    pub(crate) const USUAL: Self = Self {
        per_second: 100,
        burst: 200,
    };

    pub(crate) fn per_second(calls: u32) -> Self {
        let calls = calls.max(1);
        Self {
            per_second: calls,
            burst: calls.saturating_mul(2),
        }
    }

    pub(crate) fn with_burst(self, calls: u32) -> Self {
        Self {
            burst: calls.max(1),
            ..self
        }
    }
}

/// The calls of all tenants of a server.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Between two calls of a tenant that calls without a pause, in nanoseconds.
    pause: u64,
    /// How far ahead of the clock a tenant may be.
    ahead: u64,
    begun: Instant,
    tenants: Mutex<HashMap<TenantId, Tenant>>,
}

/// In nanoseconds since the limiter began.
#[derive(Clone, Copy, Debug, Default)]
struct Tenant {
    used_up_to: u64,
    told_at: Option<u64>,
}

/// A call that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// When the next one would be accepted.
    pub(crate) retry_after: Duration,
    /// Whether to record it: a flood must not become a flood of records.
    pub(crate) tell: bool,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        let pause = 1_000_000_000 / u64::from(rate.per_second.max(1));
        Self {
            pause,
            ahead: pause.saturating_mul(u64::from(rate.burst.saturating_sub(1))),
            begun: Instant::now(),
            tenants: Mutex::new(HashMap::new()),
        }
    }

    /// Counts one call of this tenant.
    pub(crate) fn admit(&self, tenant: &TenantId) -> Result<(), Refused> {
        self.admit_at(tenant, nanos(self.begun.elapsed()))
    }

    fn admit_at(&self, tenant: &TenantId, now: u64) -> Result<(), Refused> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS && tenants.len() == tenants.capacity() {
            tenants.retain(|_, it| it.used_up_to > now);
        }
        let Some(known) = tenants.get_mut(tenant) else {
            let used_up_to = now.saturating_add(self.pause);
            let told_at = None;
            tenants.insert(
                tenant.clone(),
                Tenant {
                    used_up_to,
                    told_at,
                },
            );
            return Ok(());
        };
        let from = known.used_up_to.max(now);
        let wait = from.saturating_sub(now).saturating_sub(self.ahead);
        if wait == 0 {
            known.used_up_to = from.saturating_add(self.pause);
            return Ok(());
        }
        let tell = known
            .told_at
            .is_none_or(|told| now.saturating_sub(told) >= nanos(TOLD));
        if tell {
            known.told_at = Some(now);
        }
        Err(Refused {
            retry_after: Duration::from_nanos(wait),
            tell,
        })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn tenant(id: i64) -> TenantId {
        TenantId::bigint(id)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limiter = Limiter::new(Rate::per_second(10).with_burst(5));
        for _ in 0..5 {
            limiter.admit_at(&tenant(1), 0).unwrap();
        }
        let refused = limiter.admit_at(&tenant(1), 0).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        // To the nanosecond: what the hint says is enough, and less is not.
        assert!(limiter.admit_at(&tenant(1), SECOND / 10 - 1).is_err());
        limiter.admit_at(&tenant(1), SECOND / 10).unwrap();
        assert!(limiter.admit_at(&tenant(1), SECOND / 10).is_err());
        // Another tenant has its own.
        limiter.admit_at(&tenant(2), 0).unwrap();
        // After a pause, the burst is back, and no more than the burst.
        for _ in 0..5 {
            limiter.admit_at(&tenant(1), 100 * SECOND).unwrap();
        }
        assert!(limiter.admit_at(&tenant(1), 100 * SECOND).is_err());
    }

    #[test]
    fn a_flood_gets_its_rate_and_no_more() {
        let limiter = Limiter::new(Rate::USUAL);
        let calls = (0..10 * 5000_u64).map(|n| n * SECOND / 5000);
        let passed = calls.filter(|now| limiter.admit_at(&tenant(1), *now).is_ok());
        let passed = passed.count();
        assert!((1190..=1200).contains(&passed), "{passed}");
    }

    #[test]
    fn refusals_are_told_once_a_second() {
        let limiter = Limiter::new(Rate::per_second(1).with_burst(1));
        let mut told = 0;
        for step in 0..300 {
            let now = step * SECOND / 100;
            if let Err(refused) = limiter.admit_at(&tenant(1), now) {
                told += u32::from(refused.tell);
            }
        }
        assert_eq!(told, 3);
    }

    #[test]
    fn tenants_that_are_idle_are_forgotten() {
        let limiter = Limiter::new(Rate::USUAL);
        let busy = tenant(-1);
        for id in 0..100_000 {
            let now = u64::try_from(id).unwrap() * SECOND / 100;
            limiter.admit_at(&tenant(id), now).unwrap();
            let _ = limiter.admit_at(&busy, now);
            let _ = limiter.admit_at(&busy, now);
        }
        assert!(limiter.tenants.lock().unwrap().len() < 4 * TENANTS);
        // The one that never paused is not forgotten.
        assert!(limiter.admit_at(&busy, 1000 * SECOND - 1).is_err());
    }
}
