//! Tokens of a real OpenID provider, found by discovery. `tests/oidc/run` starts it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use watertight::auth::JwtAuthenticator;
use watertight::{ToolContext, ToolResult, mcp_tool, tools};
use watertight_e2e::endpoint::{Answer, Endpoint};
use watertight_e2e::identity::{ACME, BETA};

/// Whether two callers are of one organisation is all that a tool may tell.
#[mcp_tool(requires = "tickets:read")]
async fn is_acme(cx: ToolContext) -> ToolResult<bool> {
    let acme = watertight::TenantId::uuid(ACME.parse().unwrap());
    Ok(*cx.session().tenant() == acme)
}

struct Provider {
    issuer: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Provider {
    async fn start() -> Self {
        let node = std::env::var("WATERTIGHT_OIDC_NODE").expect("run tests/oidc/run");
        let script = std::env::var("WATERTIGHT_OIDC_PROVIDER").expect("run tests/oidc/run");
        let mut process = Command::new(node)
            .args([&script, ACME, BETA])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = loop {
            let line = output
                .next_line()
                .await
                .unwrap()
                .expect("the provider ended");
            if let Some(issuer) = line.strip_prefix("issuer ") {
                break issuer.to_owned();
            }
        };
        Self {
            issuer,
            input: process.stdin.take().unwrap(),
            output,
            _process: process,
        }
    }

    /// Replaces the key that it signs with.
    async fn rotate(&mut self) {
        self.input.write_all(b"rotate\n").await.unwrap();
        while self
            .output
            .next_line()
            .await
            .unwrap()
            .expect("the provider ended")
            != "rotated"
        {}
    }

    /// A client's token for a resource.
    async fn token(&self, client: &str, resource: &str) -> String {
        let http = reqwest::Client::new();
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let document: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        let resource = resource.replace(':', "%3A").replace('/', "%2F");
        let form =
            format!("grant_type=client_credentials&scope=tickets%3Aread&resource={resource}");
        let answer = http
            .post(document["token_endpoint"].as_str().unwrap())
            .basic_auth(client, Some(format!("secret-of-{client}")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer: Value = answer.send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str();
        token
            .unwrap_or_else(|| panic!("no token: {answer}"))
            .to_owned()
    }
}

#[tokio::test]
#[ignore = "needs npm's oidc-provider: tests/oidc/run"]
async fn tokens_of_a_real_provider() {
    let mut provider = Provider::start().await;
    let issuer = provider.issuer.clone();
    let auth = |url: &str| {
        JwtAuthenticator::builder()
            .discover(issuer)
            .audience(url)
            .tenant_claim("org_id")
            .jwks_refetch_interval(Duration::from_millis(100))
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(auth, |server| server.tools(tools![is_acme])).await;
    let call = async |token: &str| endpoint.call(token, "is_acme", json!({})).await;
    let told = |answer: Answer| answer.json()["result"]["structuredContent"]["result"].clone();

    // What a client learns first: whose tokens are wanted.
    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/mcp",
        endpoint.origin
    );
    let metadata = endpoint
        .send_to(&metadata, reqwest::Method::GET, &[], "")
        .await
        .json();
    assert_eq!(metadata["authorization_servers"], json!([provider.issuer]));

    let acme = provider.token("acme-importer", &endpoint.url).await;
    let beta = provider.token("beta-importer", &endpoint.url).await;
    assert_eq!(told(call(&acme).await), json!(true));
    assert_eq!(told(call(&beta).await), json!(false));
    let whoami = endpoint.call(&beta, "whoami", json!({})).await;
    assert!(whoami.text().contains("beta-importer"), "{whoami:?}");

    // Of the same provider, for another resource; and of nobody's organisation.
    let elsewhere = provider
        .token("acme-importer", "https://other.test/mcp")
        .await;
    let homeless = provider.token("without-organisation", &endpoint.url).await;
    for token in [&elsewhere, &homeless] {
        let refused = call(token).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        refused.assert_safe();
    }

    // Another key, without a restart of ours; what the old one signed ends with it.
    provider.rotate().await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let renewed = provider.token("acme-importer", &endpoint.url).await;
    assert_eq!(told(call(&renewed).await), json!(true));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(call(&acme).await.status, 401);
    assert_eq!(told(call(&renewed).await), json!(true));
}
