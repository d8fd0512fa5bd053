//! One page's database: its own migrations, rows and statements, as the roles of production.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

use futures_util::StreamExt;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, Connection, Either, Row, ValueRef};
use watertight_analysis::Prepared;
use watertight_devdb::{Database, DevDb};

/// The tenant of the session in every example.
pub const TENANT: &str = "acme";

pub struct Server {
    database: Database,
}

impl Server {
    pub async fn new(server: &DevDb) -> Self {
        let database = server.database().await.unwrap();
        database
            .execute_as_admin(
                "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT ALL ON TABLES TO app;
                 ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT ALL ON SEQUENCES TO app;
                 ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT USAGE ON SCHEMAS TO app",
            )
            .await
            .unwrap();
        Self { database }
    }

    /// Runs a migration as the owner.
    pub async fn migrate(&self, sql: &str) -> String {
        let mut connection = PgConnection::connect(self.database.owner_url())
            .await
            .unwrap();
        show(&mut connection, sql)
            .await
            .unwrap_or_else(|error| error)
    }

    /// Runs what an operator sees, past row-level security.
    pub async fn as_admin(&self, sql: &str) -> String {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        show(&mut connection, sql)
            .await
            .unwrap_or_else(|error| error)
    }

    /// Runs a statement as the application does: its role, one transaction, the session's tenant.
    /// `values` are SQL expressions in the order of the parameters' numbers.
    pub async fn as_tenant(&self, prepared: &Prepared, values: &[String]) -> String {
        let mut connection = PgConnection::connect(self.database.app_url())
            .await
            .unwrap();
        let begin = format!("BEGIN; SELECT set_config('app.tenant_id', '{TENANT}', true)");
        show(&mut connection, &begin).await.unwrap();
        let shown = if values.is_empty() {
            show(&mut connection, &prepared.sql).await
        } else {
            let prepare = format!("PREPARE page AS {}", prepared.sql);
            match show(&mut connection, &prepare).await {
                Ok(_) => {
                    let execute = format!("EXECUTE page({})", values.join(", "));
                    show(&mut connection, &execute).await
                }
                Err(error) => Err(error),
            }
        };
        let end = if shown.is_ok() { "COMMIT" } else { "ROLLBACK" };
        show(&mut connection, end).await.unwrap();
        shown.unwrap_or_else(|error| error)
    }
}

/// Runs a script and shows what psql would: the rows of its last query, or the number of rows that
/// its last statement changed. An error is the server's message.
async fn show(connection: &mut PgConnection, sql: &str) -> Result<String, String> {
    let mut rows: Vec<PgRow> = Vec::new();
    let mut last = String::new();
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(connection);
    while let Some(item) = stream.next().await {
        match item {
            Ok(Either::Right(row)) => rows.push(row),
            Ok(Either::Left(done)) => {
                last = match (rows.is_empty(), done.rows_affected()) {
                    (false, _) => table(&rows),
                    (true, 0) => "(no rows)".to_owned(),
                    (true, 1) => "(1 row changed)".to_owned(),
                    (true, changed) => format!("({changed} rows changed)"),
                };
                rows.clear();
            }
            Err(sqlx::Error::Database(error)) => {
                return Err(format!("ERROR:  {}", error.message()));
            }
            Err(error) => panic!("{error}: {sql}"),
        }
    }
    Ok(last)
}

fn table(rows: &[PgRow]) -> String {
    let names: Vec<String> = rows[0]
        .columns()
        .iter()
        .map(|c| c.name().to_owned())
        .collect();
    let cell = |row: &PgRow, index: usize| {
        let value = row.try_get_raw(index).unwrap();
        match value.as_str() {
            _ if value.is_null() => String::new(),
            Ok(text) => text.replace('\n', "↵"),
            Err(error) => panic!("{error}"),
        }
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| (0..names.len()).map(|index| cell(row, index)).collect())
        .collect();
    let width = |index: usize| {
        let column = cells.iter().map(|row| row[index].chars().count());
        column.max().unwrap_or(0).max(names[index].chars().count())
    };
    let line = |values: &[String]| {
        let padded: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(index, value)| format!(" {value:<width$} ", width = width(index)))
            .collect();
        format!("{}\n", padded.join("|").trim_end())
    };
    let rule: Vec<String> = (0..names.len())
        .map(|index| "-".repeat(width(index) + 2))
        .collect();
    let mut text = line(&names);
    text.push_str(&rule.join("+"));
    text.push('\n');
    cells.iter().for_each(|row| text.push_str(&line(row)));
    let count = rows.len();
    text.push_str(&if count == 1 {
        "(1 row)".to_owned()
    } else {
        format!("({count} rows)")
    });
    text
}
