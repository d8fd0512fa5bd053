use uuid::Uuid;
use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE tenant_id = $org")]
async fn notes_of(db: &mut Scope<'_>, org: Uuid) -> DbResult<Vec<String>>;

fn main() {}
