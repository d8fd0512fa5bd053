//! Tokens that are not what they should be, each wrong in one point and right in all others.

use crate::demo::World;
use crate::demo::client::send;
use crate::demo::table::Row;
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;
use watertight_test::Issuer;

/// Every kind, each for Contoso Bank.
pub(super) fn all(world: &World) -> [(&'static str, anyhow::Result<String>); 6] {
    [
        ("A token that expired ten minutes ago", expired(world)),
        ("A token of a foreign issuer", foreign(world)),
        ("A token for another server (audience)", audience(world)),
        ("A token without a signature (alg: none)", unsigned(world)),
        ("A token signed with a forged key", forged(world)),
        ("A token whose tenant was exchanged", exchanged(world)),
    ]
}

/// Such a token on a call that works with a good one.
pub(super) async fn attempt(world: &World, token: anyhow::Result<String>) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let victim = world.contoso();
    let arguments = json!({ "limit": 5 });
    let call = |token: &str| world.bare.call(token, "list_customers", &arguments);
    let good = send(call(&world.running.token(victim)?)).await?;
    row.control(
        good.status == StatusCode::OK && good.rows().len() == 5,
        || format!("a good token: {} {}", good.status, good.body),
    );
    let reply = send(call(&token?)).await?;
    row.check(reply.status == StatusCode::UNAUTHORIZED, || {
        format!("{} {}", reply.status, reply.body)
    });
    row.check(reply.challenge.contains("resource_metadata="), || {
        format!("WWW-Authenticate: {:?}", reply.challenge)
    });
    row.check_leaks(&world.truth.leaks(victim, &reply.text()));
    let code = reply
        .challenge
        .split("error=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    row.came_back(format!(
        "{} {}",
        reply.status.as_u16(),
        code.unwrap_or_default()
    ));
    Ok(row)
}

fn expired(world: &World) -> anyhow::Result<String> {
    let running = &world.running;
    let token = running.claims(running.issuer(), &running.url, world.contoso());
    Ok(token.expired_for(Duration::from_secs(600)).sign()?)
}

fn foreign(world: &World) -> anyhow::Result<String> {
    let running = &world.running;
    let issuer = Issuer::new("https://login.attacker.example")?;
    Ok(running
        .claims(&issuer, &running.url, world.contoso())
        .sign()?)
}

fn audience(world: &World) -> anyhow::Result<String> {
    let running = &world.running;
    Ok(running
        .claims(
            running.issuer(),
            "https://other.example/mcp",
            world.contoso(),
        )
        .sign()?)
}

fn unsigned(world: &World) -> anyhow::Result<String> {
    let running = &world.running;
    Ok(running
        .claims(running.issuer(), &running.url, world.contoso())
        .unsigned())
}

fn forged(world: &World) -> anyhow::Result<String> {
    let running = &world.running;
    let impostor = running.issuer().impostor()?;
    Ok(running
        .claims(&impostor, &running.url, world.contoso())
        .sign()?)
}

/// Northwind's own token, with the payload of one for Contoso and the old signature.
fn exchanged(world: &World) -> anyhow::Result<String> {
    let own = world.running.token(world.northwind())?;
    let wanted = world.running.token(world.contoso())?;
    let mut own = own.split('.');
    let (header, _, signature) = (own.next(), own.next(), own.next());
    let payload = wanted.split('.').nth(1);
    let parts: Option<Vec<&str>> = [header, payload, signature].into_iter().collect();
    parts
        .map(|parts| parts.join("."))
        .ok_or_else(|| anyhow::anyhow!("a token has three parts"))
}
