//! State that a mounted tool or prompt gives to the client between two rounds of one call (`requestState`).
//! The client could change it, or another caller could present it; so it leaves sealed.
//!
//! Invariant: a mounted tool or prompt sees no state but what it gave to this caller for itself with
//! these arguments.

use std::time::Duration;

use rmcp::model::{CallToolResponse, InputRequiredResult, JsonObject};
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
    pub(super) fn of_tool(caller: &Caller, name: &str, arguments: Option<&JsonObject>) -> Self {
        Self::new(caller, "tools/call requestState", name, arguments)
    }

    pub(super) fn of_prompt(caller: &Caller, name: &str, arguments: Option<&JsonObject>) -> Self {
        Self::new(caller, "prompts/get requestState", name, arguments)
    }

    fn new(
        caller: &Caller,
        purpose: &'static str,
        name: &str,
        arguments: Option<&JsonObject>,
    ) -> Self {
        let nothing = JsonObject::new();
        let arguments = arguments.unwrap_or(&nothing);
        let arguments = sorted(&Value::Object(arguments.clone())).to_string();
        Self {
            caller: caller.clone(),
            binding: Binding::new(caller.session(), purpose)
                .and(name.as_bytes())
                .and(arguments.as_bytes()),
        }
    }

    /// The own state, in place of the sealed one.
    pub(super) fn open(&self, state: &mut Option<String>) -> Result<(), ToolError> {
        let Some(sealed) = state.as_deref() else {
            return Ok(());
        };
        let opened = self.caller.state().sealer().open(&self.binding, sealed);
        let opened = opened.and_then(|state| String::from_utf8(state).ok());
        let foreign =
            || ToolError::invalid_argument("requestState", "the state that this server gave you");
        *state = Some(opened.ok_or_else(foreign)?);
        Ok(())
    }

    /// The answer, with its state sealed. A task would be a handle that nobody sealed, on a server
    /// that serves no tasks.
    pub(super) fn seal(&self, answer: CallToolResponse) -> Result<CallToolResponse, ToolError> {
        match answer {
            CallToolResponse::InputRequired(asked) => {
                Ok(CallToolResponse::InputRequired(self.seal_state(asked)?))
            }
            CallToolResponse::Complete(_) => Ok(answer),
            _ => Err(ToolError::internal(
                "a mounted tool answered with a task, and this server serves none",
            )),
        }
    }
}

impl Rounds {
    /// What is asked of the client, with its state sealed.
    pub(super) fn seal_state(
        &self,
        mut asked: InputRequiredResult,
    ) -> Result<InputRequiredResult, ToolError> {
        if let Some(state) = &asked.request_state {
            let sealer = self.caller.state().sealer();
            let sealed = sealer.seal(&self.binding, state.as_bytes(), VALID);
            let unsealed = || ToolError::internal("a state could not be sealed");
            asked.request_state = Some(sealed.ok_or_else(unsealed)?);
        }
        Ok(asked)
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
