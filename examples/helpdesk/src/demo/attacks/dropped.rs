//! Calls abandoned at a random moment. A connection that went back to the pool with the old tenant
//! still set would show in the other tenant's next read.

use crate::demo::World;
use crate::demo::client::{Bare, Era};
use crate::demo::table::Row;
use crate::demo::work::ids;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 150;
/// Calls under way at once; with the reader, all connections of the pool.
const AT_ONCE: u64 = 3;

/// Northwind drops hundreds of calls while Contoso reads, on a pool of a few connections.
pub(super) async fn calls(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let reader = world.client(victim, Era::Modern).await?;
    const FIRST: &str =
        "SELECT id FROM customers WHERE tenant_id = $1 ORDER BY name, reference LIMIT 20";
    let expected = world.truth.ids(FIRST, victim).await?;
    let control = reader.call("list_customers", json!({})).await?;
    row.control(ids(&control) == expected, || control.text.clone());
    let before = (
        world.truth.fingerprint(victim).await?,
        connections(world).await?,
    );

    // How long calls take on this machine decides when they are abandoned: at any moment from their
    // beginning to somewhat after their usual end.
    let token = world.running.token(own)?;
    let usual = Instant::now();
    for n in 0..4 {
        let finished = three(world, &token, n, [Duration::from_secs(30); 3]).await?;
        row.control(finished == AT_ONCE, || {
            "a call that nobody dropped was not answered".to_owned()
        });
    }
    let usual = usual.elapsed() / 4;

    let (mut dropped, mut finished) = (0, 0);
    for n in 0..ROUNDS {
        let moment = |k: u64| usual * (((n * 7919 + k * 331) % 130) as u32) / 100;
        let answered = three(world, &token, n, [moment(1), moment(2), moment(3)]).await?;
        finished += answered;
        dropped += AT_ONCE - answered;
        if n % 2 == 0 {
            let answer = reader.call("list_customers", json!({})).await?;
            row.check_leaks(&world.truth.leaks(own, &answer.text));
            row.check(ids(&answer) == expected, || {
                format!("a read after a drop: {}", answer.text)
            });
        }
    }
    row.control(dropped >= 200, || {
        format!("only {dropped} calls were dropped")
    });
    row.control(finished >= 20, || {
        format!("only {finished} of the others came to their end")
    });
    let after = (
        world.truth.fingerprint(victim).await?,
        connections(world).await?,
    );
    row.check(before.0 == after.0, || {
        "a write landed with the wrong tenant".to_owned()
    });
    // A call that was dropped while the database worked for it costs its connection.
    let thrown_away = after.1 - before.1;
    row.control(thrown_away > 0, || {
        "no call was dropped while the database worked".to_owned()
    });
    reader.close().await;
    row.came_back(format!(
        "{dropped} calls dropped, {thrown_away} connections thrown away for it; Contoso's {} reads in \
         between: its own rows, all of them",
        ROUNDS / 2
    ));
    Ok(row)
}

/// How many connections the pool has opened so far.
async fn connections(world: &World) -> anyhow::Result<i64> {
    const OPENED: &str = "SELECT sessions FROM pg_stat_database \
         WHERE datname = current_database() AND $1::uuid IS NOT NULL";
    // Backends report at most once a second, and when they end.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.truth.number(OPENED, world.northwind()).await
}

/// Three calls at once, each abandoned at its moment; how many were answered before it.
async fn three(world: &World, token: &str, n: u64, moments: [Duration; 3]) -> anyhow::Result<u64> {
    let [first, second, third] = moments;
    let (a, b, c) = tokio::join!(
        abandon(&world.bare, token, n, first),
        abandon(&world.bare, token, n + 1, second),
        abandon(&world.bare, token, n + 2, third),
    );
    Ok([a?, b?, c?].into_iter().map(u64::from).sum())
}

/// Whether the call was answered in time.
async fn abandon(bare: &Bare, token: &str, n: u64, moment: Duration) -> anyhow::Result<bool> {
    let (tool, arguments): (&str, Value) = match n % 3 {
        0 => ("search_tickets", json!({ "words": "invoice" })),
        1 => (
            "upsert_customer",
            json!({ "email": "dropped@clients.northwind.example", "name": "Dropped", "plan": "pro" }),
        ),
        _ => ("tickets_by_status", json!({})),
    };
    let call = bare.call(token, tool, &arguments).send();
    match tokio::time::timeout(moment, call).await {
        Err(_elapsed) => Ok(false),
        Ok(answer) => {
            answer?.bytes().await?;
            Ok(true)
        }
    }
}
