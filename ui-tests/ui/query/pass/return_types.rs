//! Every return type of the declared form.

use futures_util::Stream;
use watertight::{DbError, DbResult, Scope, WriteScope, tenant_query};

#[derive(Debug, sqlx::FromRow)]
pub struct Customer {
    pub id: i64,
    pub name: String,
}

#[tenant_query("SELECT id, name FROM customers WHERE plan = $plan ORDER BY name LIMIT $limit")]
pub async fn on_plan(db: &mut Scope<'_>, plan: &str, limit: i64) -> DbResult<Vec<Customer>>;

#[tenant_query("SELECT id, name FROM customers WHERE id = $id")]
pub async fn by_id(db: &mut Scope<'_>, id: i64) -> DbResult<Option<Customer>>;

#[tenant_query("SELECT count(*) FROM customers")]
pub async fn count(db: &mut Scope<'_>) -> DbResult<i64>;

#[tenant_query("SELECT logo FROM customers WHERE id = $id")]
pub async fn logo(db: &mut Scope<'_>, id: i64) -> DbResult<Vec<u8>>;

#[tenant_query("SELECT logo FROM customers WHERE id = ANY($ids)")]
pub async fn logos(db: &mut Scope<'_>, ids: &[i64]) -> DbResult<Vec<Option<Vec<u8>>>>;

#[tenant_query("SELECT plan, count(*) FROM customers GROUP BY plan")]
pub async fn by_plan(db: &mut Scope<'_>) -> Result<Vec<(String, i64)>, DbError>;

#[tenant_query("SELECT id, name FROM customers WHERE plan = $plan")]
pub fn rows<'a>(
    db: &'a mut Scope<'_>,
    plan: &'a str,
) -> impl Stream<Item = DbResult<Customer>> + 'a;

#[tenant_query("SELECT name FROM customers")]
pub async fn names(db: &mut Scope<'_>) -> DbResult<impl Stream<Item = DbResult<String>>>;

#[tenant_query("UPDATE customers SET name = $name WHERE id = $id")]
pub async fn rename(db: &mut WriteScope<'_>, id: i64, name: &str) -> DbResult<u64>;

#[tenant_query("UPDATE customers SET plan = $2 WHERE id = $1")]
pub async fn set_plan(db: &mut WriteScope<'_>, id: i64, plan: String) -> DbResult<()>;

#[tenant_query("INSERT INTO customers (name) VALUES ($name) RETURNING id")]
pub async fn add(db: &mut WriteScope<'_>, name: &str) -> DbResult<i64>;

#[tenant_query("SELECT cents FROM prices WHERE plan = $plan")]
pub async fn price(db: &mut Scope<'_>, plan: &str) -> DbResult<Option<i64>>;

pub fn main() {
    // A tool's future moves between threads.
    fn require_send<T: Send>(_: impl FnOnce(&'static mut Scope<'static>) -> T) {}
    require_send(|db| on_plan(db, "pro", 20));
    require_send(|db| async { count(db).await });
    require_send(|db| rows(db, "pro"));
}
