//! A throwaway PgBouncer in front of a test's database, on a free port of loopback.
//!
//! `WATERTIGHT_PGBOUNCER` names another program than the one on the `PATH`: a newer one, for instance.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use watertight_devdb::Database;

pub(super) struct PgBouncer {
    process: Child,
    folder: TempDir,
    port: u16,
}

/// What a test wants of it.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) mode: &'static str,
    /// Server connections; the number of clients is not limited.
    pub(super) servers: u32,
    /// How many prepared statements it keeps track of; none where it can't.
    pub(super) tracked: u32,
    /// Lets clients send what it can't carry over, as is usual.
    pub(super) lenient: bool,
    /// Deals the server connections out in turn, instead of using the last one again.
    pub(super) in_turn: bool,
}

pub(super) const TRANSACTION: Wanted = Wanted {
    mode: "transaction",
    servers: 3,
    tracked: 0,
    lenient: true,
    in_turn: false,
};

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WATERTIGHT_PGBOUNCER") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")];
    std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

/// Major and minor version of the program that would be used. Says so where there is none.
pub(super) fn version() -> Option<(u32, u32)> {
    let Some(program) = program() else {
        println!("skipped: PgBouncer is not installed (apt-get install pgbouncer)");
        return None;
    };
    let output = Command::new(program).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let number = text.split_whitespace().nth(1).unwrap();
    let mut parts = number.split('.').map(|part| part.parse().unwrap());
    Some((parts.next().unwrap(), parts.next().unwrap()))
}

/// Whether it can keep track of prepared statements. Says so where it can't.
pub(super) fn tracks() -> bool {
    match version() {
        None => false,
        Some(found) if found >= (1, 21) => true,
        Some((major, minor)) => {
            println!("skipped: PgBouncer {major}.{minor} does not track prepared statements");
            false
        }
    }
}

impl PgBouncer {
    /// One in front of `database`, or `None` where it is not installed.
    pub(super) fn before(database: &Database, wanted: Wanted) -> Option<Self> {
        let version = version()?;
        let url = url::Url::parse(database.app_url()).unwrap();
        let folder = tempfile::Builder::new()
            .prefix("watertight-pgbouncer-")
            .tempdir_in("/tmp")
            .unwrap();
        let port = free_port();
        let logins = [database.app_url(), database.system_url()].map(|url| {
            let url = url::Url::parse(url).unwrap();
            format!("\"{}\" \"{}\"\n", url.username(), url.password().unwrap())
        });
        fs::write(folder.path().join("logins"), logins.concat()).unwrap();
        let mut settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = md5\nauth_file = {folder}/logins\nlogfile = {folder}/log\n\
             pool_mode = {}\ndefault_pool_size = {}\nmax_client_conn = 500\n\
             server_round_robin = {}\nquery_wait_timeout = 30\n",
            url.host_str().unwrap(),
            url.port().unwrap(),
            wanted.mode,
            wanted.servers,
            u8::from(wanted.in_turn),
            folder = folder.path().display(),
        );
        if wanted.lenient {
            settings.push_str("ignore_startup_parameters = extra_float_digits\n");
        }
        if version >= (1, 21) {
            settings.push_str(&format!("max_prepared_statements = {}\n", wanted.tracked));
        }
        fs::write(folder.path().join("ini"), settings).unwrap();
        let mut command = Command::new(program()?);
        command
            .arg(folder.path().join("ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if fs::metadata(folder.path()).unwrap().uid() == 0 {
            // It refuses root.
            let (user, group) = account();
            for name in ["", "logins", "ini"] {
                chown(folder.path().join(name), Some(user), Some(group)).unwrap();
            }
            command.uid(user).gid(group);
        }
        let bouncer = Self {
            process: command.spawn().unwrap(),
            folder,
            port,
        };
        bouncer.wait();
        Some(bouncer)
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "PgBouncer does not answer: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `url`, through it.
    pub(super) fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Free until somebody else takes it; the listener is gone when this returns.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// User and group of an account without rights.
fn account() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = passwd
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
            Some((fields.next()?, fields.next()?))
        })
        .unwrap()
}
