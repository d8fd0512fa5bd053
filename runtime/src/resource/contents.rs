//! What a resource may return: values with a JSON form, texts and bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ResourceContents;

use crate::tool::{Exception, IntoReply, ToolOutput};

/// A type that a resource may return: whatever a tool may return, as JSON, or [`Contents`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the contents of a resource",
    label = "a client would see this value",
    note = "a value derives `serde::Serialize`, `schemars::JsonSchema` and `ToolOutput`; texts and bytes are `Contents`",
    note = "a tenant's identifier never leaves: leave the tenant's column out of the struct and of the statement"
)]
pub trait ResourceOutput: Send + 'static {
    /// What the contents are unless the resource says otherwise.
    #[doc(hidden)]
    const MIME_TYPE: Option<&'static str>;

    /// Where rules about tenants were waived inside of the type.
    #[doc(hidden)]
    fn exceptions() -> Vec<Exception>;

    /// The value as contents.
    #[doc(hidden)]
    fn into_contents(self) -> Result<Contents, serde_json::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: ToolOutput> ResourceOutput for T {
    const MIME_TYPE: Option<&'static str> = Some("application/json");

    fn exceptions() -> Vec<Exception> {
        <T as IntoReply>::exceptions()
    }

    fn into_contents(self) -> Result<Contents, serde_json::Error> {
        Ok(Contents::text(serde_json::to_string(&self)?))
    }
}

impl ResourceOutput for Contents {
    const MIME_TYPE: Option<&'static str> = None;

    fn exceptions() -> Vec<Exception> {
        Vec::new()
    }

    fn into_contents(self) -> Result<Contents, serde_json::Error> {
        Ok(self)
    }
}

/// Contents made by hand: a text, or bytes.
#[derive(Clone, Debug)]
#[must_use = "contents do nothing until the resource returns them"]
pub struct Contents {
    body: Body,
    mime_type: Option<String>,
}

#[derive(Clone, Debug)]
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

impl Contents {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            body: Body::Text(text.into()),
            mime_type: None,
        }
    }

    /// Bytes, such as an image.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            body: Body::Bytes(bytes.into()),
            mime_type: None,
        }
    }

    /// What they are, if not what the resource says.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }

    /// As the protocol has them.
    pub(super) fn of(self, uri: &str, usual: Option<&str>) -> ResourceContents {
        let contents = match self.body {
            Body::Text(text) => ResourceContents::text(text, uri),
            Body::Bytes(bytes) => ResourceContents::blob(STANDARD.encode(bytes), uri),
        };
        match self.mime_type.as_deref().or(usual) {
            Some(mime_type) => contents.with_mime_type(mime_type),
            None => contents,
        }
    }
}
