//! Standard streams: one identity, verified for every message.

use std::time::Duration;

use rmcp::model::ProtocolVersion;
use rmcp::model::{CallToolRequestParams, ClientConfig};
use rmcp::service::{ClientLifecycleMode, RoleClient, RunningService, serve_client_with_lifecycle};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;
use watertight::auth::{JwtAuthenticator, LauncherAuthenticator};
use watertight::{Server, ServerBuilder, ServerError, StdioIdentity, TenantId, tools};
use watertight_e2e::endpoint::{Foreign, repeat, whoami};
use watertight_e2e::identity::{ACME, ISSUER, SigningKey, claims, jwk_set, now, with};

const AUDIENCE: &str = "stdio:test";

fn builder() -> ServerBuilder {
    Server::builder()
        .name("test")
        .tools(tools![whoami, repeat])
        .mount(Foreign, Foreign::tool_router())
}

fn launcher() -> LauncherAuthenticator {
    let tenant = TenantId::uuid(ACME.parse().unwrap());
    LauncherAuthenticator::with_scopes("test", "alice", tenant, ["tickets:read"])
}

fn authenticator(keys: &str) -> JwtAuthenticator {
    JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(keys)
        .leeway(Duration::ZERO)
        .tenant_claim("org_id")
        .build()
        .unwrap()
}

/// Runs [`in_a_process_with_a_token`] in a process of its own: setting a variable is not safe
/// while other threads read the environment.
fn in_another_process(case: &str, token: &str, keys: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "in_a_process_with_a_token",
            "--ignored",
            "--nocapture",
        ])
        .envs([
            ("STDIO_CASE", case),
            ("STDIO_TOKEN", token),
            ("STDIO_KEYS", keys),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{case}: {text}"
    );
}

type Served = JoinHandle<Result<(), ServerError>>;

fn serve(builder: ServerBuilder, identity: impl Into<StdioIdentity>) -> (DuplexStream, Served) {
    let server = builder.build_stdio(identity).unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(far);
    (near, tokio::spawn(server.serve_streams(input, output)))
}

async fn client(near: DuplexStream, modern: bool) -> RunningService<RoleClient, ClientConfig> {
    let mode = if modern {
        ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        }
    } else {
        ClientLifecycleMode::Initialize
    };
    serve_client_with_lifecycle(ClientConfig::default(), near, mode)
        .await
        .unwrap()
}

async fn call(
    client: &RunningService<RoleClient, ClientConfig>,
    tool: &'static str,
    arguments: Value,
) -> String {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    serde_json::to_string(&client.call_tool(params).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_launcher_fixes_the_tenant_in_both_eras() {
    for modern in [false, true] {
        let (near, served) = serve(builder(), launcher());
        let client = client(near, modern).await;
        assert!(call(&client, "whoami", json!({})).await.contains("alice"));
        assert!(
            call(&client, "foreign_whoami", json!({}))
                .await
                .contains("alice")
        );
        let withheld = call(&client, "foreign_leak", json!({})).await;
        assert!(withheld.contains("internal error") && !withheld.contains(&ACME.to_uppercase()));
        client.cancel().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(10), served).await;
        ended
            .expect("the server ends with its client")
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn tools_without_the_scope_are_neither_listed_nor_called() {
    let tenant = TenantId::uuid(ACME.parse().unwrap());
    let (near, _served) = serve(
        builder(),
        LauncherAuthenticator::new("test", "alice", tenant),
    );
    let client = client(near, true).await;
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "repeat"));
    assert!(tools.iter().all(|tool| tool.name != "whoami"));
    assert!(
        call(&client, "whoami", json!({}))
            .await
            .contains("not permitted")
    );
}

#[tokio::test]
async fn garbage_on_the_line_does_not_end_the_server() {
    let (near, _served) = serve(builder(), launcher());
    let (read, mut write) = tokio::io::split(near);
    let mut lines = BufReader::new(read).lines();
    write
        .write_all(b"canary\n{\"canary\":1}\n[]\n\n")
        .await
        .unwrap();
    let initialize = watertight_e2e::endpoint::initialize();
    write
        .write_all(format!("{initialize}\n").as_bytes())
        .await
        .unwrap();
    loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("the server answers");
        assert!(!line.contains("canary"), "{line}");
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == 0 {
            assert_eq!(message["result"]["serverInfo"]["name"], "test");
            break;
        }
    }
}

#[test]
fn a_token_from_the_environment_is_verified_like_any_other() {
    let key = SigningKey::ed();
    let right = claims(AUDIENCE, "alice");
    for (name, token) in [
        ("right", key.sign(&right)),
        (
            "expired",
            key.sign(&with(right.clone(), "exp", json!(now() - 5))),
        ),
        ("foreign", SigningKey::ed().sign(&right)),
        ("no token", "x".to_owned()),
        ("short", key.sign(&with(right, "exp", json!(now() + 3)))),
    ] {
        in_another_process(name, &token, &jwk_set(&[&key]));
    }
}

/// Run by the test above, in a process of its own.
#[tokio::test]
#[ignore = "needs the environment that `a_token_from_the_environment_is_verified_like_any_other` sets"]
async fn in_a_process_with_a_token() {
    // Someone may run all ignored tests.
    let (Ok(case), Ok(keys)) = (std::env::var("STDIO_CASE"), std::env::var("STDIO_KEYS")) else {
        return;
    };
    let builder = builder().authenticator(authenticator(&keys));
    let (near, served) = serve(builder, StdioIdentity::token_from("STDIO_TOKEN"));
    if !matches!(case.as_str(), "right" | "short") {
        let refused = served.await.unwrap().unwrap_err();
        assert!(
            matches!(refused, ServerError::Credentials(_)),
            "{case}: {refused}"
        );
        return;
    }
    let client = client(near, true).await;
    assert!(
        call(&client, "whoami", json!({})).await.contains("alice"),
        "{case}"
    );
    if case == "short" {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let refused = client
            .call_tool(CallToolRequestParams::new("whoami"))
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("the token is not valid"),
            "{refused}"
        );
    }
}

#[test]
fn a_stdio_server_says_what_it_lacks() {
    let key = SigningKey::ed();
    let without = builder().build_stdio(StdioIdentity::token_from("NO_SUCH_VARIABLE"));
    assert!(
        without
            .unwrap_err()
            .to_string()
            .contains("needs an authenticator")
    );
    let unset = builder().authenticator(authenticator(&jwk_set(&[&key])));
    let unset = unset.build_stdio(StdioIdentity::token_from("NO_SUCH_VARIABLE"));
    assert!(unset.unwrap_err().to_string().contains("NO_SUCH_VARIABLE"));
}
