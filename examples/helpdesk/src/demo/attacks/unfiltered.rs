//! The statement that everyone fears: no filter at all.

use crate::demo::World;
use crate::demo::client::Era;
use crate::demo::table::Row;
use crate::demo::work::{ids, other_than};
use crate::seed::ORGANISATIONS;
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Each organisation exports "every" customer, and gets exactly its own.
pub(super) async fn select(world: &World) -> anyhow::Result<Row> {
    const ALL: &str = "SELECT id FROM customers WHERE tenant_id = $1";
    let mut row = Row::new("");
    let mut counts = Vec::new();
    for own in &ORGANISATIONS {
        let client = world.client(own, Era::Modern).await?;
        let answer = client.call("export_customers", json!({})).await?;
        row.control(!answer.is_error, || answer.text.clone());
        row.check_leaks(&world.truth.leaks(other_than(own), &answer.text));
        let got: BTreeSet<Uuid> = ids(&answer).into_iter().collect();
        let own_rows: BTreeSet<Uuid> = world.truth.ids(ALL, own).await?.into_iter().collect();
        row.check(got == own_rows, || {
            format!("{} rows instead of {}", got.len(), own_rows.len())
        });
        counts.push(format!("{} for {}", got.len(), own.name));
        client.close().await;
    }
    // The table really holds both: without row-level security the statement would give them all.
    const TOTAL: &str = "SELECT count(*) FROM customers WHERE tenant_id = $1 OR true";
    let total = world.truth.number(TOTAL, world.northwind()).await?;
    row.control(total >= 3000, || format!("the table has only {total} rows"));
    row.came_back(format!("of {total} rows, {}", counts.join(", ")));
    Ok(row)
}
