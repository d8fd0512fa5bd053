//! The values of one call, read and typed, waiting for the function's parameters.
//!
//! Invariant: they passed the published schema, and each has the type that its argument declares.

use std::any::Any;
use std::fmt;

use serde_json::{Map, Value};

use super::argument::AnyArgument;
use crate::error::{ToolError, ToolResult};

/// The arguments of one call of a tool.
pub struct Arguments {
    values: Vec<(&'static str, Box<dyn Any + Send>)>,
}

impl Arguments {
    /// Reads validated arguments. An absent one is its default, or `null`.
    pub(super) fn read(
        declared: &[AnyArgument],
        mut given: Map<String, Value>,
    ) -> Result<Self, &'static str> {
        let mut values = Vec::with_capacity(declared.len());
        for argument in declared {
            let value = given
                .remove(argument.name)
                .or_else(|| argument.default.clone())
                .unwrap_or(Value::Null);
            let value = (argument.read)(value).ok_or(argument.name)?;
            values.push((argument.name, value));
        }
        Ok(Self { values })
    }

    /// Reads validated arguments as one value.
    pub(super) fn read_all(
        all: &AnyArgument,
        given: Map<String, Value>,
    ) -> Result<Self, &'static str> {
        let value = (all.read)(Value::Object(given)).ok_or("the arguments")?;
        Ok(Self {
            values: vec![(all.name, value)],
        })
    }

    /// Takes all arguments as the one value that they are.
    ///
    /// # Errors
    /// As [`take`](Arguments::take).
    pub fn take_all<T: Any>(&mut self) -> ToolResult<T> {
        self.take(super::argument::ALL)
    }

    /// Takes the value of an argument.
    ///
    /// # Errors
    /// An internal error if there is no such argument, if it was taken before, or if it has
    /// another type: the tool's description and its call contradict each other.
    pub fn take<T: Any>(&mut self, name: &'static str) -> ToolResult<T> {
        let contradiction = || {
            ToolError::internal(format!(
                "the argument `{name}` is not what the tool's description says: \
                 if `#[mcp_tool]` wrote both, this is a bug in watertight, please report it"
            ))
        };
        let index = self
            .values
            .iter()
            .position(|(given, _)| *given == name)
            .ok_or_else(contradiction)?;
        let (_, value) = self.values.swap_remove(index);
        value
            .downcast()
            .map(|value| *value)
            .map_err(|_| contradiction())
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.values.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::argument::argument;
    use super::*;

    fn read(given: Value) -> Result<Arguments, &'static str> {
        let declared = [
            argument::<String>("plan").erase(),
            argument::<u32>("limit").default(20).erase(),
            argument::<Option<String>>("after").erase(),
        ];
        Arguments::read(&declared, given.as_object().unwrap().clone())
    }

    #[test]
    fn absent_arguments_are_their_default_or_none() {
        let mut arguments = read(json!({"plan": "pro"})).unwrap();
        assert_eq!(arguments.take::<u32>("limit").unwrap(), 20);
        assert_eq!(arguments.take::<Option<String>>("after").unwrap(), None);
        assert_eq!(arguments.take::<String>("plan").unwrap(), "pro");
    }

    #[test]
    fn contradictions_are_internal_errors() {
        let mut arguments = read(json!({"plan": "pro"})).unwrap();
        assert!(arguments.take::<u64>("plan").is_err());
        assert!(arguments.take::<String>("other").is_err());
        assert_eq!(read(json!({"plan": 7})).unwrap_err(), "plan");
    }
}
