//! No prelude, a renamed crate, and user items with the names that the expansion uses.
#![no_implicit_prelude]

use ::watertight as wt;

type Statement = ();
#[allow(dead_code)]
const STATEMENT: Statement = ();

#[wt::tenant_query("SELECT name FROM customers WHERE plan = $arguments", crate = wt)]
pub async fn names(
    scope: &mut wt::Scope<'_>,
    arguments: &str,
) -> wt::DbResult<::std::vec::Vec<::std::string::String>>;

#[wt::tenant_query("UPDATE customers SET plan = $plan", crate = wt)]
pub async fn set_plan(scope: &mut wt::WriteScope<'_>, plan: &str) -> wt::DbResult<u64>;

#[wt::tenant_query(crate = wt)]
pub async fn count(scope: &mut wt::Scope<'_>) -> wt::DbResult<i64> {
    ::sqlx::query_scalar("SELECT count(*) FROM customers").fetch_one(scope).await
}

pub async fn loud(scope: &mut wt::Scope<'_>) -> wt::DbResult<::std::vec::Vec<i64>> {
    wt::unproved!("SELECT id FROM customers", reason = "hygiene", crate = wt)
        .scalars()
        .fetch_all(scope)
        .await
}

pub const CATALOG: wt::Catalog = wt::catalog!(crate = wt);

pub fn main() {}
