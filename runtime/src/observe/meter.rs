//! Metrics of calls, through the `metrics` facade: without a recorder they cost next to nothing.
//!
//! Invariant: every label is bounded. Tools, outcomes and kinds of errors are known when the server
//! is built; a tenant is no label unless asked for, and then one of a fixed number.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use metrics::{SharedString, counter, histogram};

use crate::audit::AuditRecord;
use crate::id::TenantId;

/// More labels than that make a metric that no store likes.
const MOST_LABELS: u16 = 256;

/// Whether metrics of calls are split by tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantLabel {
    /// No label: the default.
    #[default]
    Off,
    /// One of so many buckets, `b00` and on, by a hash of the identifier: enough to see that one part
    /// of the tenants is slow, and no identifier leaves. Stable between processes of one version. 256
    /// at most.
    Buckets(u16),
    /// The identifiers of the tenants that called first, so many of them, and `other` for the rest.
    /// For metrics that only operators see. 256 at most.
    First(u16),
}

/// Counts the calls of one server.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    label: TenantLabel,
    known: Mutex<HashSet<String>>,
}

impl Meter {
    pub(crate) fn labelled(label: TenantLabel) -> Self {
        Self {
            label,
            known: Mutex::default(),
        }
    }

    /// A call has ended.
    pub(crate) fn count(&self, record: &AuditRecord, trips: u64) {
        let mut labels: Vec<(&'static str, SharedString)> = vec![
            ("tool", record.tool.clone().into()),
            ("outcome", record.outcome.as_str().into()),
        ];
        if let Some(tenant) = self.tenant(&record.tenant) {
            labels.push((super::TENANT, tenant.into()));
        }
        histogram!("watertight_call_duration_seconds", &labels)
            .record(record.duration.as_secs_f64());
        counter!("watertight_rows_total", &labels).increment(record.rows);
        counter!("watertight_round_trips_total", &labels).increment(trips);
        labels.push(("error", record.error.clone().unwrap_or_default().into()));
        counter!("watertight_calls_total", &labels).increment(1);
        if record.probe {
            counter!("watertight_probes_total", "tool" => record.tool.clone()).increment(1);
        }
    }

    /// A request that reached no tool, for a reason of ours.
    pub(crate) fn refuse(reason: &'static str) {
        counter!("watertight_refusals_total", "reason" => reason).increment(1);
    }

    fn tenant(&self, tenant: &TenantId) -> Option<String> {
        let tenant = tenant.as_setting();
        match self.label {
            TenantLabel::Off => None,
            TenantLabel::Buckets(buckets) => {
                // Without keys of its own, so that every process says the same.
                let mut hasher = DefaultHasher::new();
                tenant.hash(&mut hasher);
                let bucket = hasher.finish() % u64::from(buckets.clamp(1, MOST_LABELS));
                Some(format!("b{bucket:02}"))
            }
            TenantLabel::First(most) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.contains(&*tenant) {
                    return Some(tenant.into_owned());
                }
                if known.len() >= usize::from(most.min(MOST_LABELS)) {
                    return Some("other".to_owned());
                }
                known.insert(tenant.clone().into_owned());
                Some(tenant.into_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(label: TenantLabel, tenants: i64) -> HashSet<Option<String>> {
        let meter = Meter::labelled(label);
        let all = (0..tenants).map(|it| meter.tenant(&TenantId::bigint(1_000_000 + it)));
        all.collect()
    }

    #[test]
    fn the_number_of_labels_is_bounded() {
        assert_eq!(labels(TenantLabel::default(), 50), [None].into());
        assert_eq!(labels(TenantLabel::Buckets(8), 5000).len(), 8);
        assert_eq!(labels(TenantLabel::Buckets(0), 50).len(), 1);
        assert_eq!(labels(TenantLabel::Buckets(u16::MAX), 50_000).len(), 256);
        let first = labels(TenantLabel::First(3), 5000);
        assert_eq!(first.len(), 4);
        assert!(first.contains(&Some("1000002".into())) && first.contains(&Some("other".into())));
        assert_eq!(labels(TenantLabel::First(u16::MAX), 5000).len(), 257);
    }

    #[test]
    fn buckets_tell_no_identifier_and_stay_the_same() {
        let label = TenantLabel::Buckets(64);
        let (one, two) = (Meter::labelled(label), Meter::labelled(label));
        for tenant in ["acme", "beta"] {
            let tenant = TenantId::text(tenant).unwrap();
            let bucket = one.tenant(&tenant).unwrap();
            assert_eq!(two.tenant(&tenant).as_ref(), Some(&bucket));
            assert!(bucket.len() == 3 && bucket.starts_with('b'), "{bucket}");
        }
    }
}
