use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("INSERT INTO notes (tenant_id, customer_id, body) VALUES ($org, $customer, $body)")]
async fn add(db: &mut WriteScope<'_>, org: uuid::Uuid, customer: i64, body: &str) -> DbResult<u64>;

fn main() {}
