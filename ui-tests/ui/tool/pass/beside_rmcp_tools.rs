//! Our tools in any rmcp server: by route, and as a list.

use rmcp::handler::server::router::tool::ToolRouter;
use watertight::{ToolResult, mcp_tool, route, tools};

struct SomeServer;

/// Says what time it is.
#[mcp_tool(name = "clock.now", title = "Clock", idempotent, open_world = false)]
async fn clock() -> ToolResult<String> {
    Ok("now".to_owned())
}

mod more {
    /// Says hello.
    #[watertight::mcp_tool]
    pub async fn hello(
        /// Who.
        #[tool(length(1..=40), pattern = "^[a-z]+$", default = "you")]
        name: String,
    ) -> watertight::ToolResult<String> {
        Ok(name)
    }
}

pub fn main() {
    let router = ToolRouter::<SomeServer>::new()
        .with_route(route!(clock))
        .with_route(route!(more::hello));
    assert!(router.map.contains_key("clock.now"));
    let list = tools![clock, more::hello].into_router::<SomeServer>().unwrap();
    let hello = serde_json::to_value(&list.map["hello"].attr).unwrap();
    assert_eq!(hello["inputSchema"]["additionalProperties"], false);
    assert_eq!(hello["inputSchema"]["properties"]["name"]["default"], "you");
    assert!(tools![clock, clock].into_router::<SomeServer>().is_err());
}
