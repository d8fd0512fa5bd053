use futures_util::Stream;
use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes")]
fn bodies<'s>(db: &'s mut Scope<'_>) -> impl Stream<Item = DbResult<String>> + 's;

fn main() {}
