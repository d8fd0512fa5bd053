//! A throwaway copy of a database's schema, on the same server, made with `pg_dump`.
//!
//! Invariant: it holds no row of the original, and is dropped when the attacks are over, however they
//! end. The password travels to `pg_dump` in its environment, not on its command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use watertight_analysis::catalog::quote;

use super::target::literal;
use crate::doctor::plain;

/// What a dump of the schema leaves out: the database's own owner, privileges and settings.
const ORIGINAL: &str = "SELECT pg_catalog.to_jsonb(found)::text FROM (\
    SELECT o.rolname AS owner, pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype, \
      d.datacl IS NOT NULL AS restricted, \
      COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.privilege_type, COALESCE(g.rolname, ''))) FROM pg_catalog.aclexplode(d.datacl) a \
        LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE a.grantee <> d.datdba), '[]') AS grants, \
      ARRAY(SELECT pg_catalog.format('%I TO ', pg_catalog.split_part(given.setting, '=', 1)) || CASE \
          WHEN pg_catalog.split_part(given.setting, '=', 1) IN ('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries') \
          THEN pg_catalog.substr(given.setting, pg_catalog.strpos(given.setting, '=') + 1) \
          ELSE pg_catalog.quote_literal(pg_catalog.substr(given.setting, pg_catalog.strpos(given.setting, '=') + 1)) END \
        FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS given(setting) \
        WHERE s.setdatabase = d.oid AND s.setrole = 0) AS settings \
    FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles o ON o.oid = d.datdba WHERE d.datname = pg_catalog.current_database()) AS found";

/// The database that is copied.
#[derive(Debug, Deserialize)]
struct Original {
    owner: String,
    encoding: String,
    collate: String,
    ctype: String,
    /// Whether its privileges are other than those that every database has.
    restricted: bool,
    /// Privilege and grantee, who is empty for everybody.
    grants: Vec<(String, String)>,
    settings: Vec<String>,
}

impl Original {
    fn create(&self, name: &str) -> String {
        format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            quote(name),
            literal(&self.encoding),
            literal(&self.collate),
            literal(&self.ctype)
        )
    }

    /// Who owns the copy, and who may do what with it.
    fn rights(&self, name: &str) -> Vec<String> {
        let (name, owner) = (quote(name), quote(&self.owner));
        let mut rights = vec![format!("ALTER DATABASE {name} OWNER TO {owner}")];
        if self.restricted {
            rights.push(format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"));
        }
        for (privilege, grantee) in &self.grants {
            let to = if grantee.is_empty() {
                "PUBLIC".to_owned()
            } else {
                quote(grantee)
            };
            rights.push(format!("GRANT {privilege} ON DATABASE {name} TO {to}"));
        }
        rights
    }
}

/// The copy.
pub(super) struct Copy {
    options: PgConnectOptions,
    name: String,
}

impl Copy {
    /// Makes the copy.
    pub(super) async fn create(url: &str, random: u64) -> Result<Self> {
        let (options, _) = crate::address::parse(url)?;
        let mut connection = PgConnection::connect_with(&options).await?;
        let number: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
            .fetch_one(&mut connection)
            .await?;
        let server = u32::try_from(number / 10_000).unwrap_or(0);
        let dump = dump(&pg_dump(server)?, server, url, &options)?;
        let name = format!("watertight_attack_{random:016x}");
        let row: String = sqlx::query_scalar(ORIGINAL)
            .fetch_one(&mut connection)
            .await?;
        let original: Original = serde_json::from_str(&row).context("the database itself")?;
        sqlx::raw_sql(AssertSqlSafe(original.create(&name)))
            .execute(&mut connection)
            .await
            .map_err(plain)
            .context("the throwaway copy can't be created; attack in place, in a transaction that is rolled back: --in-place")?;
        connection.close().await.ok();
        let copy = Self { options, name };
        if let Err(error) = copy.restore(dump, &original).await {
            copy.drop().await?;
            return Err(error.context(
                "the schema can't be restored into the throwaway copy; attack in place: --in-place",
            ));
        }
        Ok(copy)
    }

    async fn restore(&self, dump: String, original: &Original) -> Result<()> {
        let mut connection = self.connect().await?;
        for sql in original.rights(&self.name) {
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await?;
        }
        for setting in &original.settings {
            // What only another superuser may set makes no difference to rights.
            let sql = format!("ALTER DATABASE {} SET {setting}", quote(&self.name));
            let _ = sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await;
        }
        sqlx::raw_sql(AssertSqlSafe(dump))
            .execute(&mut connection)
            .await
            .map_err(plain)?;
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
fn dump(program: &Path, server: u32, url: &str, options: &PgConnectOptions) -> Result<String> {
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
        let help = if why.contains("permission denied") {
            "\n  help: connect as a superuser or the owner of every schema, or attack in place as a member of the application role: --in-place"
        } else {
            ""
        };
        bail!("pg_dump failed: {}{help}", why.trim());
    }
    let text = String::from_utf8(output.stdout).context("the dump is not UTF-8")?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        // The schema is there already.
        .filter(|line| *line != "CREATE SCHEMA public;")
        // A newer `pg_dump` says it to every server.
        .filter(|line| server >= 17 || *line != "SET transaction_timeout = 0;")
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

/// The `pg_dump` for a server of this major version: one of an older version refuses it.
fn pg_dump(server: u32) -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = folders()
        .into_iter()
        .map(|folder| folder.join(format!("pg_dump{}", std::env::consts::EXE_SUFFIX)))
        .filter(|path| path.is_file())
        .filter_map(|path| Some((major(&path)?, path)))
        .collect();
    found.sort_by_key(|(version, _)| *version);
    if let Some((_, path)) = found.iter().find(|(version, _)| *version >= server) {
        return Ok(path.clone());
    }
    let there = match found.last() {
        Some((version, path)) => format!(
            "`pg_dump` of at least version {server}, as the server; `{}` is of version {version}",
            path.display()
        ),
        None => "`pg_dump`, which was not found".to_owned(),
    };
    bail!(
        "a copy of the schema needs {there}: install the client programs of PostgreSQL {server} (postgresql-client-{server}), or attack in place, in a transaction that is rolled back: --in-place"
    );
}

/// Where `pg_dump` may be: on the path, and where distributions put each version.
fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    for (root, prefix, inside) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/opt/homebrew/opt", "libpq", "bin"),
    ] {
        let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
        let ours = versions.filter(|it| it.file_name().to_string_lossy().starts_with(prefix));
        folders.extend(ours.map(|it| it.path().join(inside)));
    }
    folders
}

/// The major version that a program tells: `pg_dump (PostgreSQL) 18.6`.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits = version.chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().ok()
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
