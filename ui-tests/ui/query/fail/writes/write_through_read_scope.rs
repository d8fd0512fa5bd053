use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("UPDATE customers SET name = $name WHERE id = $id")]
async fn rename(db: &mut Scope<'_>, id: i64, name: &str) -> DbResult<u64>;

fn main() {}
