//! One tenant with many calls does not keep the others waiting.

use std::time::Duration;

use tokio::time::timeout;

use super::harness::{BODIES, CATALOG, builder, database, read, texts};
use crate::db::DbErrorKind;

#[tokio::test]
async fn a_flood_of_one_tenant_leaves_connections_to_others() {
    let database = database().await;
    let pool = builder(database.app_url(), 4)
        .acquire_timeout(Duration::from_millis(500))
        .connect(CATALOG)
        .await
        .unwrap();
    // Three quarters of four.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(read(&pool, 1).await.unwrap());
    }
    let flood: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(
                async move { read(&pool, 1).await.map(drop).map_err(|error| error.kind()) },
            )
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..10 {
        let mut other = timeout(Duration::from_millis(200), read(&pool, 2))
            .await
            .expect("the other tenant waits")
            .unwrap();
        assert_eq!(texts(&mut other, BODIES).await.unwrap(), ["two"]);
    }
    for waiting in flood {
        assert_eq!(waiting.await.unwrap(), Err(DbErrorKind::Busy));
    }
    drop(held);
    read(&pool, 1).await.map(drop).unwrap();
}
