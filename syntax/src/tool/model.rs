//! The tool that a function describes, once read: every part keeps the user's own tokens, so
//! that what is wrong with it is underlined where it was written.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, Ident, LitStr, Path, Signature, Type, Visibility};

/// One annotated function.
pub(super) struct Tool {
    pub(super) options: Options,
    pub(super) item: Item,
    /// What the doc comment says; the model chooses tools by it.
    pub(super) description: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    /// `T` of `ToolResult<T>`; `None` if the return type is something else.
    pub(super) output: Option<Type>,
}

/// The function itself. The body stays tokens: a half-typed one must come back unharmed.
pub(super) struct Item {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) sig: Signature,
    pub(super) body: TokenStream,
}

/// What stands in `#[mcp_tool(…)]`.
#[derive(Default)]
pub(super) struct Options {
    /// The path of the crate, if it is not `::watertight`.
    pub(super) krate: Option<Path>,
    pub(super) name: Option<LitStr>,
    pub(super) title: Option<LitStr>,
    pub(super) requires: Vec<LitStr>,
    pub(super) read_only: Option<Hint>,
    pub(super) destructive: Option<Hint>,
    pub(super) idempotent: Option<Hint>,
    pub(super) open_world: Option<Hint>,
}

/// A behaviour hint and where it was written.
#[derive(Clone, Copy)]
pub(super) struct Hint {
    pub(super) value: bool,
    pub(super) span: Span,
}

/// One parameter of the function.
pub(super) enum Parameter {
    /// Filled in by the server, never by the model.
    Context(Box<Type>),
    /// Filled in by the model.
    Argument(Box<Argument>),
}

/// One argument that the model fills in.
pub(super) struct Argument {
    pub(super) ty: Type,
    /// The published name and where it was written.
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) description: Option<String>,
    pub(super) default: Option<DefaultValue>,
    pub(super) range: Option<Limits>,
    pub(super) length: Option<Limits>,
    pub(super) pattern: Option<(Ident, LitStr)>,
    pub(super) not_tenant: Option<LitStr>,
    pub(super) open: Option<LitStr>,
}

/// `default` or `default = expression`.
pub(super) struct DefaultValue {
    pub(super) key: Ident,
    /// `None` stands for the type's own default.
    pub(super) value: Option<Expr>,
}

/// `range(1..=100)` or `length(..=200)`: closed at both ends where an end is given.
pub(super) struct Limits {
    pub(super) key: Ident,
    pub(super) least: Option<Expr>,
    pub(super) most: Option<Expr>,
}

impl Tool {
    /// The published name: the function's own unless the attribute gives another.
    pub(super) fn name(&self) -> String {
        match &self.options.name {
            Some(name) => name.value(),
            None => plain(&self.item.sig.ident),
        }
    }

    /// The arguments that the model fills in.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Argument(argument) => Some(&**argument),
                Parameter::Context(_) => None,
            })
    }
}

/// An identifier's text without `r#`.
pub(super) fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
