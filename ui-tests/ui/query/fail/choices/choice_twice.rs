use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(
    "SELECT name FROM customers WHERE true {plan}",
    optional(plan = "AND plan = $plan", plan = "AND plan <> $plan")
)]
async fn names(db: &mut Scope<'_>, plan: Option<&str>) -> DbResult<Vec<String>>;

fn main() {}
