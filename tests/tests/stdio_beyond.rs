//! Resources, prompts and completions over standard streams, in both eras: what clients get there is
//! what they get over HTTP.

use rmcp::model::{
    ArgumentInfo, ClientConfig, CompleteRequestParams, GetPromptRequestParams, ProtocolVersion,
    ReadResourceRequestParams, Reference,
};
use rmcp::service::{ClientLifecycleMode, RoleClient, RunningService, serve_client_with_lifecycle};
use serde_json::{Value, json};
use watertight::auth::LauncherAuthenticator;
use watertight::{
    Contents, Server, TenantId, ToolContext, ToolError, ToolResult, completions, mcp_completion,
    mcp_prompt, mcp_resource, prompts, resources,
};
use watertight_e2e::identity::ACME;

/// A page by its number.
#[mcp_resource("page://{number}")]
async fn page(cx: ToolContext, #[tool(range(1..=9))] number: u32) -> ToolResult<Contents> {
    match number {
        7 => Ok(Contents::text(format!("{} of {ACME}", cx.user()))),
        8 => Err(ToolError::internal("canary-cause")),
        _ => Ok(Contents::text(format!("page {number} for {}", cx.user()))),
    }
}

/// Needs a scope that the caller lacks.
#[mcp_resource("secret://page", requires = "secrets")]
async fn secret() -> ToolResult<String> {
    Ok("canary-secret".to_owned())
}

/// Ask for a summary.
#[mcp_prompt]
async fn summary(cx: ToolContext, #[tool(length(1..=20))] of: String) -> ToolResult<String> {
    Ok(format!("{}: sum up {of}", cx.user()))
}

#[mcp_completion(prompt = summary)]
async fn complete_of(of: String) -> ToolResult<Vec<String>> {
    let known = ["march", "may"].into_iter();
    let fitting = known.filter(|month| month.starts_with(&of));
    Ok(fitting.map(str::to_owned).collect())
}

type Client = RunningService<RoleClient, ClientConfig>;

async fn client(modern: bool) -> Client {
    let tenant = TenantId::uuid(ACME.parse().unwrap());
    let server = Server::builder()
        .name("test")
        .resources(resources![page, secret])
        .prompts(prompts![summary])
        .completions(completions![complete_of])
        .build_stdio(LauncherAuthenticator::new("test", "alice", tenant))
        .unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(far);
    tokio::spawn(server.serve_streams(input, output));
    let mode = match modern {
        true => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
        false => ClientLifecycleMode::Initialize,
    };
    serve_client_with_lifecycle(ClientConfig::default(), near, mode)
        .await
        .unwrap()
}

/// What came back, as text: a result or an error.
fn shown<T: serde::Serialize, E: std::fmt::Debug>(answer: Result<T, E>) -> String {
    match answer {
        Ok(result) => serde_json::to_string(&result).unwrap(),
        Err(error) => format!("{error:?}"),
    }
}

async fn read(client: &Client, uri: &str) -> String {
    shown(
        client
            .read_resource(ReadResourceRequestParams::new(uri))
            .await,
    )
}

async fn get(client: &Client, name: &str, arguments: Value) -> String {
    let mut params = GetPromptRequestParams::new(name);
    params.arguments = arguments.as_object().cloned();
    shown(client.get_prompt(params).await)
}

/// The answer without what differs from call to call.
fn plain(answer: &str) -> String {
    let mut answer = answer.to_owned();
    while let Some(at) = answer.find("reference ") {
        let end = (at + "reference ".len() + 32).min(answer.len());
        answer.replace_range(at..end, "…");
    }
    answer
}

#[tokio::test]
async fn resources_are_read_for_the_launchers_tenant() {
    for modern in [false, true] {
        let client = client(modern).await;
        assert!(read(&client, "page://3").await.contains("page 3 for alice"));
        let listed = client.list_all_resource_templates().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(client.list_all_resources().await.unwrap().is_empty());
        // What does not exist, what does not fit and what is not granted can't be told apart.
        let absent = read(&client, "page://12").await;
        for uri in ["page://x", "page://0", "other://1"] {
            let answer = read(&client, uri).await;
            assert_eq!(plain(&answer), plain(&absent), "{uri}, modern: {modern}");
        }
        for (uri, canary) in [
            ("page://7", ACME),
            ("page://8", "canary"),
            ("secret://page", "canary"),
        ] {
            let answer = read(&client, uri).await;
            assert!(!answer.contains(canary), "{uri}: {answer}");
            assert!(!answer.contains("\"contents\""), "{uri}: {answer}");
        }
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn prompts_are_made_and_their_arguments_completed() {
    for modern in [false, true] {
        let client = client(modern).await;
        assert_eq!(client.list_all_prompts().await.unwrap().len(), 1);
        let made = get(&client, "summary", json!({ "of": "march" })).await;
        assert!(made.contains("alice: sum up march"), "{made}");
        let extra = get(
            &client,
            "summary",
            json!({ "of": "march", "tenant_id": ACME }),
        )
        .await;
        assert!(extra.contains("unknown argument"), "{extra}");
        assert!(!extra.contains(ACME), "{extra}");
        let long = get(&client, "summary", json!({ "of": "canary".repeat(9) })).await;
        assert!(!long.contains("canary"), "{long}");

        let params = CompleteRequestParams::new(
            Reference::for_prompt("summary"),
            ArgumentInfo::new("of", "ma"),
        );
        let completed = shown(client.complete(params).await);
        assert!(
            completed.contains("march") && completed.contains("may"),
            "{completed}"
        );
        let params = CompleteRequestParams::new(
            Reference::for_prompt("nothing"),
            ArgumentInfo::new("of", "ma"),
        );
        assert!(!shown(client.complete(params).await).contains("march"));
        client.cancel().await.unwrap();
    }
}
