//! Who is told of a change, and who is not.

use std::time::Duration;

use watertight_macros::mcp_resource;

use super::*;
use crate::session::Grant;
use crate::{Contents, ToolContext, ToolResult, resources};

/// A note.
#[mcp_resource("note://{id}", crate = crate)]
async fn note(_cx: ToolContext, id: u32) -> ToolResult<Contents> {
    Ok(Contents::text(id.to_string()))
}

fn hub() -> Hub {
    let mounted = resources![note].mount().unwrap();
    Hub::new(Arc::new(Registry::new(mounted).unwrap()))
}

fn session(subject: &str, tenant: i64, left: Option<Duration>) -> Session {
    Session::from_grant(Grant {
        issuer: "i".into(),
        subject: subject.into(),
        tenant: TenantId::bigint(tenant),
        home: None,
        scopes: Vec::new(),
        client: None,
        expires_at: left.map(|left| SystemTime::now() + left),
    })
}

fn listen(hub: &Hub, session: &Session, uri: &str) -> (Connection, mpsc::Receiver<String>) {
    let (changes, waiting) = mpsc::channel(WAITING);
    let connection = hub.new_stream();
    let found = hub.resources().find(uri).unwrap();
    hub.add(session, &found, &connection, &changes).unwrap();
    (connection, waiting)
}

#[test]
fn only_listeners_of_the_tenant_are_told() {
    let hub = hub();
    let (_, mut ada) = listen(&hub, &session("ada", 7, None), "note://1");
    let (_, mut bob) = listen(&hub, &session("bob", 7, None), "note://1");
    let (_, mut eve) = listen(&hub, &session("ada", 8, None), "note://1");
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(2));
    assert_eq!(ada.try_recv().unwrap(), "note://1");
    assert_eq!(bob.try_recv().unwrap(), "note://1");
    assert!(eve.try_recv().is_err());
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://2"), Some(0));
    assert_eq!(hub.changed(&TenantId::bigint(9), "note://1"), Some(0));
    assert_eq!(
        hub.changed(&TenantId::text("7").unwrap(), "note://1"),
        Some(0)
    );
    assert_eq!(hub.changed(&TenantId::bigint(7), "other://1"), None);
}

#[test]
fn the_spelling_of_a_uri_does_not_matter() {
    let hub = hub();
    let (_, mut ada) = listen(&hub, &session("ada", 7, None), "note://%31");
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(1));
    assert_eq!(ada.try_recv().unwrap(), "note://%31");
}

#[test]
fn an_expired_listener_is_not_told() {
    let hub = hub();
    let short = session("ada", 7, Some(Duration::from_millis(20)));
    let (_, mut ada) = listen(&hub, &short, "note://1");
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(0));
    assert!(ada.try_recv().is_err());
}

#[test]
fn what_ends_is_forgotten() {
    let hub = hub();
    let (ada, bob) = (session("ada", 7, None), session("bob", 7, None));
    let (connection, _waiting) = listen(&hub, &ada, "note://1");
    // Another principal can't end it, even if it knew the connection.
    hub.remove(&bob, &connection, None);
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(1));
    hub.remove(&ada, &connection, Some("note://2"));
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(1));
    hub.remove(&ada, &connection, Some("note://1"));
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(0));
    let (_, waiting) = listen(&hub, &ada, "note://1");
    drop(waiting);
    assert_eq!(hub.changed(&TenantId::bigint(7), "note://1"), Some(0));
    let listeners = hub.lock();
    assert_eq!(listeners.by_subject.len(), 1);
    drop(listeners);
    let (_, _waiting) = listen(&hub, &bob, "note://2");
    assert_eq!(
        hub.lock().by_subject.len(),
        1,
        "the one that was dropped is forgotten"
    );
}

#[test]
fn one_principal_can_fill_its_own_share_alone() {
    let hub = hub();
    let (ada, bob) = (session("ada", 7, None), session("bob", 7, None));
    let (changes, _waiting) = mpsc::channel(WAITING);
    let connection = hub.new_stream();
    let found = hub.resources().find("note://1").unwrap();
    for _ in 0..PER_PRINCIPAL {
        hub.add(&ada, &found, &connection, &changes).unwrap();
    }
    let error = hub.add(&ada, &found, &connection, &changes).unwrap_err();
    assert_eq!(error.kind(), crate::ToolErrorKind::Busy);
    hub.add(&bob, &found, &connection, &changes).unwrap();
    hub.remove(&ada, &connection, None);
    hub.add(&ada, &found, &connection, &changes).unwrap();
}
