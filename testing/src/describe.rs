//! What a database makes of the statements in `watertight.lock`.
//!
//! The declared form is compiled without a database: a column that is compared with another type,
//! or an operator that an extension lacks, shows here and not in production. Nothing is run.

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Either, Executor as _, SqlSafeStr as _};
use sqlx::{Statement as _, TypeInfo as _};
use watertight_analysis::{Config, TenantBinding, prepare};

use crate::error::{Doing, Result};

/// A statement as the database understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// The path of its function.
    pub function: String,
    /// Which of its combinations or statements; empty if there is one.
    pub which: String,
    /// The types of its parameters by number, the tenant last.
    pub parameters: Vec<String>,
    /// The names and types of its columns.
    pub columns: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    statement: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    function: String,
    #[serde(default)]
    which: String,
    sql: String,
}

/// Prepares every statement of a `watertight.lock` on a migrated database, as `url`'s role.
///
/// ```no_run
/// # async fn example(url: &str) -> watertight_test::Result<()> {
/// let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/watertight.lock");
/// for statement in watertight_test::describe_all(url, lock).await? {
///     println!("{} {:?}", statement.function, statement.columns);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the lock can't be read, and one that names every statement that the database refuses.
pub async fn describe_all(url: &str, lock: impl AsRef<Path>) -> Result<Vec<Described>> {
    let text = std::fs::read_to_string(lock).doing("read the lock file")?;
    let lock: Lock = toml::from_str(&text).doing("understand the lock file")?;
    let mut connection = PgConnection::connect(url)
        .await
        .doing("connect to the database")?;
    let mut described = Vec::new();
    let mut refused = String::new();
    for statement in lock.statement {
        match describe(&mut connection, &statement).await {
            Ok(found) => described.push(found),
            Err(cause) => {
                let (function, which) = (&statement.function, &statement.which);
                let _ = write!(refused, "\n  {function} {which}: {cause}");
            }
        }
    }
    connection.close().await.doing("close the connection")?;
    if refused.is_empty() {
        Ok(described)
    } else {
        Err(refused).doing("prepare the statements of the lock file")
    }
}

async fn describe(
    connection: &mut PgConnection,
    statement: &Locked,
) -> std::result::Result<Described, Box<dyn std::error::Error + Send + Sync>> {
    // The tenant as a parameter, whatever the configuration: its type is the database's to tell.
    let prepared = prepare(
        &statement.sql,
        TenantBinding::LastParameter,
        &Config::default(),
    )
    .map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        texts.join("; ")
    })?;
    let answer = (&mut *connection)
        .prepare(AssertSqlSafe(prepared.sql).into_sql_str())
        .await?;
    let parameters = match answer.parameters() {
        Some(Either::Left(types)) => types.iter().map(|ty| ty.name().to_owned()).collect(),
        _ => Vec::new(),
    };
    let columns = answer.columns().iter().map(|column| {
        let ty = column.type_info().name().to_owned();
        (column.name().to_owned(), ty)
    });
    Ok(Described {
        function: statement.function.clone(),
        which: statement.which.clone(),
        parameters,
        columns: columns.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use watertight_devdb::DevDb;

    #[tokio::test]
    async fn statements_are_prepared_and_those_that_the_database_refuses_are_named() {
        let server = DevDb::shared().await.unwrap();
        let database = server.database().await.unwrap();
        database
            .execute_as_owner(
                "CREATE TABLE notes (id bigint, tenant_id uuid, body text);
                 GRANT SELECT ON notes TO app",
            )
            .await
            .unwrap();
        let path = std::env::temp_dir().join(format!("describe-{}.lock", std::process::id()));
        let good = "version = 1\n[[statement]]\nfunction = \"a::by_body\"\nsql = \
                    \"SELECT id, body FROM notes WHERE tenant_id = $tenant AND body = $body\"\n";
        std::fs::write(&path, good).unwrap();
        let found = describe_all(database.app_url(), &path).await.unwrap();
        assert_eq!(found[0].parameters, ["TEXT", "UUID"]);
        let column = |name: &str, ty: &str| (name.to_owned(), ty.to_owned());
        assert_eq!(
            found[0].columns,
            [column("id", "INT8"), column("body", "TEXT")]
        );

        let bad = "[[statement]]\nfunction = \"a::wrong\"\nsql = \
                   \"SELECT id FROM notes WHERE body > id\"\n";
        std::fs::write(&path, format!("{good}{bad}")).unwrap();
        let error = describe_all(database.app_url(), &path).await.unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let text = error.to_string();
        assert!(
            text.contains("a::wrong") && text.contains("operator"),
            "{text}"
        );
        assert!(!text.contains("by_body"), "{text}");
    }
}
