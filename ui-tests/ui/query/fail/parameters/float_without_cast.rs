use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT id FROM invoices WHERE tenant_id = $tenant AND amount < $limit")]
async fn below(db: &mut Scope<'_>, limit: f64) -> DbResult<Vec<i64>>;

#[tenant_query(
    "SELECT id FROM invoices WHERE tenant_id = $tenant {above} ORDER BY {sort}",
    optional(above = "AND amount > $above"),
    sort(id = "id", amount = "amount")
)]
async fn above(db: &mut Scope<'_>, above: Option<f32>, sort: Sort) -> DbResult<Vec<i64>>;

enum Sort {
    Id,
    Amount,
}

fn main() {}
