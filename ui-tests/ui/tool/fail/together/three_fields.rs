use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    realm: String,
    where_clause: String,
    #[tool(not_tenant = "x")]
    owner: String,
}

fn main() {
    let _ = |filter: Filter| (filter.realm, filter.where_clause, filter.owner);
}
