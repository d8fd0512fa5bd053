//! One throwaway database and the URLs of everyone who may connect to it.
//!
//! Invariant: it belongs to [`OWNER_ROLE`]; the other two roles may use the schema `public` and get
//! nothing more than the migrations grant them.

use crate::DevDb;
use crate::error::{Doing, Error, Result};
use crate::roles::{APP_ROLE, OWNER_ROLE, SYSTEM_ROLE, random_word};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

/// A database of a [`DevDb`], empty or a copy of another one.
///
/// On a server that this crate started it ends with the server. On the server of `DATABASE_URL` it is
/// dropped together with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
    admin: Url,
    owner: Url,
    app: Url,
    system: Url,
    drop_on_server: Option<Url>,
}

impl Database {
    pub(crate) async fn create(server: &DevDb, template: Option<&Self>) -> Result<Self> {
        let name = format!("wt_{}_{}", std::process::id(), random_word()?);
        let source = template.map_or("template0", Self::name);
        let mut connection = connect(&server.admin).await?;
        let sql =
            format!("CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE {source} ENCODING 'UTF8'");
        connection
            .execute(AssertSqlSafe(sql))
            .await
            .doing("create a database")?;
        close(connection).await?;

        let passwords = &server.passwords;
        let url = |role, password: &str| login(&server.admin, &name, role, password);
        let database = Self {
            admin: at(&server.admin, &name),
            owner: url(OWNER_ROLE, &passwords.owner)?,
            app: url(APP_ROLE, &passwords.app)?,
            system: url(SYSTEM_ROLE, &passwords.system)?,
            drop_on_server: server.is_external().then(|| server.admin.clone()),
            name,
        };
        database.prepare(template.is_none()).await?;
        Ok(database)
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the server's administrator connects. Row-level security does not bind a superuser: use it
    /// to look at what really is in the tables.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        self.admin.as_str()
    }

    /// Where migrations run: as the owner of the database.
    #[must_use]
    pub fn owner_url(&self) -> &str {
        self.owner.as_str()
    }

    /// Where tools run: as a role that owns nothing and can't bypass row-level security.
    #[must_use]
    pub fn app_url(&self) -> &str {
        self.app.as_str()
    }

    /// Where runs what happens before there is a tenant.
    #[must_use]
    pub fn system_url(&self) -> &str {
        self.system.as_str()
    }

    /// Runs statements, separated by semicolons, as the owner.
    ///
    /// # Errors
    /// [`Error::Sql`] with the database's answer.
    pub async fn execute_as_owner(&self, sql: &str) -> Result<()> {
        execute(&self.owner, sql).await
    }

    /// Runs statements, separated by semicolons, as the administrator.
    ///
    /// # Errors
    /// [`Error::Sql`] with the database's answer.
    pub async fn execute_as_admin(&self, sql: &str) -> Result<()> {
        execute(&self.admin, sql).await
    }

    /// What `template0` leaves to do: before PostgreSQL 15 everyone could create tables in `public`.
    /// Privileges of the database itself are no part of a copy.
    async fn prepare(&self, new: bool) -> Result<()> {
        let mut sql = format!(
            "REVOKE ALL ON DATABASE {name} FROM PUBLIC; \
             GRANT CONNECT ON DATABASE {name} TO {APP_ROLE}, {SYSTEM_ROLE};",
            name = self.name
        );
        if new {
            sql.push_str(&format!(
                "ALTER SCHEMA public OWNER TO {OWNER_ROLE}; \
                 REVOKE ALL ON SCHEMA public FROM PUBLIC; \
                 GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {SYSTEM_ROLE};"
            ));
        }
        execute(&self.admin, &sql).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server) = self.drop_on_server.take() else {
            return;
        };
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread of its own, because this one may be inside an async runtime and can't block on one.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime
                .block_on(execute(&server, &sql))
                .map_err(std::io::Error::other)
        });
        if let Ok(Err(error)) = dropping.join() {
            tracing::warn!(database = self.name, %error, "a test database was left behind");
        }
    }
}

fn at(server: &Url, database: &str) -> Url {
    let mut url = server.clone();
    url.set_path(database);
    url
}

fn login(server: &Url, database: &str, role: &str, password: &str) -> Result<Url> {
    let mut url = at(server, database);
    let done = url
        .set_username(role)
        .and_then(|()| url.set_password(Some(password)));
    done.map_err(|()| Error::Unsuitable {
        variable: "the given URL",
        reason: "it names no host; write postgres://user:password@host:port/database".to_owned(),
    })?;
    Ok(url)
}

async fn connect(url: &Url) -> Result<PgConnection> {
    PgConnection::connect(url.as_str())
        .await
        .doing("connect to the development server")
}

async fn close(connection: PgConnection) -> Result<()> {
    connection.close().await.doing("close a connection")
}

async fn execute(url: &Url, sql: &str) -> Result<()> {
    let mut connection = connect(url).await?;
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql)
        .execute(&mut connection)
        .await
        .doing("run statements on the test database")?;
    close(connection).await
}
