//! Methods, generics, lifetimes, raw names and documentation are kept.

use watertight::{DbResult, Scope, tenant_query};

#[derive(Debug)]
pub struct Customers;

impl Customers {
    /// The names of one plan.
    #[tenant_query("SELECT name FROM customers WHERE plan = $type")]
    pub async fn names(&self, db: &mut Scope<'_>, r#type: &str) -> DbResult<Vec<String>>;

    #[tenant_query("SELECT id, name FROM customers")]
    pub(crate) async fn all<T>(db: &mut Scope<'_>) -> DbResult<Vec<T>>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send;
}

pub fn main() {}
