use rmcp::handler::server::wrapper::Parameters;
use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Search {
    text: String,
}

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, Parameters(search): Parameters<Search>) -> ToolResult<String> {
        Ok(search.text)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
