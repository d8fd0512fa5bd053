//! A started server gives isolated databases and the right roles, and is gone afterwards.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

use sqlx::{Connection, PgConnection, Row};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use watertight_devdb::{DevDb, Error};

async fn one<T>(url: &str, sql: &'static str) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(sql)
        .fetch_one(&mut connection)
        .await?
        .try_get(0)
}

#[tokio::test]
async fn roles_are_neither_superuser_nor_members_and_the_owner_owns() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    const HARMLESS: &str = "SELECT NOT (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication) \
         AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) \
         FROM pg_roles r WHERE rolname = current_user";
    for url in [
        database.owner_url(),
        database.app_url(),
        database.system_url(),
    ] {
        assert!(one::<bool>(url, HARMLESS).await.unwrap(), "{url}");
    }
    const OWNS: &str = "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = current_database()";
    assert!(one::<bool>(database.owner_url(), OWNS).await.unwrap());
    assert!(!one::<bool>(database.app_url(), OWNS).await.unwrap());
    let mut app = PgConnection::connect(database.app_url()).await.unwrap();
    assert!(
        sqlx::query("CREATE TABLE mine (id int)")
            .execute(&mut app)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn databases_are_separate_and_copies_hold_the_rows() {
    let server = DevDb::shared().await.unwrap();
    let first = server.database().await.unwrap();
    first
        .execute_as_owner("CREATE TABLE notes (body text); INSERT INTO notes VALUES ('kept'); GRANT SELECT ON notes TO app")
        .await
        .unwrap();
    let copy = server.copy_of(&first).await.unwrap();
    let empty = server.database().await.unwrap();
    assert_eq!(
        one::<String>(copy.app_url(), "SELECT body FROM notes")
            .await
            .unwrap(),
        "kept"
    );
    assert!(
        one::<String>(empty.owner_url(), "SELECT body FROM notes")
            .await
            .is_err()
    );
    assert_ne!(copy.name(), first.name());
}

#[tokio::test]
async fn a_wrong_password_is_refused_even_on_loopback() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    let mut url = url::Url::parse(database.app_url()).unwrap();
    url.set_password(Some("guess")).unwrap();
    assert!(PgConnection::connect(url.as_str()).await.is_err());
}

#[tokio::test]
async fn a_server_that_was_there_is_used_and_left_clean() {
    let host = DevDb::start().await.unwrap();
    let guest = DevDb::connect(host.admin_url()).await.unwrap();
    // A second program on the same server must agree on the passwords.
    let other = DevDb::connect(host.admin_url()).await.unwrap();
    assert!(guest.is_external());
    let database = guest.database().await.unwrap();
    let others = other.database().await.unwrap();
    assert!(
        one::<bool>(database.app_url(), "SELECT true")
            .await
            .unwrap()
    );
    let (name, others_name) = (database.name().to_owned(), others.name().to_owned());
    drop((database, others));
    let mut admin = PgConnection::connect(host.admin_url()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname IN ($1, $2)")
            .bind(name)
            .bind(others_name)
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_foreign_role_of_the_same_name_is_not_taken_over() {
    let host = DevDb::start().await.unwrap();
    let mut admin = PgConnection::connect(host.admin_url()).await.unwrap();
    sqlx::query("COMMENT ON ROLE app IS 'production'")
        .execute(&mut admin)
        .await
        .unwrap();
    let error = DevDb::connect(host.admin_url()).await.unwrap_err();
    assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    assert!(error.to_string().contains("\"app\""), "{error}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_to_alter() {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    let error = DevDb::connect(database.app_url()).await.unwrap_err();
    assert!(error.to_string().contains("CREATEDB CREATEROLE"), "{error}");
}

#[tokio::test]
async fn dropping_it_stops_the_server_and_removes_its_folder() {
    let server = DevDb::start().await.unwrap();
    let (folder, pid) = whereabouts(server.admin_url()).await;
    assert!(folder.is_dir() && alive(pid));
    drop(server);
    assert!(!folder.exists() && !alive(pid));
}

/// Not a test of its own: the process that the next tests kill.
#[tokio::test]
#[ignore = "started by the tests that kill it"]
async fn victim() {
    let server = DevDb::start().await.unwrap();
    let (folder, pid) = whereabouts(server.admin_url()).await;
    println!("\nvictim {pid} {}", folder.display());
    std::future::pending::<()>().await;
}

#[cfg(unix)]
#[test]
fn killing_the_program_leaves_nothing_behind() {
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("INT", 2)] {
        if ignored(number) {
            eprintln!("SIG{signal} is ignored here: not tried");
            continue;
        }
        let (mut program, folder, pid) = start_victim();
        assert!(folder.is_dir() && alive(pid));
        kill(signal, program.id());
        program.wait().unwrap();
        eventually(|| !folder.exists() && !alive(pid), signal);
    }
}

#[cfg(unix)]
#[test]
fn ending_the_watchdog_stops_the_server() {
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        // A shell can't trap what was ignored when it started (POSIX, `trap`), as HUP is under
        // `nohup` and INT in the background of a script.
        if ignored(number) {
            eprintln!("SIG{signal} is ignored here: not tried");
            continue;
        }
        let (mut program, folder, pid) = start_victim();
        let watchdog = parent_of(pid);
        assert_ne!(watchdog, program.id());
        kill(signal, watchdog);
        eventually(|| !folder.exists() && !alive(pid), signal);
        kill("KILL", program.id());
        program.wait().unwrap();
    }
}

/// Whether this process, and so every child of it, ignores the signal.
#[cfg(unix)]
fn ignored(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

async fn whereabouts(admin_url: &str) -> (PathBuf, u32) {
    let data: String = one(admin_url, "SELECT current_setting('data_directory')")
        .await
        .unwrap();
    let pid = std::fs::read_to_string(Path::new(&data).join("postmaster.pid")).unwrap();
    let folder = Path::new(&data).parent().unwrap().to_path_buf();
    (folder, pid.lines().next().unwrap().parse().unwrap())
}

fn start_victim() -> (Child, PathBuf, u32) {
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines
        .map(Result::unwrap)
        .find(|line| line.starts_with("victim "))
        .unwrap();
    let mut words = line.split(' ').skip(1);
    let pid = words.next().unwrap().parse().unwrap();
    (program, words.next().unwrap().into(), pid)
}

fn kill(signal: &str, pid: u32) {
    assert!(
        Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(pid.to_string())
            .status()
            .unwrap()
            .success()
    );
}

/// A process that ended but was not yet waited for by its new parent counts as gone.
fn alive(pid: u32) -> bool {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

fn parent_of(pid: u32) -> u32 {
    let output = Command::new("ps")
        .args(["-o", "ppid=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

fn eventually(condition: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "still there after {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
