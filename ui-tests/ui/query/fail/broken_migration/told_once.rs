use watertight::{DbResult, Scope, ToolContext, ToolResult, mcp_tool, tenant_query};

#[tenant_query("SELECT name FROM projects WHERE id = $id")]
async fn name(db: &mut Scope<'_>, id: i64) -> DbResult<Option<String>>;

#[tenant_query("SELECT name FROM projects ORDER BY name")]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

/// The name of a project.
#[mcp_tool]
async fn name_of(cx: ToolContext, project_id: i64) -> ToolResult<Option<String>> {
    Ok(name(&mut cx.read().await?, project_id).await?)
}

fn main() {
    println!("{}", watertight::catalog!().id());
}
