use watertight::{DbResult, SystemScope, system_query};

#[system_query("SELECT hash FROM api_keys WHERE tenant_id = $tenant", role = "auth", tables(api_keys), reason = "login")]
async fn all(db: &mut SystemScope<'_>) -> DbResult<Vec<Vec<u8>>>;

fn main() {}
