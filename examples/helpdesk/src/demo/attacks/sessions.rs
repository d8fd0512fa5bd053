//! The older eras have sessions. A session id is a name and opens nothing by itself.

use crate::demo::World;
use crate::demo::client::{legacy_call, send};
use crate::demo::table::Row;
use reqwest::{Method, StatusCode};
use serde_json::json;

/// Another organisation's valid token on a session that someone else opened.
pub(super) async fn stolen(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (attacker, victim) = (world.northwind(), world.contoso());
    let (own, stranger) = (world.running.token(victim)?, world.running.token(attacker)?);
    let call = legacy_call("list_customers", &json!({ "limit": 5 }));
    let session = world.bare.open_session(&own).await?;
    let request =
        |method, token: &str, body| world.bare.legacy(method, token, Some(&session), body);

    let reply = send(request(Method::POST, &own, Some(&call))).await?;
    row.control(reply.rows().len() == 5, || {
        format!("{} {}", reply.status, reply.body)
    });
    let mut statuses = Vec::new();
    for (method, body) in [
        (Method::POST, Some(&call)),
        (Method::GET, None),
        (Method::DELETE, None),
    ] {
        let reply = send(request(method.clone(), &stranger, body)).await?;
        row.check(reply.status == StatusCode::NOT_FOUND, || {
            format!("{method}: {}", reply.status)
        });
        row.check_leaks(&world.truth.leaks(victim, &reply.text()));
        statuses.push(format!("{method} {}", reply.status.as_u16()));
    }
    let reply = send(request(Method::POST, &own, Some(&call))).await?;
    row.control(reply.rows().len() == 5, || {
        "its owner's session did not survive".to_owned()
    });
    row.came_back(format!(
        "{}; its owner goes on working",
        statuses.join(", ")
    ));
    Ok(row)
}
