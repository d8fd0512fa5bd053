//! What really is in the database, read as the superuser, past every policy.
//!
//! Invariant: answers are judged by what the database holds, never by what the server says about
//! itself. Marks of an organisation are values that no other organisation has.

use crate::seed::{ORGANISATIONS, Organisation};
use anyhow::Context;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Tables whose rows belong to organisations.
const TABLES: [&str; 8] = [
    "agents",
    "customers",
    "tickets",
    "ticket_numbers",
    "messages",
    "tags",
    "ticket_tags",
    "memberships",
];

/// Every value that names a row of one organisation alone.
const MARKS: &str = "
    SELECT id::text FROM customers WHERE tenant_id = $1
    UNION ALL SELECT reference FROM customers WHERE tenant_id = $1
    UNION ALL SELECT email FROM customers c WHERE tenant_id = $1
        AND NOT EXISTS (SELECT FROM customers o WHERE o.email = c.email AND o.tenant_id <> $1)
    UNION ALL SELECT id::text FROM tickets WHERE tenant_id = $1
    UNION ALL SELECT id::text FROM messages WHERE tenant_id = $1
    UNION ALL SELECT id::text FROM agents WHERE tenant_id = $1
    UNION ALL SELECT email FROM agents WHERE tenant_id = $1
    UNION ALL SELECT id::text FROM tags WHERE tenant_id = $1
    UNION ALL SELECT subject FROM memberships WHERE tenant_id = $1";

/// The database as it is.
#[derive(Debug)]
pub struct Truth {
    pool: PgPool,
    marks: HashMap<Uuid, HashSet<String>>,
}

impl Truth {
    /// Connects as the superuser and reads every organisation's marks.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn read(admin_url: &str) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect(admin_url)
            .await?;
        let mut truth = Self {
            pool,
            marks: HashMap::new(),
        };
        truth.refresh().await?;
        Ok(truth)
    }

    /// One number, as the superuser sees it.
    ///
    /// # Errors
    /// If the statement fails.
    pub async fn count_of(&self, sql: String) -> anyhow::Result<i64> {
        let number = sqlx::query_scalar(AssertSqlSafe(sql));
        Ok(number.fetch_one(&self.pool).await?)
    }

    /// What the application's role gets from a statement in an organisation's context; the inner error
    /// is the database's. Nothing stays.
    ///
    /// # Errors
    /// If the context can't be made.
    pub async fn as_application(
        &self,
        tenant: Uuid,
        sql: String,
    ) -> anyhow::Result<Result<i64, sqlx::Error>> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("SET LOCAL SESSION AUTHORIZATION app")
            .execute(&mut *transaction)
            .await?;
        let rows = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *transaction)
            .await;
        transaction.rollback().await?;
        Ok(rows.map(|rows| rows.first().copied().unwrap_or_default()))
    }

    /// Reads the marks again, after rows were added.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn refresh(&mut self) -> anyhow::Result<()> {
        for organisation in &ORGANISATIONS {
            let rows: Vec<String> = sqlx::query_scalar(MARKS)
                .bind(organisation.tenant)
                .fetch_all(&self.pool)
                .await?;
            anyhow::ensure!(rows.len() > 5000, "{} has too few rows", organisation.name);
            self.marks.insert(
                organisation.tenant,
                rows.iter().map(|mark| mark.to_lowercase()).collect(),
            );
        }
        Ok(())
    }

    /// What of `victim` is in this text: its name, its ids in several spellings, its rows' values.
    #[must_use]
    pub fn leaks(&self, victim: &Organisation, text: &str) -> Vec<String> {
        let text = text.to_lowercase();
        let mut found = BTreeSet::new();
        let words = [
            victim.name.to_lowercase(),
            victim.domain.to_owned(),
            format!("{}-", victim.prefix.to_lowercase()),
            victim.tenant.to_string(),
            victim.tenant.simple().to_string(),
        ];
        found.extend(
            words
                .into_iter()
                .filter(|word| text.contains(word.as_str())),
        );
        if let Some(marks) = self.marks.get(&victim.tenant) {
            let part = |c: char| !(c.is_ascii_alphanumeric() || "@.-_".contains(c));
            let tokens = text.split(part).map(|token| token.trim_matches('.'));
            found.extend(
                tokens
                    .filter(|token| marks.contains(*token))
                    .map(str::to_owned),
            );
        }
        found.into_iter().take(3).collect()
    }

    /// A digest of every row of an organisation: equal before and after means untouched.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn fingerprint(&self, organisation: &Organisation) -> anyhow::Result<String> {
        let mut digests = Vec::new();
        for table in TABLES {
            let sql = format!(
                "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t WHERE tenant_id = $1"
            );
            let digest: String = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(organisation.tenant)
                .fetch_one(&self.pool)
                .await?;
            digests.push(digest);
        }
        Ok(digests.join("-"))
    }

    /// The ids that a query finds for an organisation.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn ids(
        &self,
        sql: &'static str,
        organisation: &Organisation,
    ) -> anyhow::Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar(sql)
            .bind(organisation.tenant)
            .fetch_all(&self.pool)
            .await?)
    }

    /// The number that a query finds for an organisation.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn number(
        &self,
        sql: &'static str,
        organisation: &Organisation,
    ) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(sql)
            .bind(organisation.tenant)
            .fetch_one(&self.pool)
            .await?)
    }

    /// Changes something, as whoever owns the database server.
    ///
    /// # Errors
    /// If it fails.
    pub async fn execute(&self, sql: &'static str) -> anyhow::Result<()> {
        sqlx::raw_sql(sql).execute(&self.pool).await?;
        Ok(())
    }

    /// Ends every connection of a role to this database, and says how many there were.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn kill_connections(&self, role: &str) -> anyhow::Result<i64> {
        const SQL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE usename = $1 AND datname = current_database()";
        Ok(sqlx::query_scalar(SQL)
            .bind(role)
            .fetch_one(&self.pool)
            .await?)
    }

    /// Some customer of an organisation.
    ///
    /// # Errors
    /// If there is none.
    pub async fn customer(&self, organisation: &Organisation) -> anyhow::Result<Uuid> {
        const SQL: &str =
            "SELECT id FROM customers WHERE tenant_id = $1 ORDER BY reference OFFSET 41 LIMIT 1";
        self.ids(SQL, organisation)
            .await?
            .first()
            .copied()
            .context("an organisation has no customers")
    }

    /// Some ticket of an organisation that is not closed.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ticket(&self, organisation: &Organisation) -> anyhow::Result<Uuid> {
        const SQL: &str = "SELECT id FROM tickets WHERE tenant_id = $1 AND status <> 'closed' ORDER BY number LIMIT 1";
        self.ids(SQL, organisation)
            .await?
            .first()
            .copied()
            .context("an organisation has no tickets")
    }

    /// The error that the database itself gives for a statement that must fail.
    ///
    /// # Errors
    /// If the statement did not fail, or failed otherwise than in the database.
    pub async fn error_of(
        &self,
        sql: &'static str,
        organisation: &Organisation,
    ) -> anyhow::Result<String> {
        let answer = sqlx::query(sql)
            .bind(organisation.tenant)
            .execute(&self.pool)
            .await;
        match answer {
            Err(sqlx::Error::Database(error)) => {
                let detail = error
                    .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                    .and_then(sqlx::postgres::PgDatabaseError::detail)
                    .unwrap_or_default()
                    .to_owned();
                Ok(format!("{error} {detail}"))
            }
            Err(other) => Err(other.into()),
            Ok(_) => anyhow::bail!("a statement that must fail did not"),
        }
    }
}
