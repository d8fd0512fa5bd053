//! Tickets: list, search, read, open, answer, assign, close.

use super::beside::uri_of;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;
use watertight::{
    DbResult, Scope, ToolContext, ToolError, ToolInput, ToolOutput, ToolResult, WriteScope,
    mcp_tool, tenant_query,
};

/// One line of a list of tickets.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct TicketLine {
    id: Uuid,
    number: i64,
    subject: String,
    status: String,
    priority: String,
    customer: String,
    assignee: Option<String>,
    opened_at: DateTime<Utc>,
}

/// A message that was found.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct Hit {
    ticket: Uuid,
    number: i64,
    subject: String,
    excerpt: String,
    sent_at: DateTime<Utc>,
}

/// A ticket with all that was said about it.
#[derive(Debug, Serialize, JsonSchema, ToolOutput)]
pub(super) struct Ticket {
    #[serde(flatten)]
    line: TicketLine,
    tags: Vec<String>,
    messages: Vec<Message>,
}

/// What a customer or an agent wrote.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct Message {
    author: String,
    body: String,
    sent_at: DateTime<Utc>,
}

impl Message {
    pub(super) fn is_of_customer(&self) -> bool {
        self.author == "customer"
    }

    pub(super) fn into_body(self) -> String {
        self.body
    }
}

/// A ticket that was just opened.
#[derive(Debug, Serialize, JsonSchema, ToolOutput)]
pub(super) struct Opened {
    id: Uuid,
    number: i64,
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, ToolInput)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Open,
    Pending,
    Closed,
}

/// How soon it needs an answer.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, ToolInput, ToolOutput,
)]
#[serde(rename_all = "lowercase")]
pub(super) enum Priority {
    Low,
    #[default]
    Normal,
    Urgent,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Closed => "closed",
        }
    }
}

impl Priority {
    fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::Urgent => "urgent",
        }
    }
}

/// List tickets, newest first.
#[mcp_tool(title = "List tickets", requires = "tickets:read", read_only)]
pub(super) async fn list_tickets(
    cx: ToolContext,
    /// Only tickets in this state.
    status: Option<Status>,
    /// How many at most.
    #[tool(range(1..=200), default = 20)]
    limit: u32,
) -> ToolResult<Vec<TicketLine>> {
    let mut db = cx.read().await?;
    Ok(newest_tickets(&mut db, status.map(Status::as_str), limit.into()).await?)
}

#[tenant_query(
    "SELECT t.id, t.number, t.subject, t.status, t.priority, c.name AS customer, a.name AS assignee,
            t.opened_at
     FROM tickets t
     JOIN customers c ON c.tenant_id = t.tenant_id AND c.id = t.customer_id
     LEFT JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.assignee_id
     WHERE t.tenant_id = $tenant AND ($status::text IS NULL OR t.status = $status)
     ORDER BY t.opened_at DESC, t.number DESC
     LIMIT $limit"
)]
async fn newest_tickets(
    db: &mut Scope<'_>,
    status: Option<&str>,
    limit: i64,
) -> DbResult<Vec<TicketLine>>;

/// Search the messages of all tickets for words, as in a web search: `"exact phrase"`, `-without`.
#[mcp_tool(requires = "tickets:read", read_only)]
pub(super) async fn search_tickets(
    cx: ToolContext,
    /// What to look for.
    #[tool(length(1..=200))]
    words: String,
    /// How many at most.
    #[tool(range(1..=100), default = 20)]
    limit: u32,
) -> ToolResult<Vec<Hit>> {
    let mut db = cx.read().await?;
    Ok(messages_with(&mut db, &words, limit.into()).await?)
}

#[tenant_query(
    "SELECT t.id AS ticket, t.number, t.subject, left(m.body, 120) AS excerpt, m.sent_at
     FROM messages m
     JOIN tickets t ON t.tenant_id = m.tenant_id AND t.id = m.ticket_id
     WHERE m.tenant_id = $tenant AND m.words @@ websearch_to_tsquery('english', $words)
     ORDER BY ts_rank(m.words, websearch_to_tsquery('english', $words)) DESC, m.sent_at DESC, m.id
     LIMIT $limit"
)]
async fn messages_with(db: &mut Scope<'_>, words: &str, limit: i64) -> DbResult<Vec<Hit>>;

/// Read one ticket with its messages and tags.
#[mcp_tool(requires = "tickets:read", read_only)]
pub(super) async fn get_ticket(
    cx: ToolContext,
    /// The ticket's id, as other tools return it.
    ticket: Uuid,
) -> ToolResult<Ticket> {
    whole_ticket(&mut cx.read().await?, ticket).await
}

/// A ticket with what belongs to it.
pub(super) async fn whole_ticket(db: &mut Scope<'_>, ticket: Uuid) -> ToolResult<Ticket> {
    let line = ticket_by_id(db, ticket)
        .await?
        .ok_or_else(ToolError::not_found)?;
    let tags = tags_of(db, ticket).await?;
    let messages = messages_of(db, ticket).await?;
    Ok(Ticket {
        line,
        tags,
        messages,
    })
}

#[tenant_query(
    "SELECT t.id, t.number, t.subject, t.status, t.priority, c.name AS customer, a.name AS assignee,
            t.opened_at
     FROM tickets t
     JOIN customers c ON c.tenant_id = t.tenant_id AND c.id = t.customer_id
     LEFT JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.assignee_id
     WHERE t.tenant_id = $tenant AND t.id = $ticket"
)]
async fn ticket_by_id(db: &mut Scope<'_>, ticket: Uuid) -> DbResult<Option<TicketLine>>;

#[tenant_query(
    "SELECT g.name
     FROM ticket_tags x JOIN tags g ON g.tenant_id = x.tenant_id AND g.id = x.tag_id
     WHERE x.tenant_id = $tenant AND x.ticket_id = $ticket
     ORDER BY g.name"
)]
async fn tags_of(db: &mut Scope<'_>, ticket: Uuid) -> DbResult<Vec<String>>;

#[tenant_query(
    "SELECT author, body, sent_at FROM messages
     WHERE tenant_id = $tenant AND ticket_id = $ticket ORDER BY sent_at, id"
)]
pub(super) async fn messages_of(db: &mut Scope<'_>, ticket: Uuid) -> DbResult<Vec<Message>>;

/// Open a ticket for a customer.
#[mcp_tool(requires = "tickets:write")]
pub(super) async fn create_ticket(
    cx: ToolContext,
    /// Who asks.
    customer_id: Uuid,
    #[tool(length(1..=200))] subject: String,
    /// What the customer wrote.
    #[tool(length(1..=10_000))]
    body: String,
    #[tool(default)] priority: Priority,
    /// Names of tags that exist.
    #[tool(length(..=10), default)]
    tags: Vec<String>,
) -> ToolResult<Opened> {
    let mut db = cx.write().await?;
    let number = next_number(&mut db).await?;
    let id = insert_ticket(&mut db, number, customer_id, &subject, priority.as_str())
        .await?
        .ok_or_else(ToolError::not_found)?;
    insert_message(&mut db, id, "customer", &body).await?;
    attach_tags(&mut db, id, &tags).await?;
    db.commit().await?;
    Ok(Opened { id, number })
}

// Counts per organisation and locks only its own row.
#[tenant_query(
    "UPDATE ticket_numbers SET next_number = next_number + 1
     WHERE tenant_id = $tenant RETURNING next_number - 1"
)]
async fn next_number(db: &mut WriteScope<'_>) -> DbResult<i64>;

// From the customer's row, so that an unknown customer gives no row instead of a foreign-key error.
#[tenant_query(
    "INSERT INTO tickets (tenant_id, number, customer_id, subject, priority)
     SELECT $tenant, $number, c.id, $subject, $priority
     FROM customers c WHERE c.tenant_id = $tenant AND c.id = $customer_id
     RETURNING id"
)]
async fn insert_ticket(
    db: &mut WriteScope<'_>,
    number: i64,
    customer_id: Uuid,
    subject: &str,
    priority: &str,
) -> DbResult<Option<Uuid>>;

#[tenant_query(
    "INSERT INTO messages (tenant_id, ticket_id, author, body)
     SELECT $tenant, t.id, $author, $body FROM tickets t
     WHERE t.tenant_id = $tenant AND t.id = $ticket"
)]
async fn insert_message(
    db: &mut WriteScope<'_>,
    ticket: Uuid,
    author: &str,
    body: &str,
) -> DbResult<u64>;

#[tenant_query(
    "INSERT INTO ticket_tags (tenant_id, ticket_id, tag_id)
     SELECT $tenant, $ticket, g.id FROM tags g
     WHERE g.tenant_id = $tenant AND g.name = ANY ($names)"
)]
async fn attach_tags(db: &mut WriteScope<'_>, ticket: Uuid, names: &[String]) -> DbResult<u64>;

/// Answer a customer.
#[mcp_tool(requires = "tickets:write")]
pub(super) async fn reply_to_ticket(
    cx: ToolContext,
    ticket: Uuid,
    /// The answer, as the customer will read it.
    #[tool(length(1..=10_000))]
    body: String,
) -> ToolResult<String> {
    let mut db = cx.write().await?;
    if insert_message(&mut db, ticket, "agent", &body).await? == 0 {
        return Err(ToolError::not_found());
    }
    db.commit().await?;
    cx.notify_resource_updated(&uri_of(ticket));
    Ok("sent".to_owned())
}

/// Give a ticket to a colleague.
#[mcp_tool(requires = "tickets:write", idempotent)]
pub(super) async fn assign_ticket(
    cx: ToolContext,
    ticket: Uuid,
    /// The colleague's address.
    #[tool(length(3..=200))]
    assignee: String,
) -> ToolResult<String> {
    let mut db = cx.write().await?;
    if set_assignee(&mut db, ticket, &assignee).await? == 0 {
        return Err(ToolError::not_found());
    }
    db.commit().await?;
    cx.notify_resource_updated(&uri_of(ticket));
    Ok("assigned".to_owned())
}

#[tenant_query(
    "UPDATE tickets SET assignee_id = a.id, status = 'pending'
     FROM agents a
     WHERE tickets.tenant_id = $tenant AND tickets.id = $ticket
       AND a.tenant_id = $tenant AND a.email = $assignee"
)]
async fn set_assignee(db: &mut WriteScope<'_>, ticket: Uuid, assignee: &str) -> DbResult<u64>;

/// Close a ticket with a last message.
#[mcp_tool(requires = "tickets:write", destructive = false)]
pub(super) async fn close_ticket(
    cx: ToolContext,
    ticket: Uuid,
    /// What was done about it.
    #[tool(length(1..=10_000))]
    resolution: String,
) -> ToolResult<String> {
    let mut db = cx.write().await?;
    if close(&mut db, ticket).await? == 0 {
        return Err(ToolError::not_found());
    }
    insert_message(&mut db, ticket, "agent", &resolution).await?;
    db.commit().await?;
    cx.notify_resource_updated(&uri_of(ticket));
    Ok("closed".to_owned())
}

#[tenant_query(
    "UPDATE tickets SET status = 'closed', closed_at = now()
     WHERE tenant_id = $tenant AND id = $ticket AND status <> 'closed'"
)]
async fn close(db: &mut WriteScope<'_>, ticket: Uuid) -> DbResult<u64>;

/// Add a tag that tickets can carry.
#[mcp_tool(requires = "tickets:write")]
pub(super) async fn create_tag(
    cx: ToolContext,
    #[tool(length(1..=50))] name: String,
) -> ToolResult<String> {
    let mut db = cx.write().await?;
    insert_tag(&mut db, &name).await?;
    db.commit().await?;
    Ok("created".to_owned())
}

#[tenant_query("INSERT INTO tags (tenant_id, name) VALUES ($tenant, $name)")]
async fn insert_tag(db: &mut WriteScope<'_>, name: &str) -> DbResult<()>;
