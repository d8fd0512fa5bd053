//! What a tool says about itself, before it is compiled into a route.

use rmcp::model::ToolAnnotations;

use super::argument::{ALL, AnyArgument, Argument, argument};
use super::input::{Exception, ToolInput};

/// The description of a tool: name, texts, hints, scopes and arguments.
#[derive(Clone, Debug)]
#[must_use]
pub struct ToolSpec {
    pub(super) name: &'static str,
    pub(super) title: Option<&'static str>,
    pub(super) description: Option<&'static str>,
    pub(super) scopes: Vec<&'static str>,
    pub(super) annotations: Option<ToolAnnotations>,
    /// Whether it says that it changes nothing: then it can't.
    pub(super) read_only: bool,
    pub(super) arguments: Vec<AnyArgument>,
    /// All arguments as one type, in the place of the list.
    pub(super) whole: Option<AnyArgument>,
}

impl ToolSpec {
    /// Starts the description of the tool with this name.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            title: None,
            description: None,
            scopes: Vec::new(),
            annotations: None,
            read_only: false,
            arguments: Vec::new(),
            whole: None,
        }
    }

    /// A short text for people.
    pub fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// What the tool does, for the model.
    pub fn describe(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Refuses callers whose token does not grant this scope. Several scopes are all needed.
    pub fn requires(mut self, scope: &'static str) -> Self {
        self.scopes.push(scope);
        self
    }

    /// The tool changes nothing: clients are told so, and it gets no scope that writes.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self.annotate(|hints| hints.read_only(read_only))
    }

    /// Hints that the tool may destroy something.
    pub fn destructive(self, destructive: bool) -> Self {
        self.annotate(|hints| hints.destructive(destructive))
    }

    /// Hints that calling it twice is like calling it once.
    pub fn idempotent(self, idempotent: bool) -> Self {
        self.annotate(|hints| hints.idempotent(idempotent))
    }

    /// Hints that the tool reaches beyond this server's own data.
    pub fn open_world(self, open_world: bool) -> Self {
        self.annotate(|hints| hints.open_world(open_world))
    }

    fn annotate(mut self, change: impl FnOnce(ToolAnnotations) -> ToolAnnotations) -> Self {
        self.annotations = Some(change(self.annotations.unwrap_or_default()));
        self
    }

    /// Adds an argument.
    #[doc(hidden)]
    pub fn argument<T>(mut self, argument: Argument<T>) -> Self {
        self.arguments.push(argument.erase());
        self
    }

    /// Takes all arguments from the fields of one type.
    #[doc(hidden)]
    pub fn arguments_of<T: ToolInput>(mut self) -> Self {
        self.whole = Some(argument::<T>(ALL).erase());
        self
    }

    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn title_text(&self) -> Option<&'static str> {
        self.title
    }

    pub(crate) fn description(&self) -> Option<&'static str> {
        self.description
    }

    /// The scopes that a caller needs.
    #[must_use]
    pub fn scopes(&self) -> &[&'static str] {
        &self.scopes
    }

    /// Where a rule about tenants was waived, and why: in the arguments and inside their types.
    pub fn exceptions(&self) -> impl Iterator<Item = &Exception> {
        let whole = self.whole.iter();
        self.arguments
            .iter()
            .chain(whole)
            .flat_map(|it| &it.exceptions)
    }
}
