use watertight::{DbResult, Scope, tenant_query};

struct Customer {
    _id: i64,
}

#[tenant_query("SELECT id FROM customers")]
async fn customers(db: &mut Scope<'_>) -> DbResult<Vec<Customer>>;

fn main() {}
