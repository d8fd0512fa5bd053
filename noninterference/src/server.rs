//! The two databases: filled from one schema, and statements run on them as the application's role.
//!
//! Invariant: nothing that a statement does is kept; each run is a transaction of its own that is
//! rolled back, with what it did to the tables read by the superuser before.

use crate::observe::{Effect, Failure, Observation};
use crate::schema::{Owner, Schema, State, rows};
use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Either, PgConnection, Row, ValueRef};
use watertight_devdb::{Database, DevDb};

/// Planner settings that lead to other plans with the same answer.
pub const PLANS: [&str; 4] = [
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_material = off",
    "SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashagg = off; SET LOCAL enable_seqscan = off",
    "SET LOCAL from_collapse_limit = 1; SET LOCAL join_collapse_limit = 1; SET LOCAL enable_sort = off",
];

/// One database and a superuser's connection to it.
#[derive(Debug)]
pub struct Side {
    connection: PgConnection,
    session: String,
    /// Whether a statement `s` is prepared.
    prepared: bool,
    /// What the tables of others hold before any statement.
    baseline: Option<Effect>,
    _database: Database,
}

/// Creates the roles that the schemas belong to.
pub async fn prepare_roles(server: &DevDb) -> Result<()> {
    let mut connection = PgConnection::connect(server.admin_url()).await?;
    sqlx::raw_sql("CREATE ROLE plain_owner NOLOGIN; CREATE ROLE bypassing_owner NOLOGIN BYPASSRLS")
        .execute(&mut connection)
        .await?;
    Ok(())
}

impl Side {
    pub async fn open(server: &DevDb) -> Result<Self> {
        let database = server.database().await?;
        let connection = PgConnection::connect(database.admin_url()).await?;
        Ok(Self {
            connection,
            session: String::new(),
            prepared: false,
            baseline: None,
            _database: database,
        })
    }

    /// Replaces everything by this schema, with the rows of this state.
    pub async fn load(&mut self, schema: &Schema, state: State) -> Result<()> {
        let owner = if schema.bypass {
            "bypassing_owner"
        } else {
            "plain_owner"
        };
        let ids = schema.kind.ids();
        self.session = format!(
            "SET LOCAL app.tenant_id = '{}'; SET LOCAL app.org_id = '{}'; SET LOCAL statement_timeout = 700; SET LOCAL SESSION AUTHORIZATION app",
            ids[0], ids[1]
        );
        self.prepared = false;
        let mut sql = format!(
            "ROLLBACK; RESET SESSION AUTHORIZATION; RESET session_replication_role; DEALLOCATE ALL; SET client_min_messages = error; DROP SCHEMA IF EXISTS public CASCADE; \
             CREATE SCHEMA public AUTHORIZATION {owner}; GRANT USAGE ON SCHEMA public TO app; SET SESSION AUTHORIZATION {owner};"
        );
        self.execute(&sql).await.context("clear the database")?;
        for (name, text) in schema.migrations() {
            self.execute(&text)
                .await
                .with_context(|| format!("apply {name}:\n{text}"))?;
        }
        sql = "RESET SESSION AUTHORIZATION; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app; \
               GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO app; SET session_replication_role = replica;"
            .to_owned();
        for row in rows(schema, state) {
            sql += &row;
            sql.push(';');
        }
        sql += "RESET session_replication_role;";
        // A view may read the setting.
        sql += &format!(
            "SET app.tenant_id = '{}'; SET app.org_id = '{}';",
            ids[0], ids[1]
        );
        for view in &schema.refresh {
            sql += &format!("REFRESH MATERIALIZED VIEW {view};");
        }
        sql += "RESET app.tenant_id; RESET app.org_id; ANALYZE;";
        self.execute(&sql)
            .await
            .with_context(|| format!("fill the tables:\n{sql}"))?;
        let rows = self
            .rows(&format!("{}; EXECUTE effect", check(schema)))
            .await?;
        self.baseline = Some(Effect::read(rows.last().map_or(&[], Vec::as_slice)));
        Ok(())
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>> {
        let answers = self.send(sql).await;
        match answers.failure {
            Some(failure) => anyhow::bail!("{failure}"),
            None => Ok(answers.done.into_iter().flat_map(|d| d.rows).collect()),
        }
    }

    /// Prepares a statement as the application would. Fails if PostgreSQL refuses it.
    pub async fn prepare(&mut self, sql: &str) -> std::result::Result<(), Failure> {
        let old = if self.prepared { "DEALLOCATE s;" } else { "" };
        let text = format!(
            "ROLLBACK; RESET SESSION AUTHORIZATION; {old} SET SESSION AUTHORIZATION app; PREPARE s AS {sql}"
        );
        let answers = self.send(&text).await;
        // The change of role is undone with a failed PREPARE, the DEALLOCATE is not.
        self.prepared = answers.failure.is_none();
        match answers.failure {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Runs the prepared statement with each choice of arguments. `reads`: it says that it only
    /// reads, so what became of the tables is looked at once.
    pub async fn observe(
        &mut self,
        choices: &[String],
        reads: bool,
        plan: Option<&str>,
    ) -> Vec<Observation> {
        let mut seen = Vec::new();
        let plan = plan.map_or(String::new(), |plan| format!("{plan};"));
        while seen.len() < choices.len() {
            // As many in one message as succeed; the first failure ends the message.
            let mut text = String::from("ROLLBACK; RESET SESSION AUTHORIZATION;");
            let rest = &choices[seen.len()..];
            for (index, arguments) in rest.iter().enumerate() {
                let check = match reads && index + 1 < rest.len() {
                    true => "SELECT NULL WHERE false",
                    false => "EXECUTE effect",
                };
                text += &format!(
                    "BEGIN; {plan} {}; EXECUTE s{arguments}; SET CONSTRAINTS ALL IMMEDIATE; RESET SESSION AUTHORIZATION; {check}; ROLLBACK;",
                    self.session
                );
            }
            let answers = self.send(&text).await;
            // Two at the start; then per choice the same number of commands.
            let before = 1 + plan.matches(';').count() + self.session.matches(';').count() + 1;
            let each = before + 5;
            for part in answers.done.get(2..).unwrap_or_default().chunks(each) {
                if part.len() < each {
                    break;
                }
                let statement = &part[before];
                let mut rows: Vec<String> =
                    statement.rows.iter().map(|row| row.join("|")).collect();
                rows.sort_unstable();
                let effect = match part[before + 3].rows.last() {
                    Some(row) => Effect::read(row),
                    None => self.baseline().clone(),
                };
                seen.push(Observation::Done {
                    rows,
                    count: statement.count,
                    effect,
                });
            }
            if let Some(failure) = answers.failure {
                // What is too slow once is not tried again.
                let times = if failure.is_timeout() { rest.len() } else { 1 };
                for _ in 0..times.min(choices.len() - seen.len()) {
                    seen.push(Observation::Failed(failure.clone()));
                }
            }
        }
        seen
    }

    /// What the tables held when they were filled.
    pub fn baseline(&self) -> &Effect {
        self.baseline.as_ref().expect("the tables are filled")
    }

    async fn send(&mut self, sql: &str) -> Answers {
        let mut answers = Answers::default();
        let mut current = Answer::default();
        let mut stream =
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(&mut self.connection);
        loop {
            match stream.try_next().await {
                Ok(Some(Either::Left(done))) => {
                    current.count = done.rows_affected();
                    answers.done.push(std::mem::take(&mut current));
                }
                Ok(Some(Either::Right(row))) => {
                    let values = (0..row.len()).map(|index| {
                        let value = row.try_get_raw(index).expect("a column");
                        if value.is_null() {
                            "\\N".to_owned()
                        } else {
                            value.as_str().unwrap_or("?").to_owned()
                        }
                    });
                    current.rows.push(values.collect());
                }
                Ok(None) => break,
                Err(error) => {
                    answers.failure = Some(Failure::of(error));
                    break;
                }
            }
        }
        answers
    }
}

#[derive(Debug, Default)]
struct Answer {
    rows: Vec<Vec<String>>,
    count: u64,
}

#[derive(Debug, Default)]
struct Answers {
    done: Vec<Answer>,
    failure: Option<Failure>,
}

/// One row of text: for each table a hash of the rows that are not the session's tenant's, then for
/// each a hash of those that are.
fn check(schema: &Schema) -> String {
    let own = schema.kind.ids()[0];
    let mut foreign = Vec::new();
    let mut mine = Vec::new();
    for table in schema.tables.iter().filter(|t| t.parent.is_none()) {
        let hash = |condition: String| {
            format!(
                "(SELECT '{0}:' || count(*) || ':' || coalesce(sum(hashtextextended(h::text, 0)), 0) FROM public.{0} h WHERE {condition})",
                table.name
            )
        };
        match &table.owner {
            Owner::Tenant(column) => {
                foreign.push(hash(format!(
                    "h.{column}::text COLLATE \"C\" IS DISTINCT FROM '{own}'::text"
                )));
                mine.push(hash(format!(
                    "h.{column}::text COLLATE \"C\" IS NOT DISTINCT FROM '{own}'::text"
                )));
            }
            _ => foreign.push(hash("true".to_owned())),
        }
    }
    format!(
        "PREPARE effect AS SELECT {}, '|' , {}",
        foreign.join(", "),
        mine.join(", ")
    )
}
