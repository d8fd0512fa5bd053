use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT pg_read_file('/etc/passwd')")]
async fn file(db: &mut Scope<'_>) -> DbResult<String>;

fn main() {}
