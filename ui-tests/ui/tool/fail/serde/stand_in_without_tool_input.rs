use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Raw {
    plan: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(from = "Raw")]
struct Plan(String);

impl From<Raw> for Plan {
    fn from(raw: Raw) -> Self {
        Self(raw.plan)
    }
}

fn main() {
    let _ = |plan: Plan| plan.0;
}
