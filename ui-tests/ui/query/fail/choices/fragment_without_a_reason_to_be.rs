use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(
    "SELECT name FROM customers ORDER BY name",
    sort(name = "name", newest = "id DESC")
)]
async fn names(db: &mut Scope<'_>, sort: Sort) -> DbResult<Vec<String>>;

enum Sort {
    Name,
    Newest,
}

fn main() {}
