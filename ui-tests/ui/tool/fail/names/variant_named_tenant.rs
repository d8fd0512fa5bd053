use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "snake_case")]
enum Owner {
    Agent(u64),
    Tenant(u64),
}

fn main() {
    let _ = |owner: Owner| match owner {
        Owner::Agent(id) | Owner::Tenant(id) => id,
    };
}
