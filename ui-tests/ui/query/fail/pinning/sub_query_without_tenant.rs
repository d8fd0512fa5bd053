use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers WHERE id IN (SELECT customer_id FROM notes)")]
async fn noted(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
