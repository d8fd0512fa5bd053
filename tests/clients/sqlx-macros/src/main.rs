//! sqlx's own macros inside `#[tenant_query]`: their types come from the database, the proof from
//! the migrations. Compiled with the data in `.sqlx` alone; `tests/clients/prepare` writes it anew.

use sqlx::query_scalar;
use uuid::Uuid;
use watertight::{DbResult, Scope, WriteScope, tenant_query};

#[derive(Debug)]
pub struct Customer {
    pub id: i64,
    pub name: String,
    pub plan: Option<String>,
}

#[derive(Debug)]
pub struct Note {
    pub id: Uuid,
    pub body: String,
}

#[tenant_query]
pub async fn on_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>> {
    sqlx::query_as!(
        Customer,
        "SELECT id, name, plan FROM customers WHERE plan = $1 ORDER BY name",
        plan
    )
    .fetch_all(db)
    .await
}

#[tenant_query]
pub async fn seats(db: &mut Scope<'_>) -> DbResult<i64> {
    query_scalar!(r#"SELECT coalesce(sum(seats), 0) AS "seats!" FROM customers"#)
        .fetch_one(db)
        .await
}

#[tenant_query]
pub async fn names(db: &mut Scope<'_>) -> DbResult<Vec<(i64, String)>> {
    let rows = sqlx::query!("SELECT id, " + "name FROM customers ORDER BY id")
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

#[tenant_query]
pub async fn notes_of(db: &mut Scope<'_>, customer: i64) -> DbResult<Vec<Note>> {
    sqlx::query_file_as!(Note, "queries/notes_of.sql", customer)
        .fetch_all(db)
        .await
}

#[tenant_query]
pub async fn remove(db: &mut WriteScope<'_>, note: Uuid) -> DbResult<u64> {
    let done = sqlx::query!("DELETE FROM notes WHERE tenant_id = $tenant AND id = $1", note)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

fn main() {}
