//! State that a mounted tool gives to the client between two rounds of one call (`requestState`).
//! The client could change it, or another caller could present it; so it leaves sealed.
//!
//! Invariant: a mounted tool sees no state but what it gave to this caller for this tool with these
//! arguments.

use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CallToolResponse, JsonObject};
use serde_json::Value;

use super::caller::Caller;
use crate::error::ToolError;
use crate::sealed::Binding;

/// As long as a person may take to answer a question.
const VALID: Duration = Duration::from_secs(3600);

/// The rounds of one call.
pub(super) struct Rounds {
    caller: Caller,
    binding: Binding,
}

impl Rounds {
    pub(super) fn new(caller: &Caller, request: &CallToolRequestParams) -> Self {
        let nothing = JsonObject::new();
        let arguments = request.arguments.as_ref().unwrap_or(&nothing);
        let arguments = sorted(&Value::Object(arguments.clone())).to_string();
        Self {
            caller: caller.clone(),
            binding: Binding::new(caller.session(), "tools/call requestState")
                .and(request.name.as_bytes())
                .and(arguments.as_bytes()),
        }
    }

    /// The tool's own state, in place of the sealed one.
    pub(super) fn open(&self, request: &mut CallToolRequestParams) -> Result<(), ToolError> {
        let Some(sealed) = &request.request_state else {
            return Ok(());
        };
        let opened = self.caller.state().sealer().open(&self.binding, sealed);
        let opened = opened.and_then(|state| String::from_utf8(state).ok());
        let foreign =
            || ToolError::invalid_argument("requestState", "the state that this server gave you");
        request.request_state = Some(opened.ok_or_else(foreign)?);
        Ok(())
    }

    /// The answer, with its state sealed. A task would be a handle that nobody sealed, on a server
    /// that serves no tasks.
    pub(super) fn seal(&self, answer: CallToolResponse) -> Result<CallToolResponse, ToolError> {
        match answer {
            CallToolResponse::InputRequired(mut asked) => {
                if let Some(state) = &asked.request_state {
                    let sealer = self.caller.state().sealer();
                    let sealed = sealer.seal(&self.binding, state.as_bytes(), VALID);
                    let sealed =
                        sealed.ok_or_else(|| ToolError::internal("a state could not be sealed"))?;
                    asked.request_state = Some(sealed);
                }
                Ok(CallToolResponse::InputRequired(asked))
            }
            CallToolResponse::Complete(_) => Ok(answer),
            _ => Err(ToolError::internal(
                "a mounted tool answered with a task, and this server serves none",
            )),
        }
    }
}

/// The same value with the members of objects in order: a client may send them in another one.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members.into_iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sorted;

    #[test]
    fn the_order_of_members_does_not_matter() {
        let one = json!({ "b": [{ "y": 1, "x": 2 }], "a": 1 });
        let two = json!({ "a": 1, "b": [{ "x": 2, "y": 1 }] });
        assert_eq!(sorted(&one).to_string(), sorted(&two).to_string());
        assert_ne!(
            sorted(&json!([1, 2])).to_string(),
            sorted(&json!([2, 1])).to_string()
        );
    }
}
