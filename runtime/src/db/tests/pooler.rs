//! A pooler in transaction mode in between: what goes wrong without the option, what the pool says about
//! it, and that with the option everything runs as on a connection of its own.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use watertight_devdb::Database;

use super::harness::{
    BODIES, CATALOG, all_notes, as_admin, builder, change, database, read, texts, write,
};
use super::pgbouncer::{self, PgBouncer, TRANSACTION, Wanted};
use crate::audit::AuditWriter;
use crate::db::{DbErrorKind, PoolError, Pooler, SystemPool, TenantPool};
use crate::statement::{Bound, Proved, Statement, Wanted as Decoded};

const TRACKED: Wanted = Wanted {
    tracked: 200,
    ..TRANSACTION
};

async fn open(url: &str, pooler: Pooler) -> Result<TenantPool, PoolError> {
    builder(url, 4).pooler(pooler).connect(CATALOG).await
}

async fn refusal(url: &str, pooler: Pooler) -> String {
    match open(url, pooler).await {
        Err(PoolError::Refused(findings)) => findings.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

/// The danger: sqlx as it is, and named statements that another client named before.
#[tokio::test]
async fn without_the_test_a_statement_returns_the_rows_of_another_one() {
    let database = database().await;
    let Some(bouncer) = PgBouncer::before(&database, TRANSACTION) else {
        return;
    };
    let options: PgConnectOptions = bouncer.url(database.app_url()).parse().unwrap();
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(options.connect().await.unwrap());
    }
    // Each prepares its first statement while it has a server connection of its own.
    let [one, two] = &mut clients[..] else {
        unreachable!()
    };
    async fn ask(client: &mut PgConnection, sql: &'static str) -> Result<String, sqlx::Error> {
        sqlx::query_scalar(sql).bind(true).fetch_one(client).await
    }
    const SQL: [&str; 2] = [
        "SELECT 'answer one' WHERE $1",
        "SELECT 'answer two' WHERE $1",
    ];
    let (mut tx_one, mut tx_two) = (one.begin().await.unwrap(), two.begin().await.unwrap());
    assert_eq!(ask(&mut tx_one, SQL[0]).await.unwrap(), "answer one");
    assert_eq!(ask(&mut tx_two, SQL[1]).await.unwrap(), "answer two");
    // The server connection that is used next is the one that was free last.
    tx_one.rollback().await.unwrap();
    tx_two.rollback().await.unwrap();
    let mut tx_one = one.begin().await.unwrap();
    let crossed = ask(&mut tx_one, SQL[0]).await.unwrap();
    assert_eq!(crossed, "answer two", "client one asked for the other text");
}

#[tokio::test]
async fn a_pooler_that_was_not_named_is_refused_with_what_to_write() {
    let database = database().await;
    for wanted in [
        TRANSACTION,
        Wanted {
            in_turn: true,
            ..TRANSACTION
        },
        Wanted {
            servers: 1,
            ..TRANSACTION
        },
        // Statements stay right, but nothing else of a session does.
        TRACKED,
        // It says itself what it is.
        Wanted {
            lenient: false,
            ..TRANSACTION
        },
    ] {
        let Some(bouncer) = PgBouncer::before(&database, wanted) else {
            return;
        };
        for (url, system) in [(database.app_url(), false), (database.system_url(), true)] {
            let url = bouncer.url(url);
            let message = match system {
                false => refusal(&url, Pooler::None).await,
                true => match SystemPool::connect(&url, CATALOG).await {
                    Err(PoolError::Refused(findings)) => findings.to_string(),
                    other => panic!("not refused: {other:?}"),
                },
            };
            assert!(
                message.contains("goes through a pooler")
                    && message
                        .contains("write `.pooler(Pooler::Transaction)` on the pool's builder"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn a_pooler_in_session_mode_is_none() {
    let database = database().await;
    let session = Wanted {
        mode: "session",
        servers: 20,
        ..TRANSACTION
    };
    let Some(bouncer) = PgBouncer::before(&database, session) else {
        return;
    };
    let pool = open(&bouncer.url(database.app_url()), Pooler::None)
        .await
        .unwrap();
    everything_runs(&database, &pool).await;
}

#[tokio::test]
async fn a_pooler_that_splits_transactions_is_refused_whatever_is_named() {
    let database = database().await;
    let statement = Wanted {
        mode: "statement",
        ..TRANSACTION
    };
    let Some(bouncer) = PgBouncer::before(&database, statement) else {
        return;
    };
    let url = bouncer.url(database.app_url());
    for named in [Pooler::Transaction, Pooler::TransactionTracked] {
        let message = refusal(&url, named).await;
        assert!(message.contains("`pool_mode = transaction`"), "{message}");
    }
}

#[tokio::test]
async fn a_pooler_that_tracks_nothing_is_refused_as_one_that_does() {
    let database = database().await;
    for wanted in [
        TRANSACTION,
        Wanted {
            in_turn: true,
            ..TRANSACTION
        },
    ] {
        let Some(bouncer) = PgBouncer::before(&database, wanted) else {
            return;
        };
        let message = refusal(&bouncer.url(database.app_url()), Pooler::TransactionTracked).await;
        assert!(
            message.contains("does not keep track of prepared statements"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn everything_runs_through_transactions() {
    let database = database().await;
    for wanted in [
        TRANSACTION,
        Wanted {
            in_turn: true,
            lenient: false,
            ..TRANSACTION
        },
    ] {
        let Some(bouncer) = PgBouncer::before(&database, wanted) else {
            return;
        };
        let url = bouncer.url(database.app_url());
        let pool = open(&url, Pooler::Transaction).await.unwrap();
        everything_runs(&database, &pool).await;
    }
}

#[tokio::test]
async fn everything_runs_through_transactions_that_are_tracked() {
    let database = database().await;
    if !pgbouncer::tracks() {
        return;
    }
    for named in [Pooler::TransactionTracked, Pooler::Transaction] {
        let bouncer = PgBouncer::before(&database, TRACKED).unwrap();
        let pool = open(&bouncer.url(database.app_url()), named).await.unwrap();
        everything_runs(&database, &pool).await;
    }
}

/// Reads, writes and records of several tenants at once, by all the forms of a statement; more clients
/// than server connections.
async fn everything_runs(database: &Database, pool: &TenantPool) {
    let before = all_notes(database).await;
    let audit = AuditWriter::start(pool.clone());
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let (id, own) = if (task + round) % 2 == 0 {
                        (1, "one")
                    } else {
                        (2, "two")
                    };
                    one_scope_of_each_kind(&pool, id, own).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    audit.flush().await;
    let mut scope = write(pool, 1).await.unwrap();
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    drop(scope);
    // A dropped statement closes our connection, and with it the transaction on the server's.
    let mut scope = write(pool, 2).await.unwrap();
    let slow = texts(&mut scope, "SELECT pg_sleep(5)::text");
    assert!(
        tokio::time::timeout(Duration::from_millis(30), slow)
            .await
            .is_err()
    );
    drop(scope);
    pool.verify().await.unwrap();
    assert_eq!(all_notes(database).await, before);
    // No server connection is left with a tenant.
    let left = "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'app' \
                AND state LIKE 'idle in transaction%' AND datname = current_database()";
    assert_eq!(as_admin(database, left).await, ["0"]);
}

async fn one_scope_of_each_kind(pool: &TenantPool, id: i64, own: &str) {
    const SELECT: &str = "SELECT body FROM notes WHERE body = ANY (ARRAY['one', 'two']) AND $1";
    const OTHER: &str = "SELECT body || '!' FROM notes WHERE body IN ('one', 'two') AND $1";
    let statement = |sql| Statement::new(sql, CATALOG.id(), "test").parameters(1);
    let mut scope = read(pool, id).await.unwrap();
    // The order differs by tenant, so that the connections number their statements differently.
    let texts: [&'static str; 2] = if id == 1 {
        [SELECT, OTHER]
    } else {
        [OTHER, SELECT]
    };
    for sql in texts {
        let expected = if sql == SELECT {
            own.to_owned()
        } else {
            format!("{own}!")
        };
        let declared = Bound::read(statement(sql)).bind(true).within(&mut scope);
        let decoder = {
            use crate::statement::ByColumn as _;
            (&&Decoded::<String>::NEW).decoder().of::<String, 1>()
        };
        assert_eq!(
            declared.fetch_all(decoder).await.unwrap(),
            std::slice::from_ref(&expected)
        );
        let query = sqlx::query_scalar::<_, String>(sql);
        let around = Proved::read(statement(sql), query).bind(true);
        assert_eq!(around.fetch_one(&mut scope).await.unwrap(), expected);
        // What sqlx's macros expand to: a query whose text and persistence can't be changed.
        use sqlx::Row as _;
        let mapped = sqlx::query(sql)
            .bind(true)
            .map(|row: sqlx::postgres::PgRow| row.get::<String, _>(0));
        let mapped = Proved::read(Statement::new(sql, CATALOG.id(), "test"), mapped);
        assert_eq!(mapped.fetch_one(&mut scope).await.unwrap(), expected);
    }
    drop(scope);
    let mut scope = write(pool, id).await.unwrap();
    let insert = "INSERT INTO notes (body) VALUES (gen_random_uuid()::text) RETURNING body";
    let stored = change(&mut scope, insert).await.unwrap();
    scope.commit().await.unwrap();
    let mut scope = write(pool, id).await.unwrap();
    let delete = "DELETE FROM notes WHERE body NOT IN ('one', 'two') RETURNING body";
    let mut gone = change(&mut scope, delete).await.unwrap();
    gone.retain(|body| *body == stored[0]);
    scope.commit().await.unwrap();
    assert!(gone.len() <= 1);
}

#[tokio::test]
async fn the_system_pool_goes_through_as_well() {
    let database = database().await;
    let Some(bouncer) = PgBouncer::before(&database, TRANSACTION) else {
        return;
    };
    let pool = SystemPool::builder(bouncer.url(database.system_url()))
        .pooler(Pooler::Transaction)
        .connect(CATALOG)
        .await
        .unwrap();
    drop(pool.read().await.unwrap());
    pool.write().await.unwrap().commit().await.unwrap();
    pool.close().await;
    let kinds = "SELECT kind FROM watertight.system_audit ORDER BY kind";
    assert_eq!(as_admin(&database, kinds).await, ["effect", "read"]);
}

/// What another client of the same pooler set for its whole session does not reach a scope.
#[tokio::test]
async fn what_another_client_left_on_a_server_connection_does_not_matter() {
    let database = database().await;
    let one_server = Wanted {
        servers: 1,
        ..TRANSACTION
    };
    let Some(bouncer) = PgBouncer::before(&database, one_server) else {
        return;
    };
    let url = bouncer.url(database.app_url());
    let pool = open(&url, Pooler::Transaction).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(
        "SET app.tenant_id = '2'; SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; \
         SET search_path = pg_catalog; PREPARE sqlx_s_1 AS SELECT 'of another client'",
    )
    .execute(&mut other)
    .await
    .unwrap();
    // The danger: whoever sets nothing is that client's tenant.
    let mut third = PgConnection::connect(&url).await.unwrap();
    let seen: String = sqlx::raw_sql("SELECT string_agg(body, ',') AS all FROM public.notes")
        .fetch_one(&mut third)
        .await
        .map(|row| sqlx::Row::get(&row, 0))
        .unwrap();
    assert_eq!(seen, "two");
    let mut scope = read(&pool, 1).await.unwrap();
    let seen = "SELECT body || ' ' || current_setting('DateStyle') || ' ' || current_setting('TimeZone') FROM notes";
    assert_eq!(texts(&mut scope, seen).await.unwrap(), ["one ISO, MDY UTC"]);
    drop(scope);
    let mut scope = write(&pool, 1).await.unwrap();
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["one"]);
    scope.commit().await.unwrap();
    // After a commit not even that client's tenant is left on the server connection.
    let left: String = sqlx::raw_sql("SELECT current_setting('app.tenant_id')")
        .fetch_one(&mut third)
        .await
        .map(|row| sqlx::Row::get(&row, 0))
        .unwrap();
    assert_eq!(left, "");
    // A new gate meets it and says so.
    sqlx::raw_sql("SET app.tenant_id = '2'")
        .execute(&mut other)
        .await
        .unwrap();
    let message = refusal(&url, Pooler::Transaction).await;
    assert!(
        message.contains("already has a value for app.tenant_id"),
        "{message}"
    );
}

#[tokio::test]
async fn a_pooler_that_comes_later_is_noticed() {
    let database = database().await;
    let Some(bouncer) = PgBouncer::before(&database, TRANSACTION) else {
        return;
    };
    // A name that is pointed elsewhere, as a switch-over does.
    let direct = super::proxy::Proxy::before(database.app_url()).await;
    let url = direct.url(database.app_url());
    let pool = builder(&url, 2)
        .verify_every(None)
        .connect(CATALOG)
        .await
        .unwrap();
    direct.point_to(&bouncer.url(database.app_url()));
    assert!(matches!(pool.verify().await, Err(PoolError::Refused(_))));
    assert!(!pool.health().opens_scopes());
    assert_eq!(
        read(&pool, 1).await.unwrap_err().kind(),
        DbErrorKind::Unavailable
    );
}
