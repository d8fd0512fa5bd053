//! A folder of a test and the command line run in it: the one way in which tests start the program.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// A folder that is removed with its value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("watertight-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A protected table, one with a tenant column alone, one without, a view and a definer's function.
pub const NOTES: &str = "
CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, body text NOT NULL);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE TABLE tasks (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, title text NOT NULL);
CREATE TABLE jobs (id uuid PRIMARY KEY, payload jsonb);
CREATE VIEW v_notes AS SELECT id, body FROM notes;
CREATE FUNCTION everything(q text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
    AS $$ SELECT count(*) FROM notes WHERE body = q $$;
";

/// The path of the program.
pub fn program() -> &'static Path {
    assert_cmd::cargo::cargo_bin!("cargo-watertight")
}

/// The program in a folder, with nothing of the environment that changes what it says.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(folder);
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "DATABASE_URL",
        "PGPASSWORD",
    ] {
        command.env_remove(name);
    }
    command
}

/// The command line in a folder, with a standard input.
pub fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder);
    command.args(arguments);
    if input.is_empty() {
        return command.output().unwrap();
    }
    match command.write_stdin(input).output() {
        // A program that ends before it reads closes the pipe; its status is what counts.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            self::command(folder).args(arguments).output().unwrap()
        }
        output => output.unwrap(),
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
