use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("INSERT INTO visits (day) VALUES ($day) RETURNING id")]
async fn visit(db: &mut WriteScope<'_>, day: chrono::NaiveDate) -> DbResult<i64>;

fn main() {}
