use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT set_config('app.tenant_id', $org, true)")]
async fn become_other(db: &mut Scope<'_>, org: &str) -> DbResult<String>;

fn main() {}
