use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(
    "SELECT name FROM customers WHERE plan = $1 ORDER BY {sort}",
    sort(name = "name", newest = "id DESC")
)]
async fn names(db: &mut Scope<'_>, sort: Sort, plan: &str) -> DbResult<Vec<String>>;

enum Sort {
    Name,
    Newest,
}

fn main() {}
