//! sqlx's own functions in a body, imported or not, with a turbofish or without.

use sqlx::query_scalar;
use watertight::{DbResult, Scope, WriteScope, tenant_query};

#[derive(Debug, sqlx::FromRow)]
pub struct Customer {
    pub id: i64,
    pub name: String,
}

#[tenant_query]
pub async fn on_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>> {
    let count: i64 = query_scalar("SELECT count(*) FROM customers WHERE plan = $1")
        .bind(plan)
        .fetch_one(db)
        .await?;
    if count == 0 {
        return Ok(vec![]);
    }
    let names = vec![query_scalar::<_, String>("SELECT name FROM customers").fetch_all(db).await?];
    drop(names);
    sqlx::query_as::<_, Customer>("SELECT id, name FROM customers WHERE plan = $1")
        .bind(plan)
        .fetch_all(db)
        .await
}

#[tenant_query]
pub async fn tidy(db: &mut WriteScope<'_>, customer: i64) -> DbResult<u64> {
    let done = sqlx::query("DELETE FROM notes WHERE tenant_id = $tenant AND customer_id = $1")
        .bind(customer)
        .execute(db)
        .await?;
    let left = sqlx::query("SELECT id FROM customers")
        .try_map(|row| sqlx::Row::try_get::<i64, _>(&row, 0))
        .fetch_all(db)
        .await?;
    Ok(done.rows_affected() + left.len() as u64)
}

pub fn main() {}
