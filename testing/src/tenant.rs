//! The two synthetic tenants of a test bed.

use crate::error::{Doing, Result};
use serde_json::Value;
use uuid::Uuid;
use watertight::{TenantId, TenantKind};

/// A tenant that exists for one test.
#[derive(Clone, Debug)]
pub struct TestTenant {
    name: &'static str,
    id: TenantId,
    text: String,
    claim: Value,
}

impl TestTenant {
    /// Two tenants whose ids are of this kind. Uuids and texts are new every time; numbers are not,
    /// because a small number is in every other answer.
    pub(crate) fn pair(kind: TenantKind) -> Result<[Self; 2]> {
        Ok([
            Self::new("alder", kind, 7_310_000_001)?,
            Self::new("birch", kind, 7_310_000_002)?,
        ])
    }

    fn new(name: &'static str, kind: TenantKind, number: i64) -> Result<Self> {
        let uuid = Uuid::new_v4();
        let (id, text, claim) = match kind {
            TenantKind::Bigint => (TenantId::bigint(number), number.to_string(), number.into()),
            TenantKind::Text => {
                let text = format!("{name}-{}", uuid.simple());
                (
                    TenantId::text(&text).doing("make a tenant")?,
                    text.clone(),
                    text.into(),
                )
            }
            // Uuids are the common kind, and the one that a kind of the future most resembles.
            _ => (
                TenantId::uuid(uuid),
                uuid.to_string(),
                uuid.to_string().into(),
            ),
        };
        Ok(Self {
            name,
            id,
            text,
            claim,
        })
    }

    /// `alder` or `birch`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its id, as the library keeps it.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Its id as text, to stand in SQL that fills the tables. Without quotes.
    #[must_use]
    pub fn id_text(&self) -> &str {
        &self.text
    }

    pub(crate) fn claim(&self) -> &Value {
        &self.claim
    }
}
