use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
enum Target {
    Everyone,
    #[serde(deserialize_with = "read")]
    Plan(String),
}

fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    serde::Deserialize::deserialize(from)
}

fn main() {
    let _ = |target: Target| matches!(target, Target::Everyone | Target::Plan(_));
}
