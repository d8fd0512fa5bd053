use watertight::{TenantId, ToolOutput};

#[derive(ToolOutput)]
struct Whose {
    id: TenantId,
}

impl serde::Serialize for Whose {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

impl schemars::JsonSchema for Whose {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Whose".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!(true)
    }
}

fn main() {}
