//! Errors of the database. What PostgreSQL says names the tenant; what the client gets names nothing,
//! and a reference leads from it to the log.

use crate::demo::World;
use crate::demo::client::{Answer, Client, Era};
use crate::demo::table::Row;
use anyhow::Context;
use serde_json::{Value, json};

/// Words that only a database's own message would contain.
const TELLING: [&str; 8] = [
    "tenant",
    "constraint",
    "_key",
    "duplicate",
    "relation",
    "sqlstate",
    "insert into",
    "utf8",
];

/// A unique key that begins with the tenant: PostgreSQL prints it in the error's detail.
pub(super) async fn duplicate(world: &World) -> anyhow::Result<Row> {
    let own = world.northwind();
    let said = world
        .truth
        .error_of(
            "INSERT INTO tags (tenant_id, name) VALUES ($1, 'billing')",
            own,
        )
        .await?;
    let mut row = Row::new("");
    row.control(said.contains(&own.tenant.to_string()), || {
        format!("PostgreSQL did not name the tenant: {said}")
    });
    let client = world.client(own, Era::Modern).await?;
    let fresh = client
        .call("create_tag", json!({ "name": "returns" }))
        .await?;
    row.control(!fresh.is_error, || fresh.text.clone());
    provoke(
        world,
        &client,
        "create_tag",
        json!({ "name": "billing" }),
        &mut row,
    )
    .await?;
    client.close().await;
    Ok(row)
}

/// PostgreSQL stores no NUL in a text, and says so in its own words.
pub(super) async fn nul(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let client = world.client(world.northwind(), Era::Modern).await?;
    let fine = client
        .call("search_tickets", json!({ "words": "invoice" }))
        .await?;
    row.control(!fine.is_error && !fine.rows().is_empty(), || {
        fine.text.clone()
    });
    provoke(
        world,
        &client,
        "search_tickets",
        json!({ "words": "in\u{0}voice" }),
        &mut row,
    )
    .await?;
    client.close().await;
    Ok(row)
}

async fn provoke(
    world: &World,
    client: &Client,
    tool: &str,
    arguments: Value,
    row: &mut Row,
) -> anyhow::Result<()> {
    let own = world.northwind();
    let answer: Answer = client.call(tool, arguments).await?;
    row.check(answer.is_error, || format!("no error: {}", answer.text));
    row.check_leaks(&world.truth.leaks(world.contoso(), &answer.text));
    // Not even the caller's own tenant is named.
    row.check(world.truth.leaks(own, &answer.text).is_empty(), || {
        answer.text.clone()
    });
    let text = answer.text.to_lowercase();
    for word in TELLING {
        row.check(!text.contains(word), || {
            format!("the answer says `{word}`: {}", answer.text)
        });
    }
    let reference = answer
        .reference()
        .with_context(|| format!("no reference in {}", answer.text))?;
    let logged = world.logs.lines_with(&reference);
    row.check(!logged.is_empty(), || {
        format!("the log does not know the reference {reference}")
    });
    let cause = logged
        .iter()
        .any(|line| line.contains("duplicate key") || line.contains("0x00"));
    row.check(cause, || {
        format!("the log has no cause under {reference}: {logged:?}")
    });
    let said = answer
        .value
        .get("message")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let said = said.unwrap_or_else(|| first_text(&answer.text));
    row.came_back(format!(
        "\"{}\"; the cause is in the log",
        said.replace(&reference, &short(&reference))
    ));
    Ok(())
}

fn first_text(answer: &str) -> String {
    let value: Value = serde_json::from_str(answer).unwrap_or_default();
    let text = value
        .pointer("/content/0/text")
        .or_else(|| value.get("message"));
    text.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn short(reference: &str) -> String {
    format!("{}…", reference.chars().take(6).collect::<String>())
}
