//! The tower layer: what every HTTP request passes before the MCP service sees it.
//!
//! Order: host and origin, credentials, legacy session, body, scopes; then the service; then the
//! tripwire on what it answers. Nothing is read before the credentials are verified.
//!
//! Invariant: the inner service runs only with a verified `Caller` among the request's extensions.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::Shared;
use super::failures::NotNow;
use super::incoming::{self, Asked};
use super::outgoing::Outgoing;
use super::refusal::{INVALID_REQUEST, Refusal, json_response, rpc_error};
use super::sessions::{self, Presented};
use super::unrecorded::Unrecorded;
use crate::audit::Outcome;
use crate::auth::{AuthError, AuthErrorKind, AuthRequest, TenantChoice};
use crate::error::Reference;
use crate::life::Running;
use crate::server::caller::Caller;
use crate::session::Session;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Puts a [`Guard`](super::Guard) around a service.
#[derive(Clone, Debug)]
pub struct GuardLayer(pub(super) Arc<Shared>);

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service that runs only for requests with verified credentials.
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B, A> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<Body>, Response = Response<A>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    A: http_body::Body<Data = Bytes> + Send + 'static,
    A::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Readiness is awaited on the clone that takes the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        Box::pin(async move {
            let reference = Reference::random();
            let metadata_url = shared.metadata_url(&request);
            let (headers, extensions) = (request.headers(), request.extensions());
            let address = shared.failures.address(headers, extensions);
            let answer = match shared.admit(request, address, reference).await {
                Ok(admitted) => admitted.run(inner, &shared).await,
                Err(refusal) => Err(refusal),
            };
            Ok(answer.unwrap_or_else(|refusal| {
                refusal.log(reference, address);
                refusal.respond(reference, metadata_url.as_deref())
            }))
        })
    }
}

/// A request that may go on, and what is known about it.
struct Admitted {
    request: Request<Body>,
    session: Session,
    session_id: Option<String>,
    asked: Option<Asked>,
    reference: Reference,
    /// To the end of the answer.
    running: Option<Running>,
    /// The same, if it is a call.
    unrecorded: Option<Unrecorded>,
}

/// The methods that are calls. What only lists, and what opens a session, has no record.
const CALLS: [&str; 7] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "completion/complete",
];

impl Shared {
    /// Where a client that is refused learns which tokens are wanted.
    fn metadata_url<B>(&self, request: &Request<B>) -> Option<String> {
        if !self.resource.is_per_tenant() {
            return self.resource.metadata_url_for(None);
        }
        let (choice, kind) = (self.choice.as_ref()?, self.tenant_kind?);
        let tenant = choice.named_in_path(request.uri(), request.extensions(), kind);
        self.resource.metadata_url_for(tenant.as_ref())
    }

    async fn admit<B>(
        self: &Arc<Self>,
        request: Request<B>,
        address: Option<IpAddr>,
        reference: Reference,
    ) -> Result<Admitted, Refusal>
    where
        B: http_body::Body,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        self.hosts.check(&parts).map_err(Refusal::Forbidden)?;
        let session = self.verified(&parts, address).await?;
        let caller = Caller::new(session, Arc::clone(&self.state), reference);
        let whose = caller.clone();
        let version = version(&parts);
        let admitted = self.admit_caller(caller, parts, body).await;
        admitted.map_err(|(refusal, asked)| {
            // It does not reach what it asks for, which would have recorded it.
            let (asked, body) = asked.unzip();
            let name = asked.and_then(|asked| self.recorded_as(&asked));
            let name = name.as_deref().unwrap_or_else(|| refusal.word());
            let unrecorded = Unrecorded::new(&whose, name, Outcome::Refused);
            let body = body.unwrap_or_default();
            unrecorded.of(body, version.as_deref()).denied(&refusal);
            refusal
        })
    }

    async fn admit_caller<B>(
        self: &Arc<Self>,
        caller: Caller,
        mut parts: Parts,
        body: B,
    ) -> Result<Admitted, (Refusal, Option<(Asked, Bytes)>)>
    where
        B: http_body::Body,
        B::Error: Into<BoxError>,
    {
        let unread = |refusal| (refusal, None);
        let reference = caller.reference();
        // What runs behind the guard may use the session until the answer has ended. Within a legacy
        // session a client may come back for the answer, so there the token alone says how long.
        let (caller, running) = match self.sessions.is_some() {
            true => (caller, None),
            false => {
                let (caller, running) = caller.for_call();
                (caller, Some(running))
            }
        };
        let session = caller.session().clone();
        let session_id = self.session_id(&parts, &session).map_err(unread)?;
        let (body, asked) = if parts.method == Method::POST {
            let body = incoming::read(&parts, body, self.max_body_bytes);
            let body = body.await.map_err(unread)?;
            let asked = is_json(&parts).then(|| Asked::read(&body)).transpose();
            (body, asked.map_err(unread)?)
        } else {
            (Bytes::new(), None)
        };
        if let Some(missing) = asked
            .as_ref()
            .and_then(|asked| self.missing_scopes(asked, &session))
        {
            return Err((Refusal::Scopes(missing), asked.zip(Some(body))));
        }
        // A session costs memory for minutes; everything else that is not a call costs nothing afterwards.
        if self.sessions.is_some()
            && session_id.is_none()
            && asked.as_ref().is_some_and(Asked::opens_a_session)
            && let Err(refused) = self.state.admit(&session)
        {
            return Err((Refusal::TooManySessions(refused), None));
        }
        // Tokens are for this server alone: what runs behind it can't hand them on.
        parts.headers.remove(AUTHORIZATION);
        // What was chosen is the session's tenant from here on, and nothing else.
        if let Some(header) = self.choice.as_ref().and_then(TenantChoice::header) {
            parts.headers.remove(header);
        }
        // What was compressed behind the guard could not be looked at.
        parts.headers.remove(ACCEPT_ENCODING);
        let unrecorded = asked
            .as_ref()
            .and_then(|asked| self.recorded_as(asked))
            .map(|name| {
                let unrecorded = Unrecorded::new(&caller, &name, Outcome::Cancelled);
                unrecorded.of(body.clone(), version(&parts).as_deref())
            });
        parts.extensions.insert(caller);
        parts.extensions.insert(session.clone());
        let request = Request::from_parts(parts, Body::from(body));
        Ok(Admitted {
            request,
            session,
            session_id,
            asked,
            reference,
            running,
            unrecorded,
        })
    }

    /// What a record names a call of what is behind the guard; nothing for what is no call, such as a
    /// list.
    fn recorded_as(&self, asked: &Asked) -> Option<String> {
        let method = asked.method.as_deref()?;
        let method = CALLS.iter().find(|call| **call == method)?;
        Some(self.called(asked).unwrap_or_else(|| (*method).to_owned()))
    }

    /// The session of the credentials, unless their sender has failed too often.
    async fn verified(&self, parts: &Parts, address: Option<IpAddr>) -> Result<Session, Refusal> {
        let attempt = match address {
            None => None,
            Some(address) => match self.failures.begin(address).await {
                Ok(attempt) => Some(attempt),
                Err(NotNow::TooMany(left)) => return Err(Refusal::TooManyFailures(left)),
                Err(NotNow::Crowded) => {
                    return Err(Refusal::Unauthorized(AuthError::unavailable(
                        "too many credentials of one address are being looked at",
                    )));
                }
            },
        };
        self.authenticate(parts).await.map_err(|error| {
            if let (Some(attempt), AuthErrorKind::Rejected) = (attempt, error.kind()) {
                attempt.failed();
            }
            Refusal::Unauthorized(error)
        })
    }

    async fn authenticate(&self, parts: &Parts) -> Result<Session, AuthError> {
        let bearer = bearer(parts)?;
        self.authenticator
            .authenticate(AuthRequest::http(bearer, parts))
            .await
    }

    /// The legacy session of the request, if it has one that is its principal's.
    fn session_id(&self, parts: &Parts, session: &Session) -> Result<Option<String>, Refusal> {
        let Some(sessions) = &self.sessions else {
            // Nothing is kept between requests; the transport ignores the header.
            return Ok(None);
        };
        match sessions::presented(parts) {
            Presented::None => Ok(None),
            Presented::One(id) if sessions.accepts(&id, session) => Ok(Some(id)),
            Presented::One(_) => Err(Refusal::NoSuchSession("not a session of this principal")),
            Presented::Malformed => {
                Err(Refusal::NoSuchSession("a malformed or repeated session id"))
            }
        }
    }

    /// The scopes that what is called needs, if the session lacks one of them.
    fn missing_scopes(&self, asked: &Asked, session: &Session) -> Option<Vec<String>> {
        let needed = self.requires.get(&self.called(asked)?)?;
        let lacks_one = needed.iter().any(|scope| !session.has_scope(scope));
        lacks_one.then(|| needed.clone())
    }

    /// Whether this calls what was found at fault in a list.
    fn has_refused(&self, asked: &Asked) -> bool {
        let listing = self.listing.as_ref().zip(self.called(asked));
        listing.is_some_and(|(listing, called)| listing.has_refused(&called))
    }

    /// What a message calls, as records name it: a tool by its name, `prompt:letter`,
    /// `resource:ticket`.
    fn called(&self, asked: &Asked) -> Option<String> {
        match asked.method.as_deref()? {
            "tools/call" => asked.name.clone(),
            "prompts/get" => asked.name.as_ref().map(|name| format!("prompt:{name}")),
            "resources/read" => {
                let uri = asked.uri.as_deref()?;
                let mut templates = self.templates.iter();
                let found = templates.find(|(template, _)| template.values(uri).is_some())?;
                Some(found.1.clone())
            }
            _ => None,
        }
    }
}

impl Admitted {
    async fn run<S, A>(mut self, mut inner: S, shared: &Shared) -> Result<Response<Body>, Refusal>
    where
        S: Service<Request<Body>, Response = Response<A>, Error = Infallible>,
        A: http_body::Body<Data = Bytes> + Send + 'static,
        A::Error: Into<BoxError>,
    {
        let deletes = self.request.method() == Method::DELETE;
        if let Some(asked) = &self.asked
            && shared.has_refused(asked)
        {
            tracing::error!(
                reference = %self.reference,
                called = asked.name,
                "refused: its arguments could name a tenant"
            );
            let body = rpc_error(asked.id.clone(), -32603, "internal error", self.reference);
            if let Some(unrecorded) = &mut self.unrecorded {
                unrecorded.ended(Outcome::Refused);
            }
            return Ok(json_response(StatusCode::OK, &body));
        }
        // What ends another session of the same principal, should this open one too many.
        let sessions = shared.sessions.as_ref();
        let sessions = sessions.map(|sessions| (sessions, ended_like(&self.request)));
        let Ok(()) = std::future::poll_fn(|cx| inner.poll_ready(cx)).await;
        let Ok(response) = inner.call(self.request).await;
        let response = response.map(Body::new);
        if let Some(unrecorded) = &mut self.unrecorded {
            unrecorded.ended(match response.status().is_success() {
                true => Outcome::Ok,
                false => Outcome::Failed,
            });
        }

        if let Some((sessions, ending)) = sessions {
            if let Some(opened) = response.headers().get(sessions::HEADER)
                && let Some(oldest) = sessions.bind(opened, &self.session)
            {
                end_session(inner, oldest, ending).await;
            }
            let ended = deletes && response.status().is_success();
            if let Some(id) = &self.session_id
                && (ended || response.status() == StatusCode::NOT_FOUND)
            {
                sessions.forget(id, &self.session);
            }
        }
        // The transport's own answer to JSON that is no message says in which way; a client is
        // told no more than that it is none.
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE
            && let Some(asked) = &self.asked
        {
            return Err(Refusal::Malformed(INVALID_REQUEST, asked.id.clone()));
        }
        // Plain text about a failure inside: the log has it, the client gets the reference.
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            let id = self.asked.map(|asked| asked.id).unwrap_or_default();
            tracing::error!(reference = %self.reference, "the MCP service failed");
            let body = rpc_error(id, -32603, "internal error", self.reference);
            return Ok(json_response(StatusCode::INTERNAL_SERVER_ERROR, &body));
        }
        let outgoing = Outgoing {
            tripwire: shared.state.tripwire(&self.session),
            listing: shared.listing.clone(),
            reference: self.reference,
            is_tool_call: self.asked.as_ref().is_some_and(Asked::is_tool_call),
            until: self.session.expires_at(),
            _running: self.running,
            unrecorded: self.unrecorded,
        };
        Ok(outgoing.pass(response).await)
    }
}

/// A `DELETE` by the same caller to the same place.
fn ended_like(request: &Request<Body>) -> Request<Body> {
    let mut ending = Request::new(Body::empty());
    *ending.method_mut() = Method::DELETE;
    *ending.uri_mut() = request.uri().clone();
    for name in [HOST.as_str(), "mcp-protocol-version"] {
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name), request.headers().get(name)) {
            ending.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(caller) = request.extensions().get::<Caller>() {
        ending.extensions_mut().insert(caller.clone());
        ending.extensions_mut().insert(caller.session().clone());
    }
    ending
}

/// Has the transport end a session that nobody is let into any more: it would keep it for a while.
async fn end_session<S, A>(mut inner: S, id: String, mut ending: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<A>, Error = Infallible>,
{
    let Ok(id) = HeaderValue::try_from(id) else {
        return;
    };
    ending.headers_mut().insert(sessions::HEADER, id);
    let Ok(()) = std::future::poll_fn(|cx| inner.poll_ready(cx)).await;
    let Ok(_) = inner.call(ending).await;
}

/// The token of the one `Authorization` header.
fn bearer(parts: &Parts) -> Result<Option<&str>, AuthError> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = match (headers.next(), headers.next()) {
        (None, _) => return Ok(None),
        (Some(header), None) => header,
        (Some(_), Some(_)) => return Err(AuthError::rejected("more than one `Authorization`")),
    };
    let text = header
        .to_str()
        .map_err(|_| AuthError::rejected("`Authorization` is not text"))?;
    match text.split_once(' ') {
        // RFC 7235, 2.1: the scheme is case-insensitive.
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(AuthError::rejected("`Authorization` is not a bearer token")),
    }
}

/// The protocol version that the request's header names.
fn version(parts: &Parts) -> Option<String> {
    let version = parts.headers.get("mcp-protocol-version")?;
    Some(version.to_str().ok()?.to_owned())
}

fn is_json(parts: &Parts) -> bool {
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        })
}
