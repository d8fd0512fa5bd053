//! Several issuers, revoked tokens, API keys, and addresses that fail too often, over real HTTP.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Connection as _;
use watertight::auth::{
    ApiKeys, AuthError, Issuers, JwtAuthenticator, JwtAuthenticatorBuilder, NewApiKey,
    RevocationList, Revoked, StoredApiKey, TenantSpace,
};
use watertight::{
    DbResult, Scope, SystemPool, SystemScope, TenantId, TenantKind, TenantPool, ToolContext,
    ToolResult, mcp_tool, system_query, tenant_query, tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ACME, ISSUER, SigningKey, claims, jwk_set, raw_token, with};

#[tenant_query("SELECT body FROM notes ORDER BY body")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

/// Lists notes.
#[mcp_tool]
async fn list_notes(cx: ToolContext) -> ToolResult<Vec<String>> {
    Ok(bodies(&mut cx.read().await?).await?)
}

#[system_query(
    "SELECT tenant_id FROM api_keys WHERE hash = $hash",
    role = "auth",
    tables(api_keys),
    reason = "a key names its tenant"
)]
async fn tenant_of_key(db: &mut SystemScope<'_>, hash: &str)
-> DbResult<Option<sqlx::types::Uuid>>;

fn builder(issuer: &str, audience: &str, key: &SigningKey) -> JwtAuthenticatorBuilder {
    JwtAuthenticator::builder()
        .issuer(issuer)
        .audience(audience)
        .jwk_set(jwk_set(&[key]))
        .tenant_claim("org_id")
}

async fn database() -> Database {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    watertight::db::Migrate::new(database.owner_url())
        .directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .catalog(&watertight::catalog!())
        .system_role("auth")
        .run()
        .await
        .unwrap();
    database
}

#[tokio::test]
async fn one_claim_of_two_issuers_is_two_tenants() {
    const ONE: &str = "https://one.test";
    const TWO: &str = "https://two.test";
    let database = database().await;
    for issuer in [ONE, TWO] {
        let tenant = TenantSpace::derive(issuer, "42");
        let note =
            format!("INSERT INTO notes (tenant_id, body) VALUES ('{tenant}', 'of {issuer}')");
        database.execute_as_admin(&note).await.unwrap();
    }
    let pool = TenantPool::connect(database.app_url(), watertight::catalog!())
        .await
        .unwrap();
    let (one, two) = (SigningKey::ed(), SigningKey::ed());
    let auth = |url: &str| {
        let of = |issuer, key| builder(issuer, url, key).tenant_space(TenantSpace::derived());
        Issuers::new([
            of(ONE, &one).build().unwrap(),
            of(TWO, &two).build().unwrap(),
        ])
        .unwrap()
    };
    let endpoint =
        Endpoint::start(auth, |server| server.pool(pool).tools(tools![list_notes])).await;
    let claims = |issuer: &str| {
        let claims = with(claims(&endpoint.url, "alice"), "iss", json!(issuer));
        with(claims, "org_id", json!("42"))
    };
    let list = async |token: &str| endpoint.call(token, "list_notes", json!({})).await;
    for (issuer, key) in [(ONE, &one), (TWO, &two)] {
        let listed = list(&key.sign(&claims(issuer))).await;
        let notes = &listed.json()["result"]["structuredContent"]["result"];
        assert_eq!(*notes, json!([format!("of {issuer}")]), "{listed:?}");
    }
    // Neither signs for the other, and nobody else signs for them.
    let mut impostor = two.header();
    impostor.kid = Some(one.id.clone());
    for token in [
        two.sign(&claims(ONE)),
        one.sign(&claims(TWO)),
        two.sign_with(&impostor, &claims(ONE)),
        one.sign(&claims("https://three.test")),
        one.sign(&with(claims(ONE), "iss", json!([ONE, TWO]))),
        one.sign(&with(claims(ONE), "iss", Value::Null)),
        one.sign(&with(claims(ONE), "org_id", json!(42))),
        one.sign(&with(claims(ONE), "org_id", json!(""))),
        raw_token(&json!({ "alg": "none" }), &claims(ONE), b""),
    ] {
        let answer = list(&token).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        answer.assert_safe();
    }
    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/mcp",
        endpoint.origin
    );
    let metadata = endpoint
        .send_to(&metadata, reqwest::Method::GET, &[], "")
        .await
        .json();
    assert_eq!(metadata["authorization_servers"], json!([ONE, TWO]));

    // The trail names the issuer.
    assert!(endpoint.stop().await);
    let trail = "SELECT DISTINCT issuer FROM watertight.audit WHERE tool = 'list_notes' ORDER BY 1";
    let mut connection = sqlx::PgConnection::connect(database.admin_url())
        .await
        .unwrap();
    let issuers = sqlx::query_scalar(trail).fetch_all(&mut connection).await;
    let issuers: Vec<String> = issuers.unwrap();
    assert_eq!(issuers, [ONE, TWO]);
}

#[test]
fn issuers_with_a_tenant_in_common_are_refused() {
    let key = SigningKey::ed();
    let of = |issuer: &str, space: Option<TenantSpace>| {
        let builder = builder(issuer, "a", &key);
        match space {
            Some(space) => builder.tenant_space(space).build().unwrap(),
            None => builder.tenant_kind(TenantKind::Text).build().unwrap(),
        }
    };
    let prefixed = |prefix: &str| Some(TenantSpace::prefixed(prefix));
    Issuers::new([of("https://a", None)]).unwrap();
    Issuers::new([
        of("https://a", prefixed("a")),
        of("https://b", prefixed("b")),
    ])
    .unwrap();
    for (pair, says) in [
        (vec![], "no issuer"),
        (
            vec![
                of("https://a", prefixed("a")),
                of("https://a", prefixed("b")),
            ],
            "given twice",
        ),
        (
            vec![of("https://a", prefixed("a")), of("https://b", None)],
            "space of its own",
        ),
        (
            vec![
                of("https://a", prefixed("a")),
                of("https://b", prefixed("a")),
            ],
            "the same tenant",
        ),
        (
            vec![
                of("https://a", prefixed("a")),
                of("https://b", Some(TenantSpace::derived())),
            ],
            "of kind",
        ),
    ] {
        let error = Issuers::new(pair).err().unwrap().to_string();
        assert!(error.contains(says), "{error} does not say {says}");
    }
    for (builder, says) in [
        (
            builder("i", "a", &key).tenant_space(TenantSpace::prefixed("a:b")),
            "can't be a prefix",
        ),
        (
            builder("i", "a", &key)
                .tenant_space(TenantSpace::derived())
                .tenant_kind(TenantKind::Bigint),
            "of kind Uuid and not Bigint",
        ),
        (
            builder("i", "a", &key)
                .tenant_space(TenantSpace::derived())
                .tenants_claim("orgs")
                .tenant_from_header("x-org"),
            "don't go together",
        ),
        (
            JwtAuthenticator::builder().discover("http://id.test"),
            "no audience",
        ),
        (
            JwtAuthenticator::builder()
                .discover("http://id.test")
                .audience("a")
                .tenant_claim("t"),
            "https://",
        ),
        (
            JwtAuthenticator::builder()
                .discover("https://id.test")
                .jwks_url("https://id.test/keys")
                .audience("a")
                .tenant_claim("t"),
            "leave out `.jwks_url",
        ),
    ] {
        let error = builder.build().err().unwrap().to_string();
        assert!(error.contains(says), "{error} does not say {says}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_its_next_request() {
    let key = SigningKey::ed();
    let revoked: Arc<Mutex<Result<Vec<Revoked>, &str>>> = Arc::new(Mutex::new(Ok(vec![])));
    let source = Arc::clone(&revoked);
    let list = RevocationList::refreshed(Duration::from_millis(20), move || {
        let now = source.lock().unwrap().clone();
        async move { now }
    });
    let auth = |url: &str| {
        builder(ISSUER, url, &key)
            .revocations(list)
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(auth, |server| server).await;
    let token = |id: &str| key.sign(&with(claims(&endpoint.url, "alice"), "jti", json!(id)));
    let status = async |token: &str| {
        endpoint
            .call(token, "whoami", json!({}))
            .await
            .status
            .as_u16()
    };
    let (one, two) = (token("one"), token("two"));
    assert_eq!((status(&one).await, status(&two).await), (200, 200));
    *revoked.lock().unwrap() = Ok(vec![Revoked::Token("one".into())]);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!((status(&one).await, status(&two).await), (401, 200));
    assert_eq!(
        status(&key.sign(&claims(&endpoint.url, "alice"))).await,
        401
    );
    // A list that nobody can read any more is no list.
    *revoked.lock().unwrap() = Err("away");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!((status(&one).await, status(&two).await), (503, 503));
    *revoked.lock().unwrap() = Ok(vec![]);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!((status(&one).await, status(&two).await), (200, 200));
}

#[tokio::test]
async fn api_keys_stand_beside_tokens() {
    let database = database().await;
    let system = SystemPool::connect(database.system_url(), watertight::catalog!())
        .await
        .unwrap();
    let pool = TenantPool::connect(database.app_url(), watertight::catalog!())
        .await
        .unwrap();
    let key = NewApiKey::generate("crm").unwrap();
    let other = NewApiKey::generate("crm").unwrap();
    // The table of the tests has one column for both parts.
    let row = format!(
        "INSERT INTO api_keys (hash, tenant_id) VALUES ('{}:{}', '{ACME}'); \
         INSERT INTO notes (tenant_id, body) VALUES ('{ACME}', 'of acme')",
        key.id(),
        key.hash()
    );
    database.execute_as_admin(&row).await.unwrap();
    let hashes = HashMap::from([(key.id().to_owned(), key.hash().to_owned())]);
    let store = move |id: String| {
        let (system, hash) = (system.clone(), hashes.get(&id).cloned());
        async move {
            let Some(hash) = hash else { return Ok(None) };
            let away = |error| AuthError::unavailable("the keys can't be read").because(error);
            let mut db = system.read().await.map_err(away)?;
            let row = format!("{id}:{hash}");
            let tenant = tenant_of_key(&mut db, &row).await.map_err(away)?;
            Ok(tenant.map(|tenant| {
                StoredApiKey::new(hash, "nightly-import", TenantId::uuid(tenant))
                    .scopes(["tickets:read"])
            }))
        }
    };
    let used: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&used);
    let signer = SigningKey::ed();
    let auth = |url: &str| {
        let keys = ApiKeys::new("crm", TenantKind::Uuid, store).unwrap();
        let keys = keys
            .or(builder(ISSUER, url, &signer).build().unwrap())
            .unwrap();
        keys.on_use(move |id| seen.lock().unwrap().push(id.to_owned()))
    };
    let endpoint =
        Endpoint::start(auth, |server| server.pool(pool).tools(tools![list_notes])).await;
    let whoami = async |token: &str| endpoint.call(token, "whoami", json!({})).await;
    assert_eq!(
        whoami(key.text()).await.text(),
        "{\"result\":\"nightly-import\"}"
    );
    let listed = endpoint.call(key.text(), "list_notes", json!({})).await;
    assert!(listed.body.contains("of acme"), "{listed:?}");
    assert_eq!(*used.lock().unwrap(), [key.id(), key.id()]);
    // A token is the other authenticator's.
    let token = signer.sign(&claims(&endpoint.url, "alice"));
    assert!(whoami(&token).await.text().contains("alice"));
    let (id, secret) = (key.id(), "0".repeat(64));
    let swapped = other.text().replace(other.id(), id);
    for wrong in [
        other.text(),
        &format!("crm_{id}_{secret}"),
        &swapped,
        &key.text()[..key.text().len() - 1],
        &key.text().to_uppercase(),
        key.hash(),
        &format!("crm_{id}_{}", key.hash()),
        "crm_",
        "crm",
    ] {
        let answer = whoami(wrong).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(!answer.body.contains("API key"), "{answer:?}");
        answer.assert_safe();
    }
    // Deleted, it stops working at once.
    database
        .execute_as_admin("DELETE FROM api_keys")
        .await
        .unwrap();
    assert_eq!(whoami(key.text()).await.status, 401);
}

#[tokio::test]
async fn an_address_that_fails_too_often_waits() {
    let key = SigningKey::ed();
    let auth = |url: &str| builder(ISSUER, url, &key).build().unwrap();
    let endpoint = Endpoint::start(auth, |server| {
        server.failed_authentications(5, Duration::from_secs(2))
    })
    .await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let call = async |headers: &[(&str, &str)]| {
        let message = watertight_e2e::endpoint::call("whoami", json!({}));
        endpoint.post_with(headers, &message).await
    };
    let right = format!("Bearer {token}");
    let (right, wrong) = (
        [("authorization", right.as_str())],
        [("authorization", "Bearer x")],
    );
    assert_eq!(call(&right).await.status, 200);
    // A request that did not try is no failure.
    for _ in 0..10 {
        assert_eq!(call(&[]).await.status, 401);
    }
    for _ in 0..5 {
        assert_eq!(call(&wrong).await.status, 401);
    }
    let refused = call(&wrong).await;
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{refused:?}");
    refused.assert_safe();
    assert_eq!(call(&right).await.status, 429);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(call(&right).await.status, 200);
}

#[tokio::test]
async fn one_client_behind_a_proxy_does_not_lock_out_the_others() {
    let key = SigningKey::ed();
    for (proxies, from_one, from_other) in [(None, 401, 401), (Some(1), 429, 401)] {
        let auth = |url: &str| builder(ISSUER, url, &key).build().unwrap();
        let endpoint = Endpoint::start(auth, |server| {
            let server = server.failed_authentications(3, Duration::from_secs(60));
            match proxies {
                Some(proxies) => server.behind_proxies(proxies),
                None => server,
            }
        })
        .await;
        let message = watertight_e2e::endpoint::call("whoami", json!({}));
        let status = async |from: &str| {
            let headers = [("authorization", "Bearer x"), ("x-forwarded-for", from)];
            endpoint.post_with(&headers, &message).await.status.as_u16()
        };
        for made_up in ["9.9.9.1, 1.1.1.1", "9.9.9.2, 1.1.1.1", "9.9.9.3, 1.1.1.1"] {
            assert_eq!(status(made_up).await, 401);
        }
        assert_eq!(status("9.9.9.4, 1.1.1.1").await, from_one, "{proxies:?}");
        assert_eq!(status("2.2.2.2").await, from_other, "{proxies:?}");
    }
}
