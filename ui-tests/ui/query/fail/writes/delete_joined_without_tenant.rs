use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("DELETE FROM notes USING customers c WHERE c.id = notes.customer_id")]
async fn wipe(db: &mut WriteScope<'_>) -> DbResult<u64>;

fn main() {}
