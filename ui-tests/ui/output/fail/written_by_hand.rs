use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Ticket {
    #[serde(serialize_with = "shown")]
    id: i64,
}

fn shown<S: serde::Serializer>(id: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(*id)
}

fn main() {}
