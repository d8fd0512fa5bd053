//! Handles in the place of identifiers: what a model passes from one call to the next without being
//! able to choose another.
//!
//! Invariant: a handle opens for the principal and tenant that it was made for, as the type that it
//! was made of, until it expires. Anything else is "not found", as a row that does not exist.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Binding;
use crate::error::{ToolError, ToolResult};
use crate::tool::ToolContext;
use crate::tool::generated::{
    EitherInputOrTenant, EitherOutputOrTenant, Fields, Input, OpenInput, OpenOutput, Output, Parts,
};
use crate::tool::{ToolInput, ToolOutput};

/// As long as a conversation with a model may take.
const USUAL: Duration = Duration::from_secs(24 * 3600);

/// An identifier that travels through the model between two calls: opaque, and sealed to the caller's
/// tenant and principal, with an expiry.
///
/// A tool returns it in the place of a key, and another one takes it as an argument. A model that is
/// talked into passing somebody else's handle, an old one or one that it made up gets "not found".
///
/// ```
/// use watertight::{TenantHandle, ToolContext, ToolResult, mcp_tool};
///
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// struct DraftId(i64);
///
/// /// Begin a draft.
/// #[mcp_tool]
/// async fn begin_draft(cx: ToolContext) -> ToolResult<TenantHandle<DraftId>> {
///     cx.handle(&DraftId(7))
/// }
///
/// /// Send a draft.
/// #[mcp_tool]
/// async fn send_draft(cx: ToolContext, draft: TenantHandle<DraftId>) -> ToolResult<()> {
///     let DraftId(id) = cx.resolve(&draft)?;
///     # let _ = id;
///     Ok(())
/// }
/// ```
///
/// The type is part of what a handle is bound to: give each kind of row a type of its own. A handle
/// still is a name and no permission, so the row is read in a scope like any other. When the type is
/// renamed or moved, handles that are under way end.
pub struct TenantHandle<T> {
    text: String,
    of: PhantomData<fn() -> T>,
}

impl<T> TenantHandle<T> {
    fn new(text: String) -> Self {
        Self {
            text,
            of: PhantomData,
        }
    }
}

impl ToolContext {
    /// A handle of this value, for this caller alone; valid for a day.
    ///
    /// # Errors
    /// An internal error if the value has no JSON form.
    pub fn handle<T: Serialize>(&self, value: &T) -> ToolResult<TenantHandle<T>> {
        self.handle_for(value, USUAL)
    }

    /// As [`handle`](ToolContext::handle), valid for as long as you say.
    ///
    /// # Errors
    /// As [`handle`](ToolContext::handle).
    pub fn handle_for<T: Serialize>(
        &self,
        value: &T,
        valid_for: Duration,
    ) -> ToolResult<TenantHandle<T>> {
        self.alive()?;
        let content = serde_json::to_vec(value).map_err(ToolError::internal)?;
        let sealer = self.caller().state().sealer();
        sealer
            .seal(&self.binding_of::<T>(), &content, valid_for)
            .map(TenantHandle::new)
            .ok_or_else(|| ToolError::internal("a handle could not be sealed"))
    }

    /// The value of a handle that [`handle`](ToolContext::handle) made for this caller.
    ///
    /// # Errors
    /// "Not found" for a handle that is expired, changed, another caller's, of another type, or none
    /// at all, as for a row that does not exist.
    pub fn resolve<T: DeserializeOwned>(&self, handle: &TenantHandle<T>) -> ToolResult<T> {
        self.alive()?;
        let sealer = self.caller().state().sealer();
        sealer
            .open(&self.binding_of::<T>(), &handle.text)
            .and_then(|content| serde_json::from_slice(&content).ok())
            .ok_or_else(ToolError::not_found)
    }

    fn binding_of<T>(&self) -> Binding {
        Binding::new(self.session(), "handle").and(type_name::<T>().as_bytes())
    }
}

impl<T> Clone for TenantHandle<T> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl<T> fmt::Debug for TenantHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantHandle").finish_non_exhaustive()
    }
}

impl<T> Serialize for TenantHandle<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

/// Any text is read: whether it is a handle is found out where it is resolved.
impl<'de, T> Deserialize<'de> for TenantHandle<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl<T> JsonSchema for TenantHandle<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Handle".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A handle that this server gave you; pass it on as it is.",
        })
    }
}

impl<T> EitherInputOrTenant for TenantHandle<T> {
    type Kind = Input;
}
impl<T: 'static> OpenInput for TenantHandle<T> {
    fn fields(_: &mut Fields) {}
}
impl<T: 'static> ToolInput for TenantHandle<T> {}

impl<T> EitherOutputOrTenant for TenantHandle<T> {
    type Kind = Output;
}
impl<T: 'static> OpenOutput for TenantHandle<T> {
    fn parts(_: &mut Parts) {}
}
impl<T: 'static> ToolOutput for TenantHandle<T> {}
