//! The two databases: filled from one schema, and statements run on them as the application's role.
//!
//! Invariant: nothing that a statement does is kept; each run is a transaction of its own that is
//! rolled back, with what it did to the tables read by the superuser before.

use crate::observe::{Effect, Failure, Observation};
use crate::schema::{Kind, Owner, Schema, State, Table, rows};
use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Either, PgConnection, Row, ValueRef};
use watertight_devdb::{Database, DevDb};

/// Planner settings that lead to other plans with the same answer.
pub const PLANS: [&str; 7] = [
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL join_collapse_limit = 1",
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL join_collapse_limit = 1",
    "SET LOCAL enable_memoize = off",
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_material = off",
    "SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashagg = off; SET LOCAL enable_seqscan = off",
    "SET LOCAL from_collapse_limit = 1; SET LOCAL join_collapse_limit = 1; SET LOCAL enable_sort = off",
];

/// What the planner knows: as it is; nothing at all; or a few rows in every table.
pub const STATISTICS: [&str; 3] = [
    "SET LOCAL random_page_cost = 4",
    "DELETE FROM pg_statistic; UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384",
    "DELETE FROM pg_statistic; UPDATE pg_class SET reltuples = 6, relpages = 1 WHERE relkind IN ('r', 'p', 'm') AND oid >= 16384",
];

/// Switches off the triggers that fire even while tables are filled, and remembers how they were.
const QUIET: &str = "CREATE TEMP TABLE loud AS SELECT tgrelid::regclass::text AS t, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('R', 'A'); \
    DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM loud LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', r.t, r.tgname); END LOOP; END $$;";

/// Switches them on again.
const LOUD: &str = "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM loud LOOP \
    EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', r.t, CASE r.tgenabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END, r.tgname); END LOOP; END $$; DROP TABLE loud;";

/// One database and a superuser's connection to it.
#[derive(Debug)]
pub struct Side {
    connection: PgConnection,
    session: String,
    /// The session's tenant.
    own: String,
    /// Whether a statement `s` is prepared.
    prepared: bool,
    /// What the tables of others hold before any statement.
    baseline: Option<Effect>,
    _database: Database,
}

/// Creates the roles that the schemas belong to.
pub async fn prepare_roles(server: &DevDb) -> Result<()> {
    let mut connection = PgConnection::connect(server.admin_url()).await?;
    for (role, rights) in [("plain_owner", ""), ("bypassing_owner", " BYPASSRLS")] {
        let sql = format!(
            "DO $$ BEGIN CREATE ROLE {role} NOLOGIN{rights}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
    }
    Ok(())
}

impl Side {
    pub async fn open(server: &DevDb) -> Result<Self> {
        let database = server.database().await?;
        let mut connection = PgConnection::connect(database.admin_url()).await?;
        // Migrations make schemas.
        let grant = format!(
            "GRANT CREATE ON DATABASE \"{}\" TO plain_owner, bypassing_owner",
            database.name()
        );
        sqlx::raw_sql(AssertSqlSafe(grant))
            .execute(&mut connection)
            .await?;
        Ok(Self {
            connection,
            session: String::new(),
            own: String::new(),
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
        // A plan for these values, as the runtime's transactions have it.
        self.session = format!(
            "SET LOCAL app.tenant_id = '{}'; SET LOCAL app.org_id = '{}'; SET LOCAL statement_timeout = 700; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL SESSION AUTHORIZATION app",
            ids[0], ids[1]
        );
        self.prepared = false;
        ids[0].clone_into(&mut self.own);
        // The owner may not; the migration finds it there.
        let extension = match schema.kind {
            Kind::Citext => "CREATE EXTENSION citext;",
            _ => "",
        };
        let mut sql = format!(
            "ROLLBACK; RESET SESSION AUTHORIZATION; RESET session_replication_role; DEALLOCATE ALL; SET client_min_messages = error; DROP TABLE IF EXISTS pg_temp.loud; DROP SCHEMA IF EXISTS public, crm, app CASCADE; DROP EXTENSION IF EXISTS citext; \
             CREATE SCHEMA public AUTHORIZATION {owner}; GRANT USAGE ON SCHEMA public TO app; {extension} SET SESSION AUTHORIZATION {owner};"
        );
        self.execute(&sql).await.context("clear the database")?;
        for (name, text) in schema.migrations() {
            self.execute(&text)
                .await
                .with_context(|| format!("apply {name}:\n{text}"))?;
        }
        sql = "RESET SESSION AUTHORIZATION; RESET search_path; CREATE SCHEMA IF NOT EXISTS crm; CREATE SCHEMA IF NOT EXISTS app; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, crm, app TO app; \
               GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, crm, app TO app; SET session_replication_role = replica;"
            .to_owned();
        sql += QUIET;
        let lonely = state.alone && state.side == 1;
        if lonely {
            // Dead rows keep the pages of tables and indexes as they are on the other side, so that
            // the planner can be told the same of both.
            for row in rows(schema, State { side: 0, ..state }) {
                sql += &row;
                sql.push(';');
            }
            for table in schema.tables.iter().rev() {
                sql += &format!("DELETE FROM ONLY {};", table.path());
            }
        }
        for row in rows(schema, state) {
            sql += &row;
            sql.push(';');
        }
        sql += LOUD;
        sql += "RESET session_replication_role;";
        // A view may read the setting.
        sql += &format!(
            "SET app.tenant_id = '{}'; SET app.org_id = '{}';",
            ids[0], ids[1]
        );
        for view in &schema.refresh {
            sql += &format!("REFRESH MATERIALIZED VIEW {view};");
        }
        // Not the whole database: the catalogs' own statistics are most of the work.
        let analyzed: Vec<String> = schema
            .tables
            .iter()
            .map(Table::path)
            .chain(schema.refresh.iter().cloned())
            .collect();
        sql += &format!(
            "RESET app.tenant_id; RESET app.org_id; ANALYZE {};",
            analyzed.join(", ")
        );
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
    pub async fn prepare(&mut self, types: &str, sql: &str) -> std::result::Result<(), Failure> {
        let old = if self.prepared { "DEALLOCATE s;" } else { "" };
        let text = format!(
            "ROLLBACK; RESET SESSION AUTHORIZATION; {old} SET SESSION AUTHORIZATION app; PREPARE s{types} AS {sql}"
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
                let telling = (0..statement.rows.first().map_or(0, Vec::len))
                    .filter(|column| {
                        statement
                            .rows
                            .iter()
                            .any(|row| row[*column].contains(&self.own))
                    })
                    .collect();
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
                    telling,
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

    /// The plan of the prepared statement for these arguments, with its costs: these decide at run
    /// time which input of a hash join is read first.
    pub async fn explain(&mut self, arguments: &str, setting: &str) -> Vec<String> {
        let text = format!(
            "ROLLBACK; RESET SESSION AUTHORIZATION; BEGIN; {setting}; {}; EXPLAIN EXECUTE s{arguments}; ROLLBACK;",
            self.session
        );
        let answers = self.send(&text).await;
        let lines = answers.done.into_iter().flat_map(|done| done.rows);
        let mut lines: Vec<String> = lines.flatten().collect();
        lines.extend(answers.failure.map(|failure| failure.to_string()));
        lines
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
                "(SELECT '{0}:' || count(*) || ':' || coalesce(sum(hashtextextended(h::text, 0)), 0) FROM {1} h WHERE {condition})",
                table.name,
                table.path()
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
