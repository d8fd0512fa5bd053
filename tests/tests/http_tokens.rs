//! Tokens, right and wrong, over real HTTP.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use watertight::TenantKind;
use watertight::auth::JwtAuthenticator;
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ACME, ISSUER, SigningKey, claims, jwk_set, now, raw_token, with};

async fn endpoint(keys: &[&SigningKey]) -> Endpoint {
    let keys = jwk_set(keys);
    Endpoint::start(
        move |url| {
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(url)
                .jwk_set(keys)
                .tenant_claim("org_id")
                .build()
                .unwrap()
        },
        |server| server,
    )
    .await
}

async fn accepted(endpoint: &Endpoint, token: &str) {
    let answer = endpoint.call(token, "whoami", json!({})).await;
    assert!(answer.is_result(), "{answer:?}");
    assert!(answer.text().contains("alice"), "{answer:?}");
}

#[track_caller]
fn assert_refused(answer: &watertight_e2e::endpoint::Answer, why: &str) {
    assert_eq!(answer.status, 401, "{why}: {answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"invalid_token\""),
        "{why}: {challenge}"
    );
    assert!(
        challenge.contains("resource_metadata=\"http://127.0.0.1:"),
        "{why}: {challenge}"
    );
    assert_eq!(
        answer.json()["error_description"],
        "the token is not valid",
        "{why}"
    );
    answer.assert_safe();
}

async fn refused(endpoint: &Endpoint, token: &str, why: &str) {
    assert_refused(&endpoint.call(token, "whoami", json!({})).await, why);
}

#[tokio::test]
async fn rsa_ec_and_ed25519_tokens_are_accepted() {
    let (rsa, ec, ed) = (SigningKey::rsa(), SigningKey::ec(), SigningKey::ed());
    let endpoint = endpoint(&[&rsa, &ec, &ed]).await;
    for key in [&rsa, &ec, &ed] {
        accepted(&endpoint, &key.sign(&claims(&endpoint.url, "alice"))).await;
        // Without a key id every key of the algorithm is tried.
        let header = Header::new(key.algorithm);
        accepted(
            &endpoint,
            &key.sign_with(&header, &claims(&endpoint.url, "alice")),
        )
        .await;
    }
    // RSA keys serve the whole family unless the set says otherwise.
    let several = with(
        claims(&endpoint.url, "alice"),
        "aud",
        json!(["other", endpoint.url]),
    );
    accepted(&endpoint, &rsa.sign(&several)).await;
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let key = SigningKey::ed();
    let endpoint = endpoint(&[&key]).await;
    let right = || claims(&endpoint.url, "alice");
    accepted(&endpoint, &key.sign(&right())).await;
    for (why, name, value) in [
        ("expired", "exp", json!(now() - 120)),
        ("expiry missing", "exp", Value::Null),
        ("expiry is a text", "exp", json!((now() + 60).to_string())),
        ("expiry out of range", "exp", json!(u64::MAX)),
        ("not valid yet", "nbf", json!(now() + 300)),
        ("foreign issuer", "iss", json!("https://evil.test")),
        (
            "issuer with a slash more",
            "iss",
            json!(format!("{ISSUER}/")),
        ),
        ("list of issuers", "iss", json!([ISSUER])),
        ("issuer missing", "iss", Value::Null),
        ("wrong audience", "aud", json!("https://other.test/mcp")),
        (
            "audience of a neighbour",
            "aud",
            json!(format!("{}2", endpoint.url)),
        ),
        ("audience missing", "aud", Value::Null),
        ("subject missing", "sub", Value::Null),
        ("subject empty", "sub", json!("")),
        ("tenant missing", "org_id", Value::Null),
        ("tenant is a number", "org_id", json!(42)),
        ("tenant is a list", "org_id", json!([ACME])),
        ("tenant is no uuid", "org_id", json!("acme")),
        ("tenant in braces", "org_id", json!(format!("{{{ACME}}}"))),
        ("tenant is empty", "org_id", json!("")),
        ("scopes are a number", "scope", json!(7)),
        ("scopes are a list of numbers", "scope", json!([7])),
        ("bound to a key", "cnf", json!({ "jkt": "x" })),
    ] {
        refused(&endpoint, &key.sign(&with(right(), name, value)), why).await;
    }
    // A minute of leeway, and not more.
    accepted(
        &endpoint,
        &key.sign(&with(right(), "exp", json!(now() - 20))),
    )
    .await;
}

#[tokio::test]
async fn wrong_signatures_are_refused() {
    let (key, other) = (SigningKey::ed(), SigningKey::ed());
    let endpoint = endpoint(&[&key]).await;
    let claims = claims(&endpoint.url, "alice");
    let token = key.sign(&claims);
    accepted(&endpoint, &token).await;

    let impostor = SigningKey::ed().with_id(&key.id);
    refused(
        &endpoint,
        &impostor.sign(&claims),
        "another key under the same id",
    )
    .await;
    refused(&endpoint, &other.sign(&claims), "unknown key id").await;
    let nameless = Header::new(Algorithm::EdDSA);
    refused(
        &endpoint,
        &other.sign_with(&nameless, &claims),
        "another key without an id",
    )
    .await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    refused(&endpoint, &format!("{head}."), "signature cut off").await;
    let changed = with(claims.clone(), "sub", json!("mallory"));
    let mut parts = key.sign(&changed);
    parts.truncate(parts.rfind('.').unwrap());
    refused(&endpoint, &format!("{parts}.{signature}"), "claims changed").await;
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": key.id });
        refused(&endpoint, &raw_token(&header, &claims, b""), alg).await;
    }
    for malformed in [
        "x",
        "x.y",
        "x.y.z",
        "a.b.c.d",
        "..",
        "\u{e4}",
        &"x".repeat(5000),
    ] {
        refused(&endpoint, malformed, "malformed").await;
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let rsa = SigningKey::rsa();
    let endpoint = endpoint(&[&rsa]).await;
    let claims = claims(&endpoint.url, "alice");
    let mut secrets = vec![rsa.public_pem().as_bytes().to_vec()];
    secrets.push(rsa.public_pem().trim().as_bytes().to_vec());
    secrets.push(rsa.jwk()["n"].as_str().unwrap().as_bytes().to_vec());
    secrets.push(rsa.jwk().to_string().into_bytes());
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        for secret in &secrets {
            let mut header = Header::new(algorithm);
            header.kid = Some(rsa.id.clone());
            let key = EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            refused(&endpoint, &token, "HMAC with the public key").await;
        }
    }
    // And a key does not serve an algorithm of another family.
    let confused = json!({ "alg": "ES256", "typ": "JWT", "kid": rsa.id });
    refused(
        &endpoint,
        &raw_token(&confused, &claims, &[0; 64]),
        "RSA key as P-256",
    )
    .await;
}

#[tokio::test]
async fn headers_that_change_the_meaning_are_refused() {
    let key = SigningKey::ed();
    let endpoint = endpoint(&[&key]).await;
    let claims = claims(&endpoint.url, "alice");
    let header = |change: &dyn Fn(&mut Header)| {
        let mut header = key.header();
        change(&mut header);
        header
    };
    for typ in [
        Some("at+jwt"),
        Some("application/at+JWT"),
        Some("jwt"),
        None,
    ] {
        let right = header(&|header| header.typ = typ.map(str::to_owned));
        accepted(&endpoint, &key.sign_with(&right, &claims)).await;
    }
    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt", ""] {
        let wrong = header(&|header| header.typ = Some(typ.to_owned()));
        refused(&endpoint, &key.sign_with(&wrong, &claims), typ).await;
    }
    let critical = header(&|header| header.crit = Some(vec!["b64".to_owned()]));
    refused(
        &endpoint,
        &key.sign_with(&critical, &claims),
        "critical header",
    )
    .await;
    // A key that the token brings along is not used.
    let mallory = SigningKey::ed();
    let mut own = mallory.header();
    own.jwk = serde_json::from_value(mallory.jwk()).ok();
    own.jku = Some("https://evil.test/jwks".to_owned());
    refused(
        &endpoint,
        &mallory.sign_with(&own, &claims),
        "key in the token",
    )
    .await;
}

#[tokio::test]
async fn requests_without_a_usable_token_are_told_where_to_get_one() {
    let key = SigningKey::ed();
    let endpoint = endpoint(&[&key]).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let message = watertight_e2e::endpoint::call("whoami", json!({}));

    let answer = endpoint.post_with(&[], &message).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer resource_metadata=\"http://127.0.0.1:"),
        "{challenge}"
    );
    assert!(!challenge.contains("error"), "{challenge}");
    answer.assert_safe();

    let basic = endpoint
        .post_with(&[("authorization", "Basic YTpi")], &message)
        .await;
    assert_refused(&basic, "another scheme");
    let bearer = format!("Bearer {token}");
    let twice = [
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
    ];
    assert_refused(&endpoint.post_with(&twice, &message).await, "two tokens");
    // The scheme is case-insensitive.
    let lower = format!("bearer {token}");
    assert!(
        endpoint
            .post_with(&[("authorization", &lower)], &message)
            .await
            .is_result()
    );
    // A token in the address is none.
    let in_query = format!("{}?access_token={token}", endpoint.url);
    let headers = [("content-type", "application/json"), ("accept", "*/*")];
    let answer = endpoint
        .send_to(
            &in_query,
            reqwest::Method::POST,
            &headers,
            message.to_string(),
        )
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn every_method_needs_a_token() {
    let key = SigningKey::ed();
    let endpoint = endpoint(&[&key]).await;
    for method in [
        "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PROPFIND",
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = endpoint.send(method.clone(), &[], "").await;
        assert_eq!(answer.status, 401, "{method}");
    }
}

#[tokio::test]
async fn tenants_are_of_the_configured_kind() {
    for (kind, right, wrong) in [
        (
            TenantKind::Bigint,
            json!(42),
            vec![json!("42"), json!(4.5), json!(u64::MAX), json!(true)],
        ),
        (
            TenantKind::Text,
            json!("acme-1"),
            vec![json!(42), json!("a'b"), json!("a b"), json!("")],
        ),
    ] {
        let key = SigningKey::ed();
        let keys = jwk_set(&[&key]);
        let endpoint = Endpoint::start(
            move |url| {
                JwtAuthenticator::builder()
                    .issuer(ISSUER)
                    .audience(url)
                    .jwk_set(keys)
                    .tenant_claim("/org/id")
                    .tenant_kind(kind)
                    .scopes_claim("scp")
                    .build()
                    .unwrap()
            },
            |server| server,
        )
        .await;
        let claims = |tenant: Value| {
            let claims = with(
                claims(&endpoint.url, "alice"),
                "org",
                json!({ "id": tenant }),
            );
            with(claims, "scp", json!(["tickets:read"]))
        };
        accepted(&endpoint, &key.sign(&claims(right))).await;
        for wrong in wrong {
            refused(
                &endpoint,
                &key.sign(&claims(wrong.clone())),
                &wrong.to_string(),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_shared_secret_works_where_it_is_asked_for() {
    let secret = b"an example of a secret, 32 bytes";
    let endpoint = Endpoint::start(
        |url| {
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(url)
                .shared_secret(secret)
                .tenant_claim("org_id")
                .build()
                .unwrap()
        },
        |server| server,
    )
    .await;
    let claims = claims(&endpoint.url, "alice");
    let sign = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    };
    accepted(&endpoint, &sign(secret)).await;
    refused(
        &endpoint,
        &sign(b"another secret, also of 32 bytes"),
        "another secret",
    )
    .await;
    refused(
        &endpoint,
        &SigningKey::ed().sign(&claims),
        "an asymmetric token",
    )
    .await;
}

#[test]
fn the_configuration_is_checked_as_a_whole() {
    let base = || {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience("a")
            .tenant_claim("t")
    };
    let keys = jwk_set(&[&SigningKey::ed()]);
    let ec = SigningKey::ec();
    assert!(base().jwk_set(&keys).build().is_ok());
    assert!(
        base()
            .public_key_pem(Algorithm::ES256, ec.public_pem())
            .build()
            .is_ok()
    );
    assert!(
        base()
            .public_key_pem(Algorithm::RS256, SigningKey::rsa().public_pem())
            .build()
            .is_ok()
    );
    for (builder, says) in [
        (
            JwtAuthenticator::builder()
                .audience("a")
                .tenant_claim("t")
                .jwk_set(&keys),
            "no issuer",
        ),
        (
            JwtAuthenticator::builder()
                .issuer("i")
                .tenant_claim("t")
                .jwk_set(&keys),
            "no audience",
        ),
        (
            JwtAuthenticator::builder()
                .issuer("i")
                .audience("a")
                .jwk_set(&keys),
            "no tenant claim",
        ),
        (base(), "no key"),
        (base().jwk_set("{"), "not JSON"),
        (base().jwk_set("{}"), "no list `keys`"),
        (
            base().jwk_set(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
            "no usable key",
        ),
        (
            base().jwk_set(jwk_set(&[&SigningKey::short_rsa()])),
            "no usable key",
        ),
        (
            base().public_key_pem(Algorithm::RS256, SigningKey::short_rsa().public_pem()),
            "2048 bits",
        ),
        (
            base().public_key_pem(Algorithm::RS256, ec.public_pem()),
            "not a public key for RS256",
        ),
        (
            base().public_key_pem(Algorithm::HS256, ec.public_pem()),
            "allow-list",
        ),
        (base().shared_secret("short"), "32 bytes"),
        (
            base().shared_secret([7; 32]).jwk_set(&keys),
            "a shared secret and public keys",
        ),
        (
            base().jwk_set(&keys).algorithms([Algorithm::HS256]),
            "HS256 needs `.shared_secret",
        ),
        (
            base().shared_secret([7; 32]).algorithms([Algorithm::RS256]),
            "needs a public key",
        ),
        (
            base().jwk_set(&keys).algorithms([]),
            "allow-list of algorithms is empty",
        ),
        (
            base()
                .jwk_set(&keys)
                .leeway(std::time::Duration::from_secs(3600)),
            "leeway",
        ),
        (base().jwks_url("http://id.example.com/keys"), "https://"),
        (base().jwks_url("not a url"), "not a URL"),
    ] {
        let error = builder
            .build()
            .err()
            .unwrap_or_else(|| panic!("accepted: {says}"));
        assert!(
            error.to_string().contains(says),
            "{error} does not say {says}"
        );
    }
}

#[tokio::test]
async fn the_allow_list_excludes_what_is_not_on_it() {
    let (ed, ec) = (SigningKey::ed(), SigningKey::ec());
    let keys = jwk_set(&[&ed, &ec]);
    let endpoint = Endpoint::start(
        move |url| {
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(url)
                .jwk_set(keys)
                .algorithms([Algorithm::ES256])
                .tenant_claim("org_id")
                .build()
                .unwrap()
        },
        |server| server,
    )
    .await;
    accepted(&endpoint, &ec.sign(&claims(&endpoint.url, "alice"))).await;
    refused(
        &endpoint,
        &ed.sign(&claims(&endpoint.url, "alice")),
        "EdDSA",
    )
    .await;
}
