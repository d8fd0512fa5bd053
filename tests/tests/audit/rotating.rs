//! Another key: what was written under the one before still verifies, and what somebody writes under
//! that one afterwards is found.

use super::*;

/// The key after [`KEY`].
const NEW: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

fn new_key() -> AuditKey {
    AuditKey::from_base64(NEW).unwrap()
}

/// A trail under [`KEY`], and then under [`NEW`], over the same database; and the time in between.
async fn rotated() -> (Database, tempfile::TempDir, String) {
    let (database, anchor) = World::used().await;
    let until = chrono::Utc::now().to_rfc3339();
    let file = FileAnchor::append(anchor.path().join("heads.jsonl")).unwrap();
    let options = AuditOptions::new().key(new_key()).anchor(file);
    let world = World::of(database, anchor, options, |server| server).await;
    for number in 0..3 {
        let bodies = json!({ "bodies": [format!("rotated {number}")] });
        world.call(&world.tokens[0], "add_notes", bodies).await;
        world.call(&world.tokens[1], "list_notes", json!({})).await;
    }
    assert!(world.endpoint.stop().await);
    (world.database, world.anchor, until)
}

/// `audit …` with these lines as the key file.
fn with_keys(url: &str, keys: &str, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.key");
    std::fs::write(&file, keys).unwrap();
    let arguments = [arguments, &["--key-file", file.to_str().unwrap()]].concat();
    let (status, text) = audit(url, &arguments);
    assert!(!text.contains(NEW), "{text}");
    (status, text)
}

fn verify_with(database: &Database, anchor: &tempfile::TempDir, keys: &str) -> (i32, String) {
    let heads = anchor.path().join("heads.jsonl");
    let arguments = ["verify", "--anchor", heads.to_str().unwrap()];
    with_keys(database.admin_url(), keys, &arguments)
}

#[tokio::test]
async fn a_trail_under_two_keys_is_as_it_was_written() {
    let (database, anchor, until) = rotated().await;
    let both = format!("{NEW}\n{KEY} until {until}\n");
    let (status, text) = verify_with(&database, &anchor, &both);
    assert_eq!(status, 0, "{text}");
    for (tenant, calls, writes) in [(ACME, 13, 8), (BETA, 13, 5)] {
        let line = format!(
            "ok       tenant {tenant}: {calls} calls in 2 chains, and {writes} writes, as they were written"
        );
        assert!(text.contains(&line), "{text}");
    }
    // Without its end, the earlier key could go on; that is said.
    let (status, text) = verify_with(&database, &anchor, &format!("{NEW}\n{KEY}"));
    let id = key().id();
    assert!(
        status == 0 && text.contains(&format!("the earlier key {id} has no end")),
        "{text}"
    );

    // A key that is not here is told as that, and is no tampering; and the other one's records are looked at.
    for (keys, missing, told) in [(NEW, key(), "10 records"), (KEY, new_key(), "3 records")] {
        let (status, text) = verify_with(&database, &anchor, keys);
        assert_eq!(status, 2, "{text}");
        assert!(!text.contains("TAMPERED"), "{text}");
        let line = format!(
            "  {told} under the key {}, which is not among those given",
            missing.id()
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    let neither = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    let (status, text) = verify_with(&database, &anchor, neither);
    assert_eq!(status, 2, "{text}");
    assert!(
        !text.contains("TAMPERED") && text.contains("UNKNOWN"),
        "{text}"
    );
    assert!(
        text.contains("nothing at all verifies under the key given"),
        "{text}"
    );
    // Whoever takes records out is found without their key, by what was published.
    tamper(
        &database,
        &format!("DELETE FROM watertight.audit WHERE tenant_id = '{BETA}' AND seq > 1"),
    )
    .await;
    let (status, text) = verify_with(&database, &anchor, neither);
    assert!(status == 1 && text.contains("cut off"), "{text}");
}

#[tokio::test]
async fn records_made_under_the_key_of_before_are_found() {
    let (database, anchor, until) = rotated().await;
    let both = format!("{NEW}\n{KEY} until {until}\n");
    // Somebody has the earlier key, and the database. A chain of the time after its end:
    let writer = key().writer("0123456789abcdef0123456789abcdef");
    let now = chrono::Utc::now().timestamp_micros();
    giving_up::chain(&database, &writer, [now].into_iter()).await;
    let (status, text) = verify_with(&database, &anchor, &both);
    let named = "under a key that was given up: record ";
    assert!(status == 1 && text.contains(named), "{text}");
    assert!(text.contains(&format!("reference old-{now}")), "{text}");
    tamper(
        &database,
        &format!("DELETE FROM watertight.audit WHERE writer = '{writer}'"),
    )
    .await;
    assert_eq!(verify_with(&database, &anchor, &both).0, 0);

    // One of a record of now, made again under the earlier key: its chain misses it.
    tamper(
        &database,
        &format!(
            "UPDATE watertight.audit SET writer = '{writer}', seq = 1, mac = sha256('x') WHERE tenant_id = '{ACME}' \
             AND seq = 2 AND writer LIKE '{}-%'",
            new_key().id()
        ),
    )
    .await;
    let (status, text) = verify_with(&database, &anchor, &both);
    assert!(status == 1 && text.contains("removed: number 2"), "{text}");
}

#[tokio::test]
async fn what_is_dated_back_is_found_by_its_place_among_the_rows() {
    let (database, anchor, _) = rotated().await;
    // Its last process ended an hour ago, by a clock of which the servers' differ by minutes at most.
    let now = chrono::Utc::now();
    let until = (now - chrono::Duration::hours(1)).to_rfc3339();
    let earlier = (now - chrono::Duration::hours(2)).timestamp_micros();
    let alone = format!("{NEW}\n{KEY} until {until}\n");
    // Nothing else is under the earlier key here.
    tamper(
        &database,
        &format!(
            "DELETE FROM watertight.audit WHERE writer LIKE '{0}-%' OR kind = 'effect'; SELECT 1",
            key().id()
        ),
    )
    .await;
    let writer = key().writer("0123456789abcdef0123456789abcdef");
    giving_up::chain(&database, &writer, [earlier].into_iter()).await;
    let (status, text) = with_keys(database.admin_url(), &alone, &["verify", "--tenant", ACME]);
    assert!(
        status == 1
            && text.contains(&format!(
                "reference old-{earlier}, was stored after the end of its key"
            )),
        "{text}"
    );
    drop(anchor);
}

#[tokio::test]
async fn giving_up_and_erasing_go_on_under_another_key() {
    let (database, anchor, until) = rotated().await;
    let both = format!("{NEW}\n{KEY} until {until}\n");
    let old = key().writer("0123456789abcdef0123456789abcdef");
    let times = (1..=3_i64).map(|number| 1_577_836_800_000_000 + number);
    giving_up::chain(&database, &old, times).await;
    // It was stored in its time, among the first rows.
    tamper(
        &database,
        &format!(
            "ALTER TABLE watertight.audit ALTER COLUMN id DROP IDENTITY; \
             UPDATE watertight.audit SET id = id - 1000000 WHERE writer = '{old}'"
        ),
    )
    .await;
    let url = database.owner_url();
    let retain = ["retain", "--keep-months", "1", "--yes"];
    let (status, text) = with_keys(url, NEW, &retain);
    assert!(
        status == 1
            && text.contains(&key().id().to_string())
            && text.contains("nothing was given up"),
        "{text}"
    );
    let (status, text) = with_keys(url, &both, &retain);
    assert!(status == 0 && text.starts_with("3 records"), "{text}");
    let (status, text) = verify_with(&database, &anchor, &both);
    assert_eq!(status, 0, "{text}");

    // Erased under the key of before, and then by the key of now: both are told.
    let erase = ["erase", "--tenant", BETA, "--yes"];
    let (status, text) = with_keys(url, &both, &erase);
    assert_eq!(status, 0, "{text}");
    let newest = "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo=";
    let now = chrono::Utc::now() + chrono::Duration::minutes(1);
    let all = format!(
        "{newest}\n{NEW} until {}\n{KEY} until {until}\n",
        now.to_rfc3339()
    );
    let (status, text) = verify_with(&database, &anchor, &all);
    assert!(
        status == 0 && text.contains(&format!("erased   tenant {BETA}")),
        "{text}"
    );
    // Given up by an earlier key at a time when that was no key any more: that counts for nothing.
    let before = format!("{newest}\n{NEW} until {until}\n{KEY} until {until}\n");
    assert_eq!(verify_with(&database, &anchor, &before).0, 1);
}
