use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT query_to_xml('SELECT * FROM notes', true, true, '')::text")]
async fn everything(db: &mut Scope<'_>) -> DbResult<String>;

fn main() {}
