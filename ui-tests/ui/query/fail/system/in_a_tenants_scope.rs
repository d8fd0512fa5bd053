use watertight::{DbResult, Scope, system_query};

#[system_query("SELECT tenant_id FROM api_keys", role = "auth", tables(api_keys), reason = "login")]
async fn all(db: &mut Scope<'_>) -> DbResult<Vec<uuid::Uuid>>;

fn main() {}
