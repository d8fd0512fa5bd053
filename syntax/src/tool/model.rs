//! The tool that a function describes, once read: every part keeps the user's own tokens, so
//! that what is wrong with it is underlined where it was written.
//!
//! Resources, prompts and completions are functions that clients call as they call tools; they
//! share the model, and say what they are by their kind.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, Ident, LitStr, Path, Signature, Type, Visibility};

/// What a function is to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    /// A tool that is a method, within rmcp's `#[tool_router]`.
    Method,
    Resource,
    Prompt,
    Completion,
}

impl Kind {
    /// As messages call it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Tool | Self::Method => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
            Self::Completion => "completion",
        }
    }

    /// The attribute's name.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Tool => "mcp_tool",
            Self::Method => "tool",
            Self::Resource => "mcp_resource",
            Self::Prompt => "mcp_prompt",
            Self::Completion => "mcp_completion",
        }
    }

    /// The keys that its attribute knows.
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Tool | Self::Method => &[
                "name",
                "title",
                "requires",
                "read_only",
                "destructive",
                "idempotent",
                "open_world",
                "crate",
            ],
            Self::Resource => &["name", "title", "mime_type", "requires", "crate"],
            Self::Prompt => &["name", "title", "requires", "crate"],
            Self::Completion => &["prompt", "resource", "requires", "crate"],
        }
    }
}

/// One annotated function: a tool, or what is called as tools are.
pub(crate) struct Tool {
    pub(crate) kind: Kind,
    pub(crate) options: Options,
    pub(crate) item: Item,
    /// What the doc comment says; the model chooses tools by it.
    pub(crate) description: Option<String>,
    pub(crate) parameters: Vec<Parameter>,
    /// `T` of `ToolResult<T>`; `None` if the return type is something else.
    pub(crate) output: Option<Type>,
    /// `E` of `Result<T, E>`, where it is spelled out.
    pub(crate) error: Option<Type>,
}

/// The function itself. The body stays tokens: a half-typed one must come back unharmed.
pub(crate) struct Item {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenStream,
}

/// What stands in `#[mcp_tool(…)]`, or in the attribute of another kind.
#[derive(Default)]
pub(crate) struct Options {
    /// The path of the crate, if it is not `::watertight`.
    pub(crate) krate: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) requires: Vec<LitStr>,
    pub(crate) read_only: Option<Hint>,
    pub(crate) destructive: Option<Hint>,
    pub(crate) idempotent: Option<Hint>,
    pub(crate) open_world: Option<Hint>,
    /// Of a resource.
    pub(crate) mime_type: Option<LitStr>,
    /// Of a completion: whose argument it completes.
    pub(crate) prompt: Option<Path>,
    pub(crate) resource: Option<Path>,
    /// Whether there was a key that is not known: then what seems to be missing may be there.
    pub(crate) unknown: bool,
}

/// A behaviour hint and where it was written.
#[derive(Clone, Copy)]
pub(crate) struct Hint {
    pub(crate) value: bool,
    pub(crate) span: Span,
}

/// One parameter of the function.
pub(crate) enum Parameter {
    /// Filled in by the server, never by the model.
    Context(Box<Type>),
    /// Filled in by the model.
    Argument(Box<Argument>),
    /// Everything that the model fills in, as one struct: rmcp's `Parameters<T>`.
    Whole(Box<Type>),
}

/// One argument that the model fills in.
pub(crate) struct Argument {
    pub(crate) ty: Type,
    /// The published name and where it was written.
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) description: Option<String>,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) range: Option<Limits>,
    pub(crate) length: Option<Limits>,
    pub(crate) pattern: Option<(Ident, LitStr)>,
    pub(crate) not_tenant: Option<LitStr>,
    pub(crate) open: Option<LitStr>,
}

/// `default` or `default = expression`.
pub(crate) struct DefaultValue {
    pub(crate) key: Ident,
    /// `None` stands for the type's own default.
    pub(crate) value: Option<Expr>,
}

/// `range(1..=100)` or `length(..=200)`: closed at both ends where an end is given.
pub(crate) struct Limits {
    pub(crate) key: Ident,
    pub(crate) least: Option<Expr>,
    pub(crate) most: Option<Expr>,
}

impl Tool {
    /// The published name: the function's own unless the attribute gives another.
    pub(crate) fn name(&self) -> String {
        match &self.options.name {
            Some(name) => name.value(),
            None => plain(&self.item.sig.ident),
        }
    }

    /// `T` of each parameter `Parameters<T>`.
    pub(crate) fn wholes(&self) -> impl Iterator<Item = &Type> {
        self.parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Whole(ty) => Some(&**ty),
                _ => None,
            })
    }

    /// The arguments that the model fills in.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Argument(argument) => Some(&**argument),
                Parameter::Context(_) | Parameter::Whole(_) => None,
            })
    }
}

/// An identifier's text without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
