use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT pg_advisory_xact_lock($key)")]
async fn lock(db: &mut Scope<'_>, key: i64) -> DbResult<()>;

fn main() {}
