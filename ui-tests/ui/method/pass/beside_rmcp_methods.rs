//! Methods of ours beside rmcp's own, in one `impl`, generic over what the server keeps.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::tool_router;
use watertight::{ToolContext, ToolInput, ToolOutput, ToolResult, tool};

trait Store: Send + Sync + 'static {
    fn find(&self, text: &str) -> Vec<String>;
}

struct Fixed;
impl Store for Fixed {
    fn find(&self, text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }
}

struct Desk<S> {
    store: S,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Search {
    /// What to look for.
    text: String,
    #[serde(default)]
    limit: Option<u32>,
    /// Whose repository.
    #[tool(not_tenant = "the owner of a public repository")]
    owner: Option<String>,
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Found {
    names: Vec<String>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Count {
    to: u32,
}

#[tool_router(vis = "pub")]
impl<S: Store> Desk<S> {
    /// Find customers by name.
    #[tool(requires = "customers:read", read_only)]
    async fn find(
        &self,
        cx: ToolContext,
        /// A part of the name.
        #[tool(length(1..=40))]
        name: String,
        #[tool(range(1..=9), default = 3)] times: u32,
    ) -> ToolResult<Vec<String>> {
        let _ = (cx.user(), times);
        Ok(self.store.find(&name))
    }

    /// Search everything.
    #[tool(name = "desk.search")]
    pub async fn search(
        &self,
        Parameters(Search { text, limit, owner }): Parameters<Search>,
        _cx: ToolContext,
    ) -> ToolResult<Found> {
        let _ = (limit, owner);
        let names = self.store.find(&text);
        Ok(Found { names })
    }

    /// Nothing to say.
    #[watertight::tool]
    async fn touch(&self) -> ToolResult<()> {
        Ok(())
    }

    /// Counts, as rmcp has it.
    #[rmcp::tool]
    async fn count(&self, cx: ToolContext, Parameters(Count { to }): Parameters<Count>) -> String {
        format!("{} {to}", cx.user())
    }
}

pub fn main() {
    let router = Desk::<Fixed>::tool_router();
    let names: Vec<_> = router
        .list_all()
        .iter()
        .map(|tool| tool.name.to_string())
        .collect();
    assert_eq!(names, ["count", "desk.search", "find", "touch"]);
    let published = |name: &str| serde_json::to_value(&router.map[name].attr).unwrap();

    let find = published("find");
    assert_eq!(find["description"], "Find customers by name.");
    assert_eq!(find["annotations"]["readOnlyHint"], true);
    assert_eq!(find["inputSchema"]["additionalProperties"], false);
    assert_eq!(find["inputSchema"]["properties"]["times"]["default"], 3);
    assert_eq!(find["inputSchema"]["required"], serde_json::json!(["name"]));

    let search = published("desk.search");
    assert_eq!(search["inputSchema"]["type"], "object");
    assert_eq!(search["inputSchema"]["additionalProperties"], false);
    assert_eq!(
        search["inputSchema"]["required"],
        serde_json::json!(["text"])
    );
    let text = &search["inputSchema"]["properties"]["text"];
    assert_eq!(text["description"], "What to look for.");
    assert!(search["outputSchema"]["properties"]["names"].is_object());
    assert!(published("touch").get("outputSchema").is_none());

    // rmcp's own tool leaves its arguments open; ours are as their attributes say.
    let findings = watertight::walk::Walk::new().router(&router);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0]
            .to_string()
            .starts_with("tool `count`, its arguments (open-object): ")
    );

    // The method itself is there for callers of its own.
    let desk = Desk { store: Fixed };
    drop(desk.touch_tool_fn());
}
