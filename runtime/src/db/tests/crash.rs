//! A server that crashes and recovers, with every connection lost at once: one of its processes is killed
//! so that it can't clean up, and PostgreSQL then starts all over.

use std::process::Command;
use std::time::Duration;

use tokio::sync::OnceCell;
use watertight_devdb::{Database, DevDb};

use super::harness::{
    BODIES, PID, all_notes, assert_all_clean, change, database_on, pool, read, texts, write,
};
use crate::db::DbErrorKind;

/// A server for these tests alone: the others would lose their connections as well. `None` where only
/// one that somebody else runs is to be had.
pub(super) async fn own_server() -> Option<&'static DevDb> {
    static SERVER: OnceCell<Option<DevDb>> = OnceCell::const_new();
    let started = SERVER.get_or_init(async || DevDb::start().await.ok()).await;
    if started.is_none() {
        println!(
            "skipped: PostgreSQL is not installed here, and another's server is not to be killed"
        );
    }
    started.as_ref()
}

/// What was acknowledged must be there after a crash, which the throwaway server does not promise.
pub(super) async fn make_durable(database: &Database) {
    let sql = format!(
        "ALTER DATABASE {} SET synchronous_commit = on",
        database.name()
    );
    database.execute_as_admin(&sql).await.unwrap();
}

/// Kills the process behind one connection, which the server told the number of.
pub(super) fn kill(pid: &str) -> bool {
    let kill = Command::new("kill").args(["-KILL", pid]).status();
    kill.unwrap().success()
}

#[tokio::test]
async fn a_server_that_restarts_in_the_middle_loses_nothing_that_was_acknowledged() {
    let Some(server) = own_server().await else {
        return;
    };
    let database = database_on(server).await;
    make_durable(&database).await;
    let pool = pool(database.app_url(), 3).await;
    let insert = "INSERT INTO notes (body) VALUES ('kept') RETURNING body";
    let mut kept = write(&pool, 1).await.unwrap();
    change(&mut kept, insert).await.unwrap();
    kept.commit().await.unwrap();

    let mut reading = read(&pool, 1).await.unwrap();
    let mut writing = write(&pool, 2).await.unwrap();
    let mut committing = write(&pool, 1).await.unwrap();
    let lost = "INSERT INTO notes (body) VALUES ('lost') RETURNING body";
    change(&mut writing, lost).await.unwrap();
    change(&mut committing, lost).await.unwrap();
    let pid = texts(&mut reading, PID).await.unwrap().remove(0);
    assert!(kill(&pid));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = texts(&mut reading, BODIES).await.unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Unavailable);
    let error = texts(&mut writing, BODIES).await.unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Unavailable);
    assert_eq!(
        writing.commit().await.unwrap_err().kind(),
        DbErrorKind::Aborted
    );
    // Never a success; and whether it is stored can't be known here.
    assert_eq!(
        committing.commit().await.unwrap_err().kind(),
        DbErrorKind::CommitUnknown
    );
    drop(reading);

    // While it recovers it refuses connections; then scopes open again without anybody's doing.
    let mut tries = 0;
    let mut scope = loop {
        match read(&pool, 2).await {
            Ok(scope) => break scope,
            Err(error) => assert_eq!(error.kind(), DbErrorKind::Unavailable),
        }
        tries += 1;
        assert!(tries < 100, "the server does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(texts(&mut scope, BODIES).await.unwrap(), ["two"]);
    drop(scope);
    assert_all_clean(&pool, 3).await;
    assert_eq!(all_notes(&database).await, ["1:kept", "1:one", "2:two"]);
}
