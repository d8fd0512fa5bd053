use rmcp::handler::server::wrapper::Parameters;
use rmcp::tool_router;
use watertight::{ToolInput, ToolResult};

struct Desk;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Search {
    text: String,
}

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(
        &self,
        #[tool(length(1..))] Parameters(search): Parameters<Search>,
    ) -> ToolResult<String> {
        Ok(search.text)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
