//! Waived rules carry a reason, and reports list them: on arguments and deep inside their types.

use std::collections::BTreeMap;
use watertight::{ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Repository {
    #[tool(not_tenant = "the owner of a public repository")]
    owner: String,
    #[tool(open = "labels that users invent")]
    labels: BTreeMap<String, serde_json::Value>,
}

/// Star a repository.
#[mcp_tool]
async fn star(
    repositories: Vec<Repository>,
    #[tool(not_tenant = "renter of a flat")] tenant: String,
    #[tool(open = "passed on as it is")] extra: Option<serde_json::Value>,
) -> ToolResult<usize> {
    let _ = (&tenant, &extra);
    Ok(repositories.iter().map(|it| it.owner.len() + it.labels.len()).sum())
}

pub fn main() {
    let listed: Vec<String> = watertight::tools![star]
        .exceptions()
        .unwrap()
        .into_iter()
        .map(|(tool, it)| format!("{tool}: {} {:?}: {}", it.argument, it.field, it.reason))
        .collect();
    assert_eq!(
        listed,
        [
            "star: repositories Some(\"owner\"): the owner of a public repository",
            "star: repositories Some(\"labels\"): labels that users invent",
            "star: tenant None: renter of a flat",
            "star: extra None: passed on as it is",
        ]
    );
}
