use rmcp::tool_router;
use watertight::{ToolInput, ToolResult};

struct Desk;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Search {
    text: String,
}

struct Parameters<T>(T);

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, search: Parameters<Search>) -> ToolResult<String> {
        Ok(search.0.text)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
