//! What a server refuses to start with.

use rmcp::handler::server::wrapper::Parameters;
use watertight::auth::JwtAuthenticator;
use watertight::{Server, ServerBuilder, ServerError, tools};
use watertight_e2e::endpoint::{Foreign, repeat, whoami};
use watertight_e2e::identity::{ISSUER, SigningKey, jwk_set};

/// A tool of another crate that lets the model choose.
#[derive(Clone, Debug)]
struct Careless;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Filter {
    /// Renamed, so that no macro of ours would have seen it.
    #[serde(rename = "orgId")]
    organisation: String,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
    filters: Vec<Filter>,
    anything: serde_json::Value,
}

#[rmcp::tool_router]
impl Careless {
    #[rmcp::tool]
    async fn search(&self, Parameters(search): Parameters<Search>) -> String {
        let Search {
            text,
            filters,
            anything,
        } = search;
        let organisations = filters.into_iter().map(|filter| filter.organisation);
        format!("{text} {anything} {}", organisations.collect::<String>())
    }
}

fn builder() -> ServerBuilder {
    let auth = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience("https://mcp.example.com/mcp")
        .jwk_set(jwk_set(&[&SigningKey::ed()]))
        .tenant_claim("org_id")
        .build()
        .unwrap();
    Server::builder()
        .authenticator(auth)
        .resource("https://mcp.example.com/mcp")
}

fn refusal(builder: ServerBuilder) -> String {
    builder.build().expect_err("it must not start").to_string()
}

#[test]
fn a_tool_of_another_crate_that_takes_a_tenant() {
    let careless = || builder().mount(Careless, Careless::tool_router());
    let ServerError::Boundary(findings) = careless().build().expect_err("it must not start") else {
        panic!("another error");
    };
    assert_eq!(findings.len(), 2, "{findings:#?}");
    let tenant = findings
        .iter()
        .find(|it| it.contains("tenant-name"))
        .unwrap();
    assert!(
        tenant.starts_with("tool `search`, `filters[].orgId` (tenant-name)"),
        "{tenant}"
    );
    let open = findings.iter().find(|it| it.contains("any-value")).unwrap();
    assert!(
        open.starts_with("tool `search`, `anything` (any-value)"),
        "{open}"
    );

    let waived = careless()
        .allow_argument("search", "filters[].orgId", "the organisation of a contact")
        .allow_argument("search", "anything", "stored as it is");
    assert!(waived.build().is_ok());
    let other = careless()
        .allow_argument("other", "filters[].orgId", "for another tool")
        .allow_argument("search", "anything", "stored as it is");
    assert!(refusal(other).contains("filters[].orgId"));
    for (reason, problem) in [(" ", "is empty"), ("todo", "is a placeholder")] {
        let vague = careless().allow_argument("search", "filters[].orgId", reason);
        let told = refusal(vague);
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn honest_tools_start() {
    let server = builder()
        .tools(tools![whoami, repeat])
        .mount(Foreign, Foreign::tool_router());
    assert!(server.build().is_ok());
}

#[test]
fn parts_that_are_missing_or_contradict() {
    for (builder, says) in [
        (
            Server::builder().resource("https://a.example/mcp"),
            "no authenticator",
        ),
        (builder().resource("http://mcp.example.com/mcp"), "https://"),
        (
            builder().resource("https://mcp.example.com/mcp?x"),
            "scheme, host, port and path",
        ),
        (builder().allow_host("a host"), "`a host`"),
        (
            builder().allow_origin("app.example.com"),
            "`app.example.com`",
        ),
        (
            builder().tools(tools![whoami]).tools(tools![whoami]),
            "two tools are called `whoami`",
        ),
        (
            builder().tools(tools![whoami, whoami]),
            "another tool has the same name",
        ),
        (builder().requires("nothing", ["x"]), "no such tool"),
        (
            builder()
                .tools(tools![whoami])
                .requires("whoami", ["a \"b\""]),
            "is not a scope",
        ),
    ] {
        let error = refusal(builder);
        assert!(error.contains(says), "{error} does not say {says}");
    }
}
