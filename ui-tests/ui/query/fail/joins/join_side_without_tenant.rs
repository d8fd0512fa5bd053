use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(
    "SELECT c.name, n.body
     FROM customers AS c
     LEFT JOIN notes AS n ON n.customer_id = c.id
     WHERE c.plan = $plan"
)]
async fn notes_by_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<(String, String)>>;

fn main() {}
