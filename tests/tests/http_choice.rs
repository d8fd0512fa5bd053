//! Operators with several tenants: the choice by header and by path, over real HTTP, with signed
//! tokens.

use reqwest::Method;
use rmcp::handler::server::wrapper::Parameters;
use serde_json::{Value, json};
use watertight::auth::{JwtAuthenticator, JwtAuthenticatorBuilder};
use watertight::{Server, TenantId, ToolContext, ToolResult, mcp_tool, tools};
use watertight_e2e::endpoint::{Answer, Endpoint, call, initialize};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

/// The tenant that the operator belongs to.
const HOME: &str = "77777777-7c1e-7d4a-9b6f-3e5a8c2d1f07";

fn tenant(id: &str) -> TenantId {
    TenantId::uuid(id.parse().unwrap())
}

/// Says which of the tenants it was called for, and where the caller belongs, without naming one.
#[mcp_tool]
async fn which(cx: ToolContext) -> ToolResult<String> {
    let known = [(ACME, "acme"), (BETA, "beta"), (HOME, "home")];
    let name = |id: &TenantId| {
        let found = known.iter().find(|(known, _)| tenant(known) == *id);
        found.map_or("another", |(_, name)| name)
    };
    let session = cx.session();
    let home = session.home_tenant().map_or("nowhere", name);
    Ok(format!("{} from {home}", name(session.tenant())))
}

fn base(url: &str, key: &SigningKey) -> JwtAuthenticatorBuilder {
    JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(url)
        .jwk_set(jwk_set(&[key]))
        .tenant_claim("org_id")
        .tenants_claim("orgs")
}

async fn by_header(legacy: bool) -> (Endpoint, SigningKey) {
    let key = SigningKey::ed();
    let endpoint = Endpoint::start(
        |url| base(url, &key).tenant_from_header("X-Org").build().unwrap(),
        |server| server.tools(tools![which]).legacy_sessions(legacy),
    )
    .await;
    (endpoint, key)
}

/// An operator at home in [`HOME`] who may work for these.
fn operator(audience: &str, orgs: Value) -> Value {
    let claims = with(claims(audience, "olga"), "org_id", json!(HOME));
    with(claims, "orgs", orgs)
}

async fn ask(endpoint: &Endpoint, token: &str, choices: &[&str]) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(choices.iter().map(|choice| ("x-org", *choice)));
    endpoint
        .post_with(&headers, &call("which", json!({})))
        .await
}

#[track_caller]
fn forbidden(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 403, "{why}: {answer:?}");
    assert_eq!(answer.json()["error"], "forbidden", "{why}");
    assert_eq!(answer.header("www-authenticate"), None, "{why}");
    answer.assert_safe();
    assert!(!answer.body.contains(HOME), "{why}: {answer:?}");
}

#[tokio::test]
async fn the_header_chooses_among_the_granted_tenants() {
    let (endpoint, key) = by_header(false).await;
    let token = key.sign(&operator(&endpoint.url, json!([ACME, BETA])));
    for (choice, name) in [(ACME, "acme"), (BETA, "beta")] {
        let answer = ask(&endpoint, &token, &[choice]).await;
        assert!(answer.is_result(), "{answer:?}");
        assert!(
            answer.body.contains(&format!("{name} from home")),
            "{answer:?}"
        );
    }
    // The operator's own tenant is no default and not granted by itself.
    forbidden(
        &ask(&endpoint, &token, &[HOME]).await,
        "outside the set: home",
    );
    let unknown = "0190f3b2-0000-7d4a-9b6f-3e5a8c2d1f07";
    forbidden(&ask(&endpoint, &token, &[unknown]).await, "outside the set");
    forbidden(&ask(&endpoint, &token, &[]).await, "missing");
    forbidden(&ask(&endpoint, &token, &[ACME, ACME]).await, "repeated");
    forbidden(&ask(&endpoint, &token, &[ACME, BETA]).await, "conflicting");
    let both = format!("{ACME}, {BETA}");
    forbidden(&ask(&endpoint, &token, &[&both]).await, "a list");
    forbidden(
        &ask(&endpoint, &token, &[&ACME.to_uppercase()]).await,
        "another case",
    );
    forbidden(
        &ask(&endpoint, &token, &[&ACME.replace('-', "")]).await,
        "another form",
    );
    forbidden(
        &ask(&endpoint, &token, &[&format!("{{{ACME}}}")]).await,
        "in braces",
    );
    forbidden(&ask(&endpoint, &token, &[""]).await, "empty");
    // A list of one is no default either.
    let one = key.sign(&operator(&endpoint.url, json!([ACME])));
    forbidden(&ask(&endpoint, &one, &[]).await, "missing, of one");
    forbidden(&ask(&endpoint, &one, &[BETA]).await, "another's, of one");
}

#[tokio::test]
async fn lists_that_grant_nothing_or_can_not_be_read() {
    let (endpoint, key) = by_header(false).await;
    let empty = key.sign(&operator(&endpoint.url, json!([])));
    forbidden(&ask(&endpoint, &empty, &[ACME]).await, "an empty list");
    forbidden(
        &ask(&endpoint, &empty, &[]).await,
        "an empty list, no choice",
    );
    for orgs in [
        Value::Null,
        json!(ACME),
        json!({ "acme": ACME }),
        json!([ACME, 7]),
        json!([ACME, "acme"]),
        json!([ACME, null]),
        json!([[ACME]]),
    ] {
        let token = key.sign(&operator(&endpoint.url, orgs.clone()));
        let answer = ask(&endpoint, &token, &[ACME]).await;
        assert_eq!(answer.status, 401, "{orgs}: {answer:?}");
        answer.assert_safe();
    }
    // Where the operator belongs is verified as well.
    let homeless = with(
        operator(&endpoint.url, json!([ACME])),
        "org_id",
        Value::Null,
    );
    assert_eq!(
        ask(&endpoint, &key.sign(&homeless), &[ACME]).await.status,
        401
    );
}

#[tokio::test]
async fn an_argument_does_not_choose() {
    let (endpoint, key) = by_header(false).await;
    let token = key.sign(&operator(&endpoint.url, json!([ACME, BETA])));
    let bearer = format!("Bearer {token}");
    // What a client makes of an argument that is marked `x-mcp-header`.
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-org", ACME),
        ("mcp-param-x-org", BETA),
    ];
    let answer = endpoint
        .post_with(&headers, &call("which", json!({})))
        .await;
    assert!(answer.body.contains("acme from home"), "{answer:?}");
    let only = [
        ("authorization", bearer.as_str()),
        ("mcp-param-x-org", BETA),
    ];
    forbidden(
        &endpoint.post_with(&only, &call("which", json!({}))).await,
        "a parameter",
    );
    let headers = [("authorization", bearer.as_str()), ("x-org", ACME)];
    let probe = call("which", json!({ "tenant_id": BETA }));
    let answer = endpoint.post_with(&headers, &probe).await;
    assert!(answer.text().contains("unknown argument"), "{answer:?}");
}

#[tokio::test]
async fn a_legacy_session_stays_with_its_choice() {
    let (endpoint, key) = by_header(true).await;
    let token = key.sign(&operator(&endpoint.url, json!([ACME, BETA])));
    let bearer = format!("Bearer {token}");
    let headers = |choice| [("authorization", bearer.as_str()), ("x-org", choice)];
    let opened = endpoint.post_with(&headers(ACME), &initialize()).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let within = |method: Method, choice: &'static str| {
        let (endpoint, bearer, id) = (&endpoint, bearer.as_str(), id.as_str());
        async move {
            let headers = [
                ("authorization", bearer),
                ("x-org", choice),
                ("mcp-session-id", id),
                ("accept", "application/json, text/event-stream"),
                ("content-type", "application/json"),
                ("mcp-protocol-version", "2025-11-25"),
            ];
            let message = call("which", json!({})).to_string();
            endpoint.send(method, &headers, message).await
        }
    };
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let mut ready = headers(ACME).to_vec();
    ready.push(("mcp-session-id", &id));
    endpoint.post_with(&ready, &initialized).await;
    let own = within(Method::POST, ACME).await;
    assert!(own.body.contains("acme from home"), "{own:?}");
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let other = within(method, BETA).await;
        assert_eq!(other.status, 404, "{other:?}");
    }
    assert_eq!(within(Method::POST, ACME).await.status, 200, "still open");
}

#[tokio::test]
async fn the_path_chooses_and_has_metadata_of_its_own() {
    let key = SigningKey::ed();
    let path = "/t/{tenant}/mcp";
    let endpoint = Endpoint::start_at(
        path,
        |url| {
            let auth = base(url, &key).tenant_from_path(path);
            auth.tenant_from_header("X-Org").build().unwrap()
        },
        |server| server.tools(tools![which]),
    )
    .await;
    let url = |tenant: &str| endpoint.url.replace("{tenant}", tenant);
    let send = |url: String, token: &str, choice: Option<&'static str>| {
        let (endpoint, bearer) = (&endpoint, format!("Bearer {token}"));
        async move {
            let mut headers = vec![
                ("authorization", bearer.as_str()),
                ("accept", "application/json, text/event-stream"),
                ("content-type", "application/json"),
            ];
            headers.extend(choice.map(|choice| ("x-org", choice)));
            let message = call("which", json!({})).to_string();
            endpoint
                .send_to(&url, Method::POST, &headers, message)
                .await
        }
    };
    let grant = json!([ACME, BETA]);
    let for_acme = key.sign(&operator(&url(ACME), grant.clone()));
    let every = json!([url(ACME), url(BETA), url(HOME)]);
    let for_both = key.sign(&with(operator(&url(ACME), grant), "aud", every));

    let answer = send(url(ACME), &for_acme, None).await;
    assert!(answer.body.contains("acme from home"), "{answer:?}");
    let answer = send(url(BETA), &for_both, Some(BETA)).await;
    assert!(answer.body.contains("beta from home"), "{answer:?}");
    // A token for one tenant's resource is not for another's, although the set has both.
    assert_eq!(send(url(BETA), &for_acme, None).await.status, 401);
    forbidden(
        &send(url(BETA), &for_both, Some(ACME)).await,
        "header and path disagree",
    );
    forbidden(&send(url(HOME), &for_both, None).await, "outside the set");
    assert_eq!(
        send(url(&ACME.to_uppercase()), &for_both, None)
            .await
            .status,
        401
    );
    assert_eq!(send(url("%30190f3b2"), &for_both, None).await.status, 401);
    let none = format!("{}/mcp", endpoint.origin);
    assert_eq!(send(none, &for_both, Some(ACME)).await.status, 404);

    // RFC 9728: between host and path, and the resource is the URL that the client used.
    let refused = endpoint.send_to(&url(BETA), Method::POST, &[], "").await;
    let challenge = refused.header("www-authenticate").unwrap();
    let well_known = "/.well-known/oauth-protected-resource/t/";
    let metadata = format!("{}{well_known}{BETA}/mcp", endpoint.origin);
    assert!(
        challenge.contains(&format!("resource_metadata=\"{metadata}\"")),
        "{challenge}"
    );
    let document = endpoint.send_to(&metadata, Method::GET, &[], "").await;
    assert_eq!(document.json()["resource"], url(BETA), "{document:?}");
    let odd = format!("{}{well_known}no-uuid/mcp", endpoint.origin);
    assert_eq!(
        endpoint.send_to(&odd, Method::GET, &[], "").await.status,
        404
    );
}

/// A tool of someone else's, whose argument clients copy into a header.
struct Routed;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Region {
    #[schemars(extend("x-mcp-header" = "Desk-Region"))]
    region: String,
}

#[rmcp::tool_router]
impl Routed {
    /// Lists.
    #[rmcp::tool]
    async fn list(&self, Parameters(region): Parameters<Region>) -> String {
        region.region
    }
}

#[test]
fn an_argument_that_is_copied_near_the_choice_does_not_start() {
    let (key, url) = (SigningKey::ed(), "https://mcp.example.com/mcp");
    let build = |header: &str| {
        let auth = base(url, &key).tenant_from_header(header).build().unwrap();
        let server = Server::builder().authenticator(auth).resource(url);
        // A reason does not help.
        let server = server.allow_argument("list", "region", "where the desk stands");
        server.mount(Routed, Routed::tool_router()).build()
    };
    let said = build("X-Desk").unwrap_err().to_string();
    assert!(
        said.contains("tool `list`, `region` (reserved-header): "),
        "{said}"
    );
    assert!(
        said.contains("`Desk-Region`") && said.contains("`x-desk`"),
        "{said}"
    );
    assert!(build("X-Org").is_ok());
}

#[test]
fn what_contradicts_itself_does_not_start() {
    let key = SigningKey::ed();
    let url = "https://mcp.example.com/mcp";
    let error = |builder: JwtAuthenticatorBuilder| builder.build().unwrap_err().to_string();
    let said = error(base(url, &key));
    assert!(said.contains(".tenant_from_header(\"X-Org\")"), "{said}");
    let said = error(base(url, &key).tenant_from_header("Mcp-Param-Org"));
    assert!(said.contains("a model would choose it"), "{said}");
    let said = error(base(url, &key).tenant_from_header("Authorization"));
    assert!(said.contains("a meaning of its own"), "{said}");
    let said = error(base(url, &key).tenant_from_path("/t/mcp"));
    assert!(said.contains("/t/{tenant}/mcp"), "{said}");
    let alone = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(url)
        .jwk_set(jwk_set(&[&key]))
        .tenant_claim("org_id")
        .tenant_from_header("X-Org");
    let said = error(alone);
    assert!(said.contains(".tenants_claim("), "{said}");

    let server = |auth: JwtAuthenticatorBuilder, resource: &str| {
        let auth = auth.build().unwrap();
        let server = Server::builder().authenticator(auth).resource(resource);
        server.build().unwrap_err().to_string()
    };
    let path = "/t/{tenant}/mcp";
    let said = server(base(url, &key).tenant_from_path(path), url);
    assert!(
        said.contains(".resource(\"https://…/t/{tenant}/mcp\")"),
        "{said}"
    );
    let by_header = base(url, &key).tenant_from_header("X-Org");
    let said = server(by_header, "https://mcp.example.com/t/{tenant}/mcp");
    assert!(
        said.contains(".tenant_from_path(\"/t/{tenant}/mcp\")"),
        "{said}"
    );
}
