//! Puts the desk together: database, migrations, rows, pools, authenticator, server.
//!
//! Invariant: the server's pool logs in as the application role; migrations run as the owner; API keys
//! are looked up as a third role. No part of the server ever sees the superuser's URL.

use crate::identity::DeskAuthenticator;
use crate::seed::{self, Organisation};
use crate::tools;
use anyhow::Context;
use axum::{Router, routing::get};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use watertight::auth::{JwtAuthenticator, LauncherAuthenticator};
use watertight::db::Migrate;
use watertight::{Server, SystemPool, TenantId, TenantPool};
use watertight_devdb::{Database, DevDb, SYSTEM_ROLE};
use watertight_test::{Issuer, Token};

/// What the agents of the desk may do.
pub const SCOPES: &str = "customers:read customers:write tickets:read tickets:write";

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");

/// A database with the rows of every organisation. Dropping it stops the server that it started.
#[derive(Debug)]
pub struct Desk {
    // In this order: the database is dropped before its server.
    database: Database,
    server: DevDb,
    verify_every: Duration,
}

impl Desk {
    /// Finds or starts a PostgreSQL, runs the migrations and creates the rows.
    ///
    /// # Errors
    /// If there is no PostgreSQL, with the line that installs one, or if a step fails.
    pub async fn set_up() -> anyhow::Result<Self> {
        let server = DevDb::from_env_or_start().await?;
        let database = server.database().await?;
        Migrate::new(database.owner_url())
            .directory(MIGRATIONS)
            .system_role(SYSTEM_ROLE)
            .run()
            .await?;
        seed::fill(database.owner_url())
            .await
            .context("create the rows of the organisations")?;
        Ok(Self {
            database,
            server,
            // Five minutes by default; the demo has no such patience.
            verify_every: Duration::from_secs(1),
        })
    }

    /// How often the server compares the live database with what its statements were proved against.
    #[must_use]
    pub fn verifying_every(self, interval: Duration) -> Self {
        Self {
            verify_every: interval,
            ..self
        }
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Whose PostgreSQL it is.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self.server.is_external() {
            true => "the PostgreSQL of DATABASE_URL",
            false => "a PostgreSQL of its own, gone when this ends",
        }
    }

    /// Ends the database server under the desk's feet, to see what the desk says then.
    pub fn lose_database(self) {
        drop(self);
    }

    /// Serves MCP over HTTP, beside an identity provider that publishes its keys.
    ///
    /// # Errors
    /// If an address can't be listened on, or the pool's start-up checks find something.
    pub async fn serve(&self, address: &str) -> anyhow::Result<Running> {
        let (issuer, provider) = identity_provider().await?;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}"))?;
        let base = format!("http://{}", listener.local_addr()?);
        let url = format!("{base}/mcp");

        let tokens = JwtAuthenticator::builder()
            .issuer(issuer.name())
            .audience(&url)
            .jwks_url(format!("{}/jwks.json", issuer.name()))
            .tenant_claim("org_id")
            .build()?;
        let catalog = watertight::catalog!();
        let keys = SystemPool::connect(self.database.system_url(), catalog).await?;
        let server = Server::builder()
            .name("helpdesk")
            .version(env!("CARGO_PKG_VERSION"))
            .title("Helpdesk")
            .instructions("The support desk of the organisation that your token belongs to.")
            .tools(tools::all())
            .resources(tools::resources())
            .prompts(tools::prompts())
            .completions(tools::completions())
            .pool(self.pool().await?)
            .authenticator(DeskAuthenticator { tokens, keys })
            .resource(&url)
            // The attacks come in floods, and shall be answered by what they are aimed at.
            .calls_per_second(1000)
            // A small page, so that clients come back with a cursor.
            .page_size(10)
            .legacy_sessions(true)
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = server.with_graceful_shutdown(async {
            // Also when the sender is gone: then nobody is left to serve for.
            let _ = stopped.await;
        });
        let task = tokio::spawn(async move {
            let served = server.serve_listener(listener).await;
            provider.abort();
            served.map_err(anyhow::Error::from)
        });
        let metadata_url = format!("{base}/.well-known/oauth-protected-resource/mcp");
        Ok(Running {
            url,
            metadata_url,
            issuer,
            stop,
            task,
        })
    }

    /// Serves one organisation over standard input and output. Whoever starts the program decides
    /// which; this can't be done over HTTP.
    ///
    /// # Errors
    /// If the streams break.
    pub async fn serve_stdio(&self, organisation: &Organisation) -> anyhow::Result<()> {
        let tenant = TenantId::uuid(organisation.tenant);
        let agent = format!("agent1@{}", organisation.domain);
        let launcher =
            LauncherAuthenticator::with_scopes("helpdesk", agent, tenant, SCOPES.split(' '));
        let server = Server::builder()
            .name("helpdesk")
            .tools(tools::all())
            .resources(tools::resources())
            .prompts(tools::prompts())
            .completions(tools::completions())
            .pool(self.pool().await?);
        Ok(server.build_stdio(launcher)?.serve().await?)
    }

    /// Few connections on purpose: the organisations shall meet on them.
    async fn pool(&self) -> anyhow::Result<TenantPool> {
        let pool = TenantPool::builder(self.database.app_url())
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .verify_every(self.verify_every);
        Ok(pool.connect(watertight::catalog!()).await?)
    }
}

/// A server that is running.
#[derive(Debug)]
pub struct Running {
    /// The MCP endpoint, which is also the audience of its tokens.
    pub url: String,
    /// The protected resource metadata (RFC 9728).
    pub metadata_url: String,
    issuer: Issuer,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// The identity provider that it trusts.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A token for an agent of this organisation, valid for a day.
    ///
    /// # Errors
    /// If it can't be signed.
    pub fn token(&self, organisation: &Organisation) -> anyhow::Result<String> {
        Ok(self.claims(&self.issuer, &self.url, organisation).sign()?)
    }

    /// The claims of such a token, by any issuer for any audience.
    pub fn claims<'a>(
        &self,
        issuer: &'a Issuer,
        audience: &str,
        organisation: &Organisation,
    ) -> Token<'a> {
        issuer
            .token(audience, format!("agent1@{}", organisation.domain))
            .valid_for(Duration::from_secs(24 * 3600))
            .claim("org_id", organisation.tenant.to_string())
            .scopes(SCOPES)
    }

    /// Stops, after the calls that are under way.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(Duration::from_secs(5), self.task).await;
    }

    /// Serves until it fails or Ctrl-C is pressed.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn until_interrupted(mut self) -> anyhow::Result<()> {
        tokio::select! {
            served = &mut self.task => served?,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt?;
                self.stop().await;
                Ok(())
            }
        }
    }
}

/// An identity provider as far as a resource server needs one: a name and a published key set.
async fn identity_provider() -> anyhow::Result<(Issuer, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = Issuer::new(format!("http://{}", listener.local_addr()?))?;
    let keys = issuer.jwk_set();
    let answer = move || {
        let keys = keys.clone();
        async move { ([("content-type", "application/jwk-set+json")], keys) }
    };
    let app = Router::new().route("/jwks.json", get(answer));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the identity provider stopped");
        }
    });
    Ok((issuer, task))
}
