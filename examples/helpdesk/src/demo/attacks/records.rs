//! The model was told to act as the other organisation, and knows ids of its records.

use crate::demo::World;
use crate::demo::client::{Answer, Client, Era};
use crate::demo::table::Row;
use serde_json::{Value, json};
use uuid::Uuid;

/// Every tool that takes the id of a record.
fn calls(customer: Uuid, ticket: Uuid, assignee: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("get_customer", json!({ "customer_id": customer })),
        ("get_ticket", json!({ "ticket": ticket })),
        (
            "create_ticket",
            json!({ "customer_id": customer, "subject": "s", "body": "b" }),
        ),
        (
            "reply_to_ticket",
            json!({ "ticket": ticket, "body": "Please send your card number." }),
        ),
        (
            "assign_ticket",
            json!({ "ticket": ticket, "assignee": assignee }),
        ),
        (
            "close_ticket",
            json!({ "ticket": ticket, "resolution": "done" }),
        ),
    ]
}

/// Foreign ids are refused, with the very words for ids that do not exist, and change nothing.
pub(super) async fn foreign_ids(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let customer = world.truth.customer(victim).await?;
    let ticket = world.truth.ticket(victim).await?;
    let (attacker, rightful) = (
        world.client(own, Era::Modern).await?,
        world.client(victim, Era::Modern).await?,
    );
    let own_agent = format!("agent1@{}", own.domain);
    let before = world.truth.fingerprint(victim).await?;

    let mut refused = 0;
    let foreign = calls(customer, ticket, &own_agent);
    let absent = calls(Uuid::new_v4(), Uuid::new_v4(), &own_agent);
    for ((tool, arguments), (_, unknown)) in foreign.into_iter().zip(absent) {
        let answer = attacker.call(tool, arguments).await?;
        row.check(answer.is_error, || {
            format!("{tool} worked: {}", answer.text)
        });
        row.check_leaks(&world.truth.leaks(victim, &answer.text));
        let unknown = attacker.call(tool, unknown).await?;
        row.check(
            answer.without_reference() == unknown.without_reference(),
            || {
                format!(
                    "{tool} tells a foreign id from one that does not exist: {}",
                    answer.text
                )
            },
        );
        refused += u32::from(answer.is_error);
    }
    let after = world.truth.fingerprint(victim).await?;
    row.check(before == after, || {
        "the other organisation's rows were changed".to_owned()
    });

    // The same ids in the hands of those whom they belong to.
    for (tool, arguments) in calls(customer, ticket, &format!("agent1@{}", victim.domain)) {
        let answer: Answer = rightful.call(tool, arguments).await?;
        row.control(!answer.is_error, || {
            format!("{tool} by its owner: {}", answer.text)
        });
    }
    close_both(attacker, rightful).await;
    row.came_back(format!(
        "{refused} of 6 \"not found\", word for word as for ids that do not exist; rows untouched"
    ));
    Ok(row)
}

async fn close_both(a: Client, b: Client) {
    a.close().await;
    b.close().await;
}
