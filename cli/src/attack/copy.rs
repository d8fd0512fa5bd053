//! A throwaway copy of a database's schema, on the same server, made with `pg_dump`.
//!
//! Invariant: it holds no row of the original, and is dropped when the attacks are over, however they
//! end. The password travels to `pg_dump` in its environment, not on its command line.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use watertight_analysis::catalog::quote;

/// The copy.
pub(super) struct Copy {
    options: PgConnectOptions,
    name: String,
}

impl Copy {
    /// Makes the copy.
    pub(super) async fn create(url: &str, random: u64) -> Result<Self> {
        let Some(program) = pg_dump() else {
            bail!(
                "a copy of the schema needs `pg_dump`, which was not found: install the client programs of PostgreSQL, or attack in place, in a transaction that is rolled back: --in-place"
            );
        };
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| anyhow::anyhow!("the URL of the database is not understood"))?;
        let dump = dump(&program, url, &options)?;
        let name = format!("watertight_attack_{random:016x}");
        let mut connection = PgConnection::connect_with(&options).await?;
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .context("the throwaway copy can't be created; attack in place, in a transaction that is rolled back: --in-place")?;
        connection.close().await.ok();
        let copy = Self { options, name };
        if let Err(error) = copy.restore(dump).await {
            copy.drop().await?;
            return Err(error.context(
                "the schema can't be restored into the throwaway copy; attack in place: --in-place",
            ));
        }
        Ok(copy)
    }

    async fn restore(&self, dump: String) -> Result<()> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(dump))
            .execute(&mut connection)
            .await?;
        connection.close().await.ok();
        Ok(())
    }

    /// A fresh connection to the copy.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let options = self.options.clone().database(&self.name);
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// Drops the copy.
    pub(super) async fn drop(&self) -> Result<()> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(&self.name));
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .with_context(|| {
                format!("the throwaway copy `{}` is left behind: drop it", self.name)
            })?;
        connection.close().await.ok();
        Ok(())
    }
}

/// The schema as SQL, without psql's own commands.
fn dump(program: &Path, url: &str, options: &PgConnectOptions) -> Result<String> {
    let mut command = Command::new(program);
    command
        .args([
            "--schema-only",
            "--no-publications",
            "--no-subscriptions",
            "--no-tablespaces",
            "--no-password",
        ])
        .arg("--host")
        .arg(options.get_host())
        .arg("--port")
        .arg(options.get_port().to_string())
        .arg("--username")
        .arg(options.get_username());
    if let Some(database) = options.get_database() {
        command.arg("--dbname").arg(database);
    }
    if let Some(password) = password(url) {
        command.env("PGPASSWORD", password);
    }
    let output = command
        .output()
        .with_context(|| format!("`{}` can't be run", program.display()))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("pg_dump failed: {}", why.trim());
    }
    let text = String::from_utf8(output.stdout).context("the dump is not UTF-8")?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        // The schema is there already.
        .filter(|line| *line != "CREATE SCHEMA public;")
        .collect();
    Ok(lines.join("\n"))
}

/// The password of a URL, decoded.
fn password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    let mut bytes = Vec::new();
    let mut rest = password.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The newest `pg_dump`: on the path, or where distributions put it.
pub(super) fn pg_dump() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            Some((version, entry.path().join("bin/pg_dump")))
        })
        .filter(|(_, path)| path.is_file())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, path)| path);
    newest.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(format!("pg_dump{}", std::env::consts::EXE_SUFFIX)))
            .find(|path| path.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn the_password_of_a_url_is_decoded() {
        let decoded = |url| password(url);
        assert_eq!(
            decoded("postgres://u:p%40s%3A@h:1/d").as_deref(),
            Some("p@s:")
        );
        assert_eq!(decoded("postgres://u@h/d"), None);
        assert_eq!(decoded("postgres://u:a@b@h/d").as_deref(), Some("a@b"));
    }
}
