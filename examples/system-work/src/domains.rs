//! Sign-up: the organisation of somebody who proved an e-mail address, by the address's domain.
//!
//! Two things must be verified and not merely claimed: that the address is theirs, which the identity
//! provider says, and that the domain is the organisation's, which a DNS record showed when it was
//! registered. Without the second, whoever registers `example.com` first gets its employees.

use serde_json::{Map, Value};
use uuid::Uuid;
use watertight::{DbResult, SystemPool, SystemScope, system_query};

/// The domain of an address that its owner has proved, in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDomain(String);

impl VerifiedDomain {
    /// Out of the claims of a verified ID token. `None` if the address is not verified, or is none.
    #[must_use]
    pub fn of_claims(claims: &Map<String, Value>) -> Option<Self> {
        // Exactly `true`: some providers send the text "false".
        if claims.get("email_verified") != Some(&Value::Bool(true)) {
            return None;
        }
        let address = claims.get("email")?.as_str()?;
        // The last `@`: a quoted local part may contain one.
        let (local, domain) = address.rsplit_once('@')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let valid = !local.is_empty() && domain.contains('.') && domain.chars().all(plain);
        valid.then(|| Self(domain.to_ascii_lowercase()))
    }
}

#[system_query(
    "SELECT d.tenant_id FROM email_domains d JOIN organisations o ON o.id = d.tenant_id
     WHERE d.domain = $domain AND d.verified_at IS NOT NULL AND o.leaving_since IS NULL",
    role = "auth",
    tables(email_domains, organisations),
    reason = "sign-up: a verified e-mail domain names its organisation"
)]
async fn tenant_of_domain(db: &mut SystemScope<'_>, domain: &str) -> DbResult<Option<Uuid>>;

/// The organisation that the address belongs to, if it is one's. A part of a name is another name:
/// `mail.example.com` and `example.com` are registered each by itself.
///
/// # Errors
/// As any read.
pub async fn organisation_of(
    system: &SystemPool,
    domain: &VerifiedDomain,
) -> DbResult<Option<Uuid>> {
    tenant_of_domain(&mut system.read().await?, &domain.0).await
}
