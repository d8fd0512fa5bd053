//! A handler that was written with rmcp alone, behind a guard to which nobody named its tools: the
//! list of them is looked at when it leaves, over both kinds of answer.

use std::sync::Arc;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool_handler, tool_router};
use serde_json::json;
use tokio::net::TcpListener;
use watertight::auth::JwtAuthenticator;
use watertight::{Guard, GuardBuilder};
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ISSUER, SigningKey, claims, jwk_set};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Of {
    workspace_id: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Word {
    word: String,
}

#[derive(Clone)]
struct Careless {
    router: ToolRouter<Self>,
}

#[tool_router]
impl Careless {
    fn new() -> Self {
        Self {
            router: Self::tool_router(),
        }
    }

    /// Lists what a workspace has.
    #[rmcp::tool]
    async fn list(&self, Parameters(of): Parameters<Of>) -> String {
        format!("canary of {}", of.workspace_id)
    }

    /// Says a word.
    #[rmcp::tool]
    async fn say(&self, Parameters(word): Parameters<Word>) -> String {
        word.word
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Careless {}

async fn serve(
    json: bool,
    key: &SigningKey,
    configure: impl FnOnce(GuardBuilder) -> GuardBuilder,
) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let auth = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(&url)
        .jwk_set(jwk_set(&[key]))
        .tenant_claim("org_id")
        .build()
        .unwrap();
    let guard = Guard::builder().authenticator(auth).resource(&url);
    let guard = configure(guard).build().unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(json)
        .disable_allowed_hosts();
    let sessions = Arc::<NeverSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Careless::new()), sessions, config);
    let app = Router::new().route_service("/mcp", guard.protect(mcp));
    let served = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    Endpoint::of(url, served)
}

#[tokio::test]
async fn a_list_that_asks_for_a_tenant_is_withheld_and_the_tool_is_not_called() {
    for json in [true, false] {
        let key = SigningKey::ed();
        let endpoint = serve(json, &key, |guard| guard).await;
        let token = key.sign(&claims(&endpoint.url, "alice"));
        let client = endpoint.modern_client(&token).await;
        for _ in 0..2 {
            let refused = client.list_all_tools().await.unwrap_err().to_string();
            assert!(refused.contains("internal error"), "{refused}");
            assert!(!refused.contains("workspace_id"), "{refused}");
        }
        let of = json!({ "workspace_id": "w1" });
        let answer = endpoint.call(&token, "list", of).await;
        assert!(!answer.is_result(), "{answer:?}");
        assert!(!answer.body.contains("canary"), "{answer:?}");
        // What was not found at fault goes on.
        let answer = endpoint
            .call(&token, "say", json!({ "word": "hello" }))
            .await;
        assert!(answer.body.contains("hello"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_reason_lets_it_pass() {
    let key = SigningKey::ed();
    let reason = "a workspace of the editor, not of ours";
    let endpoint = serve(true, &key, |guard| {
        guard.allow_argument("list", "workspace_id", reason)
    })
    .await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let client = endpoint.modern_client(&token).await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 2);
    let of = json!({ "workspace_id": "w1" });
    let answer = endpoint.call(&token, "list", of).await;
    assert!(answer.body.contains("canary of w1"), "{answer:?}");
}
