//! One running throwaway server: its folder, its port and the watchdog that ends it.
//!
//! Invariant: the server and its folder do not outlive this process. A small shell holds the read end
//! of a pipe whose write end only we hold, so the kernel itself tells it when we are gone, even after
//! `kill -9`; the shell then stops the server, which is its child, and removes the folder.

use crate::error::{Doing, Error, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// The port is chosen free and then released, so another program may take it in between.
const PORT_ATTEMPTS: u32 = 5;

/// A PostgreSQL in a temporary folder, listening on loopback. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Cluster {
    watchdog: Child,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Creates and starts a server with the programs in `bin`; its superuser is `postgres`.
    pub(crate) fn start(bin: &Path, superuser_password: &str) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(bin, superuser_password) {
                Err(Error::Start { log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("could not bind") =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn start_once(bin: &Path, superuser_password: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("watertight-devdb-")
            .tempdir_in(temporary_root())
            .doing("create a temporary folder for PostgreSQL")?
            .keep();
        let password = folder.join("password");
        std::fs::write(&password, superuser_password).doing("write the password file")?;
        let port = free_port()?;

        let mut command = shell(bin, &folder, port);
        // Inherited settings such as PGDATA or PGPORT must not reach the server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").current_dir(&folder);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        unprivileged(&mut command, &folder, &password)?;
        let watchdog = command
            .spawn()
            .doing("start the shell that watches PostgreSQL")?;

        // From here on, leaving this function drops the cluster and with it the server and folder.
        let mut cluster = Self {
            watchdog,
            folder,
            port,
        };
        cluster.wait_until_ready(bin)?;
        Ok(cluster)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_ready(&mut self, bin: &Path) -> Result<()> {
        let failed = |reason, log| {
            Err(Error::Start {
                bin: bin.to_path_buf(),
                reason,
                log,
            })
        };
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if self.is_ready() {
                return Ok(());
            }
            let log = self.log();
            if self.watchdog.try_wait().doing("wait for initdb")?.is_some() {
                return failed("initdb failed", log);
            }
            if ["FATAL:", "PANIC:"].iter().any(|word| log.contains(word)) {
                return failed("the server gave up", log);
            }
            if Instant::now() > deadline {
                return failed("it was not ready within a minute", log);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The eighth line of `postmaster.pid` is the server's own word on whether it takes connections.
    fn is_ready(&self) -> bool {
        std::fs::read_to_string(self.folder.join("data/postmaster.pid")).is_ok_and(|text| {
            text.lines()
                .nth(7)
                .is_some_and(|line| line.trim() == "ready")
        })
    }

    fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let all = read("log") + &read("server.log");
        let lines: Vec<&str> = all.lines().collect();
        lines
            .get(lines.len().saturating_sub(20)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.watchdog.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                tracing::warn!(folder = %self.folder.display(), "PostgreSQL did not stop in time");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Left behind only when initdb failed, and with it the shell that would have removed it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("find a free port")?;
    Ok(listener.local_addr().doing("find a free port")?.port())
}

#[cfg(unix)]
fn temporary_root() -> PathBuf {
    // A private TMPDIR of root's can't be entered by the user that the server runs as.
    let shared = Path::new("/tmp");
    match crate::account::is_root() {
        true if shared.is_dir() => shared.to_path_buf(),
        _ => std::env::temp_dir(),
    }
}

#[cfg(not(unix))]
fn temporary_root() -> PathBuf {
    std::env::temp_dir()
}

#[cfg(unix)]
fn shell(bin: &Path, folder: &Path, port: u16) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", include_str!("watchdog.sh"), "watertight-devdb"]);
    command.arg(bin).arg(folder).arg(port.to_string());
    // A group of its own: Ctrl-C in the terminal reaches us, not the server under our feet.
    command.process_group(0);
    command
}

#[cfg(not(unix))]
fn shell(bin: &Path, folder: &Path, port: u16) -> Command {
    let mut command = Command::new("powershell");
    command.args([
        "-NoProfile",
        "-ExecutionPolicy",
        "Bypass",
        "-Command",
        include_str!("watchdog.ps1"),
    ]);
    // By environment, because PowerShell parses what follows `-Command` once more.
    command
        .env("DEVDB_BIN", bin)
        .env("DEVDB_DIR", folder)
        .env("DEVDB_PORT", port.to_string());
    command
}

/// PostgreSQL refuses to run as root, so root hands the folder and the process to another account.
#[cfg(unix)]
fn unprivileged(command: &mut Command, folder: &Path, password: &Path) -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(password, private).doing("protect the password file")?;
    if !crate::account::is_root() {
        return Ok(());
    }
    let account = crate::account::unprivileged()?;
    for path in [folder, password] {
        chown(path, Some(account.uid), Some(account.gid)).doing("hand the folder over")?;
    }
    command
        .uid(account.uid)
        .gid(account.gid)
        .env("HOME", folder);
    Ok(())
}

#[cfg(not(unix))]
fn unprivileged(_: &mut Command, _: &Path, _: &Path) -> Result<()> {
    Ok(())
}
