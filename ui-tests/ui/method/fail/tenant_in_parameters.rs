use rmcp::handler::server::wrapper::Parameters;
use rmcp::tool_router;
use watertight::{ToolInput, ToolResult};

struct Desk;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Search {
    org_id: String,
}

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, Parameters(search): Parameters<Search>) -> ToolResult<String> {
        Ok(search.org_id)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
