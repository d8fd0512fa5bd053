//! Headers and query strings are the client's word, and decide nothing.

use crate::demo::World;
use crate::demo::client::send;
use crate::demo::table::Row;
use serde_json::json;

const HEADERS: [&str; 6] = [
    "X-Tenant-Id",
    "X-Tenant",
    "X-Org-Id",
    "X-Organization-Id",
    "Tenant",
    "X-Forwarded-Tenant",
];

/// The answer with such a header is the answer without.
pub(super) async fn tenant(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let token = world.running.token(own)?;
    let arguments = json!({ "limit": 5 });
    let call = || world.bare.call(&token, "list_customers", &arguments);
    let plain = send(call()).await?;
    row.control(plain.rows().len() == 5, || {
        format!("{} {}", plain.status, plain.body)
    });

    let foreign = victim.tenant.to_string();
    let mut requests: Vec<_> = HEADERS
        .iter()
        .map(|name| (*name, call().header(*name, &foreign)))
        .collect();
    requests.push(("?tenant_id=", call().query(&[("tenant_id", &foreign)])));
    requests.push((
        "a cookie",
        call().header("Cookie", format!("tenant_id={foreign}")),
    ));
    let count = requests.len();
    for (name, request) in requests {
        let reply = send(request).await?;
        row.check(reply.rows() == plain.rows(), || {
            format!("{name}: {} {}", reply.status, reply.body)
        });
        row.check_leaks(&world.truth.leaks(victim, &reply.text()));
    }
    row.came_back(format!("{count} times the caller's own rows, as without"));
    Ok(row)
}
