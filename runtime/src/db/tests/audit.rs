//! The audit trail in the database: it commits with the write, stays with its tenant, loses nothing.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use watertight_devdb::Database;

use super::harness::{
    as_admin, change, database, pool, read, session, session_from, tenant, texts, write,
};
use super::proxy::Proxy;
use crate::audit::{
    AuditAnchor, AuditKey, AuditLimits, AuditOptions, AuditRecord, AuditWriter, Head, Outcome,
};
use crate::db::DbErrorKind;
use crate::error::Reference;

const INSERT: &str = "INSERT INTO notes (body) VALUES ('new') RETURNING body";

fn record(id: i64, tool: &str) -> AuditRecord {
    let mut record = AuditRecord::new(tenant(id), Reference::random().to_string(), tool);
    record.outcome = Outcome::Ok;
    record
}

async fn trail(database: &Database) -> Vec<String> {
    as_admin(
        database,
        "SELECT tenant_id || ' ' || kind || ' ' || coalesce(tool, '-') FROM watertight.audit ORDER BY id",
    )
    .await
}

#[tokio::test]
async fn the_effect_commits_with_the_write() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = pool.write(&session(1)).await.unwrap();
    change(&mut scope, INSERT).await.unwrap();
    drop(scope);
    assert_eq!(
        trail(&database).await,
        [""; 0],
        "a rolled back write has no effect"
    );
    let mut scope = pool.write(&session(1)).await.unwrap();
    change(&mut scope, INSERT).await.unwrap();
    scope.commit().await.unwrap();
    let audit = AuditWriter::start(pool.clone());
    // Outside of a call too a completion says which writes there were.
    audit.flush().await;
    let entries = audit.recent(&session(1), 10).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].reference, entries[1].reference);
    let said = as_admin(
        &database,
        "SELECT concat_ws(' ', coalesce(tool, '-'), outcome, effects, ordinals, uncertain, rows) \
         FROM watertight.audit WHERE kind = 'completion'",
    )
    .await;
    assert_eq!(said, ["- ok 1 1 0 0"]);
    let entry = &entries[1];
    assert_eq!((entry.kind.as_str(), entry.reference.len()), ("effect", 32));
    assert_eq!(entry.issuer.as_deref(), Some("https://issuer.test"));
    assert_eq!(entry.subject.as_deref(), Some("user of 1"));
    assert_eq!(audit.recent(&session(2), 10).await.unwrap(), []);
}

#[tokio::test]
async fn both_records_say_where_an_operator_belongs() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let audit = AuditWriter::start(pool.clone());
    const ANOTHER: &str = "INSERT INTO notes (body) VALUES ('newer') RETURNING body";
    for (home, expected, sql) in [(Some(9), Some("9"), INSERT), (None, None, ANOTHER)] {
        let session = session_from(1, home);
        let mut scope = pool.write(&session).await.unwrap();
        change(&mut scope, sql).await.unwrap();
        scope.commit().await.unwrap();
        audit.record(AuditRecord::of_session(&session, Reference::random(), "t"));
        audit.flush().await;
        let entries = audit.recent(&session, 3).await.unwrap();
        let homes = entries.iter().map(|entry| entry.home_tenant.as_deref());
        assert_eq!(homes.collect::<Vec<_>>(), [expected; 3]);
    }
    // The trail is the chosen tenant's; the operator's own has nothing.
    assert_eq!(audit.recent(&session(9), 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_write_whose_effect_can_not_be_recorded_does_not_commit() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    change(&mut scope, INSERT).await.unwrap();
    database
        .execute_as_owner(
            "REVOKE INSERT ON watertight.audit FROM app; \
        REVOKE INSERT (kind) ON watertight.audit FROM app",
        )
        .await
        .unwrap();
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Denied
    );
    assert_eq!(
        super::harness::all_notes(&database).await,
        ["1:one", "2:two"]
    );
}

#[tokio::test]
async fn completions_reach_their_own_tenants_in_batches() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 2).await;
    let audit = AuditWriter::start(pool);
    let before = proxy.trips();
    for _ in 0..50 {
        audit.record(record(1, "one"));
        audit.record(record(2, "two"));
    }
    audit.flush().await;
    let trips = proxy.trips() - before;
    assert!(trips <= 8, "{trips} round trips for two batches");
    let counts = "SELECT tenant_id || ' ' || tool || ' ' || count(*) FROM watertight.audit \
                  GROUP BY tenant_id, tool ORDER BY 1";
    assert_eq!(as_admin(&database, counts).await, ["1 one 50", "2 two 50"]);
    assert_eq!(audit.recent(&session(2), 500).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_record_waits_no_longer_than_the_delay() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let limits = AuditLimits {
        delay: Duration::from_millis(50),
        ..AuditLimits::default()
    };
    let audit = AuditWriter::with(pool, AuditOptions::new().limits(limits));
    audit.record(record(1, "alone"));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(trail(&database).await, ["1 completion alone"]);
}

#[tokio::test]
async fn dropping_the_last_handle_writes_what_was_recorded() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let limits = AuditLimits {
        delay: Duration::from_secs(60),
        ..AuditLimits::default()
    };
    let audit = AuditWriter::with(pool, AuditOptions::new().limits(limits));
    audit.record(record(1, "last"));
    drop(audit);
    for _ in 0..100 {
        if !trail(&database).await.is_empty() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(trail(&database).await, ["1 completion last"]);
}

#[tokio::test]
async fn hostile_texts_are_stored_as_texts() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let audit = AuditWriter::start(pool);
    let hostile = "'); DROP TABLE notes; -- \\ \" $$ \u{0} ü \u{1f980}";
    let mut poison = record(1, hostile);
    poison.subject = Some(hostile.to_owned());
    poison.client = Some("x".repeat(10_000));
    poison.arguments = Some(serde_json::json!({ hostile: hostile }));
    poison.error = Some("conflict".to_owned());
    poison.rows = u64::MAX;
    poison.probe = true;
    audit.record(record(1, "before"));
    audit.record(poison);
    audit.record(record(1, "after"));
    audit.flush().await;
    let entries = audit.recent(&session(1), 10).await.unwrap();
    assert_eq!(entries.len(), 3);
    let stored = hostile.replace('\0', "");
    let entry = &entries[1];
    assert_eq!(entry.tool.as_deref(), Some(stored.as_str()));
    assert_eq!(entry.subject.as_deref(), Some(stored.as_str()));
    assert_eq!(entry.client.as_ref().unwrap().len(), 256);
    assert_eq!(
        entry.arguments,
        Some(serde_json::json!({ hostile: hostile }))
    );
    assert_eq!((entry.rows, entry.probe), (Some(i64::MAX), true));
    assert_eq!(entry.outcome.as_deref(), Some("ok"));
}

#[tokio::test]
async fn records_survive_a_database_that_is_away_for_a_moment() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 2).await;
    let audit = AuditWriter::start(pool);
    proxy.cut();
    for _ in 0..10 {
        audit.record(record(1, "kept"));
    }
    sleep(Duration::from_millis(600)).await;
    assert_eq!(trail(&database).await, [""; 0]);
    proxy.mend();
    audit.flush().await;
    assert_eq!(trail(&database).await, vec!["1 completion kept"; 10]);
}

#[tokio::test]
async fn the_application_role_can_neither_alter_nor_forge_a_trail() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let audit = AuditWriter::start(pool.clone());
    audit.record(record(1, "kept"));
    audit.flush().await;
    // Times that no verification could read are in no row.
    for at in ["infinity", "-infinity", "294276-01-01", "0044-03-15 BC"] {
        for (at, recorded_at) in [(at, "2026-01-01"), ("2026-01-01", at)] {
            let sql = format!(
                "INSERT INTO watertight.audit (kind, reference, at, recorded_at) \
                 VALUES ('effect', 'r', '{at}', '{recorded_at}') RETURNING reference"
            );
            let mut scope = write(&pool, 1).await.unwrap();
            let error = change(&mut scope, sql.leak()).await.unwrap_err();
            assert_eq!(
                error.kind(),
                DbErrorKind::InvalidValue,
                "{at} {recorded_at}"
            );
        }
    }
    for sql in [
        "UPDATE watertight.audit SET tool = 'forged' RETURNING tool",
        "DELETE FROM watertight.audit RETURNING tool",
        "INSERT INTO watertight.audit (tenant_id, kind, reference) VALUES ('2', 'effect', 'r') RETURNING tool",
        "INSERT INTO watertight.audit (id, kind, reference, at, recorded_at) OVERRIDING SYSTEM VALUE \
         VALUES (1, 'effect', 'r', now(), now()) RETURNING tool",
        "INSERT INTO watertight.audit_floor (tenant_id, writer, seq, mac, before, proof) \
         VALUES ('1', 'w', 1, '', now(), '') RETURNING writer",
    ] {
        let mut scope = write(&pool, 1).await.unwrap();
        assert_eq!(
            change(&mut scope, sql).await.unwrap_err().kind(),
            DbErrorKind::Denied,
            "{sql}"
        );
    }
    let mut other = read(&pool, 2).await.unwrap();
    assert_eq!(
        texts(&mut other, "SELECT tool FROM watertight.audit")
            .await
            .unwrap(),
        [""; 0]
    );
    assert_eq!(trail(&database).await, ["1 completion kept"]);
}

#[tokio::test]
async fn writes_by_hand_are_recorded_without_a_server_too() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let mut scope = pool.write(&session(1)).await.unwrap();
    change(&mut scope, INSERT).await.unwrap();
    scope.commit().await.unwrap();
    // A commit that stored nothing leaves nothing.
    let mut scope = pool.write(&session(1)).await.unwrap();
    change(&mut scope, "SELECT 1 / 0").await.unwrap_err();
    scope.commit().await.unwrap_err();
    pool.close().await;
    assert_eq!(
        trail(&database).await,
        ["1 effect -", "1 completion -"],
        "close waits for the record"
    );
}

/// What the log says, for one thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || lines.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_record_that_is_waited_for_is_in_the_table_or_in_the_log_whoever_goes_away() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 2).await;
    let limits = AuditLimits {
        queue: 1,
        batch: 1,
        ..AuditLimits::default()
    };
    let audit = AuditWriter::with(pool, AuditOptions::new().strict().limits(limits));
    proxy.cut();
    // One is on its way to the database, one is in the queue; the others wait for a place there, and
    // whoever waits for them goes away.
    let calls = (0..6).map(|number| {
        let audit = audit.clone();
        async move {
            let record = record(1, &format!("call-{number}-"));
            let _ = tokio::time::timeout(Duration::from_millis(400), audit.store(record)).await;
        }
    });
    futures_util::future::join_all(calls).await;
    proxy.mend();
    audit.flush().await;
    let (log, table) = (lines.text(), trail(&database).await.concat());
    for number in 0..6 {
        let name = format!("call-{number}-");
        assert!(
            log.contains(&name) || table.contains(&name),
            "{name} is lost"
        );
    }
    assert!(log.contains("given up before it was stored"), "{log}");
    // A queue that stays full.
    proxy.cut();
    let begun = Instant::now();
    let calls = (0..4).map(|number| audit.store(record(1, &format!("late-{number}-"))));
    let results = futures_util::future::join_all(calls).await;
    assert!(
        begun.elapsed() < Duration::from_secs(17),
        "{:?}",
        begun.elapsed()
    );
    assert!(results.iter().all(Result::is_err));
    drop(audit);
    sleep(Duration::from_millis(500)).await;
    proxy.mend();
}

/// An anchor that answers only when it is told to.
#[derive(Clone, Default)]
struct Slow {
    hangs: Arc<std::sync::atomic::AtomicBool>,
    published: Arc<Mutex<Vec<Vec<i64>>>>,
}

impl AuditAnchor for Slow {
    fn publish(&self, heads: &[Head]) -> io::Result<()> {
        while self.hangs.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let numbers = heads.iter().map(|head| head.seq).collect();
        self.published.lock().unwrap().push(numbers);
        Ok(())
    }
}

#[tokio::test]
async fn an_anchor_that_hangs_delays_no_record_and_gets_the_latest_heads_later() {
    use std::sync::atomic::Ordering;
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let slow = Slow::default();
    slow.hangs.store(true, Ordering::SeqCst);
    let options = AuditOptions::new()
        .key(AuditKey::new([7; 32]))
        .anchor(slow.clone())
        .publish_every(Duration::from_millis(20))
        .strict();
    let audit = AuditWriter::with(pool, options);
    for _ in 0..5 {
        let stored = audit.store(record(1, "kept"));
        let stored = tokio::time::timeout(Duration::from_secs(3), stored).await;
        assert_eq!(stored.expect("the anchor does not hold it up"), Ok(()));
        sleep(Duration::from_millis(30)).await;
    }
    let begun = Instant::now();
    audit.flush().await;
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{:?}",
        begun.elapsed()
    );
    slow.hangs.store(false, Ordering::SeqCst);
    for _ in 0..200 {
        if slow.published.lock().unwrap().len() > 1 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    // The beginning of the chain was published at once, what came meanwhile by its latest head.
    assert_eq!(*slow.published.lock().unwrap(), [[1], [5]]);
}

#[tokio::test]
async fn a_flush_ends_soon_whatever_is_queued_in_front_of_it() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 2).await;
    let limits = AuditLimits {
        batch: 1,
        ..AuditLimits::default()
    };
    let audit = AuditWriter::with(pool, AuditOptions::new().limits(limits));
    proxy.cut();
    // Each would be tried for half a minute.
    for number in 0..10 {
        audit.record(record(1, &format!("queued-{number}-")));
    }
    sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    audit.flush().await;
    assert!(
        begun.elapsed() < Duration::from_secs(14),
        "{:?}",
        begun.elapsed()
    );
    let log = lines.text();
    assert!(
        (0..10).all(|number| log.contains(&format!("queued-{number}-"))),
        "{log}"
    );
}

#[tokio::test]
async fn a_refusal_after_a_doubtful_attempt_gives_no_number_again() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 1).await;
    let audit = AuditWriter::with(pool, AuditOptions::new().key(AuditKey::new([7; 32])));
    audit.record(record(1, "first"));
    audit.flush().await;
    // The answer to the next batch is lost, and then the database refuses for good.
    proxy.cut();
    audit.record(record(1, "second"));
    sleep(Duration::from_millis(500)).await;
    database
        .execute_as_owner("REVOKE INSERT (mac) ON watertight.audit FROM app")
        .await
        .unwrap();
    proxy.mend();
    audit.flush().await;
    database
        .execute_as_owner("GRANT INSERT (mac) ON watertight.audit TO app")
        .await
        .unwrap();
    audit.record(record(1, "third"));
    audit.flush().await;
    let chains = "SELECT count(DISTINCT writer)::text FROM watertight.audit";
    assert_eq!(as_admin(&database, chains).await, ["2"]);
}
