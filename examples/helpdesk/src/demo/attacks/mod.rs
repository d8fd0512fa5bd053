//! The attacks, one kind a file. Each tries the real thing and has a control: the same call by the
//! rightful caller, which works.

mod arguments;
mod dropped;
mod errors;
mod handles;
mod headers;
mod killed;
mod planted;
mod records;
mod scopes;
mod sessions;
mod tokens;
mod trail;
mod unfiltered;
mod weakened;

use super::World;
use super::table::Row;

/// A tenant id slipped in as an extra argument.
pub async fn arguments(world: &World) -> Row {
    run(
        "A tenant id slipped in as an extra argument",
        arguments::extra(world),
    )
    .await
}

/// The other organisation's record ids.
pub async fn records(world: &World) -> Row {
    run(
        "\"Act as Contoso Bank\", with its record ids",
        records::foreign_ids(world),
    )
    .await
}

/// A statement without any filter.
pub async fn unfiltered(world: &World) -> Row {
    run(
        "SELECT … FROM customers, without a filter",
        unfiltered::select(world),
    )
    .await
}

/// Runs every attack, one after the other, and shows each as soon as it is over.
pub(super) async fn all(world: &World, show: &mut impl FnMut(Row)) {
    show(arguments(world).await);
    show(run("SQL in the arguments of two tools", arguments::sql(world)).await);
    show(records(world).await);
    show(
        run(
            "The URI of Contoso's ticket, to read it",
            handles::uri(world),
        )
        .await,
    );
    show(
        run(
            "The cursor of a list that Contoso was given",
            handles::cursor(world),
        )
        .await,
    );
    show(
        run(
            "Its own token on Contoso's session id",
            sessions::stolen(world),
        )
        .await,
    );
    for (tried, token) in tokens::all(world) {
        show(run(tried, tokens::attempt(world, token)).await);
    }
    show(
        run(
            "Headers and a query that name Contoso",
            headers::tenant(world),
        )
        .await,
    );
    show(
        run(
            "A write with a token that may only read",
            scopes::missing(world),
        )
        .await,
    );
    show(
        run(
            "A provoked database error: duplicate key",
            errors::duplicate(world),
        )
        .await,
    );
    show(
        run(
            "A provoked database error: NUL in a text",
            errors::nul(world),
        )
        .await,
    );
    show(
        run(
            "Instructions planted in a ticket, obeyed",
            planted::ticket(world),
        )
        .await,
    );
    show(unfiltered(world).await);
    show(run("Hundreds of calls dropped in flight", dropped::calls(world)).await);
    show(
        run(
            "The database's connections killed at work",
            killed::connections(world),
        )
        .await,
    );
    show(
        run(
            "Row-level security switched off on a table",
            weakened::table(world),
        )
        .await,
    );
    show(
        run(
            "The audit trail, by the application's own role",
            trail::removed(world),
        )
        .await,
    );
}

async fn run(tried: &str, attack: impl Future<Output = anyhow::Result<Row>>) -> Row {
    let mut row = match attack.await {
        Ok(row) => row,
        Err(error) => {
            let mut row = Row::new(tried);
            row.fail(&error);
            row
        }
    };
    row.name(tried);
    row
}
