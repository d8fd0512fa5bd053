//! Background work: what a ticket opens, for whom, and what it leaves in the trail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use watertight_devdb::Database;

use super::harness::{
    BODIES, CATALOG, all_notes, as_admin, change, database, pool, session, session_from, tenant,
    texts,
};
use crate::auth::ScopeRules;
use crate::background::{Background, BackgroundContext, JobError, Maintenance, Ticket, seal};
use crate::db::{DbErrorKind, SystemPool, TenantPool};
use crate::error::{ToolError, ToolErrorKind, ToolResult};
use crate::sealed::{Sealer, SealingKey};
use crate::session::{Grant, Session};

const HOUR: Duration = Duration::from_secs(3600);

fn key(byte: u8) -> SealingKey {
    SealingKey::new([byte; 32])
}

fn ticket_of(session: &Session, purpose: &str, valid_for: Duration) -> Ticket {
    seal(
        &Sealer::new(&[key(7)]),
        session,
        purpose,
        &"work",
        valid_for,
    )
    .unwrap()
}

fn worker(pool: &TenantPool) -> Background {
    Background::builder(pool.clone())
        .sealing_key(key(8))
        .sealing_key(key(7))
        .build()
}

async fn notes(cx: BackgroundContext, work: String) -> ToolResult<Vec<String>> {
    assert_eq!(work, "work");
    Ok(texts(&mut cx.read().await?, BODIES).await?)
}

async fn trail(database: &Database) -> Vec<String> {
    as_admin(
        database,
        "SELECT concat_ws(' ', tenant_id, kind, tool, issuer, subject, home_tenant, outcome, error) \
         FROM watertight.audit ORDER BY id",
    )
    .await
}

#[tokio::test]
async fn a_ticket_opens_into_its_own_tenant_and_leaves_a_record() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let worker = worker(&pool);
    for (id, own) in [(1, "one"), (2, "two")] {
        let ticket = ticket_of(&session(id), "export", HOUR);
        // As a queue has it.
        let ticket = Ticket::new(ticket.as_str());
        let read = worker.run("export", &ticket, notes).await.unwrap();
        assert_eq!(read, [own]);
        // Queues deliver more than once.
        assert!(worker.run("export", &ticket, notes).await.is_ok());
    }
    worker.flush().await;
    let records = trail(&database).await;
    assert_eq!(records.len(), 4);
    let of = |id| format!("{id} completion background:export https://issuer.test user of {id} ok");
    assert!(
        records.contains(&of(1)) && records.contains(&of(2)),
        "{records:?}"
    );
}

#[tokio::test]
async fn writes_of_a_ticket_are_recorded_with_principal_and_home() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let worker = worker(&pool);
    let ticket = ticket_of(&session_from(2, Some(1)), "import", HOUR);
    let done = worker.run("import", &ticket, |cx, _: String| async move {
        assert_eq!(cx.session().home_tenant(), Some(&tenant(1)));
        let mut db = cx.write().await?;
        change(
            &mut db,
            "INSERT INTO notes (body) VALUES ('new') RETURNING body",
        )
        .await?;
        Ok(db.commit().await?)
    });
    done.await.unwrap();
    worker.flush().await;
    assert_eq!(all_notes(&database).await, ["1:one", "2:new", "2:two"]);
    assert_eq!(
        trail(&database).await,
        [
            "2 effect background:import https://issuer.test user of 2 1",
            "2 completion background:import https://issuer.test user of 2 1 ok"
        ]
    );
}

#[tokio::test]
async fn no_other_ticket_opens() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let worker = worker(&pool);
    let good = ticket_of(&session(1), "export", HOUR);
    let refused = async |purpose: &'static str, ticket: &Ticket| {
        let run = worker.run(purpose, ticket, notes).await;
        assert!(matches!(run, Err(JobError::Ticket)), "{run:?}");
    };
    // Another purpose, another key, and one that has expired.
    refused("import", &good).await;
    let strange = Sealer::new(&[key(9)]);
    let foreign = seal(&strange, &session(1), "export", &"work", HOUR).unwrap();
    refused("export", &foreign).await;
    refused("export", &ticket_of(&session(1), "export", Duration::ZERO)).await;
    // Every change of it.
    let text = good.as_str();
    for at in (0..text.len()).step_by(7) {
        let other = if text.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        refused("export", &Ticket::new(changed)).await;
    }
    refused("export", &Ticket::new("")).await;
    // A handle for a client, sealed with the same key, is none.
    let binding = crate::sealed::Binding::new(&session(1), "export");
    let handle = Sealer::new(&[key(7)]).seal(&binding, b"{}", HOUR).unwrap();
    refused("export", &Ticket::new(handle)).await;
    // Work of another form.
    let other_form = worker.run("export", &good, |_, _: u64| async { Ok(()) });
    assert!(matches!(other_form.await, Err(JobError::Ticket)));
    assert_eq!(worker.run("export", &good, notes).await.unwrap(), ["one"]);
}

#[tokio::test]
async fn a_ticket_is_no_wider_than_its_session() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut rules = ScopeRules::default();
    rules.imply("admin".into(), ["write".to_owned()]);
    rules.separate(':');
    let session = Session::from_grant(Grant {
        issuer: "i".into(),
        subject: "s".into(),
        tenant: tenant(1),
        home: None,
        scopes: vec!["admin".into(), "notes".into()],
        client: Some("client".into()),
        expires_at: None,
    });
    let ticket = ticket_of(&session.clone().under(&rules), "x", HOUR);
    let plain = ticket_of(&session, "x", HOUR);
    let worker = worker(&pool);
    // The scopes mean what they meant where the ticket was made.
    for (ticket, implied) in [(ticket, true), (plain, false)] {
        let run = worker.run("x", &ticket, |cx, _: String| async move {
            let session = cx.session();
            assert_eq!(session.scopes().collect::<Vec<_>>(), ["admin", "notes"]);
            assert_eq!(session.client(), Some("client"));
            assert!(session.expires_at().is_some());
            for scope in ["write", "notes:read"] {
                assert_eq!(cx.has_scope(scope), implied, "{scope}");
            }
            assert!(cx.has_scope("admin") && !cx.has_scope("other"));
            Ok(())
        });
        run.await.unwrap();
    }
}

#[tokio::test]
async fn work_ends_with_its_run_its_ticket_and_its_time() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let worker = worker(&pool);
    let ticket = ticket_of(&session(1), "x", HOUR);
    let kept: Mutex<Option<BackgroundContext>> = Mutex::new(None);
    let run = worker.run("x", &ticket, |cx, _: String| {
        kept.lock().unwrap().replace(cx);
        async { Ok(()) }
    });
    run.await.unwrap();
    let cx = kept.lock().unwrap().take().unwrap();
    assert_eq!(cx.read().await.unwrap_err().kind(), DbErrorKind::Ended);

    let panics = worker.run("x", &ticket, |_, _: String| async {
        if true {
            panic!("canary");
        }
        Ok(())
    });
    let Err(JobError::Failed(error)) = panics.await else {
        panic!("a panic passed");
    };
    assert_eq!(error.kind(), ToolErrorKind::Internal);
    let short = Background::builder(pool.clone())
        .sealing_key(key(7))
        .time_limit(Duration::from_millis(50))
        .build();
    let hangs = short.run("x", &ticket, |_, _: String| {
        std::future::pending::<ToolResult<()>>()
    });
    let Err(JobError::Failed(error)) = hangs.await else {
        panic!("it did not end");
    };
    assert_eq!(error.kind(), ToolErrorKind::Unavailable);
    // Seconds are what a ticket counts in.
    let brief = ticket_of(&session(1), "x", Duration::from_secs(2));
    let late = worker.run("x", &brief, |cx, _: String| async move {
        tokio::time::sleep(Duration::from_millis(2050)).await;
        Ok(cx.read().await.unwrap_err().kind())
    });
    assert_eq!(late.await.unwrap(), DbErrorKind::Expired);
    worker.flush().await;
    short.flush().await;
    let outcomes = as_admin(&database, "SELECT outcome FROM watertight.audit ORDER BY 1").await;
    assert_eq!(outcomes, ["cancelled", "ok", "ok", "panicked"]);
}

#[tokio::test]
async fn a_maintenance_runs_for_each_tenant_and_past_failures() {
    let database = database().await;
    let more =
        "INSERT INTO notes (tenant_id, body) SELECT n, 'of ' || n FROM generate_series(3, 12) n";
    database.execute_as_admin(more).await.unwrap();
    let system = SystemPool::connect(database.system_url(), CATALOG)
        .await
        .unwrap();
    let pool = pool(database.app_url(), 4).await;
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seen = Mutex::new(Vec::new());
    let report = Maintenance::new("nightly", &system, pool.clone())
        .at_a_time(3)
        .for_each_tenant((1..=12).map(tenant), async |cx: BackgroundContext| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let mut db = cx.write().await?;
            let read = texts(&mut db, BODIES).await?;
            assert_eq!(read.len(), 1, "{read:?}");
            change(
                &mut db,
                "UPDATE notes SET body = body || '!' RETURNING body",
            )
            .await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            seen.lock().unwrap().extend(read.clone());
            match read[0].as_str() {
                "of 5" => Err(ToolError::conflict("five")),
                "of 7" => panic!("seven"),
                _ => Ok(db.commit().await?),
            }
        })
        .await;
    assert_eq!(seen.lock().unwrap().len(), 12);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(report.done(), 10);
    let mut failed: Vec<_> = report
        .failed()
        .iter()
        .map(|failed| (failed.tenant.as_bigint(), failed.error.kind()))
        .collect();
    failed.sort_by_key(|(tenant, _)| *tenant);
    assert_eq!(
        failed,
        [
            (Some(5), ToolErrorKind::Conflict),
            (Some(7), ToolErrorKind::Internal)
        ]
    );
    assert_eq!(
        report.to_string(),
        "nightly: done for 10 tenants, failed for 2 (1 conflict, 1 internal)"
    );
    let unchanged = "SELECT body FROM notes WHERE body NOT LIKE '%!' ORDER BY body";
    assert_eq!(as_admin(&database, unchanged).await, ["of 5", "of 7"]);
    let records = trail(&database).await;
    let subject = "maintenance:nightly system:auth nightly";
    for record in [
        format!("3 effect {subject}"),
        format!("3 completion {subject} ok"),
        format!("5 completion {subject} failed conflict"),
        format!("7 completion {subject} panicked internal"),
    ] {
        assert!(records.contains(&record), "{record}: {records:?}");
    }
    system.close().await;
    let note = "SELECT tool FROM watertight.system_audit WHERE tool LIKE 'for_each%'";
    assert_eq!(
        as_admin(&database, note).await,
        ["for_each_tenant, nightly"]
    );
}
