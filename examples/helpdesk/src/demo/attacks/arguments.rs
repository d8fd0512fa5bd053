//! Arguments that no schema names, and arguments that try to be more than text.

use crate::demo::World;
use crate::demo::client::Era;
use crate::demo::table::Row;
use crate::demo::work::ids;
use rmcp::model::RequestMetaObject;
use serde_json::{Value, json};

const SPELLINGS: [&str; 8] = [
    "tenant_id",
    "tenantId",
    "X-Tenant-ID",
    "organisation",
    "org",
    "workspace_id",
    "app.tenant_id",
    "$tenant",
];

/// The other organisation's id under every name that a server might read it from.
pub(super) async fn extra(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let mut refused = 0;
    for era in Era::ALL {
        let client = world.client(own, era).await?;
        let plain = client.call("list_customers", json!({ "limit": 5 })).await?;
        row.control(!plain.is_error && plain.rows().len() == 5, || {
            plain.text.clone()
        });
        for name in SPELLINGS {
            let arguments = json!({ "limit": 5, name: victim.tenant.to_string() });
            let answer = client.call("list_customers", arguments).await?;
            row.check(answer.is_error, || {
                format!("`{name}` was accepted: {}", answer.text)
            });
            row.check_leaks(&world.truth.leaks(victim, &answer.text));
            refused += u32::from(answer.is_error);
        }
        // Metadata may hold anything by specification; then it must not matter.
        let mut meta = RequestMetaObject::new();
        meta.0.0.insert(
            "tenant_id".to_owned(),
            Value::String(victim.tenant.to_string()),
        );
        let answer = client
            .call_with("list_customers", json!({ "limit": 5 }), Some(meta))
            .await?;
        row.check(ids(&answer) == ids(&plain), || {
            format!("_meta made a difference: {}", answer.text)
        });
        client.close().await;
    }
    row.came_back(format!(
        "{refused} of {} refused as unknown arguments; in _meta it changes nothing",
        SPELLINGS.len() * 2
    ));
    Ok(row)
}

/// Text that would be SQL if anything pasted it into a statement.
pub(super) async fn sql(world: &World) -> anyhow::Result<Row> {
    const HOSTILE: &str = "x'); UPDATE customers SET plan = 'free'; --";
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let client = world.client(own, Era::Modern).await?;
    let before = (
        world.truth.fingerprint(victim).await?,
        free_customers(world).await?,
    );
    let found = client
        .call("search_tickets", json!({ "words": "invoice" }))
        .await?;
    row.control(found.rows().len() == 20, || found.text.clone());

    let answer = client
        .call("search_tickets", json!({ "words": HOSTILE }))
        .await?;
    row.check(answer.rows().is_empty(), || {
        format!("the search found {}", answer.text)
    });
    let answer = client
        .call("create_tag", json!({ "name": HOSTILE }))
        .await?;
    row.control(!answer.is_error, || answer.text.clone());
    const STORED: &str =
        "SELECT count(*) FROM tags WHERE tenant_id = $1 AND name LIKE 'x%UPDATE customers%'";
    let stored = world.truth.number(STORED, own).await?;
    row.check(stored == 1, || {
        "the text was not stored as it is".to_owned()
    });
    let after = (
        world.truth.fingerprint(victim).await?,
        free_customers(world).await?,
    );
    row.check(before == after, || "rows were changed".to_owned());
    client.close().await;
    row.came_back("no hit, and a tag with an odd name: text stays text");
    Ok(row)
}

async fn free_customers(world: &World) -> anyhow::Result<i64> {
    const FREE: &str = "SELECT count(*) FROM customers WHERE tenant_id = $1 AND plan = 'free'";
    world.truth.number(FREE, world.northwind()).await
}
