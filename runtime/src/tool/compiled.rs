//! A tool made ready to serve: its published form, its validator, its arguments. Made once, when
//! the tool is mounted.

use std::sync::Arc;

use rmcp::model::Tool as Published;
use serde_json::{Map, Value};

use super::Tool;
use super::argument::AnyArgument;
use super::input::Exception;
use super::output::IntoReply;
use super::schema;
use super::validate::Validator;

/// A tool that can't be served: its description contradicts itself. Found at start-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tool `{tool}` can't be served: {what}")]
pub struct InvalidTool {
    tool: String,
    what: String,
}

impl InvalidTool {
    pub(crate) fn new(tool: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            tool: tool.into(),
            what: what.into(),
        }
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
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) exceptions: Vec<Exception>,
    pub(super) arguments: Vec<AnyArgument>,
    pub(super) validator: Validator,
    /// Results are wrapped to be objects.
    pub(super) wrapped: bool,
}

impl Compiled {
    /// Compiles `T`.
    pub(crate) fn of<T: Tool>() -> Result<Self, InvalidTool> {
        let spec = T::spec();
        let refused = |what: String| InvalidTool::new(T::NAME, what);
        for argument in &spec.arguments {
            if let Some(keyword) = argument.unwritable {
                return Err(refused(format!(
                    "the `{keyword}` of `{}` has no form in JSON",
                    argument.name
                )));
            }
        }
        let input = schema::input(&spec.arguments);
        let validator = Validator::new(&input)
            .map_err(|error| refused(format!("its input schema is wrong: {error}")))?;
        for argument in &spec.arguments {
            check_default(argument, &input).map_err(refused)?;
        }
        let (output, wrapped) = match T::Output::schema() {
            Some((schema, wrapped)) => (Some(schema), wrapped),
            None => (None, false),
        };
        let description = spec.description.map(Into::into);
        let mut published = Published::new_with_raw(T::NAME, description, input);
        published.title = spec.title.map(str::to_owned);
        published.annotations = spec.annotations.clone();
        published.output_schema = output.map(Arc::new);
        Ok(Self {
            published,
            scopes: spec.scopes.clone(),
            exceptions: spec
                .exceptions()
                .cloned()
                .chain(T::Output::exceptions())
                .collect(),
            arguments: spec.arguments,
            validator,
            wrapped,
        })
    }
}

/// A default obeys its own argument's schema and can be read back.
fn check_default(argument: &AnyArgument, input: &Map<String, Value>) -> Result<(), String> {
    let Some(default) = &argument.default else {
        return Ok(());
    };
    let mut schema = Map::new();
    if let Some(own) = input.get("properties").and_then(|it| it.get(argument.name)) {
        schema.insert("allOf".into(), Value::Array(vec![own.clone()]));
    }
    if let Some(definitions) = input.get("$defs") {
        schema.insert("$defs".into(), definitions.clone());
    }
    let fits = jsonschema::draft202012::is_valid(&Value::Object(schema), default);
    if fits && (argument.read)(default.clone()).is_some() {
        Ok(())
    } else {
        Err(format!(
            "the default of `{}` is not a value that it accepts",
            argument.name
        ))
    }
}
