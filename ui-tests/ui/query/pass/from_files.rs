//! A statement in a file of its own, relative to the folder of `Cargo.toml`.

use watertight::{DbResult, Scope, tenant_query};

#[derive(Debug, sqlx::FromRow)]
pub struct Customer {
    pub id: i64,
    pub name: String,
}

#[tenant_query(file = "queries/on_plan.sql")]
pub async fn on_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>>;

pub fn main() {}
