use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(
    "SELECT name FROM customers WHERE true {a} {b} {c} {d} {e} {f} {g}",
    optional(
        a = "AND id > 1", b = "AND id > 2", c = "AND id > 3", d = "AND id > 4",
        e = "AND id > 5", f = "AND id > 6", g = "AND id > 7",
    )
)]
async fn names(
    db: &mut Scope<'_>,
    a: bool, b: bool, c: bool, d: bool, e: bool, f: bool, g: bool,
) -> DbResult<Vec<String>>;

fn main() {}
