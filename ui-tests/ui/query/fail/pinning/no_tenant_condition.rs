use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE customer_id = $customer")]
async fn notes_of(db: &mut Scope<'_>, customer: i64) -> DbResult<Vec<String>>;

fn main() {}
