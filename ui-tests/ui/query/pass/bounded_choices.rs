//! Sorting, filtering and switching without a query builder: each combination is a statement.

use watertight::{DbResult, Scope, WriteScope, tenant_query};

#[derive(Debug, sqlx::FromRow)]
pub struct Customer {
    pub id: i64,
    pub name: String,
}

/// No `Copy`: the choice only looks at it.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema, watertight::ToolInput)]
pub enum Sort {
    Name,
    NewestFirst,
}

#[tenant_query(
    "SELECT id, name FROM customers
      WHERE name <> '{}' {plan} {with_logo}
      ORDER BY {sort}",
    sort(name = "name", newest_first = "id DESC"),
    optional(plan = "AND plan = $plan", with_logo = "AND logo IS NOT NULL")
)]
pub async fn search(
    db: &mut Scope<'_>,
    plan: Option<String>,
    with_logo: bool,
    sort: Sort,
) -> DbResult<Vec<Customer>>;

#[tenant_query(
    "SELECT count(*) FROM customers WHERE plan {which} $plan",
    which(true = "=", false = "<>")
)]
pub async fn count(db: &mut Scope<'_>, plan: &str, which: bool) -> DbResult<i64>;

pub mod inner {
    pub enum Table {
        Customers,
        Notes,
    }
}

#[tenant_query(
    "SELECT count(*) FROM {table} WHERE tenant_id = $tenant",
    table(customers = "customers", notes = "notes")
)]
pub async fn rows_of(db: &mut Scope<'_>, table: &inner::Table) -> DbResult<i64>;

// One fragment locks, so all of it needs a write scope.
#[tenant_query(
    "SELECT id FROM customers WHERE name = $name {lock}",
    optional(lock = "FOR UPDATE")
)]
pub async fn ids(db: &mut WriteScope<'_>, name: &str, lock: bool) -> DbResult<Vec<i64>>;

pub fn main() {
    fn require_send<T: Send>(_: impl FnOnce(&'static mut Scope<'static>) -> T) {}
    require_send(|db| search(db, None, true, Sort::NewestFirst));
    require_send(|db| rows_of(db, &inner::Table::Notes));
}
