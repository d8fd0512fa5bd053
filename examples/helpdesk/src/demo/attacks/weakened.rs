//! Somebody switches row-level security off while the server runs.

use crate::demo::World;
use crate::demo::client::{Answer, Client, Era};
use crate::demo::table::Row;
use serde_json::json;
use std::time::{Duration, Instant};

/// The tools that rest on the table are refused until it is mended; the others go on.
pub(super) async fn table(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let own = world.northwind();
    let client = world.client(own, Era::Modern).await?;
    let ticket = world.truth.ticket(own).await?;
    let read = async || client.call("get_ticket", json!({ "ticket": ticket })).await;
    let control = read().await?;
    row.control(!control.is_error, || control.text.clone());

    world
        .truth
        .execute("ALTER TABLE tags DISABLE ROW LEVEL SECURITY")
        .await?;
    // The server looks every second here, every five minutes by default.
    let seen = until(Duration::from_secs(15), async || Ok(read().await?.is_error)).await;
    let (refused, others) = (read().await?, customers(&client).await?);
    world
        .truth
        .execute("ALTER TABLE tags ENABLE ROW LEVEL SECURITY")
        .await?;
    let mended = until(Duration::from_secs(15), async || {
        Ok(!read().await?.is_error)
    })
    .await;

    row.check(seen?, || "nothing noticed it".to_owned());
    row.check(refused.text.contains("unavailable"), || {
        refused.text.clone()
    });
    row.check(!refused.text.contains("tags"), || refused.text.clone());
    row.check(!others.is_error, || others.text.clone());
    row.control(mended?, || "it stayed refused after the mend".to_owned());
    let told = world.logs.lines_with("ENABLE ROW LEVEL SECURITY");
    row.control(told.iter().any(|line| line.contains("tags")), || {
        "the log does not say why".to_owned()
    });
    client.close().await;
    row.came_back(
        "tools that read the table: \"unavailable\"; the others go on; the log has the mend",
    );
    Ok(row)
}

async fn customers(client: &Client) -> anyhow::Result<Answer> {
    client.call("list_customers", json!({})).await
}

/// Whether it becomes true in time.
async fn until(
    time: Duration,
    holds: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if holds().await? {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}
