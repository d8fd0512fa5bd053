//! What the log holds of requests that nobody answers for: one record of each, under the audit's target and
//! with the reference that the client was told, and no byte of any token. The log is at `trace`, and what the
//! `log` crate is given comes to it as well.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use watertight::auth::{AuthError, AuthRequest, Authenticator, JwtAuthenticator};
use watertight::observe::Discretion;
use watertight::{Server, ServerError, Session, StdioIdentity, tools};
use watertight_e2e::endpoint::{Answer, Endpoint, call, initialize, repeat};
use watertight_e2e::identity::{
    ACME, BETA, ISSUER, SigningKey, claims, jwk_set, now, raw_token, with,
};

/// Every byte of the log.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Bytes {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

type Fields = HashMap<String, String>;

/// The records under the audit's target.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<Fields>>>);

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}");
        let name = field.name().to_owned();
        self.0.insert(name, value.trim_matches('"').to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Records {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "watertight::audit" {
            let mut fields = Fields::new();
            event.record(&mut Into(&mut fields));
            self.0.lock().unwrap().push(fields);
        }
    }
}

impl Records {
    fn take(&self) -> Vec<Fields> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// That one request left one record, of this kind and under the reference of its answer.
    #[track_caller]
    fn assert_one(&self, what: &str, kind: &str, answer: &Answer) {
        let records = self.take();
        let [record] = records.as_slice() else {
            panic!("{what}: {records:?}");
        };
        assert_eq!(record["outcome"], "refused", "{what}: {record:?}");
        assert_eq!(record["kind"], kind, "{what}: {record:?}");
        assert_eq!(record["address"], "127.0.0.1", "{what}: {record:?}");
        assert!(record.contains_key("reason"), "{what}: {record:?}");
        assert_eq!(answer.json()["reference"], record["reference"], "{what}");
        assert!(!record.contains_key("tenant"), "{what}: {record:?}");
    }
}

struct Away;

impl Authenticator for Away {
    async fn authenticate(&self, _: AuthRequest<'_>) -> Result<Session, AuthError> {
        Err(AuthError::unavailable("the key set is unknown"))
    }
}

fn jwt(url: &str, key: &SigningKey) -> watertight::auth::JwtAuthenticatorBuilder {
    JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(url)
        .jwk_set(jwk_set(&[key]))
}

#[tokio::test]
async fn a_request_that_is_refused_leaves_one_record_and_no_byte_of_its_token() {
    let (bytes, records) = (Bytes::default(), Records::default());
    let subscriber = tracing_subscriber::registry()
        .with(Discretion::new())
        .with(LevelFilter::TRACE)
        .with(records.clone())
        .with(
            tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(bytes.clone()),
        );
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing_log::LogTracer::init().unwrap();

    // What other crates write by way of the `log` crate, at all levels.
    for level in [
        log::Level::Error,
        log::Level::Warn,
        log::Level::Debug,
        log::Level::Trace,
    ] {
        log::log!(target: "rustls::conn", level, "canary-bridged");
        log::log!(target: "sqlx::query", level, "canary-bridged");
        log::log!(target: "watertight::cause", level, "canary-bridged");
    }
    log::warn!(target: "somebody", "passes");

    let key = SigningKey::ed();
    let endpoint = Endpoint::start(
        |url: &str| jwt(url, &key).tenant_claim("org_id").build().unwrap(),
        |server| {
            server
                .legacy_sessions(true)
                .calls_per_second(1)
                .burst(6)
                .failed_authentications(12, Duration::from_secs(600))
        },
    )
    .await;
    let right = claims(&endpoint.url, "alice");
    let token = key.sign(&right);
    let mut secrets = vec![token.clone()];
    let message = call("whoami", json!({}));
    records.take();

    let answer = endpoint.post_with(&[], &message).await;
    records.assert_one("no token", "missing_credentials", &answer);
    let named = json!({ "alg": "canary-algorithm", "typ": "canary-typ" });
    for (what, wrong) in [
        ("no token at all", "canary-no-token".to_owned()),
        (
            "three parts of nothing",
            "canary-one.canary-two.canary-three".to_owned(),
        ),
        (
            "an unknown algorithm",
            raw_token(&named, &right, b"canary-signature"),
        ),
        ("wrong key", SigningKey::ed().with_id(&key.id).sign(&right)),
        (
            "expired",
            key.sign(&with(right.clone(), "exp", json!(now() - 300))),
        ),
        (
            "wrong audience",
            key.sign(&with(
                right.clone(),
                "aud",
                json!("https://canary.test/mcp"),
            )),
        ),
        (
            "wrong issuer",
            key.sign(&with(right.clone(), "iss", json!("https://canary.test"))),
        ),
        (
            "tenant of another type",
            key.sign(&with(right.clone(), "org_id", json!("canary-tenant"))),
        ),
        (
            "a subject of two lines",
            key.sign(&with(right.clone(), "sub", json!("canary\nline"))),
        ),
    ] {
        let answer = endpoint.call(&wrong, "whoami", json!({})).await;
        assert_eq!(answer.status, 401, "{what}");
        records.assert_one(what, "invalid_credentials", &answer);
        secrets.push(wrong);
    }
    let bearer = format!("Bearer {token}");
    let twice = [
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
    ];
    let answer = endpoint.post_with(&twice, &message).await;
    records.assert_one("two tokens", "invalid_credentials", &answer);
    let basic = [("authorization", "Basic Y2FuYXJ5OmNhbmFyeQ==")];
    let answer = endpoint.post_with(&basic, &message).await;
    records.assert_one("another scheme", "invalid_credentials", &answer);
    for (what, header) in [
        ("host", ("host", "canary.test")),
        ("origin", ("origin", "https://canary.test")),
    ] {
        let headers = [("authorization", bearer.as_str()), header];
        let answer = endpoint.post_with(&headers, &message).await;
        assert_eq!(answer.status, 403, "{what}");
        records.assert_one(what, "host_or_origin", &answer);
    }

    // Whose request it is, is known: then the record is the tenant's, and here, without a database, the log's.
    let session = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", "canary-session"),
    ];
    let large = call("repeat", json!({ "text": "canary".repeat(400_000) }));
    let opened = [("authorization", bearer.as_str())];
    for (what, headers, message, status, tool) in [
        (
            "unknown session",
            &session[..],
            &message,
            404,
            "no_such_session",
        ),
        ("body too large", &opened, &large, 413, "body"),
        (
            "no scope",
            &opened,
            &call("close_ticket", json!({})),
            403,
            "close_ticket",
        ),
    ] {
        let answer = endpoint.post_with(headers, message).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_the_tenants(&records, what, tool, &answer);
    }
    let mut limited = None;
    for _ in 0..20 {
        let answer = endpoint.post(&token, &initialize()).await;
        match answer.status.as_u16() {
            200 => assert_eq!(records.take().len(), 0, "opening a session is no call"),
            429 => {
                limited = Some(answer);
                break;
            }
            _ => panic!("{answer:?}"),
        }
    }
    let limited = limited.expect("there is a limit");
    assert!(limited.header("retry-after").is_some());
    assert_the_tenants(&records, "too many sessions", "too_many_sessions", &limited);

    // The last of this server: the address has failed too often, whatever it sends.
    let mut answer = endpoint.call("canary-last", "whoami", json!({})).await;
    records.take();
    for _ in 0..3 {
        answer = endpoint.call(&token, "whoami", json!({})).await;
        if answer.status == 429 {
            break;
        }
        records.take();
        endpoint.call("canary-last", "whoami", json!({})).await;
        records.take();
    }
    assert_eq!(answer.status, 429);
    records.assert_one("too many failures", "too_many_failures", &answer);

    let away = Endpoint::start(|_: &str| Away, |server| server).await;
    let answer = away.call(&token, "whoami", json!({})).await;
    assert_eq!(answer.status, 503);
    records.assert_one("can't be checked", "unverifiable_credentials", &answer);

    let operators = Endpoint::start(
        |url: &str| {
            let auth = jwt(url, &key).tenant_claim("org_id").tenants_claim("orgs");
            auth.tenant_from_header("X-Org").build().unwrap()
        },
        |server| server,
    )
    .await;
    let operator = key.sign(&with(claims(&operators.url, "olga"), "orgs", json!([ACME])));
    let operates = format!("Bearer {operator}");
    let headers = [("authorization", operates.as_str()), ("x-org", BETA)];
    let answer = operators.post_with(&headers, &message).await;
    assert_eq!(answer.status, 403);
    records.assert_one("a tenant that is not granted", "foreign_tenant", &answer);
    secrets.push(operator);

    // Over standard streams nobody is told; the operator is. Any text in the environment that is no token.
    let server = Server::builder()
        .name("stdio")
        .tools(tools![repeat])
        .authenticator(
            jwt("stdio:test", &key)
                .tenant_claim("org_id")
                .build()
                .unwrap(),
        )
        .build_stdio(StdioIdentity::token_from("PATH"))
        .unwrap();
    let (near, far) = tokio::io::duplex(1024);
    let (input, output) = tokio::io::split(far);
    let refused = server.serve_streams(input, output).await.unwrap_err();
    assert!(matches!(refused, ServerError::Credentials(_)), "{refused}");
    drop(near);
    let stdio = records.take();
    assert_eq!(stdio.len(), 1, "{stdio:?}");
    assert_eq!(stdio[0]["kind"], "invalid_credentials");
    secrets.push(std::env::var("PATH").unwrap());

    let log = String::from_utf8(bytes.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("passes") && log.contains("from=rustls::conn"),
        "{log}"
    );
    let line = log.lines().find(|line| line.contains("canary"));
    assert_eq!(line, None);
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret}");
        for part in secret.split('.').filter(|part| part.len() > 30) {
            assert!(!log.contains(part), "a part of a token: {part}");
            let decoded = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
            if let Ok(Value::Object(claims)) = serde_json::from_slice(&decoded) {
                assert!(!log.contains(&Value::Object(claims).to_string()));
            }
        }
    }
}

/// That the one record of a request is of its tenant.
#[track_caller]
fn assert_the_tenants(records: &Records, what: &str, tool: &str, answer: &Answer) {
    let records = records.take();
    let [record] = records.as_slice() else {
        panic!("{what}: {records:?}");
    };
    let told = |name: &str| record.get(name).map(String::as_str);
    assert_eq!(told("tenant"), Some(ACME), "{what}: {record:?}");
    assert_eq!(told("outcome"), Some("refused"), "{what}: {record:?}");
    assert_eq!(told("tool"), Some(tool), "{what}: {record:?}");
    assert!(answer.body.contains(told("reference").unwrap()), "{what}");
}
