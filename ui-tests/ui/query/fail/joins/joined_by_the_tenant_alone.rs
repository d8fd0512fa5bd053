use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT n.body FROM notes n JOIN invoices i USING (tenant_id)")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
