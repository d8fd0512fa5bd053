//! The server that the official conformance suite is run against: its fixture tools, written with
//! `#[mcp_tool]` and with rmcp side by side, behind the guard. `tests/conformance/run` starts it.
//!
//! The suite can't send a token, so a layer in front adds one, as a proxy would; the guard verifies it
//! with every request like any other.

mod fixture;
mod handler;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use fixture::{Fixture, read};
use futures_util::future::BoxFuture;
use handler::{listed, prompts, template};
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use watertight::auth::JwtAuthenticator;
use watertight::{
    ForeignParts, Guard, Reply, Server, ToolContext, ToolError, ToolResult, mcp_resource, mcp_tool,
    resources, route, tools,
};
use watertight_e2e::identity::{ISSUER, SigningKey, claims, jwk_set};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// Returns a text.
#[mcp_tool]
async fn test_simple_text() -> ToolResult<Reply> {
    Ok(Reply::text("This is a simple text response for testing."))
}

/// Returns an image.
#[mcp_tool]
async fn test_image_content() -> ToolResult<Reply> {
    Ok(Reply::image(PNG, "image/png"))
}

/// Always fails.
#[mcp_tool]
async fn test_error_handling() -> ToolResult<Reply> {
    Err(ToolError::conflict(
        "this tool intentionally returns an error for testing",
    ))
}

/// Tells how far it is.
#[mcp_tool]
async fn test_tool_with_progress(cx: ToolContext) -> ToolResult<Reply> {
    for done in [0.0, 50.0, 100.0] {
        cx.progress(done, Some(100.0), None).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(Reply::text("done"))
}

/// A resource of ours, which can be followed.
#[mcp_resource("test://watched-resource", title = "watched", mime_type = "text/plain")]
async fn watched() -> ToolResult<String> {
    Ok("watched".to_owned())
}

/// The fixture as an rmcp server of its own, behind the guard.
fn guarded(auth: JwtAuthenticator, url: &str, port: u16, sessions: bool) -> Router {
    let fixture = Fixture::new();
    let guard = Guard::builder()
        .authenticator(auth)
        .resource(url)
        .allow_host(format!("localhost:{port}"))
        .tools(&fixture.router)
        .legacy_sessions(sessions)
        .build()
        .unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(sessions)
        .disable_allowed_hosts();
    let manager = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(move || Ok(fixture.clone()), manager, config);
    Router::new().route_service("/mcp", guard.protect(mcp))
}

/// The same tools, resources and prompts mounted in a `Server`.
fn whole_server(auth: JwtAuthenticator, url: &str, port: u16, sessions: bool) -> Router {
    let mut fixture = Fixture::new();
    for ours in [
        "test_simple_text",
        "test_image_content",
        "test_error_handling",
        "test_tool_with_progress",
    ] {
        fixture.router.remove_route(ours);
    }
    let parts = ForeignParts::new()
        .resources(
            listed()
                .into_iter()
                .take(2)
                .map(|it| read::<Resource>(it).unwrap()),
        )
        .templates([read::<ResourceTemplate>(template()).unwrap()])
        .prompts(prompts().map(|it| read::<Prompt>(it).unwrap()));
    let router = fixture.router.clone();
    Server::builder()
        .name("watertight-conformance")
        .tools(tools![
            test_simple_text,
            test_image_content,
            test_error_handling,
            test_tool_with_progress
        ])
        .resources(resources![watched])
        .mount(fixture.clone(), router)
        .mount_foreign(
            fixture,
            parts,
            "fixtures of the suite, the same for everyone",
        )
        .authenticator(auth)
        .resource(url)
        .allow_host(format!("localhost:{port}"))
        .legacy_sessions(sessions)
        .build()
        .unwrap()
        .into_router()
}

#[tokio::main]
async fn main() {
    // With or without sessions for the older protocols.
    let argument = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let sessions = argument("--sessions");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/mcp");
    let key = SigningKey::ec();
    let auth = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(&url)
        .jwk_set(jwk_set(&[&key]))
        .tenant_claim("org_id")
        .build()
        .unwrap();
    let app = match argument("--server") {
        true => whole_server(auth, &url, address.port(), sessions),
        false => guarded(auth, &url, address.port(), sessions),
    };
    let token = key.sign(&claims(&url, "conformance"));
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let app = app.layer(axum::middleware::map_request(
        move |mut request: Request| {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
            async { request }
        },
    ));
    println!("{url}");
    axum::serve(listener, app).await.unwrap();
}
