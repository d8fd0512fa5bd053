//! Handles of users' own tools: cursors that go through a model and come back.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Binding;
use crate::error::{ToolError, ToolResult};
use crate::tool::ToolContext;

/// As long as a client may take to ask for the next page.
const USUAL: Duration = Duration::from_secs(3600);

impl ToolContext {
    /// A handle with this value, for this caller and this purpose alone: a cursor that the model
    /// passes on to the next call. Opaque to the model, and valid for an hour.
    ///
    /// The purpose is part of what the handle is bound to. Give tools that page through different
    /// things different ones.
    ///
    /// # Errors
    /// An internal error if the value has no JSON form.
    pub fn seal(&self, purpose: &'static str, value: &impl Serialize) -> ToolResult<String> {
        self.seal_for(purpose, value, USUAL)
    }

    /// As [`seal`](ToolContext::seal), valid for as long as you say.
    ///
    /// # Errors
    /// As [`seal`](ToolContext::seal).
    pub fn seal_for(
        &self,
        purpose: &'static str,
        value: &impl Serialize,
        valid_for: Duration,
    ) -> ToolResult<String> {
        self.alive()?;
        let content = serde_json::to_vec(value).map_err(ToolError::internal)?;
        let sealer = self.caller().state().sealer();
        sealer
            .seal(&self.binding(purpose), &content, valid_for)
            .ok_or_else(|| ToolError::internal("a handle could not be sealed"))
    }

    /// The value of a handle that [`seal`](ToolContext::seal) made for this caller and this
    /// purpose.
    ///
    /// # Errors
    /// One and the same "invalid argument" for a handle that is expired, changed, another
    /// caller's, for another purpose, or no handle at all.
    pub fn open<T: DeserializeOwned>(&self, purpose: &'static str, handle: &str) -> ToolResult<T> {
        self.alive()?;
        let sealer = self.caller().state().sealer();
        sealer
            .open(&self.binding(purpose), handle)
            .and_then(|content| serde_json::from_slice(&content).ok())
            .ok_or_else(|| {
                ToolError::invalid_argument(purpose, "a handle that this server gave you")
            })
    }

    fn binding(&self, purpose: &str) -> Binding {
        Binding::new(self.session(), "tool").and(purpose.as_bytes())
    }
}
