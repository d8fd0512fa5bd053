use sqlx::postgres::PgArguments;
use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn below(db: &mut Scope<'_>, values: PgArguments) -> DbResult<Vec<i64>> {
    sqlx::query_scalar_with(
        "SELECT id FROM invoices WHERE tenant_id = $tenant AND amount < $1",
        values,
    )
    .fetch_all(db)
    .await
}

fn main() {}
