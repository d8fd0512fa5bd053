use watertight::{DbResult, Scope, tenant_query};

enum Sort {
    Name,
    Newest,
}

#[tenant_query("SELECT name FROM customers ORDER BY {sort}", sort(name = "name"))]
async fn names(db: &mut Scope<'_>, sort: Sort) -> DbResult<Vec<String>>;

fn main() {}
