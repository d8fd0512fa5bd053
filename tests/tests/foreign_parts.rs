//! Resources and prompts of a handler that was written with rmcp alone: what refuses to start, and
//! what its callers see.

use rmcp::model::{
    ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Prompt, PromptArgument,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate, Role,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use watertight::auth::JwtAuthenticator;
use watertight::{
    ForeignParts, Server, ServerBuilder, ServerError, ToolContext, ToolResult, mcp_resource,
    resources,
};
use watertight_e2e::endpoint::{Answer, Endpoint};
use watertight_e2e::identity::{ISSUER, SigningKey, claims, jwk_set};

struct Handbook;

impl ServerHandler for Handbook {
    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let cx = ToolContext::of_request(&context)?;
        match request.uri.as_str() {
            "handbook://pages/panic" => panic!("canary-panic"),
            "handbook://pages/none" => Err(ErrorData::resource_not_found("canary-words", None)),
            "handbook://pages/error" => Err(ErrorData::internal_error("canary-words", None)),
            uri => {
                let text = format!("{uri} for {}", cx.user());
                Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri)]).into())
            }
        }
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let text = json!(request.arguments).to_string();
        let message = PromptMessage::new_text(Role::User, text);
        Ok(GetPromptResult::new(vec![message]).into())
    }
}

fn parts() -> ForeignParts {
    ForeignParts::new()
        .resources([Resource::new("handbook://contents", "contents")])
        .templates([ResourceTemplate::new("handbook://pages/{page}", "page")])
        .prompts([prompt("letter", "topic")])
}

fn prompt(name: &str, argument: &str) -> Prompt {
    Prompt::new(
        name,
        Some("A letter."),
        Some(vec![PromptArgument::new(argument)]),
    )
}

/// One of ours.
#[mcp_resource("handbook://covers/{page}")]
async fn cover(page: String) -> ToolResult<String> {
    Ok(page)
}

fn build(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Result<Server, ServerError> {
    let key = SigningKey::ed();
    let auth = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience("https://mcp.test/mcp")
        .jwk_set(jwk_set(&[&key]))
        .tenant_claim("org_id")
        .build()
        .unwrap();
    let server = Server::builder()
        .authenticator(auth)
        .resource("https://mcp.test/mcp");
    configure(server).build()
}

#[test]
fn a_handler_without_a_reason_or_with_a_door_for_tenants_does_not_start() {
    let template = |uri: &str| ForeignParts::new().templates([ResourceTemplate::new(uri, "page")]);
    for (parts, reason, said) in [
        (parts(), " ", "is mounted is empty"),
        (parts(), "todo", "is mounted is a placeholder"),
        (
            template("handbook://{tenant_id}"),
            "docs",
            "resource `page`, `tenant_id` (tenant-name)",
        ),
        (
            template("handbook://orgs/{id}"),
            "docs",
            "`orgs` in front of it",
        ),
        (template("handbook://{owner}"), "docs", "(ambiguous-name)"),
        (template("handbook://{+page}"), "docs", "write `{page}`"),
        (
            template("handbook://covers/{x}"),
            "docs",
            "could be read by `cover`",
        ),
        (
            ForeignParts::new().prompts([prompt("letter", "workspace")]),
            "docs",
            "prompt `letter`, `workspace` (tenant-name)",
        ),
        (
            ForeignParts::new().prompts([prompt("letter", "x"), prompt("letter", "x")]),
            "docs",
            "two prompts are called `letter`",
        ),
    ] {
        let built = build(|server| {
            server
                .resources(resources![cover])
                .mount_foreign(Handbook, parts, reason)
        });
        let error = built.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let allowed = build(|server| {
        let parts = template("handbook://{owner}");
        server
            .mount_foreign(Handbook, parts, "docs")
            .allow_argument("resource:page", "owner", "the owner of a public repository")
    });
    assert!(allowed.is_ok());
}

#[tokio::test]
async fn what_is_mounted_is_guarded_like_everything_else() {
    let key = SigningKey::ed();
    let keys = jwk_set(&[&key]);
    let auth = move |url: &str| {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwk_set(keys)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(auth, |server| {
        let hidden = ForeignParts::new()
            .prompts([prompt("hidden", "x")])
            .requires("tickets:write");
        server
            .mount_foreign(Handbook, parts(), "pages that everybody may read")
            .mount_foreign(Handbook, hidden, "the same")
    })
    .await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let ask = async |method: &str, params: Value| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        endpoint.post(&token, &message).await
    };
    let listed = ask("prompts/list", json!({})).await.json();
    assert_eq!(
        listed["result"]["prompts"].as_array().unwrap().len(),
        1,
        "{listed}"
    );
    assert!(
        ask("resources/list", json!({}))
            .await
            .body
            .contains("handbook://contents")
    );
    assert!(
        ask("resources/templates/list", json!({}))
            .await
            .body
            .contains("{page}")
    );

    let read = async |uri: &str| ask("resources/read", json!({ "uri": uri })).await;
    let page = read("handbook://pages/first").await.json();
    assert_eq!(
        page["result"]["contents"][0]["text"],
        "handbook://pages/first for alice"
    );
    let text = |answer: &Answer| {
        answer.assert_safe();
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        message.split(" (reference").next().unwrap().to_owned()
    };
    assert_eq!(text(&read("handbook://pages/none").await), "not found");
    assert_eq!(text(&read("handbook://nothing").await), "not found");
    assert_eq!(text(&read("handbook://pages/a%2Fb").await), "not found");
    assert_eq!(
        text(&read("handbook://pages/error").await),
        "internal error"
    );
    assert_eq!(
        text(&read("handbook://pages/panic").await),
        "internal error"
    );

    let get = async |name: &str, arguments: Value| {
        ask(
            "prompts/get",
            json!({ "name": name, "arguments": arguments }),
        )
        .await
    };
    let made = get("letter", json!({ "topic": "x" })).await.json();
    assert_eq!(
        made["result"]["messages"][0]["content"]["text"],
        "{\"topic\":\"x\"}"
    );
    let refused = get("letter", json!({ "topic": "x", "tenant_id": "y" })).await;
    assert_eq!(text(&refused), "invalid argument: unknown argument");
    assert!(!get("hidden", json!({})).await.is_result());
}
