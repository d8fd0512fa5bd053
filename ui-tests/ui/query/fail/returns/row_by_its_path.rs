use watertight::{DbResult, Scope, tenant_query};

mod rows {
    pub struct Customer {
        pub id: i64,
    }
}

#[tenant_query("SELECT id FROM customers WHERE plan = $plan")]
async fn customer(db: &mut Scope<'_>, plan: &str) -> DbResult<Option<rows::Customer>>;

fn main() {}
