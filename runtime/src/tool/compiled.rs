//! A tool made ready to serve: its published form, and what its calls pass. Made once, when the
//! tool is mounted.

use std::any::Any;
use std::sync::Arc;

use rmcp::model::Tool as Published;
use serde_json::{Map, Value};

use super::Tool;
use super::callable::Callable;
use super::input::Exception;
use super::output::IntoReply;
use super::spec::ToolSpec;

/// A tool that can't be served: its description contradicts itself. Found at start-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} `{tool}` can't be served: {what}")]
pub struct InvalidTool {
    kind: &'static str,
    tool: String,
    what: String,
}

impl InvalidTool {
    pub(crate) fn new(tool: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            kind: "tool",
            tool: tool.into(),
            what: what.into(),
        }
    }

    /// The same about a resource, a prompt or a completion.
    pub(crate) fn of_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// The tool's name.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }
}

/// A tool ready to serve.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) published: Published,
    pub(crate) callable: Callable,
    /// Results are wrapped to be objects.
    pub(super) wrapped: bool,
    /// How a method's value becomes a reply; a function's type knows that itself.
    pub(super) reply: Option<Box<dyn Any + Send + Sync>>,
}

impl Compiled {
    /// Compiles `T`.
    pub(crate) fn of<T: Tool>() -> Result<Self, InvalidTool> {
        Self::new(T::spec(), T::Output::schema(), T::Output::exceptions())
    }

    /// Compiles a description. `output` is the schema of the structured content, and whether the
    /// value is wrapped to be an object; `waived` is where rules are waived in its type.
    pub(super) fn new(
        spec: ToolSpec,
        output: Option<(Map<String, Value>, bool)>,
        waived: Vec<Exception>,
    ) -> Result<Self, InvalidTool> {
        let mut callable = Callable::new(spec.clone(), "tool")?;
        callable.exceptions.extend(waived);
        let (output, wrapped) = match output {
            Some((schema, wrapped)) => (Some(schema), wrapped),
            None => (None, false),
        };
        let description = spec.description.map(Into::into);
        let input = callable.schema.clone();
        let mut published = Published::new_with_raw(spec.name, description, input);
        published.title = spec.title.map(str::to_owned);
        published.annotations = spec.annotations.clone();
        published.output_schema = output.map(Arc::new);
        Ok(Self {
            published,
            callable,
            wrapped,
            reply: None,
        })
    }
}
