//! Scopes: what a token does not grant, a tool does not do.

use crate::demo::World;
use crate::demo::client::{Client, Era};
use crate::demo::table::Row;
use serde_json::json;

/// A token with the scopes to read tries to write.
pub(super) async fn missing(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let own = world.northwind();
    let running = &world.running;
    let token = running
        .claims(running.issuer(), &running.url, own)
        .scopes("customers:read")
        .sign()?;
    let before = world.truth.fingerprint(own).await?;
    let reader = Client::connect(&running.url, &token, Era::Modern).await?;
    let list = reader.call("list_customers", json!({ "limit": 5 })).await?;
    row.control(list.rows().len() == 5, || list.text.clone());

    let arguments = json!({ "email": "x@y.example", "name": "X", "plan": "pro" });
    // Refused as a tool's error or, as the specification has it, with 403 by the transport.
    let refused = match reader.call("upsert_customer", arguments).await {
        Ok(answer) => answer.is_error,
        Err(error) => format!("{error:#}").to_lowercase().contains("scope"),
    };
    row.check(refused, || {
        "a token without `customers:write` wrote".to_owned()
    });
    let after = world.truth.fingerprint(own).await?;
    row.check(before == after, || "rows were changed".to_owned());
    reader.close().await;
    row.came_back("refused; reading works with the same token");
    Ok(row)
}
