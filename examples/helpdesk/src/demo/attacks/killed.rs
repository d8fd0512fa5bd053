//! Connections killed on the server while both organisations are at work: what a failover, an
//! administrator or a crash does to a pool.

use crate::demo::World;
use crate::demo::client::{Era, send};
use crate::demo::table::Row;
use crate::demo::work::ids;
use serde_json::json;

const ROUNDS: usize = 60;

/// All connections of the pool are killed again and again; whoever is answered is answered right.
pub(super) async fn connections(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let reader = world.client(victim, Era::Modern).await?;
    let token = world.running.token(own)?;
    let control = reader.call("list_customers", json!({})).await?;
    row.control(!control.is_error, || control.text.clone());
    let before = world.truth.fingerprint(victim).await?;

    let (mut killed, mut answered, mut failed) = (0, 0, 0);
    for round in 0..ROUNDS {
        let name = json!({ "name": format!("killed {round}") });
        let write = send(world.bare.call(&token, "create_tag", &name));
        let (written, read, dead) = tokio::join!(
            write,
            reader.call("list_customers", json!({})),
            world.truth.kill_connections("app")
        );
        killed += dead?;
        let (written, read) = (written?, read?);
        row.check_leaks(&world.truth.leaks(victim, &written.text()));
        row.check_leaks(&world.truth.leaks(own, &read.text));
        match read.is_error {
            true => failed += 1,
            false => {
                answered += 1;
                row.check(ids(&read) == ids(&control), || read.text.clone());
            }
        }
    }
    let healed = reader.call("list_customers", json!({})).await?;
    row.control(ids(&healed) == ids(&control), || healed.text.clone());
    row.control(killed >= 30, || {
        format!("only {killed} connections were killed")
    });
    let after = world.truth.fingerprint(victim).await?;
    row.check(before == after, || {
        "the other organisation's rows were changed".to_owned()
    });
    reader.close().await;
    row.came_back(format!(
        "{killed} connections killed; of Contoso's {ROUNDS} reads {answered} answered with its own rows, {failed} with a safe error"
    ));
    Ok(row)
}
