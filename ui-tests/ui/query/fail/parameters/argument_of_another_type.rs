use watertight::{DbResult, Scope, tenant_query};

struct Plan(String);

#[tenant_query("SELECT name FROM customers WHERE plan = $plan AND id > $id")]
async fn names(db: &mut Scope<'_>, plan: Plan, id: i64) -> DbResult<Vec<String>>;

fn main() {}
