//! What operators see of a call: a span with its fields for any layer, and metrics with bounded labels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, registry::LookupSpan};
use watertight::auth::JwtAuthenticator;
use watertight::observe::{Discretion, TENANT, TenantLabel};
use watertight::{
    DbResult, Scope, TenantPool, ToolContext, ToolResult, mcp_tool, tenant_query, tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{ACME, ISSUER, SigningKey, claims, jwk_set};

#[tenant_query("SELECT body FROM notes ORDER BY body")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

/// Lists notes.
#[mcp_tool]
async fn list_notes(cx: ToolContext) -> ToolResult<Vec<String>> {
    tracing::info!("listing");
    Ok(bodies(&mut cx.read().await?).await?)
}

/// Everything that a layer is given, by span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<HashMap<String, String>>>>);

struct Fields<'a>(&'a mut HashMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}");
        self.0
            .insert(field.name().to_owned(), value.trim_matches('"').to_owned());
    }
}

struct Place(usize);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != "watertight::call" {
            return;
        }
        let mut spans = self.0.lock().unwrap();
        let mut fields = HashMap::new();
        attributes.record(&mut Fields(&mut fields));
        context
            .span(id)
            .unwrap()
            .extensions_mut()
            .insert(Place(spans.len()));
        spans.push(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(Place(at)) = context.span(id).unwrap().extensions().get() {
            values.record(&mut Fields(&mut self.0.lock().unwrap()[*at]));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = HashMap::new();
        event.record(&mut Fields(&mut fields));
        if fields.get("message").map(String::as_str) != Some("listing") {
            return;
        }
        // What a tool logs is found under its call.
        let span = context.event_span(event).unwrap();
        assert_eq!(span.name(), "call");
        if let Some(Place(at)) = span.extensions().get() {
            self.0.lock().unwrap()[*at].insert("listing".into(), String::new());
        }
    }
}

/// Counters by name and labels.
#[derive(Clone, Default)]
struct Counters(Arc<Mutex<HashMap<String, u64>>>, Gauges);

struct One(Counters, String);

impl CounterFn for One {
    fn increment(&self, value: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }

    fn absolute(&self, _: u64) {}
}

/// Gauges by name, each with the most that it was.
#[derive(Clone, Default)]
struct Gauges(Arc<Mutex<HashMap<String, (f64, f64)>>>);

struct Level(Gauges, String);

impl GaugeFn for Level {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        let mut gauges = self.0.0.lock().unwrap();
        let (last, most) = gauges.entry(self.1.clone()).or_default();
        *last = value;
        *most = most.max(value);
    }
}

impl Gauges {
    fn last_and_most(&self, name: &str) -> (f64, f64) {
        *self.0.lock().unwrap().get(name).unwrap()
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key
            .labels()
            .map(|it| format!("{}={}", it.key(), it.value()))
            .collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::new(One(self.clone(), name)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let name = key.name().to_owned();
        Gauge::from_arc(Arc::new(Level(self.1.clone(), name)))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_call_is_a_span_and_is_counted() {
    let (spans, counters) = (Spans::default(), Counters::default());
    let subscriber = tracing_subscriber::registry()
        .with(Discretion::new())
        .with(spans.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    metrics::set_global_recorder(counters.clone())
        .map_err(|_| ())
        .unwrap();

    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    watertight::db::Migrate::new(database.owner_url())
        .directory(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .catalog(&watertight::catalog!())
        .system_role("auth")
        .run()
        .await
        .unwrap();
    let notes =
        format!("INSERT INTO notes (tenant_id, body) VALUES ('{ACME}', 'a'), ('{ACME}', 'b')");
    database.execute_as_admin(&notes).await.unwrap();
    let pool = TenantPool::connect(database.app_url(), watertight::catalog!())
        .await
        .unwrap();
    let key = SigningKey::ed();
    let keys = jwk_set(&[&key]);
    let authenticator = move |url: &str| {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwk_set(keys)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    let endpoint = Endpoint::start(authenticator, |server| {
        server
            .pool(pool)
            .tools(tools![list_notes])
            .tenant_label(TenantLabel::Buckets(16))
    })
    .await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let listed = endpoint.call(&token, "list_notes", json!({})).await;
    assert!(listed.is_result(), "{listed:?}");
    let failed = endpoint
        .call(&token, "fail", json!({ "how": "busy" }))
        .await;
    assert!(failed.text().starts_with("busy"), "{failed:?}");
    let foreign = endpoint
        .call(&token, "foreign_count", json!({ "count": 1 }))
        .await;
    assert!(foreign.is_result(), "{foreign:?}");
    assert_eq!(
        endpoint.call("x", "list_notes", json!({})).await.status,
        401
    );
    tokio::time::sleep(Duration::from_millis(50)).await;

    the_queue_is_seen(&counters, &database, &endpoint, &token).await;

    let spans = spans.0.lock().unwrap().clone();
    let span_of = |tool: &str| spans.iter().find(|span| span["tool"] == tool).unwrap();
    let span = span_of("list_notes");
    for (field, value) in [
        ("user", "alice"),
        ("issuer", ISSUER),
        ("outcome", "ok"),
        ("rows", "2"),
        // One begins, one asks; the end is not waited for.
        ("trips", "2"),
        ("otel.name", "list_notes"),
        ("otel.status_code", "OK"),
        ("listing", ""),
        (TENANT, ACME),
    ] {
        assert_eq!(
            span.get(field).map(String::as_str),
            Some(value),
            "{field}: {span:?}"
        );
    }
    assert_eq!(span["reference"].len(), 32);
    assert!(span["duration_ms"].parse::<u64>().is_ok(), "{span:?}");
    let span = span_of("fail");
    assert_eq!((&*span["outcome"], &*span["error"]), ("failed", "busy"));
    assert!(failed.body.contains(&span["reference"]), "{span:?}");
    assert_eq!(span_of("foreign_count")["outcome"], "ok");
    for (name, value) in spans.iter().flatten() {
        assert!(name == TENANT || !value.contains(ACME), "{name}={value}");
    }

    let counters = counters.0.lock().unwrap().clone();
    let count = |begin: &str, end: &str| {
        let mut found = counters
            .iter()
            .filter(|(name, _)| name.starts_with(begin) && name.ends_with(end));
        found.next().map(|(_, count)| *count)
    };
    let bucket = "watertight_calls_total tool=list_notes outcome=ok tenant=b";
    assert_eq!(count(bucket, "error="), Some(1), "{counters:?}");
    assert_eq!(
        count("watertight_calls_total tool=fail", "error=busy"),
        Some(1),
        "{counters:?}"
    );
    assert_eq!(
        count("watertight_rows_total tool=list_notes", ""),
        Some(2),
        "{counters:?}"
    );
    assert_eq!(
        count("watertight_refusals_total reason=invalid_credentials", ""),
        Some(1),
        "{counters:?}"
    );
    assert!(!format!("{counters:?}").contains(ACME));
}

/// Records that wait for the table are counted, and for how long the oldest has waited; also while nothing
/// goes on.
async fn the_queue_is_seen(
    counters: &Counters,
    database: &Database,
    endpoint: &Endpoint,
    token: &str,
) {
    let gauges = &counters.1;
    let (waiting, oldest) = (
        "watertight_audit_waiting_records",
        "watertight_audit_oldest_record_seconds",
    );
    // Somebody else holds the table for a while.
    let hold = "BEGIN; LOCK TABLE watertight.audit IN SHARE MODE; SELECT pg_sleep(4); ROLLBACK";
    let calling = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..3 {
            let answer = endpoint.call(token, "repeat", json!({ "text": "x" })).await;
            assert!(answer.is_result(), "{answer:?}");
        }
    };
    let (held, ()) = tokio::join!(database.execute_as_admin(hold), calling);
    held.unwrap();
    for _ in 0..100 {
        if gauges.last_and_most(waiting).0 == 0.0 && gauges.last_and_most(waiting).1 > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (last, most) = gauges.last_and_most(waiting);
    assert!(last == 0.0 && most >= 3.0, "{last} {most}");
    let (last, most) = gauges.last_and_most(oldest);
    assert!(last == 0.0 && (1.0..10.0).contains(&most), "{last} {most}");
    let lost = counters.0.lock().unwrap();
    assert_eq!(lost.get("watertight_audit_records_in_log_total "), None);
}
