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
        Parameters(one): Parameters<Search>,
        Parameters(two): Parameters<Search>,
    ) -> ToolResult<String> {
        Ok(format!("{} {}", one.text, two.text))
    }
}

fn main() {
    let _ = Desk::tool_router();
}
