//! Runs a tool as both tenants and compares what came back, and what changed, with the database.
//!
//! Invariant: a comparison that can't show anything is a failure, not a success: both calls must work,
//! and each must return or change something of its own tenant.

use crate::bed::{Answer, TestBed};
use crate::error::{Doing, Result};
use crate::tenant::TestTenant;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::HashSet;
use std::fmt::Write as _;
use watertight::statement::Relation;

/// The shortest value that is looked for: shorter ones are in every other answer.
const SHORTEST: usize = 4;

impl TestBed {
    /// Calls a tool as each of the two tenants and fails the test unless
    /// - both calls worked,
    /// - no answer holds a value that only the other tenant's rows have,
    /// - no call changed the other tenant's rows, and
    /// - each call returned or changed something of its own tenant; otherwise nothing was shown.
    ///
    /// # Panics
    /// If one of these is not so, with everything that was found.
    pub async fn assert_isolated(&self, tool: &str, arguments: Value) {
        let found = self.check_isolated(tool, arguments).await;
        let problems = found.unwrap_or_else(|error| vec![error.to_string()]);
        assert!(
            problems.is_empty(),
            "`{tool}` is not shown to be isolated:{}",
            list(&problems)
        );
    }

    /// As [`TestBed::assert_isolated`]; the list of problems is empty if all is well.
    ///
    /// # Errors
    /// If the database can't be read, or the server does not answer.
    pub async fn check_isolated(&self, tool: &str, arguments: Value) -> Result<Vec<String>> {
        let [first, second] = self.tenants();
        let mut problems = Vec::new();
        for (own, other) in [(first, second), (second, first)] {
            let before = (self.rows_of(own).await?, self.rows_of(other).await?);
            let answer = self.call(own, tool, arguments.clone()).await?;
            let after = (self.rows_of(own).await?, self.rows_of(other).await?);
            let (name, others) = (own.name(), other.name());

            if answer.is_error {
                problems.push(format!("{name}'s call failed: {}", answer.text));
                continue;
            }
            let leaked = after.1.only(&after.0).found_in(&answer);
            if !leaked.is_empty() {
                problems.push(format!(
                    "{name}'s answer holds {others}'s {}",
                    leaked.join(", ")
                ));
            }
            if before.1.digest != after.1.digest {
                problems.push(format!("{name}'s call changed {others}'s rows"));
            }
            let changed = before.0.digest != after.0.digest;
            if !changed && after.0.only(&after.1).found_in(&answer).is_empty() {
                problems.push(format!(
                    "{name}'s call neither returned nor changed anything of {name}'s own: give the \
                     two tenants rows with different texts that this call returns"
                ));
            }
        }
        Ok(problems)
    }

    async fn rows_of(&self, tenant: &TestTenant) -> Result<Rows> {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .doing("read the tenant's rows")?;
        let mut rows = Rows::default();
        for relation in self.catalog.relations() {
            let Some(sql) = query(relation) else { continue };
            let texts: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(tenant.id_text())
                .fetch_all(&mut connection)
                .await
                .doing("read the tenant's rows")?;
            for text in texts {
                let _ = writeln!(rows.digest, "{}.{} {text}", relation.schema, relation.name);
                rows.values
                    .extend(strings(&serde_json::from_str(&text).unwrap_or_default()));
            }
        }
        connection.close().await.doing("read the tenant's rows")?;
        Ok(rows)
    }
}

/// The rows of a tenant in one relation, each as JSON, in an order of their own.
fn query(relation: &Relation) -> Option<String> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let column = quote(relation.tenant_column?);
    let table = format!("{}.{}", quote(relation.schema), quote(relation.name));
    Some(format!(
        "SELECT to_jsonb(t)::text FROM {table} t WHERE t.{column}::text = $1 ORDER BY 1"
    ))
}

/// What a tenant has.
#[derive(Default)]
struct Rows {
    /// Every row, in order; equal means unchanged.
    digest: String,
    /// Every text in them.
    values: HashSet<String>,
}

impl Rows {
    /// The values that the other one does not have.
    fn only(&self, other: &Self) -> Marks<'_> {
        let telling =
            |value: &&String| value.chars().count() >= SHORTEST && !other.values.contains(*value);
        Marks(
            self.values
                .iter()
                .filter(telling)
                .map(String::as_str)
                .collect(),
        )
    }
}

struct Marks<'a>(Vec<&'a str>);

impl Marks<'_> {
    /// Those that stand somewhere in an answer, as a text of their own or within one.
    fn found_in(&self, answer: &Answer) -> Vec<String> {
        let message: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let mut texts = strings(&message);
        texts.push(answer.text.clone());
        let holds = |mark: &&&str| texts.iter().any(|text| text.contains(**mark));
        let mut found: Vec<String> = self
            .0
            .iter()
            .filter(holds)
            .map(|mark| format!("{mark:?}"))
            .collect();
        found.sort();
        found.truncate(5);
        found
    }
}

/// Every text in a value, keys excepted.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn list(problems: &[String]) -> String {
    problems
        .iter()
        .fold(String::new(), |text, problem| text + "\n- " + problem)
}
