//! What a tool may return: values with a JSON form, of which a tenant identifier is none.

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::schema;

/// A type that a tool may return: anything with `serde::Serialize` and `schemars::JsonSchema`, or
/// a [`Reply`].
///
/// [`TenantId`](crate::TenantId) has neither, so no result can contain it; leave the tenant column
/// out of the row type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a tool",
    label = "a client would see this value",
    note = "a result derives `serde::Serialize` and `schemars::JsonSchema`",
    note = "a tenant identifier has neither on purpose: leave the tenant's column out of the row type"
)]
pub trait ToolOutput: Send + 'static {
    /// The schema of the structured content, and whether the value is wrapped to be an object.
    #[doc(hidden)]
    fn schema() -> Option<(Map<String, Value>, bool)>;

    /// The value as a reply.
    #[doc(hidden)]
    fn into_reply(self, wrapped: bool) -> Result<Reply, serde_json::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema + Send + 'static> ToolOutput for T {
    fn schema() -> Option<(Map<String, Value>, bool)> {
        schema::output::<T>()
    }

    fn into_reply(self, wrapped: bool) -> Result<Reply, serde_json::Error> {
        let value = serde_json::to_value(self)?;
        Ok(match (value, wrapped) {
            // The unit type has no schema: there is nothing to say but that it worked.
            (Value::Null, false) => Reply::text("done"),
            (value, true) => {
                let mut object = Map::new();
                object.insert(schema::RESULT.to_owned(), value);
                Reply::structured(Value::Object(object))
            }
            (value, false) => Reply::structured(value),
        })
    }
}

impl ToolOutput for Reply {
    fn schema() -> Option<(Map<String, Value>, bool)> {
        None
    }

    fn into_reply(self, _: bool) -> Result<Reply, serde_json::Error> {
        Ok(self)
    }
}

/// A result made by hand: text and images, for tools whose result is no value with a schema.
#[derive(Clone, Debug, Default)]
#[must_use = "a reply does nothing until the tool returns it"]
pub struct Reply {
    content: Vec<ContentBlock>,
    structured: Option<Value>,
}

impl Reply {
    /// A reply with a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().and_text(text)
    }

    /// A reply with an image, in base64.
    pub fn image(base64: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self::default().and_image(base64, mime_type)
    }

    /// Adds a text.
    pub fn and_text(mut self, text: impl Into<String>) -> Self {
        self.content.push(ContentBlock::text(text));
        self
    }

    /// Adds an image, in base64.
    pub fn and_image(mut self, base64: impl Into<String>, mime_type: impl Into<String>) -> Self {
        self.content.push(ContentBlock::image(base64, mime_type));
        self
    }

    /// The value, and as text for clients that don't read structured content.
    fn structured(value: Value) -> Self {
        Self {
            content: vec![ContentBlock::text(value.to_string())],
            structured: Some(value),
        }
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::success(self.content);
        result.structured_content = self.structured;
        result
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result<T: ToolOutput>(value: T) -> Value {
        let wrapped = T::schema().is_some_and(|(_, wrapped)| wrapped);
        let reply = value.into_reply(wrapped).unwrap();
        serde_json::to_value(reply.into_result()).unwrap()
    }

    #[derive(Serialize, JsonSchema)]
    struct Point {
        x: i32,
    }

    #[test]
    fn structured_content_is_an_object() {
        assert_eq!(result(Point { x: 1 })["structuredContent"], json!({"x": 1}));
        assert_eq!(
            result(vec![Point { x: 1 }])["structuredContent"],
            json!({"result": [{"x": 1}]})
        );
        assert_eq!(
            result(None::<Point>)["structuredContent"],
            json!({"result": null})
        );
        assert_eq!(result(7)["content"][0]["text"], json!("{\"result\":7}"));
        assert_eq!(result(()).get("structuredContent"), None);
        assert_eq!(result(Reply::text("hi"))["content"][0]["text"], json!("hi"));
    }

    #[test]
    fn schemas_fit_the_content() {
        for (schema, value) in [
            (<Vec<Point>>::schema(), result(vec![Point { x: 1 }])),
            (<Option<Point>>::schema(), result(Some(Point { x: 1 }))),
            (Point::schema(), result(Point { x: 1 })),
        ] {
            let schema = Value::Object(schema.unwrap().0);
            assert_eq!(schema["type"], "object");
            assert!(
                jsonschema::is_valid(&schema, &value["structuredContent"]),
                "{schema}"
            );
        }
        assert!(<()>::schema().is_none());
    }
}
