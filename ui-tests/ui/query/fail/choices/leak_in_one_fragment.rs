use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(
    "SELECT body FROM notes n WHERE {which} ORDER BY id",
    which(mine = "n.tenant_id = $tenant", all = "true")
)]
async fn bodies(db: &mut Scope<'_>, which: Which) -> DbResult<Vec<String>>;

enum Which {
    Mine,
    All,
}

fn main() {}
