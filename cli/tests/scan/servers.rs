//! Starts the servers of these tests, and installs what they run on.
#![allow(unreachable_pub)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scan");
/// Where packages are installed; it goes with the target directory.
const INSTALLED: &str = env!("CARGO_TARGET_TMPDIR");
/// The reference server of the protocol's authors.
pub const EVERYTHING: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// A server that ends with its value.
pub struct Server {
    pub url: String,
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a program that prints its URL.
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let mut errors = child.stderr.take().unwrap();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut piece = [0_u8; 4096];
            while let Ok(read @ 1..) = errors.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..read]).into_owned();
                kept.lock().unwrap().push_str(&text);
            }
        });
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        output.read_line(&mut url).unwrap();
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let mut server = Self {
            url: url.trim().to_owned(),
            child,
            said,
        };
        if !server.url.starts_with("http") {
            let _ = server.child.wait();
            panic!("the server did not start: {}", server.said());
        }
        server
    }

    /// What it wrote to standard error.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The reference server over HTTP.
    pub fn everything() -> Option<Self> {
        let folder = npm()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let child = Command::new("node")
            .current_dir(folder)
            .args([EVERYTHING, "streamableHttp"])
            .env("PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From here on it ends with the value.
        let server = Self {
            url: format!("http://{address}/mcp"),
            child,
            said: Arc::default(),
        };
        for _ in 0..200 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Some(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the reference server did not start");
    }
}

/// The reference server as a program for `--stdio`.
pub fn everything_program() -> Option<[String; 2]> {
    let path = npm()?.join(EVERYTHING);
    Some(["node".to_owned(), path.to_string_lossy().into_owned()])
}

/// The server of the Python SDK, with a flaw or none.
pub fn python(flaw: &str) -> Option<Server> {
    static INSTALL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let program = INSTALL.get_or_init(|| {
        let folder = Path::new(INSTALLED).join("scan-python");
        let lock = Path::new(SOURCES).join("python/requirements.txt");
        let program = folder.join("bin/python");
        let done = install(&folder, &lock, &mut || {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
                && run(Command::new(&program)
                    .args([
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--disable-pip-version-check",
                        "-r",
                    ])
                    .arg(&lock))
        });
        if !done {
            eprintln!(
                "skipped: python3 with venv, or the packages of {}, can't be had here",
                lock.display()
            );
        }
        done.then_some(program)
    });
    let source = Path::new(SOURCES).join("python/server.py");
    Some(Server::start(
        Command::new(program.as_ref()?).arg(source).arg(flaw),
    ))
}

/// The server of the TypeScript SDK, with a flaw or none.
pub fn typescript(flaw: &str) -> Option<Server> {
    let folder = translated()?;
    let mut command = Command::new("node");
    command.current_dir(&folder).arg("server.js").arg(flaw);
    Some(Server::start(&mut command))
}

/// The one that keeps its rows in PostgreSQL.
pub fn typescript_pool(flaw: &str, database: &str) -> Option<Server> {
    let folder = translated()?;
    let mut command = Command::new("node");
    command.current_dir(&folder).arg("pool.js").arg(flaw);
    command.env("DATABASE_URL", database);
    Some(Server::start(&mut command))
}

/// The folder with the servers as JavaScript.
fn translated() -> Option<PathBuf> {
    let folder = npm()?;
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let sources = Path::new(SOURCES).join("typescript");
        std::fs::copy(sources.join("build.mjs"), folder.join("build.mjs")).unwrap();
        for name in ["server", "pool"] {
            let built = run(Command::new("node")
                .current_dir(&folder)
                .arg("build.mjs")
                .arg(sources.join(format!("{name}.ts")))
                .arg(format!("{name}.js")));
            assert!(built, "the server can't be translated");
        }
    });
    Some(folder)
}

/// The server that is written by hand, with a flaw or none.
pub fn plain(flaw: &str) -> Option<Server> {
    let program = plain_program()?;
    Some(Server::start(Command::new("node").arg(program).arg(flaw)))
}

/// The same as a program for `--stdio`.
pub fn plain_program() -> Option<PathBuf> {
    static NODE: OnceLock<bool> = OnceLock::new();
    let there = NODE.get_or_init(|| {
        let there = run(Command::new("node").arg("--version"));
        if !there {
            eprintln!("skipped: node can't be had here");
        }
        there
    });
    there.then(|| Path::new(SOURCES).join("plain/server.mjs"))
}

/// The tokens that the TypeScript server knows.
pub fn tokens_of_typescript() -> [String; 2] {
    use base64::Engine as _;
    let part = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    ["org-acme-17", "org-bolt-42"].map(|org| {
        let head = part("{\"alg\":\"none\"}".to_owned());
        let body = part(format!(
            "{{\"sub\":\"user@{org}.example\",\"org_id\":\"{org}\"}}"
        ));
        format!("{head}.{body}.c2ln")
    })
}

/// The folder with the packages of npm.
fn npm() -> Option<PathBuf> {
    static INSTALL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install_once = || {
        let folder = Path::new(INSTALLED).join("scan-typescript");
        let sources = Path::new(SOURCES).join("typescript");
        let lock = sources.join("package-lock.json");
        let done = install(&folder, &lock, &mut || {
            std::fs::create_dir_all(&folder).unwrap();
            for file in ["package.json", "package-lock.json"] {
                std::fs::copy(sources.join(file), folder.join(file)).unwrap();
            }
            run(Command::new("npm").current_dir(&folder).args([
                "ci",
                "--no-fund",
                "--no-audit",
                "--silent",
                "--ignore-scripts",
            ]))
        });
        if !done {
            eprintln!(
                "skipped: node with npm, or the packages of {}, can't be had here",
                lock.display()
            );
        }
        done.then_some(folder)
    };
    INSTALL.get_or_init(install_once).clone()
}

/// Installs once for each content of the lock file.
fn install(folder: &Path, lock: &Path, work: &mut dyn FnMut() -> bool) -> bool {
    let wanted = std::fs::read_to_string(lock).unwrap();
    let mark = folder.join("installed");
    if std::fs::read_to_string(&mark).is_ok_and(|it| it == wanted) {
        return true;
    }
    let _ = std::fs::remove_dir_all(folder);
    let done = work();
    if done {
        std::fs::write(mark, wanted).unwrap();
    }
    done
}

fn run(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}
