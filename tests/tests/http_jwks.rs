//! The issuer's published keys: rotation, limits, and an issuer that is away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use watertight::auth::JwtAuthenticator;
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ISSUER, SigningKey, claims, jwk_set};

/// Publishes what it is told to, and counts how often it is asked.
#[derive(Clone)]
struct Published {
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    url: String,
}

impl Published {
    async fn new(keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((StatusCode::OK, keys)));
        let published = Self {
            answer,
            asked: Arc::default(),
            url,
        };
        let served = published.clone();
        let app = Router::new().route(
            "/jwks.json",
            get(move || {
                served.asked.fetch_add(1, Ordering::SeqCst);
                let answer = served.answer.lock().unwrap().clone();
                async move { answer }
            }),
        );
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        published
    }

    fn publish(&self, keys: &[&SigningKey]) {
        *self.answer.lock().unwrap() = (StatusCode::OK, jwk_set(keys));
    }

    fn fail(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn endpoint(published: &Published, interval: Duration) -> Endpoint {
    let jwks = published.url.clone();
    let auth = move |url: &str| {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwks_url(jwks)
            .jwks_refetch_interval(interval)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    Endpoint::start(auth, |server| server).await
}

async fn status(endpoint: &Endpoint, key: &SigningKey) -> u16 {
    let token = key.sign(&claims(&endpoint.url, "alice"));
    endpoint
        .call(&token, "whoami", json!({}))
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_rotate() {
    let (old, new) = (SigningKey::ed(), SigningKey::ec());
    let published = Published::new(jwk_set(&[&old])).await;
    let endpoint = endpoint(&published, Duration::from_millis(200)).await;
    for _ in 0..5 {
        assert_eq!(status(&endpoint, &old).await, 200);
    }
    assert_eq!(published.asked(), 1);

    published.publish(&[&old, &new]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(status(&endpoint, &new).await, 200);
    assert_eq!(status(&endpoint, &old).await, 200);
    assert_eq!(published.asked(), 2);

    // A key that is no longer published stops working with the next fetch.
    published.publish(&[&new]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(status(&endpoint, &SigningKey::ed()).await, 401);
    assert_eq!(status(&endpoint, &old).await, 401);
    assert_eq!(status(&endpoint, &new).await, 200);
}

/// A token is remembered as verified no longer than its key is published and its time has not come.
#[tokio::test]
async fn what_was_verified_before_is_judged_by_the_keys_and_the_time_of_now() {
    let (old, new) = (SigningKey::ed(), SigningKey::ec());
    let published = Published::new(jwk_set(&[&old, &new])).await;
    let jwks = published.url.clone();
    let auth = move |url: &str| {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwks_url(jwks)
            .jwks_refetch_interval(Duration::from_millis(50))
            .leeway(Duration::ZERO)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(auth, |server| server).await;
    let asked = async |token: &str| {
        let answer = endpoint.call(token, "whoami", json!({})).await;
        answer.status.as_u16()
    };
    let by_old = old.sign(&claims(&endpoint.url, "alice"));
    let mut short = claims(&endpoint.url, "alice");
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    short["exp"] = json!(now + 2);
    let by_new = new.sign(&short);
    for token in [&by_old, &by_old, &by_new, &by_new] {
        assert_eq!(asked(token).await, 200);
    }
    // The same text with another signature is another token.
    let (signed, _) = by_old.rsplit_once('.').unwrap();
    let (_, signature) = by_new.rsplit_once('.').unwrap();
    assert_eq!(asked(&format!("{signed}.{signature}")).await, 401);

    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(asked(&by_new).await, 401);
    assert_eq!(asked(&by_old).await, 200);

    published.publish(&[&new]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(status(&endpoint, &SigningKey::ed()).await, 401);
    assert_eq!(asked(&by_old).await, 401);
}

#[tokio::test]
async fn unknown_key_ids_do_not_make_the_server_ask_again_and_again() {
    let key = SigningKey::ed();
    let published = Published::new(jwk_set(&[&key])).await;
    let endpoint = endpoint(&published, Duration::from_secs(60)).await;
    assert_eq!(status(&endpoint, &key).await, 200);
    let strangers: Vec<_> = (0..40).map(|_| SigningKey::ed()).collect();
    let asks = strangers.iter().map(|stranger| status(&endpoint, stranger));
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    assert_eq!(published.asked(), 1);
    assert_eq!(status(&endpoint, &key).await, 200);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_503_and_not_401() {
    let key = SigningKey::ed();
    let published = Published::new(String::new()).await;
    let endpoint = endpoint(&published, Duration::from_millis(50)).await;
    for (code, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "canary"),
        (StatusCode::OK, "canary"),
        (StatusCode::OK, "{\"keys\":[]}"),
        (StatusCode::FOUND, ""),
        (StatusCode::OK, &" ".repeat(600 * 1024)),
    ] {
        published.fail(code, body);
        tokio::time::sleep(Duration::from_millis(60)).await;
        let token = key.sign(&claims(&endpoint.url, "alice"));
        let answer = endpoint.call(&token, "whoami", json!({})).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(
            answer.header("retry-after").is_some() && answer.header("www-authenticate").is_none()
        );
        answer.assert_safe();
    }
    published.publish(&[&key]);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(status(&endpoint, &key).await, 200);
    // Known keys go on working while it is away again.
    published.fail(StatusCode::BAD_GATEWAY, "");
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(status(&endpoint, &SigningKey::ed()).await, 401);
    assert_eq!(status(&endpoint, &key).await, 200);
}

#[tokio::test]
async fn a_published_secret_is_not_used() {
    let key = SigningKey::ed();
    let secret =
        json!({ "kty": "oct", "kid": "s", "k": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE" });
    let encryption = {
        let mut jwk = SigningKey::ec().with_id("e").jwk();
        jwk["use"] = json!("enc");
        jwk
    };
    let set = json!({ "keys": [secret, encryption, { "kty": "new" }, 7, key.jwk()] });
    let published = Published::new(set.to_string()).await;
    let endpoint = endpoint(&published, Duration::from_secs(60)).await;
    assert_eq!(status(&endpoint, &key).await, 200);
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("s".to_owned());
    let hmac = jsonwebtoken::EncodingKey::from_secret(&[b'A'; 32]);
    let token = jsonwebtoken::encode(&header, &claims(&endpoint.url, "alice"), &hmac).unwrap();
    assert_eq!(endpoint.call(&token, "whoami", json!({})).await.status, 401);
}

/// An issuer that publishes a document at one of the two well-known places.
async fn issuer(place: &str, document: impl Fn(&str) -> serde_json::Value) -> (String, SigningKey) {
    let key = SigningKey::ed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}/realm", listener.local_addr().unwrap());
    let (document, keys) = (document(&issuer).to_string(), jwk_set(&[&key]));
    let app = Router::new()
        .route(place, get(move || async move { document }))
        .route("/realm/keys", get(move || async move { keys }));
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    (issuer, key)
}

async fn discovered((issuer, key): &(String, SigningKey)) -> u16 {
    let auth = |url: &str| {
        JwtAuthenticator::builder()
            .discover(issuer)
            .audience(url)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(auth, |server| server).await;
    let claims = watertight_e2e::identity::with(claims(&endpoint.url, "a"), "iss", json!(issuer));
    let answer = endpoint.call(&key.sign(&claims), "whoami", json!({})).await;
    if answer.status != 200 {
        answer.assert_safe();
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn keys_are_found_by_discovery() {
    const OPENID: &str = "/realm/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server/realm";
    let right = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    assert_eq!(discovered(&issuer(OPENID, right).await).await, 200);
    assert_eq!(discovered(&issuer(OAUTH, right).await).await, 200);
    assert_eq!(discovered(&issuer("/elsewhere", right).await).await, 503);
    for (why, document) in [
        (
            "another issuer",
            json!({ "issuer": "http://127.0.0.1:1/realm" }),
        ),
        ("no issuer", json!({})),
        (
            "keys over plain HTTP",
            json!({ "jwks_uri": "http://id.example.com/keys" }),
        ),
        ("no keys", json!({ "jwks_uri": null })),
        ("no address", json!({ "jwks_uri": "keys" })),
    ] {
        let wrong = |issuer: &str| {
            let mut whole = right(issuer);
            let members = whole.as_object_mut().unwrap();
            if why == "no issuer" {
                members.remove("issuer");
            }
            members.extend(document.as_object().unwrap().clone());
            whole
        };
        assert_eq!(discovered(&issuer(OPENID, wrong).await).await, 503, "{why}");
    }
}
