use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers ORDER BY rank_of(name, $text)")]
async fn alike(db: &mut Scope<'_>, text: &str) -> DbResult<Vec<String>>;

fn main() {}
