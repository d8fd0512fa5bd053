//! Ordinary work: both organisations, in both eras, all at the same time, and every answer compared
//! with the database.

use super::World;
use super::client::{Answer, Client, Era};
use super::table::Row;
use crate::seed::{ORGANISATIONS, Organisation};
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// How often the cheap reads are repeated, so that the four clients really meet in the pool.
const ROUNDS: u32 = 15;

/// One row for each organisation and era.
pub(super) async fn both_organisations(world: &World) -> Vec<Row> {
    let [first, second] = &ORGANISATIONS;
    let (a, b, c, d) = tokio::join!(
        one(world, first, Era::Modern),
        one(world, second, Era::Modern),
        one(world, first, Era::Legacy),
        one(world, second, Era::Legacy),
    );
    vec![a, b, c, d]
}

async fn one(world: &World, own: &'static Organisation, era: Era) -> Row {
    let mut row = Row::new(own.name);
    if let Err(error) = work(world, own, era, &mut row).await {
        row.fail(&error);
    }
    row
}

async fn work(
    world: &World,
    own: &'static Organisation,
    era: Era,
    row: &mut Row,
) -> anyhow::Result<()> {
    let client = world.client(own, era).await?;
    let other = other_than(own);
    let tools = client.tools().await?;
    row.control(tools.len() >= 10, || format!("only {} tools", tools.len()));
    for tool in &tools {
        let closed = tool.input_schema.get("additionalProperties") == Some(&Value::Bool(false));
        row.check(closed, || {
            format!("{} accepts arguments that it does not name", tool.name)
        });
    }

    let mut calls = 0_u32;
    let mut judge = |row: &mut Row, answer: &Answer, what: &str| {
        calls += 1;
        row.control(!answer.is_error, || format!("{what}: {}", answer.text));
        row.check_leaks(&world.truth.leaks(other, &answer.text));
    };

    // Reads, compared with what the superuser sees.
    const FIRST: &str = "SELECT id FROM customers WHERE tenant_id = $1 AND plan = 'free' ORDER BY name, reference LIMIT 50";
    let expected = world.truth.ids(FIRST, own).await?;
    for _ in 0..ROUNDS {
        let answer = client
            .call("list_customers", json!({ "plan": "free", "limit": 50 }))
            .await?;
        judge(row, &answer, "list_customers");
        row.check(ids(&answer) == expected, || {
            "list_customers differs from the database".to_owned()
        });
        let answer = client
            .call("search_tickets", json!({ "words": "invoice ordered" }))
            .await?;
        judge(row, &answer, "search_tickets");
        row.check(answer.rows().len() == 20, || {
            "search_tickets found too little".to_owned()
        });
    }
    for (tool, arguments) in [
        ("list_tickets", json!({ "status": "pending" })),
        ("agent_workload", json!({})),
        ("price_list", json!({})),
    ] {
        let answer = client.call(tool, arguments).await?;
        judge(row, &answer, tool);
        row.check(!answer.rows().is_empty(), || {
            format!("{tool} came back empty")
        });
    }

    // A ticket's whole life.
    let customer = save_customer(&client, own, era, row, &mut judge).await?;
    let opened = client
        .call(
            "create_ticket",
            json!({
                "customer_id": customer, "subject": "Invoice does not match the order",
                "body": "The invoice has two lines too many.", "priority": "urgent", "tags": ["billing"]
            }),
        )
        .await?;
    judge(row, &opened, "create_ticket");
    let ticket = opened
        .text_of("id")
        .context("create_ticket gave no id")?
        .to_owned();
    for (tool, arguments) in [
        (
            "reply_to_ticket",
            json!({ "ticket": ticket, "body": "Thank you, I am looking into it." }),
        ),
        (
            "assign_ticket",
            json!({ "ticket": ticket, "assignee": format!("agent2@{}", own.domain) }),
        ),
        (
            "close_ticket",
            json!({ "ticket": ticket, "resolution": "A corrected invoice is on its way." }),
        ),
    ] {
        let answer = client.call(tool, arguments).await?;
        judge(row, &answer, tool);
    }
    let answer = client
        .call("get_ticket", json!({ "ticket": ticket }))
        .await?;
    judge(row, &answer, "get_ticket");
    let messages = answer
        .value
        .get("messages")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    row.check(messages == 3, || {
        format!("the ticket has {messages} messages instead of 3")
    });
    row.check(answer.text_of("status") == Some("closed"), || {
        "the ticket is not closed".to_owned()
    });

    let version = client.version();
    client.close().await;
    row.came_back(format!(
        "MCP {version}: {} tools, {calls} calls, all as the database has it",
        tools.len()
    ));
    Ok(())
}

async fn save_customer(
    client: &Client,
    own: &Organisation,
    era: Era,
    row: &mut Row,
    judge: &mut impl FnMut(&mut Row, &Answer, &str),
) -> anyhow::Result<Uuid> {
    let email = format!("walk-in-{era:?}@clients.{}", own.domain).to_lowercase();
    let mut ids = BTreeSet::new();
    for plan in ["free", "pro"] {
        let arguments = json!({ "email": email, "name": "Walk In", "plan": plan });
        let answer = client.call("upsert_customer", arguments).await?;
        judge(row, &answer, "upsert_customer");
        row.check(answer.text_of("plan") == Some(plan), || {
            "the plan was not saved".to_owned()
        });
        ids.insert(
            answer
                .text_of("id")
                .context("upsert_customer gave no id")?
                .parse::<Uuid>()?,
        );
    }
    row.check(ids.len() == 1, || {
        "the second upsert made a second customer".to_owned()
    });
    ids.pop_first().context("no customer")
}

/// The other one of the two.
pub(super) fn other_than(own: &Organisation) -> &'static Organisation {
    let [first, second] = &ORGANISATIONS;
    if own.tenant == first.tenant {
        second
    } else {
        first
    }
}

/// The ids of a list, in its order.
pub(super) fn ids(answer: &Answer) -> Vec<Uuid> {
    let id = |row: &Value| row.get("id")?.as_str()?.parse().ok();
    answer.rows().iter().filter_map(id).collect()
}
