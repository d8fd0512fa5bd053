//! The chains of one writer, one in each tenant's trail.
//!
//! Invariant: a chain goes on only from what is known to be in the table. Where that is not known,
//! another one begins.

use std::collections::{HashMap, HashSet};

use watertight_audit::{AuditKey, Chain, Completion, Head, Link};

use crate::error::Reference;
use crate::id::TenantId;

/// Chains that are kept at a time. Of tenants beyond, the next record begins another one.
const MOST: usize = 100_000;

/// The chains of this process.
pub(super) struct Chains {
    /// Without one, numbers alone mean something.
    key: Option<AuditKey>,
    of_tenants: HashMap<TenantId, Chain>,
    /// Those that grew since they were published.
    grown: HashSet<TenantId>,
}

impl Chains {
    pub(super) fn new(key: Option<AuditKey>) -> Self {
        Self {
            key,
            of_tenants: HashMap::new(),
            grown: HashSet::new(),
        }
    }

    /// These records at the next places of the tenant's chain, and the chain that they make, to be
    /// [kept](Self::keep) once they are stored.
    pub(super) fn link(
        &self,
        tenant: &TenantId,
        records: impl Iterator<Item = Completion>,
    ) -> (Vec<(Completion, Link)>, Chain) {
        let mut chain = match self.of_tenants.get(tenant) {
            Some(chain) => chain.clone(),
            None => self.new_chain(tenant),
        };
        let linked = records.map(|record| {
            let link = chain.link(&record);
            (record, link)
        });
        (linked.collect(), chain)
    }

    /// A chain names its key, so that another key is no tampering.
    fn new_chain(&self, tenant: &TenantId) -> Chain {
        let random = Reference::random().to_string();
        let (writer, key) = match &self.key {
            Some(key) => (key.writer(&random), key.clone()),
            None => (random, AuditKey::new([0; 32])),
        };
        Chain::new(key.tenant(&tenant.as_setting()), writer)
    }

    /// The records are in the table. What is returned is published at once: the beginning of a chain,
    /// without which nobody would miss the whole of it, and chains that are given up.
    pub(super) fn keep(&mut self, tenant: &TenantId, chain: Chain) -> Vec<Head> {
        if self.of_tenants.contains_key(tenant) {
            self.of_tenants.insert(tenant.clone(), chain);
            self.grown.insert(tenant.clone());
            return Vec::new();
        }
        let mut heads = Vec::new();
        if self.of_tenants.len() >= MOST {
            heads = self.heads();
            self.of_tenants.clear();
        }
        heads.extend(chain.head(&tenant.as_setting()));
        self.of_tenants.insert(tenant.clone(), chain);
        heads
    }

    /// Nobody knows whether the records are in the table.
    pub(super) fn give_up(&mut self, tenant: &TenantId) -> Option<Head> {
        let chain = self.of_tenants.remove(tenant)?;
        let grown = self.grown.remove(tenant);
        chain.head(&tenant.as_setting()).filter(|_| grown)
    }

    /// The heads of the chains that grew since the last time.
    pub(super) fn heads(&mut self) -> Vec<Head> {
        let grown = std::mem::take(&mut self.grown);
        let heads = grown.iter().filter_map(|tenant| {
            let chain = self.of_tenants.get(tenant)?;
            chain.head(&tenant.as_setting())
        });
        heads.collect()
    }
}
