//! Floats where the statement says what they become, or where the database itself protects.

use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT id FROM invoices WHERE tenant_id = $tenant AND amount < $limit::numeric")]
async fn below(db: &mut Scope<'_>, limit: f64) -> DbResult<Vec<i64>>;

#[tenant_query("SELECT name FROM customers WHERE id > $above")]
async fn above(db: &mut Scope<'_>, above: Option<f64>) -> DbResult<Vec<String>>;

#[tenant_query]
async fn bound(db: &mut Scope<'_>, limit: f64) -> DbResult<Vec<i64>> {
    sqlx::query_scalar("SELECT id FROM invoices WHERE tenant_id = $tenant AND amount < $1::numeric")
        .bind(limit)
        .fetch_all(db)
        .await
}

pub fn main() {}
