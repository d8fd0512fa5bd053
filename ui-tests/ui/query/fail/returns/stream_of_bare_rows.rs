use futures_util::Stream;
use watertight::{Scope, tenant_query};

#[tenant_query("SELECT name FROM customers")]
fn names<'s>(db: &'s mut Scope<'_>) -> impl Stream<Item = String> + 's;

fn main() {}
