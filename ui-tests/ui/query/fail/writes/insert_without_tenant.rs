use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("INSERT INTO notes (customer_id, body) VALUES ($customer, $body)")]
async fn add(db: &mut WriteScope<'_>, customer: i64, body: &str) -> DbResult<u64>;

fn main() {}
