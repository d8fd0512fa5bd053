//! The demo can fail: with the database's protection taken away, the attacks that rely on it are
//! reported as not held, and no other.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

use helpdesk::demo::{World, attacks};
use helpdesk::desk::Desk;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_noticed() {
    // The server must not notice by itself what is done to its database.
    let desk = Desk::set_up().await.unwrap();
    let desk = desk.verifying_every(Duration::from_secs(3600));
    let (desk, world) = World::of(desk).await.unwrap();
    desk.database()
        .execute_as_owner("ALTER TABLE customers DISABLE ROW LEVEL SECURITY")
        .await
        .unwrap();
    let leaking = [
        attacks::unfiltered(&world).await,
        attacks::records(&world).await,
    ];
    for row in leaking {
        assert!(!row.held(), "a leak was not noticed: {row:?}");
        assert!(format!("{row:?}").contains("came back"), "{row:?}");
    }
    let filtered = attacks::arguments(&world).await;
    assert!(filtered.held(), "{filtered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_others_rows_is_noticed() {
    let (desk, world) = World::set_up().await.unwrap();
    let before = world.truth.fingerprint(world.contoso()).await.unwrap();
    desk.database()
        .execute_as_admin("UPDATE tickets SET subject = subject || '.' WHERE number = 1042")
        .await
        .unwrap();
    assert_ne!(
        world.truth.fingerprint(world.contoso()).await.unwrap(),
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_are_found_in_every_spelling() {
    let (_desk, world) = World::set_up().await.unwrap();
    let victim = world.contoso();
    let customer = world.truth.customer(victim).await.unwrap();
    for text in [
        format!("{{\"id\":\"{customer}\"}}"),
        format!("see {}.", customer.to_string().to_uppercase()),
        "CTB-C000042".to_owned(),
        "AGENT3@CONTOSO.EXAMPLE".to_owned(),
        victim.tenant.simple().to_string(),
    ] {
        assert!(!world.truth.leaks(victim, &text).is_empty(), "{text}");
        assert!(
            world.truth.leaks(world.northwind(), &text).is_empty(),
            "{text}"
        );
    }
    // What both have proves nothing.
    assert!(
        world
            .truth
            .leaks(victim, "Ada Lovelace ada.lovelace@mail.example #1042")
            .is_empty()
    );
}
