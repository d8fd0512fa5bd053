use watertight::{DbResult, SystemScope, system_query};

#[system_query("SELECT tenant_id FROM api_keys", role = "auth", tables(api_keys))]
async fn all(db: &mut SystemScope<'_>) -> DbResult<Vec<uuid::Uuid>>;

fn main() {}
