//! Calls per second and tenant: one that makes too many is told when to come back, over real HTTP, and
//! the others notice nothing. And wrong credentials by address, also where they come all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use watertight::auth::{AuthError, AuthRequest, Authenticator, JwtAuthenticator};
use watertight::{ServerBuilder, Session, TenantId, ToolResult, mcp_resource, resources};
use watertight_e2e::endpoint::{Answer, Endpoint};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

/// A place.
#[mcp_resource("place://{name}")]
async fn place(name: String) -> ToolResult<String> {
    Ok(name)
}

struct World {
    endpoint: Endpoint,
    key: SigningKey,
}

impl World {
    async fn new(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
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
        let configure = |server: ServerBuilder| configure(server.resources(resources![place]));
        Self {
            endpoint: Endpoint::start(auth, configure).await,
            key,
        }
    }

    fn token(&self, tenant: &str, user: &str) -> String {
        let claims = claims(&self.endpoint.url, user);
        self.key.sign(&with(claims, "org_id", json!(tenant)))
    }

    async fn call(&self, tenant: &str, user: &str, tool: &str, arguments: Value) -> Answer {
        let token = self.token(tenant, user);
        self.endpoint.call(&token, tool, arguments).await
    }

    async fn repeat(&self, tenant: &str, user: &str) -> Answer {
        self.call(tenant, user, "repeat", json!({"text": "x"}))
            .await
    }
}

/// The hint of a refusal, which says so in its text as well.
fn hint(answer: &Answer) -> u64 {
    answer.assert_safe();
    let result = &answer.json()["result"];
    let wait = result["_meta"]["retryAfterMs"].as_u64().unwrap();
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("busy, try again later, in {wait} ms (ref")));
    wait
}

#[tokio::test]
async fn a_tenant_over_its_rate_is_told_when_to_come_back() {
    let world = World::new(|server| server.calls_per_second(1).burst(4)).await;
    // All users of the tenant together, whatever they call: ours, rmcp's, wrong calls, resources.
    assert!(world.repeat(ACME, "ada").await.is_result());
    assert!(world.repeat(ACME, "bob").await.is_result());
    let wrong = world.call(ACME, "ada", "repeat", json!({})).await;
    assert!(wrong.text().starts_with("invalid argument"), "{wrong:?}");
    let count = json!({"count": 2});
    let foreign = world
        .call(ACME, "ada", "foreign_count", count.clone())
        .await;
    assert!(foreign.is_result());

    let refused = world.repeat(ACME, "ada").await;
    let wait = hint(&refused);
    assert!((1..=1000).contains(&wait), "{wait}");
    hint(&world.call(ACME, "bob", "foreign_count", count).await);
    for uri in ["place://here", "nothing://here"] {
        let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read",
            "params": { "uri": uri } });
        let read = world.endpoint.post(&world.token(ACME, "ada"), &read).await;
        assert!(
            read.json()["error"]["data"]["retryAfterMs"].is_u64(),
            "{read:?}"
        );
        assert!(read.body.contains("busy"), "{read:?}");
    }

    // Another tenant is not touched.
    assert!(world.repeat(BETA, "eve").await.is_result());
    // What the hint said is enough.
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert!(world.repeat(ACME, "ada").await.is_result());
}

#[tokio::test]
async fn without_a_limit_there_is_none() {
    let world = World::new(|server| server.calls_per_second(None)).await;
    for _ in 0..250 {
        assert!(world.repeat(ACME, "ada").await.is_result());
    }
}

/// Has to look credentials up, as API keys are, and counts those that were wrong.
struct LooksUp(Arc<AtomicUsize>);

impl Authenticator for LooksUp {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        let token = request.bearer().ok_or_else(AuthError::missing)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if token != "right" {
            self.0.fetch_add(1, Ordering::SeqCst);
            return Err(AuthError::rejected("it is not known"));
        }
        let tenant = TenantId::uuid(ACME.parse().unwrap());
        let verified = request.verified(ISSUER, "alice", tenant);
        Ok(verified.scopes(["tickets:read"]).into_session())
    }
}

#[tokio::test]
async fn a_burst_of_wrong_credentials_is_held_to_the_limit() {
    let tried = Arc::new(AtomicUsize::new(0));
    let endpoint = Endpoint::start(
        |_: &str| LooksUp(Arc::clone(&tried)),
        |server| server.failed_authentications(10, Duration::from_secs(600)),
    )
    .await;
    let call = |token: String| {
        let endpoint = &endpoint;
        async move { endpoint.call(&token, "whoami", json!({})).await }
    };
    // Right ones are no failures, however many come at once.
    let right = join_all((0..40).map(|_| call("right".to_owned()))).await;
    assert!(right.iter().all(Answer::is_result));
    let wrong = join_all((0..150).map(|number| call(format!("wrong {number}")))).await;
    let count = |status: u16| wrong.iter().filter(|it| it.status == status).count();
    assert_eq!((count(401), count(429)), (10, 140));
    assert_eq!(
        tried.load(Ordering::SeqCst),
        10,
        "the rest was not looked at"
    );
}
