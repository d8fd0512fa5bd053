//! The two ways to listen: a stream of its own (`subscriptions/listen`, since 2026-07-28), and
//! `resources/subscribe` within a legacy session.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::mpsc;

use super::{Connection, Hub, WAITING};
use crate::error::ToolError;
use crate::resource::Found;
use crate::server::Caller;
use crate::session::Session;

/// How often it is looked whether a legacy session is still there.
const LOOK: Duration = Duration::from_secs(30);

/// Serves a stream until the client closes it, its token expires, or the server ends.
pub(crate) async fn listen(
    hub: &Arc<Hub>,
    caller: &Caller,
    context: &SubscriptionContext,
) -> Result<(), ToolError> {
    let accepted = context.accepted().resource_subscriptions.iter().flatten();
    let found = accepted.map(|uri| find(hub, caller, uri));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let (changes, mut waiting) = mpsc::channel(WAITING);
    let stream = Stream {
        hub: Arc::clone(hub),
        session: caller.session().clone(),
        connection: hub.new_stream(),
    };
    for found in &found {
        hub.add(caller.session(), found, &stream.connection, &changes)?;
    }
    let expiry = expiry(caller.session());
    tokio::pin!(expiry);
    loop {
        let uri = tokio::select! {
            () = context.cancelled() => return Ok(()),
            () = &mut expiry => return Ok(()),
            changed = waiting.recv() => changed,
        };
        let Some(uri) = uri else {
            return Ok(());
        };
        if let Err(error) = context.sink().notify_resource_updated(uri).await {
            tracing::debug!(%error, "a listener is gone");
            return Ok(());
        }
    }
}

/// Removes its listeners when the stream ends, however it ends.
struct Stream {
    hub: Arc<Hub>,
    session: Session,
    connection: Connection,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.hub.remove(&self.session, &self.connection, None);
    }
}

/// Adds or removes a URI of a legacy session.
pub(crate) fn follow(
    hub: &Arc<Hub>,
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    uri: &str,
    on: bool,
) -> Result<(), ToolError> {
    let connection = connection(request);
    let session = caller.session();
    if !on {
        hub.remove(session, &connection, Some(uri));
        return Ok(());
    }
    let found = find(hub, caller, uri)?;
    // Once is enough, and the newer token counts.
    hub.remove(session, &connection, Some(uri));
    let (changes, waiting) = mpsc::channel(WAITING);
    hub.add(session, &found, &connection, &changes)?;
    tokio::spawn(forward(waiting, request.peer.clone(), session.clone()));
    Ok(())
}

/// Sends changes within a legacy session. The hub has the other end, and forgets it when this ends.
async fn forward(mut waiting: mpsc::Receiver<String>, peer: Peer<RoleServer>, session: Session) {
    let expiry = expiry(&session);
    tokio::pin!(expiry);
    loop {
        let uri = tokio::select! {
            () = &mut expiry => return,
            () = tokio::time::sleep(LOOK) => {
                if peer.is_transport_closed() {
                    return;
                }
                continue;
            }
            changed = waiting.recv() => changed,
        };
        let Some(uri) = uri else {
            return;
        };
        let told = ResourceUpdatedNotificationParam::new(uri);
        if let Err(error) = peer.notify_resource_updated(told).await {
            tracing::debug!(%error, "a listener is gone");
            return;
        }
    }
}

/// The resource that a URI reaches, if the caller may read it.
fn find(hub: &Hub, caller: &Caller, uri: &str) -> Result<Found, ToolError> {
    let found = hub.resources().find(uri).ok_or_else(ToolError::not_found)?;
    let admitted = hub
        .resources()
        .get(&found)
        .is_some_and(|resource| resource.callable.admits(caller.session()));
    match admitted {
        true => Ok(found),
        false => Err(ToolError::denied().because("a scope is not granted")),
    }
}

/// What the request came in on. The guard has found the session id to be its principal's.
fn connection(request: &RequestContext<RoleServer>) -> Connection {
    match request.extensions.get::<http::request::Parts>() {
        None => Connection::Stdio,
        Some(parts) => {
            let id = parts.headers.get("mcp-session-id");
            let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
            Connection::Session(id.to_owned())
        }
    }
}

/// Ends when the token does.
async fn expiry(session: &Session) {
    match session.expires_at() {
        None => std::future::pending().await,
        Some(until) => {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            tokio::time::sleep(left).await;
        }
    }
}
