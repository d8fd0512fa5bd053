//! What stands between a request and a function of the user's, be it a tool, a resource, a prompt
//! or a completion: name, scopes, arguments and their validator.

use serde_json::{Map, Value};

use super::argument::AnyArgument;
use super::compiled::InvalidTool;
use super::input::Exception;
use super::schema;
use super::spec::ToolSpec;
use super::text::TextForm;
use super::validate::Validator;

/// A function ready to be called by clients.
#[derive(Debug)]
pub(crate) struct Callable {
    /// What the audit trail and the log call it.
    pub(crate) name: String,
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) exceptions: Vec<Exception>,
    /// The closed schema of its arguments.
    pub(crate) schema: Map<String, Value>,
    pub(super) arguments: Vec<AnyArgument>,
    /// All arguments as one type, in the place of the list.
    pub(super) whole: Option<AnyArgument>,
    pub(super) validator: Validator,
    /// Whether it says that it changes nothing.
    pub(super) read_only: bool,
}

impl Callable {
    /// Compiles a description; `kind` is what it describes, such as `tool`.
    pub(crate) fn new(spec: ToolSpec, kind: &'static str) -> Result<Self, InvalidTool> {
        let refused = |what: String| InvalidTool::new(spec.name, what).of_kind(kind);
        for argument in &spec.arguments {
            if let Some(keyword) = argument.unwritable {
                return Err(refused(format!(
                    "the `{keyword}` of `{}` has no form in JSON",
                    argument.name
                )));
            }
        }
        let schema = match &spec.whole {
            Some(whole) => schema::whole(whole).map_err(refused)?,
            None => schema::input(&spec.arguments),
        };
        let validator = Validator::new(&schema)
            .map_err(|error| refused(format!("its input schema is wrong: {error}")))?;
        for argument in &spec.arguments {
            check_default(argument, &schema).map_err(refused)?;
        }
        Ok(Self {
            // A tool's name has no colon, so no other kind can pass for one.
            name: match kind {
                "tool" => spec.name.to_owned(),
                kind => format!("{kind}:{}", spec.name),
            },
            read_only: spec.read_only,
            scopes: spec.scopes.clone(),
            exceptions: spec.exceptions().cloned().collect(),
            arguments: spec.arguments,
            whole: spec.whole,
            validator,
            schema,
        })
    }

    /// How each argument is read from a text.
    pub(crate) fn text_forms(&self) -> Result<Vec<(&'static str, TextForm)>, String> {
        let properties = self.schema.get("properties");
        let forms = self.arguments.iter().map(|argument| {
            let own = properties.and_then(|all| all.get(argument.name));
            own.and_then(|own| TextForm::of(own, &self.schema))
                .map(|form| (argument.name, form))
                .ok_or_else(|| {
                    format!(
                        "`{}` comes as a text, which its type can't be read from",
                        argument.name
                    )
                })
        });
        forms.collect()
    }

    /// Its arguments, as clients see them: name, description, and whether it must be given.
    pub(crate) fn described(
        &self,
    ) -> impl Iterator<Item = (&'static str, Option<&'static str>, bool)> {
        self.arguments
            .iter()
            .map(|argument| (argument.name, argument.description, !argument.is_optional()))
    }

    /// Whether the session has every scope that it needs.
    pub(crate) fn admits(&self, session: &crate::Session) -> bool {
        self.scopes.iter().all(|scope| session.has_scope(scope))
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
