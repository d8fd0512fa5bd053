use sqlx::{Postgres, QueryBuilder};
use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn names(db: &mut Scope<'_>, plan: Option<&str>) -> DbResult<Vec<String>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT name FROM customers");
    if let Some(plan) = plan {
        query.push(" WHERE plan = ").push_bind(plan);
    }
    query.build_query_scalar().fetch_all(db).await
}

fn main() {}
