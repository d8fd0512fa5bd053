use std::marker::PhantomData;
use watertight::{ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Id<T>(u64, PhantomData<T>);

struct Workspace;

/// Count the patients.
#[mcp_tool]
async fn count_patients(id: Vec<Id<Workspace>>) -> ToolResult<()> {
    drop(id);
    Ok(())
}

fn main() {}
