//! Reports: aggregates over joins.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use watertight::{DbResult, Scope, ToolContext, ToolOutput, ToolResult, mcp_tool, tenant_query};

/// How many tickets are in one state.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct StatusLine {
    status: String,
    plan: String,
    tickets: i64,
    urgent: i64,
    unassigned: i64,
    /// How many hours the desk promises to answer within, from the price list.
    answer_within_hours: i32,
    /// Hours from opening to closing, on average.
    mean_hours_to_close: Option<f64>,
}

/// What one colleague has on the desk.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct Workload {
    agent: String,
    open: i64,
    pending: i64,
    messages_written: i64,
}

/// Count tickets by state and by the customer's plan.
#[mcp_tool(requires = "tickets:read", read_only)]
pub(super) async fn tickets_by_status(cx: ToolContext) -> ToolResult<Vec<StatusLine>> {
    let mut db = cx.read().await?;
    Ok(count_by_status(&mut db).await?)
}

#[tenant_query(
    "SELECT t.status, c.plan, count(*) AS tickets,
            count(*) FILTER (WHERE t.priority = 'urgent') AS urgent,
            count(*) FILTER (WHERE t.assignee_id IS NULL) AS unassigned,
            min(p.answer_within_hours) AS answer_within_hours,
            (avg(extract(epoch FROM t.closed_at - t.opened_at)) / 3600)::float8 AS mean_hours_to_close
     FROM tickets t
     JOIN customers c ON c.tenant_id = t.tenant_id AND c.id = t.customer_id
     JOIN price_list p ON p.plan = c.plan
     WHERE t.tenant_id = $tenant
     GROUP BY t.status, c.plan
     ORDER BY t.status, c.plan"
)]
async fn count_by_status(db: &mut Scope<'_>) -> DbResult<Vec<StatusLine>>;

/// Show who has how many tickets and has written how many messages.
#[mcp_tool(requires = "tickets:read", read_only)]
pub(super) async fn agent_workload(cx: ToolContext) -> ToolResult<Vec<Workload>> {
    let mut db = cx.read().await?;
    Ok(workload(&mut db).await?)
}

// The form around a body: what stands here is sqlx's own, and the macro proves its text.
#[tenant_query]
async fn workload(db: &mut Scope<'_>) -> DbResult<Vec<Workload>> {
    sqlx::query_as::<_, Workload>(
        "WITH mine AS (
             SELECT tenant_id, id, assignee_id, status FROM tickets
             WHERE tenant_id = $tenant AND assignee_id IS NOT NULL
         ), written AS (
             SELECT mine.assignee_id, count(*) AS messages
             FROM messages m JOIN mine ON mine.tenant_id = m.tenant_id AND mine.id = m.ticket_id
             WHERE m.tenant_id = $tenant AND m.author = 'agent'
             GROUP BY mine.assignee_id
         )
         SELECT a.name AS agent,
                count(mine.id) FILTER (WHERE mine.status = 'open') AS open,
                count(mine.id) FILTER (WHERE mine.status = 'pending') AS pending,
                coalesce(min(written.messages), 0) AS messages_written
         FROM agents a
         LEFT JOIN mine ON mine.assignee_id = a.id
         LEFT JOIN written ON written.assignee_id = a.id
         WHERE a.tenant_id = $tenant
         GROUP BY a.id, a.name
         ORDER BY a.name",
    )
    .fetch_all(db)
    .await
}
