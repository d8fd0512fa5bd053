//! What a call gives to a queue: who the work is for, sealed.
//!
//! Invariant: only the holder of the server's key makes one that opens, and it opens for the purpose
//! that it was made for, until it expires. What comes out is the session that went in, and no more.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::auth::Reach;
use crate::error::{ToolError, ToolResult};
use crate::id::{TenantId, TenantKind};
use crate::sealed::{Binding, LONGEST, Sealer};
use crate::session::{Grant, Session};
use crate::tool::ToolContext;

/// As long as a queue may take on a bad day.
const USUAL: Duration = Duration::from_secs(24 * 3600);

/// Work for a queue, with whom it is for: opaque, sealed with the server's key, and good for one
/// purpose until it expires.
///
/// A call makes it with [`ToolContext::ticket`], and a worker opens it with
/// [`Background::run`](crate::Background::run). It is a text for the queue and not for clients: no
/// tool can return one.
///
/// ```compile_fail,E0277
/// # use watertight::{Ticket, ToolContext, ToolResult, mcp_tool};
/// /// Export.
/// #[mcp_tool]
/// async fn export(cx: ToolContext) -> ToolResult<Ticket> {
///     cx.ticket("export", &())
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(String);

impl Ticket {
    /// A text from the queue. Whether it is a ticket is found out where it is opened.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text for the queue: letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

impl ToolContext {
    /// A ticket for work that goes on after the call: put it into a queue. The worker that opens it
    /// acts for this caller, in this tenant, with these scopes and no others, and gets `work` as it
    /// was. It is good for a day, whether or not the caller's token is.
    ///
    /// `purpose` names the queue or the kind of work; a ticket opens for its own alone.
    ///
    /// ```
    /// # use watertight::{ToolContext, ToolResult, mcp_tool};
    /// # async fn push(_: &str) -> ToolResult<()> { Ok(()) }
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Export { year: i32 }
    ///
    /// /// Export a year's invoices; they arrive by mail.
    /// #[mcp_tool]
    /// async fn export_invoices(cx: ToolContext, year: i32) -> ToolResult<()> {
    ///     let ticket = cx.ticket("exports", &Export { year })?;
    ///     push(ticket.as_str()).await
    /// }
    /// ```
    ///
    /// Give the server a [`sealing_key`](crate::ServerBuilder::sealing_key): without one its tickets
    /// end with the process.
    ///
    /// # Errors
    /// An internal error if `work` has no JSON form or is too long for a ticket (about 10 KiB), or if
    /// the call is over.
    pub fn ticket(&self, purpose: &'static str, work: &impl Serialize) -> ToolResult<Ticket> {
        self.ticket_for(purpose, work, USUAL)
    }

    /// As [`ticket`](ToolContext::ticket), good for as long as you say.
    ///
    /// # Errors
    /// As [`ticket`](ToolContext::ticket).
    pub fn ticket_for(
        &self,
        purpose: &'static str,
        work: &impl Serialize,
        valid_for: Duration,
    ) -> ToolResult<Ticket> {
        self.alive()?;
        let sealer = self.caller().state().sealer();
        seal(sealer, self.session(), purpose, work, valid_for).map_err(ToolError::internal)
    }
}

/// What is inside.
#[derive(Serialize, Deserialize)]
struct Content<W> {
    issuer: String,
    subject: String,
    kind: char,
    tenant: String,
    home: Option<String>,
    scopes: Vec<String>,
    /// What the scopes amount to where the ticket was made, which need not be where it is opened.
    reach: Option<Reach>,
    client: Option<String>,
    /// Seconds since 1970.
    until: u64,
    work: W,
}

fn binding(purpose: &str) -> Binding {
    Binding::of_tickets().and(purpose.as_bytes())
}

pub(crate) fn seal(
    sealer: &Sealer,
    session: &Session,
    purpose: &str,
    work: &impl Serialize,
    valid_for: Duration,
) -> Result<Ticket, &'static str> {
    let until = SystemTime::now().checked_add(valid_for);
    let until = until.and_then(|until| until.duration_since(UNIX_EPOCH).ok());
    let content = Content {
        issuer: session.issuer().to_owned(),
        subject: session.subject().to_owned(),
        kind: letter(session.tenant().kind()),
        tenant: session.tenant().as_setting().into_owned(),
        home: session
            .home_tenant()
            .map(|home| home.as_setting().into_owned()),
        scopes: session.scopes().map(str::to_owned).collect(),
        reach: session.reach().cloned(),
        client: session.client().map(str::to_owned),
        until: until.ok_or("a ticket's end is out of range")?.as_secs(),
        work,
    };
    let content = serde_json::to_vec(&content).map_err(|_| "the work has no JSON form")?;
    let text = sealer.seal(&binding(purpose), &content, valid_for);
    let text = text.ok_or("a ticket could not be sealed")?;
    if text.len() > LONGEST {
        return Err("the work is too long for a ticket; store it, and give the ticket its key");
    }
    sealer.warn_if_short_lived();
    Ok(Ticket(text))
}

/// What was sealed; `None` for everything else.
pub(super) fn open<W: DeserializeOwned>(
    sealer: &Sealer,
    purpose: &str,
    ticket: &Ticket,
) -> Option<(Session, W)> {
    let content = sealer.open(&binding(purpose), &ticket.0)?;
    let content: Content<serde_json::Value> = serde_json::from_slice(&content).ok()?;
    let kind = kind(content.kind)?;
    let tenant = |text: &str| TenantId::parse(kind, text).ok();
    let home = match &content.home {
        Some(home) => Some(tenant(home)?),
        None => None,
    };
    let grant = Grant {
        tenant: tenant(&content.tenant)?,
        home,
        issuer: content.issuer,
        subject: content.subject,
        scopes: content.scopes,
        client: content.client,
        expires_at: Some(UNIX_EPOCH.checked_add(Duration::from_secs(content.until))?),
    };
    let work = serde_json::from_value(content.work).ok()?;
    Some((Session::reopened(grant, content.reach), work))
}

const fn letter(kind: TenantKind) -> char {
    match kind {
        TenantKind::Uuid => 'u',
        TenantKind::Bigint => 'b',
        TenantKind::Text => 't',
    }
}

const fn kind(letter: char) -> Option<TenantKind> {
    match letter {
        'u' => Some(TenantKind::Uuid),
        'b' => Some(TenantKind::Bigint),
        't' => Some(TenantKind::Text),
        _ => None,
    }
}
