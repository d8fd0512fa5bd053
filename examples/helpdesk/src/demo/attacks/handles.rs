//! URIs and cursors are names that go through the client. Neither opens anything by itself.

use crate::demo::World;
use crate::demo::client::Era;
use crate::demo::table::Row;
use uuid::Uuid;

/// The URI of the other organisation's ticket, in both eras.
pub(super) async fn uri(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let uri = |ticket: Uuid| format!("helpdesk://tickets/{ticket}");
    let (foreign, absent) = (uri(world.truth.ticket(victim).await?), uri(Uuid::new_v4()));
    let mut texts = Vec::new();
    for era in Era::ALL {
        let attacker = world.client(own, era).await?;
        let rightful = world.client(victim, era).await?;
        let read = rightful.read(&foreign).await?;
        row.control(!read.is_error, || read.text.clone());
        let answer = attacker.read(&foreign).await?;
        row.check(answer.is_error, || answer.text.clone());
        row.check_leaks(&world.truth.leaks(victim, &answer.text));
        // A ticket of nobody, a URI of nothing, and one that is written in another way.
        for other in [
            absent.clone(),
            "helpdesk://organisations".to_owned(),
            foreign.replace("tickets/", "tickets/../tickets/"),
        ] {
            let unknown = attacker.read(&other).await?;
            row.check(
                answer.without_reference() == unknown.without_reference(),
                || format!("{other} is told apart: {} {}", answer.text, unknown.text),
            );
        }
        texts.push(answer.without_reference());
        attacker.close().await;
        rightful.close().await;
    }
    row.check(texts.iter().all(|text| text.contains("not found")), || {
        texts.join(" ")
    });
    row.came_back("\"not found\", word for word as for what does not exist".to_owned());
    Ok(row)
}

/// The other organisation's cursor.
pub(super) async fn cursor(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let attacker = world.client(world.northwind(), Era::Modern).await?;
    let rightful = world.client(world.contoso(), Era::Modern).await?;
    let Some(cursor) = rightful.next_page(None).await?.0 else {
        anyhow::bail!("the list has one page");
    };
    let (_, own) = rightful.next_page(Some(&cursor)).await?;
    row.control(!own.is_error, || own.text.clone());
    let (_, stolen) = attacker.next_page(Some(&cursor)).await?;
    let (_, garbage) = attacker.next_page(Some("AAAA")).await?;
    row.check(stolen.is_error, || stolen.text.clone());
    row.check(
        stolen.without_reference() == garbage.without_reference(),
        || format!("told apart: {} {}", stolen.text, garbage.text),
    );
    row.came_back("refused, word for word as a text that was never a cursor".to_owned());
    attacker.close().await;
    rightful.close().await;
    Ok(row)
}
