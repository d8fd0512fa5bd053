use uuid::Uuid;
use watertight::{DbResult, SystemScope, system_query};

#[system_query(
    "SELECT k.tenant_id FROM api_keys AS k JOIN customers AS c USING (tenant_id)
     WHERE k.hash = $hash",
    role = "auth",
    tables(api_keys),
    reason = "a key names its tenant",
)]
async fn tenant_of_key(db: &mut SystemScope<'_>, hash: &[u8]) -> DbResult<Option<Uuid>>;

fn main() {}
