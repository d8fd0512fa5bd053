use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT c.name, l.body FROM customers c, LATERAL (SELECT body FROM notes n WHERE n.customer_id = c.id LIMIT 1) l")]
async fn latest(db: &mut Scope<'_>) -> DbResult<Vec<(String, String)>>;

fn main() {}
