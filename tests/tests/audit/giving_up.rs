//! Old months and tenants that leave: only what was verified goes, and is signed.

use super::*;

#[tokio::test]
async fn old_months_are_given_up_and_the_rest_still_verifies() {
    let (database, anchor) = World::used().await;
    // Months later, and the server goes on.
    let partition = rows(
        &database,
        "SELECT tableoid::regclass::text FROM watertight.audit LIMIT 1",
    )
    .await;
    assert!(
        partition[0].starts_with("watertight.audit_20"),
        "{partition:?}"
    );
    let (status, text) = audit(database.owner_url(), &["retain", "--keep-months", "1"]);
    assert!(status == 0 && text.starts_with("0 records"), "{text}");
    assert_eq!(
        audit(database.app_url(), &["retain", "--keep-months", "1"]).0,
        2
    );
    // A chain whose first records are a year old, under the key.
    database
        .execute_as_owner(
            "CREATE TABLE watertight.audit_2020_01 PARTITION OF watertight.audit \
             FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
        )
        .await
        .unwrap();
    let old = old_chain(&database).await;
    assert_eq!(verify(&database, &anchor).0, 0);
    let (status, text) = audit(database.owner_url(), &["retain", "--keep-months", "1"]);
    assert!(
        status == 0 && text.starts_with("3 records from before"),
        "{text}"
    );
    let (status, text) = audit(
        database.owner_url(),
        &["retain", "--keep-months", "1", "--yes"],
    );
    assert_eq!(
        (status, text.contains("1 partitions dropped")),
        (0, true),
        "{text}"
    );
    let left = rows(
        &database,
        &format!("SELECT seq::text FROM watertight.audit WHERE writer = '{old}' ORDER BY seq"),
    )
    .await;
    assert_eq!(left, ["4", "5"]);
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 0, "{text}");
    // What nobody with the key has given up is missed.
    tamper(&database, "UPDATE watertight.audit_floor SET seq = seq + 1").await;
    assert_eq!(verify(&database, &anchor).0, 1);
}

#[tokio::test]
async fn nothing_is_given_up_that_is_not_as_it_was_written() {
    let (database, anchor) = World::used().await;
    let retain = |more: &[&str]| {
        let arguments = [&["retain", "--keep-months", "1"], more].concat();
        audit(database.owner_url(), &arguments)
    };
    let count = "SELECT count(*)::text FROM watertight.audit";
    assert_eq!(rows(&database, count).await, ["30"]);
    // With the application role alone: a number far ahead, and any MAC. It must not become a floor.
    tamper(
        &database,
        &format!(
            "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, mac) \
             SELECT tenant_id, kind, 'far', '2020-01-01', '2020-01-01', writer, 1000000, sha256('x') \
             FROM watertight.audit WHERE tenant_id = '{BETA}' AND seq = 1"
        ),
    )
    .await;
    // As somebody who owns the server: fresh records are made old.
    tamper(
        &database,
        &format!(
            "UPDATE watertight.audit SET recorded_at = '2020-01-05' WHERE tenant_id = '{ACME}' AND seq <= 7"
        ),
    )
    .await;
    for more in [&[][..], &["--yes"], &["--yes", "--accept-unkeyed"]] {
        let (status, text) = retain(more);
        assert_eq!(status, 1, "{text}");
        assert!(text.contains("nothing was given up"), "{text}");
        assert!(text.contains(&format!("TAMPERED tenant {ACME}")), "{text}");
        assert!(text.contains("--despite-findings"), "{text}");
        for number in 1..=7 {
            let named = format!("reference {}", reference(&database, number).await);
            assert!(text.contains(&named), "{named}\n{text}");
        }
        assert!(text.contains("reference far"), "{text}");
        assert_eq!(rows(&database, count).await, ["31"]);
    }
    // One tenant's findings accepted are not another's.
    assert_eq!(retain(&["--yes", "--despite-findings", ACME]).0, 1);
    assert_eq!(rows(&database, count).await, ["31"]);
    let (status, text) = retain(&[
        "--yes",
        "--despite-findings",
        ACME,
        "--despite-findings",
        BETA,
    ]);
    assert_eq!(status, 0, "{text}");
    // No floor was made of what did not verify: what is gone of one is missed, the other is whole.
    let (status, text) = verify(&database, &anchor);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("removed: numbers 1 to 7"), "{text}");
    assert!(
        text.contains(&format!(
            "ok       tenant {BETA}: 10 calls in 1 chain, and 5 writes"
        )),
        "{text}"
    );
    let floors = "SELECT writer FROM watertight.audit_floor WHERE writer <> ''";
    assert_eq!(rows(&database, floors).await, [""; 0]);
}

#[tokio::test]
async fn what_stays_of_a_chain_is_newer_than_what_goes() {
    let (database, _anchor) = World::used().await;
    let old = old_chain(&database).await;
    // A copy of a record that goes, as if it stayed.
    tamper(
        &database,
        &format!(
            "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, mac) \
             SELECT tenant_id, kind, 'copy', at, now(), writer, seq, mac \
             FROM watertight.audit WHERE writer = '{old}' AND seq = 2"
        ),
    )
    .await;
    let retain = ["retain", "--keep-months", "1", "--yes"];
    let (status, text) = audit(database.owner_url(), &retain);
    assert!(
        status == 1 && text.contains("reference copy, number 2, stands out of order"),
        "{text}"
    );
    // Without the key nothing under a key goes.
    let output = Command::new(command_line())
        .arg("audit")
        .args(retain)
        .env("DATABASE_URL", database.owner_url())
        .env_remove("AUDIT_KEY")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("set AUDIT_KEY"), "{text}");
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_told_and_dry_runs_lock_nothing_that_servers_use() {
    let world = World::new(|options| options).await;
    world.call(&world.tokens[0], "list_notes", json!({})).await;
    let database = &world.database;
    // A transaction that has written and goes on holds the table as servers do.
    let mut busy = PgConnection::connect(database.admin_url()).await.unwrap();
    let hold = "BEGIN; LOCK TABLE ONLY watertight.audit IN ROW EXCLUSIVE MODE";
    sqlx::raw_sql(hold).execute(&mut busy).await.unwrap();
    let url = database.owner_url();
    for dry in [
        &["retain", "--keep-months", "1"][..],
        &["erase", "--tenant", ACME],
        &["erase", "--tenant", BETA, "--yes"],
    ] {
        let (status, text) = audit(url, dry);
        assert_eq!(status, 0, "{dry:?} {text}");
    }
    let mut busy = PgConnection::connect(database.admin_url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE watertight.audit_other IN ACCESS SHARE MODE")
        .execute(&mut busy)
        .await
        .unwrap();
    let begun = Instant::now();
    let (status, text) = audit(url, &["retain", "--keep-months", "1", "--yes"]);
    assert!(status == 2 && text.contains("run it again"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// Five records of one chain, three of them stored in January 2020.
async fn old_chain(database: &Database) -> String {
    let writer = "0123456789abcdef0123456789abcdef";
    let times = (1..=5_i64).map(|number| match number {
        1..=3 => 1_577_836_800_000_000 + number,
        _ => 1_000_000 * chrono::Utc::now().timestamp() + number,
    });
    chain(database, writer, times).await;
    writer.to_owned()
}

/// A chain of records that were stored at these times, under the key.
pub(super) async fn chain(
    database: &Database,
    writer: &str,
    times: impl Iterator<Item = i64>,
) -> watertight_audit::Chain {
    let mut chain = watertight_audit::Chain::new(key().tenant(ACME), writer);
    for recorded_at in times {
        let at = 1_577_836_800_000_000;
        let record = watertight_audit::Completion {
            reference: format!("old-{recorded_at}"),
            at,
            recorded_at,
            outcome: Some("ok".to_owned()),
            ..Default::default()
        };
        let link = chain.link(&record);
        tamper(
            database,
            &format!(
                "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, outcome, writer, seq, mac, effects, uncertain) \
                 VALUES ('{ACME}', 'completion', '{}', to_timestamp(0) + {at} * interval '1 us', \
                 to_timestamp(0) + {recorded_at} * interval '1 us', 'ok', '{writer}', {}, '\\x{}', 0, 0)",
                record.reference, link.seq, link.mac
            ),
        )
        .await;
    }
    chain
}

#[tokio::test]
async fn an_erased_trail_is_told_as_erased_whatever_the_clocks_say() {
    let (database, anchor) = World::used().await;
    let ahead = 1_000_000 * (chrono::Utc::now().timestamp() + 3600);
    let chain = chain(&database, "ahead", [ahead].into_iter()).await;
    let heads = anchor.path().join("heads.jsonl");
    let mut text = std::fs::read_to_string(&heads).unwrap();
    text.push_str(&serde_json::to_string(&chain.head(ACME).unwrap()).unwrap());
    std::fs::write(&heads, text + "\n").unwrap();
    let erase = ["erase", "--tenant", ACME, "--yes"];
    assert_eq!(audit(database.owner_url(), &erase).0, 0);
    let (status, text) = verify(&database, &anchor);
    assert!(
        status == 0 && text.contains(&format!("erased   tenant {ACME}")),
        "{text}"
    );
    // Records that were changed are not erased as if nothing had been.
    tamper(
        &database,
        &format!(
            "UPDATE watertight.audit SET outcome = 'x' WHERE tenant_id = '{BETA}' AND seq = 2"
        ),
    )
    .await;
    let erase = ["erase", "--tenant", BETA, "--yes"];
    let (status, text) = audit(database.owner_url(), &erase);
    assert!(
        status == 1 && text.contains("changed: ") && text.contains("nothing was erased"),
        "{text}"
    );
}

#[tokio::test]
async fn records_from_before_there_was_a_key_go_when_that_is_accepted() {
    let (database, _anchor) = World::used().await;
    tamper(
        &database,
        &format!(
            "INSERT INTO watertight.audit (tenant_id, kind, reference, at, recorded_at, writer, seq, effects) VALUES \
             ('{ACME}', 'effect', 'r', '2020-01-01', '2020-01-01', NULL, NULL, NULL), \
             ('{ACME}', 'completion', 'r', '2020-01-01', '2020-01-01', 'keyless', 1, NULL)"
        ),
    )
    .await;
    let retain = ["retain", "--keep-months", "1", "--yes"];
    let (status, text) = audit(database.owner_url(), &retain);
    assert!(
        status == 1 && text.contains("without a MAC: 1 record of writer keyless"),
        "{text}"
    );
    let (status, text) = audit(
        database.owner_url(),
        &[&retain[..], &["--accept-unkeyed"]].concat(),
    );
    assert!(status == 0 && text.starts_with("2 records"), "{text}");
    assert_eq!(audit(database.admin_url(), &["verify"]).0, 0);
}

#[tokio::test]
async fn a_tenant_that_leaves_is_erased_and_the_others_stay_whole() {
    let (database, anchor) = World::used().await;
    let (_, text) = audit(database.owner_url(), &["erase", "--tenant", ACME]);
    assert!(text.starts_with("15 records would be erased"), "{text}");
    let (status, text) = audit(database.owner_url(), &["erase", "--tenant", ACME, "--yes"]);
    assert!(
        status == 0 && text.starts_with("15 records erased"),
        "{text}"
    );
    let (status, text) = audit(database.admin_url(), &["verify", "--tenant", BETA]);
    assert!(
        status == 0 && text.contains("10 calls in 1 chain, and 5 writes"),
        "{text}"
    );
    // The anchor remembers that there was a trail, and the key shows who erased it.
    let (status, text) = verify(&database, &anchor);
    assert!(
        status == 0 && text.contains(&format!("erased   tenant {ACME}")),
        "{text}"
    );
    let left = rows(
        &database,
        "SELECT audit_floor::text FROM watertight.audit_floor",
    )
    .await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].starts_with("(erased/") && !left[0].contains(ACME),
        "{left:?}"
    );
    // What nobody with the key has erased is missed.
    tamper(&database, "DELETE FROM watertight.audit_floor").await;
    let (status, text) = verify(&database, &anchor);
    assert!(status == 1 && text.contains("cut off"), "{text}");
    let forced = rows(
        &database,
        "SELECT relforcerowsecurity::text FROM pg_class WHERE oid = 'watertight.audit'::regclass",
    )
    .await;
    assert_eq!(forced, ["true"]);
}
