//! One chain on its way through the verifier: under the key that it names, or under whichever fits.
//!
//! Invariant: a chain that names no key is judged by the key that most of its records are good under; one
//! whose key is not among those given is counted, and what a head shows of it is told all the same.

use watertight_audit::{ChainVerifier, Finding, Floor, Head, KeyId, StoredCompletion, TenantRing};

use super::trail::{End, Verdict};

/// One chain, whose rows come in their order.
pub(super) struct Following {
    pub(super) writer: String,
    /// One for each key that it may be under.
    by: Vec<ChainVerifier>,
    published: Vec<Head>,
    records: u64,
    /// The last number that is there, or was given up.
    last: i64,
}

impl Following {
    /// From its beginning, or from what was given up of it.
    pub(super) fn begin(
        keys: &TenantRing,
        writer: &str,
        published: &[&Head],
        floors: &[Floor],
    ) -> Self {
        let heads = published.iter().filter(|head| head.writer == writer);
        let published: Vec<Head> = heads.map(|head| (*head).clone()).collect();
        let floors = floors.iter().filter(|floor| floor.head.writer == writer);
        let floor = floors.max_by_key(|floor| floor.head.seq);
        let chain = |key| {
            let chain = ChainVerifier::under(key, writer, published.clone());
            match floor {
                Some(floor) => chain.after(floor),
                None => chain,
            }
        };
        Self {
            writer: writer.to_owned(),
            by: keys.of_writer(writer).map(chain).collect(),
            published,
            records: 0,
            last: floor.map_or(0, |floor| floor.head.seq),
        }
    }

    pub(super) fn push(&mut self, row: StoredCompletion) {
        self.records += 1;
        self.last = self.last.max(row.seq);
        let mut by = self.by.iter_mut();
        let Some(first) = by.next() else { return };
        for other in by {
            other.push(row.clone());
        }
        first.push(row);
    }

    /// Adds what it is to the verdict on its trail.
    pub(super) fn end(self, verdict: &mut Verdict) {
        let has_records = self.records > 0;
        verdict.chains += u64::from(has_records);
        let judged = self.by.into_iter().map(|chain| {
            let newest = chain.newest();
            let (verified, findings) = chain.finish();
            (newest, verified, findings)
        });
        // Of equal ones the first, whose key is the newest.
        let best = judged.reduce(|best, other| if other.1 > best.1 { other } else { best });
        let Some((newest, verified, findings)) = best else {
            if has_records {
                let key = KeyId::of_writer(&self.writer);
                *verdict.unknown.entry(key).or_default() += self.records;
            }
            let cut = self
                .published
                .into_iter()
                .filter(|head| head.seq > self.last);
            verdict.findings.extend(cut.map(|head| Finding::Cut {
                writer: head.writer,
                last: self.last,
                published: head.seq,
            }));
            return;
        };
        if let Some(newest) = newest {
            verdict.newest.push(End {
                writer: self.writer,
                seq: newest.seq,
                mac: newest.mac,
                recorded_at: newest.recorded_at,
                has_records,
            });
        }
        verdict.calls += verified;
        verdict.findings.extend(findings);
    }
}
