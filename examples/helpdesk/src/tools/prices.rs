//! The price list: one table for every organisation, declared `@global` in its migration.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use watertight::{DbResult, Scope, ToolContext, ToolOutput, ToolResult, mcp_tool, tenant_query};

/// A plan and what it costs.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct Price {
    plan: String,
    cents_per_seat: i32,
    answer_within_hours: i32,
}

/// Show what the plans cost and how fast they are answered.
#[mcp_tool(read_only)]
pub(super) async fn price_list(cx: ToolContext) -> ToolResult<Vec<Price>> {
    let mut db = cx.read().await?;
    Ok(prices(&mut db).await?)
}

#[tenant_query(
    "SELECT plan, cents_per_seat, answer_within_hours FROM price_list ORDER BY cents_per_seat"
)]
async fn prices(db: &mut Scope<'_>) -> DbResult<Vec<Price>>;
