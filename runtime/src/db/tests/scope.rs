//! Scopes in ordinary use: what they bind, what they cost, what they refuse.

use std::time::Duration;

use tokio::time::sleep;

use super::harness::{
    BODIES, PID, all_notes, assert_clean, change, database, pool, read, session, texts, write,
};
use super::proxy::Proxy;
use crate::db::DbErrorKind;
use crate::id::TenantId;

#[tokio::test]
async fn a_scope_sees_its_tenant_and_no_other() {
    let database = database().await;
    let pool = pool(database.app_url(), 2).await;
    let mut one = pool.read(&session(1)).await.unwrap();
    let mut two = pool.write(&session(2)).await.unwrap();
    assert_eq!(texts(&mut one, BODIES).await.unwrap(), ["one"]);
    assert_eq!(texts(&mut two, BODIES).await.unwrap(), ["two"]);
    change(&mut two, "UPDATE notes SET body = 'changed' RETURNING body")
        .await
        .unwrap();
    two.commit().await.unwrap();
    assert_eq!(all_notes(&database).await, ["1:one", "2:changed"]);
}

#[tokio::test]
async fn the_begin_message_sets_what_the_proofs_assume() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    // Defaults of the database that change after the gate, for connections from now on.
    database
        .execute_as_admin(&format!(
            "ALTER DATABASE {db} SET search_path = 'elsewhere'; \
             ALTER DATABASE {db} SET standard_conforming_strings = off; \
             ALTER DATABASE {db} SET transform_null_equals = on; \
             ALTER DATABASE {db} SET row_security = off; \
             ALTER DATABASE {db} SET default_transaction_isolation = 'serializable'",
            db = database.name()
        ))
        .await
        .unwrap();
    pool.connections().inspect().await.unwrap().close_on_drop();
    let mut scope = read(&pool, 1).await.unwrap();
    let settings = "SELECT current_setting(name) FROM unnest(ARRAY['search_path', \
        'standard_conforming_strings', 'transform_null_equals', 'row_security', \
        'transaction_isolation', 'transaction_read_only', 'statement_timeout', 'app.tenant_id']) AS name";
    assert_eq!(
        texts(&mut scope, settings).await.unwrap(),
        [
            "public, pg_temp",
            "on",
            "off",
            "on",
            "read committed",
            "on",
            "10s",
            "1"
        ]
    );
}

#[tokio::test]
async fn two_round_trips_for_a_read_and_three_for_a_write() {
    let database = database().await;
    let proxy = Proxy::before(database.app_url()).await;
    let pool = pool(&proxy.url(database.app_url()), 1).await;
    let insert = "INSERT INTO notes (body) VALUES (clock_timestamp()::text) RETURNING body";
    for warm in [false, true] {
        let before = proxy.trips();
        let mut scope = read(&pool, 1).await.unwrap();
        texts(&mut scope, BODIES).await.unwrap();
        if warm {
            assert_eq!(proxy.trips() - before, 2);
            texts(&mut scope, BODIES).await.unwrap();
            assert_eq!(
                proxy.trips() - before,
                3,
                "one more for each further statement"
            );
        }
        drop(scope);
        sleep(Duration::from_millis(50)).await;
        if warm {
            assert_eq!(
                proxy.trips() - before,
                4,
                "the rollback travels with the pool's own ping"
            );
        }

        let before = proxy.trips();
        let mut scope = write(&pool, 1).await.unwrap();
        change(&mut scope, insert).await.unwrap();
        scope.commit().await.unwrap();
        // The pool's ping follows by itself, after the caller has its answer.
        let after = proxy.trips() - before;
        if warm {
            assert!((3..=4).contains(&after), "{after}");
        }
        sleep(Duration::from_millis(50)).await;
        if warm {
            assert_eq!(proxy.trips() - before, 4, "three, and the ping");
        }
    }
}

#[tokio::test]
async fn an_idle_scope_gives_its_connection_back() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = read(&pool, 1).await.unwrap();
    let pid = texts(&mut scope, PID).await.unwrap();
    drop(scope);
    let mut scope = write(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut scope, PID).await.unwrap(), pid);
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    drop(scope);
    let mut scope = write(&pool, 1).await.unwrap();
    assert_eq!(texts(&mut scope, PID).await.unwrap(), pid);
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    scope.rollback().await;
    let mut scope = write(&pool, 1).await.unwrap();
    assert_eq!(texts(&mut scope, PID).await.unwrap(), pid);
    drop(scope);
    assert_clean(&pool).await;
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_failed_statement_is_remembered_although_its_error_was_ignored() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    let pid = texts(&mut scope, PID).await.unwrap();
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
    )
    .await
    .unwrap();
    let error = change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('one') RETURNING body",
    )
    .await;
    assert_eq!(error.unwrap_err().kind(), DbErrorKind::Conflict);
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
    // An error of the statement is no reason to lose the connection.
    let mut next = read(&pool, 2).await.unwrap();
    assert_eq!(texts(&mut next, PID).await.unwrap(), pid);
}

#[tokio::test]
async fn an_error_at_commit_is_an_error() {
    let database = database().await;
    database
        .execute_as_owner(
            "ALTER TABLE notes ADD CONSTRAINT late UNIQUE (tenant_id, body) DEFERRABLE INITIALLY DEFERRED; ALTER TABLE notes DROP CONSTRAINT notes_tenant_id_body_key",
        )
        .await
        .unwrap();
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('one') RETURNING body",
    )
    .await
    .unwrap();
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Conflict
    );
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn commit_refuses_when_the_tenant_was_changed() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = write(&pool, 1).await.unwrap();
    // No proved statement can do this; a trigger of the application might.
    texts(&mut scope, "SELECT set_config('app.tenant_id', '2', true)")
        .await
        .unwrap();
    change(
        &mut scope,
        "INSERT INTO notes (body) VALUES ('stray') RETURNING body",
    )
    .await
    .unwrap();
    assert_eq!(
        scope.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
    assert_clean(&pool).await;
}

#[tokio::test]
async fn swapped_scopes_do_not_commit() {
    let database = database().await;
    let pool = pool(database.app_url(), 3).await;
    let mut one = write(&pool, 1).await.unwrap();
    let mut two = write(&pool, 2).await.unwrap();
    change(
        &mut one,
        "INSERT INTO notes (body) VALUES ('first') RETURNING body",
    )
    .await
    .unwrap();
    std::mem::swap(&mut *one, &mut *two);
    assert_eq!(one.commit().await.unwrap_err().kind(), DbErrorKind::Aborted);
    assert_eq!(two.commit().await.unwrap_err().kind(), DbErrorKind::Aborted);

    let mut lone = write(&pool, 1).await.unwrap();
    change(
        &mut lone,
        "INSERT INTO notes (body) VALUES ('second') RETURNING body",
    )
    .await
    .unwrap();
    let mut reader = read(&pool, 1).await.unwrap();
    std::mem::swap(&mut *lone, &mut reader);
    assert_eq!(
        lone.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    drop(reader);
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
    for _ in 0..3 {
        assert_clean(&pool).await;
    }
}

#[tokio::test]
async fn a_scope_refuses_what_does_not_belong_to_it() {
    let database = database().await;
    let pool = pool(database.app_url(), 1).await;
    let mut scope = read(&pool, 1).await.unwrap();
    let stale = scope
        .statement("another catalog", false)
        .map(drop)
        .unwrap_err();
    assert_eq!(stale.kind(), DbErrorKind::StaleCatalog);
    let writes = scope
        .statement(super::harness::CATALOG.id(), true)
        .map(drop)
        .unwrap_err();
    assert_eq!(writes.kind(), DbErrorKind::Denied);
    // Even a statement that is mistaken for a read does not write in a read scope.
    let error = texts(&mut scope, "DELETE FROM notes RETURNING body")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Denied);
    drop(scope);
    let kind = TenantId::text("1").unwrap();
    let error = pool
        .read_as(&kind, super::harness::origin())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Internal);
    assert_eq!(all_notes(&database).await, ["1:one", "2:two"]);
}

#[tokio::test]
async fn a_conflict_is_told_only_where_it_tells_nothing_of_other_tenants() {
    let database = database().await;
    database
        .execute_as_owner(
            "CREATE UNIQUE INDEX everywhere ON notes (lower(body)) WHERE body LIKE 'global%'; \
             CREATE TABLE parts (id bigint PRIMARY KEY); \
             ALTER TABLE notes ADD COLUMN part bigint REFERENCES parts (id)",
        )
        .await
        .unwrap();
    database
        .execute_as_admin("INSERT INTO notes (tenant_id, body) VALUES (2, 'global')")
        .await
        .unwrap();
    let pool = pool(database.app_url(), 1).await;
    for (sql, kind) in [
        (
            "INSERT INTO notes (body) VALUES ('one') RETURNING body",
            DbErrorKind::Conflict,
        ),
        // Would tell that tenant 2 has such a note.
        (
            "INSERT INTO notes (body) VALUES ('global') RETURNING body",
            DbErrorKind::Internal,
        ),
        (
            "INSERT INTO notes (body, part) VALUES ('x', 7) RETURNING body",
            DbErrorKind::Internal,
        ),
    ] {
        let mut scope = write(&pool, 1).await.unwrap();
        assert_eq!(
            change(&mut scope, sql).await.unwrap_err().kind(),
            kind,
            "{sql}"
        );
    }
}
