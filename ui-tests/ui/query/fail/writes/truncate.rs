use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("TRUNCATE notes")]
async fn wipe(db: &mut WriteScope<'_>) -> DbResult<()>;

fn main() {}
