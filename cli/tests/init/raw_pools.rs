//! A crate that goes around the scope in every way that clippy is to name; a marked line fires.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use sqlx::{Connection, Executor, Postgres, Row};

type Db = sqlx::Pool<Postgres>; //~ sqlx::Pool

pub async fn pool(url: &str) {
    sqlx::PgPool::connect(url).await.unwrap(); //~ sqlx::PgPool
    sqlx::postgres::PgPoolOptions::new().connect(url).await.unwrap(); //~ sqlx::postgres::PgPoolOptions
}

pub async fn aliased(db: &Db) -> i64 {
    sqlx::query("SELECT 1").execute(db).await.unwrap(); //~ sqlx::query::Query::execute
    let row = sqlx::query("SELECT 1").fetch_one(db).await.unwrap(); //~ sqlx::query::Query::fetch_one
    let n: (i64,) = sqlx::query_as("SELECT 1").fetch_one(db).await.unwrap(); //~ sqlx::query::QueryAs::fetch_one
    let m: i64 = sqlx::query_scalar("SELECT 1").fetch_one(db).await.unwrap(); //~ sqlx::query::QueryScalar::fetch_one
    db.execute("SELECT 1").await.unwrap(); //~ sqlx::Executor::execute
    sqlx::raw_sql("SELECT 1").execute(db).await.unwrap(); //~ sqlx_core::raw_sql::RawSql::execute
    let _ = db.begin().await.unwrap(); //~ sqlx::Pool::begin
    row.get::<i64, _>(0) + n.0 + m
}

pub async fn own(url: &str) {
    sqlx::PgConnection::connect(url).await.unwrap(); //~ sqlx::Connection::connect
}

macro_rules! hidden {
    ($db:expr) => {
        sqlx::query("SELECT 2").fetch_all($db) //~ sqlx::query::Query::fetch_all
    };
}

pub async fn by_macro(db: &Db) {
    hidden!(db).await.unwrap();
}

pub async fn generic<'e, E: Executor<'e, Database = Postgres>>(to: E) {
    sqlx::query("SELECT 1").fetch_optional(to).await.unwrap(); //~ sqlx::query::Query::fetch_optional
}
