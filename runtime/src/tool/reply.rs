//! Results made by hand. What is in one has no type to judge: the tripwire alone looks at it.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use crate::error::{ToolError, ToolResult};
use crate::tripwire::Tripwire;

/// A result made by hand: text and images, for tools whose result is no value with a schema.
///
/// Neither types nor names are checked in it. What keeps a tenant's identifier out of it is the
/// tripwire, which is a detector and not a guarantee.
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
    pub(super) fn structured(value: Value) -> Self {
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

impl From<Reply> for CallToolResult {
    fn from(reply: Reply) -> Self {
        reply.into_result()
    }
}

/// What the tripwire looks at before it leaves.
pub(crate) trait Trips {
    /// Whether the tenant's identifier is in it.
    fn trips(&self, wire: &Tripwire) -> ToolResult<bool>;
}

impl<R: Serialize> Trips for R {
    fn trips(&self, wire: &Tripwire) -> ToolResult<bool> {
        let bytes = serde_json::to_vec(self).map_err(ToolError::internal)?;
        Ok(wire.finds(&bytes))
    }
}

impl Trips for Reply {
    /// Without writing a large result once more: structured content is there as text too.
    fn trips(&self, wire: &Tripwire) -> ToolResult<bool> {
        for block in &self.content {
            let found = match block.as_text() {
                Some(text) => wire.finds(text.text.as_bytes()),
                None => block.trips(wire)?,
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
