//! From tokens to the model. Reads everything it can and records what it can't, so that later
//! stages see the whole tool. What the parts mean is judged in `check`.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{
    AngleBracketedGenericArguments, Attribute, Expr, FnArg, GenericArgument, Ident, Meta, Pat,
    PatType, PathArguments, RangeLimits, ReturnType, Signature, Type, Visibility,
};

use super::model::{
    Argument, DefaultValue, Hint, Item, Kind, Limits, Options, Parameter, Tool, plain,
};
use crate::attributes::{
    documentation, entries, entries_of, flag, key, path, reason, shown_value, string, text, value,
};
use crate::errors::Errors;
use crate::spelling::meant;

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse::<Visibility>()?,
            sig: input.parse::<Signature>()?,
            body: input.parse::<TokenStream>()?,
        })
    }
}

/// Reads the function and its attribute.
pub(crate) fn tool(kind: Kind, attr: TokenStream, mut item: Item, errors: &mut Errors) -> Tool {
    let options = options(kind, attr, errors);
    let parameters = item
        .sig
        .inputs
        .iter_mut()
        .filter_map(|input| parameter(kind, input, errors))
        .collect();
    let mut spelled = output(&item.sig.output).cloned();
    let (value, error) = (spelled.next(), spelled.next());
    drop(spelled);
    Tool {
        kind,
        options,
        description: documentation(&item.attrs),
        parameters,
        output: value,
        error,
        item,
    }
}

fn options(kind: Kind, attr: TokenStream, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    let mut seen = Vec::new();
    for meta in entries(attr, errors) {
        let key = key(&meta);
        if seen.contains(&key) {
            errors.push(meta.path(), format!("`{key}` is given twice"));
            continue;
        }
        match key.as_str() {
            "description" => errors.push(
                &meta,
                format!(
                    "a {}'s description is its doc comment: write `/// What it does.` above the function",
                    kind.noun()
                ),
            ),
            unknown if !kind.keys().contains(&unknown) => {
                options.unknown = true;
                errors.push(meta.path(), unknown_key(kind, unknown, &meta));
            }
            "crate" => options.krate = path(&meta, errors),
            "name" => options.name = text(&meta, "name = \"list_customers\"", errors),
            "title" => options.title = text(&meta, "title = \"List customers\"", errors),
            "requires" => options.requires = scopes(&meta, errors),
            "mime_type" => {
                options.mime_type = text(&meta, "mime_type = \"text/markdown\"", errors);
            }
            "prompt" => options.prompt = path(&meta, errors),
            "resource" => options.resource = path(&meta, errors),
            "read_only" => options.read_only = hint(&meta, errors),
            "destructive" => options.destructive = hint(&meta, errors),
            "idempotent" => options.idempotent = hint(&meta, errors),
            "open_world" => options.open_world = hint(&meta, errors),
            _ => {}
        }
        seen.push(key);
    }
    options
}

/// What is told of a key that the attribute does not know.
fn unknown_key(kind: Kind, key: &str, meta: &Meta) -> String {
    let meant = match (kind, key) {
        (Kind::Completion, "tool") => "\nhelp: the protocol completes arguments of prompts and \
                                       variables of resources; those of a tool are the model's"
            .to_owned(),
        _ => meant(key, shown_value(meta).as_deref(), kind.keys()),
    };
    format!(
        "unknown key `{key}`{meant}\nhelp: `#[{}]` knows {}",
        kind.attribute(),
        list(kind.keys())
    )
}

/// `a`, `b` and `c`, in backticks.
fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn hint(meta: &Meta, errors: &mut Errors) -> Option<Hint> {
    let value = flag(meta, errors)?;
    let span = meta.path().segments.first()?.ident.span();
    Some(Hint { value, span })
}

/// `requires = "scope"` or `requires = ["a", "b"]`.
fn scopes(meta: &Meta, errors: &mut Errors) -> Vec<syn::LitStr> {
    let example = "requires = \"customers:read\"";
    let Some(Expr::Array(list)) = value(meta, example, errors) else {
        return match meta {
            Meta::NameValue(_) => text(meta, example, errors).into_iter().collect(),
            _ => Vec::new(),
        };
    };
    let mut scopes = Vec::new();
    for element in &list.elems {
        match string(element) {
            Some(scope) => scopes.push(scope.clone()),
            None => errors.push(element, "a scope is a string literal"),
        }
    }
    scopes
}

/// Reads a parameter and takes from it what only we understand: rustc accepts neither doc
/// comments nor `#[tool]` there.
fn parameter(kind: Kind, input: &mut FnArg, errors: &mut Errors) -> Option<Parameter> {
    match input {
        // Which kinds of `self` there may be is judged where methods are expanded.
        FnArg::Receiver(_) if kind == Kind::Method => None,
        FnArg::Receiver(receiver) => {
            errors.push(
                &*receiver,
                format!(
                    "a {} is a free function and has no `self`\n\
                     help: move it out of the `impl` and take `cx: ToolContext`",
                    kind.noun()
                ),
            );
            None
        }
        FnArg::Typed(typed) => {
            let attrs = std::mem::take(&mut typed.attrs);
            let (ours, rest) = attrs.into_iter().partition(|attr: &Attribute| {
                attr.path().is_ident("doc") || attr.path().is_ident("tool")
            });
            typed.attrs = rest;
            refuse_attributes(typed, errors);
            if is_context(&typed.ty) {
                return Some(context(typed, &ours, errors));
            }
            if let Some(all) = parameters(&typed.ty)
                && matches!(kind, Kind::Tool | Kind::Method)
            {
                refuse_tool_attribute(
                    &ours,
                    "`Parameters` holds all arguments\n\
                     help: put the attribute on the field that it is about",
                    errors,
                );
                return Some(Parameter::Whole(Box::new(all.clone())));
            }
            let argument = argument(kind, typed, &ours, errors)?;
            Some(Parameter::Argument(Box::new(argument)))
        }
    }
}

fn refuse_attributes(typed: &mut PatType, errors: &mut Errors) {
    // Those of derives go: rustc knows none of them here and would say so as well.
    let (derived, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut typed.attrs)
        .into_iter()
        .partition(|attr| attr.path().is_ident("serde") || attr.path().is_ident("schemars"));
    typed.attrs = rest;
    for attr in typed.attrs.iter().chain(&derived) {
        let path = attr.path();
        if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            errors.push(
                attr,
                "an argument can't be conditional: its schema is one for every build",
            );
        } else if path.is_ident("serde") || path.is_ident("schemars") {
            errors.push(
                attr,
                "an argument takes `#[tool(…)]`\n\
                 help: `#[tool(rename = \"…\")]` gives another name, `#[tool(default = …)]` a default",
            );
        }
    }
}

/// A type called `ToolContext` is meant to be ours. The name is a hint alone: the generated call
/// passes the real context, and a type that merely bears the name does not accept it.
pub(super) fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "ToolContext"),
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Group(group) => is_context(&group.elem),
        Type::Paren(paren) => is_context(&paren.elem),
        _ => false,
    }
}

/// `T` of rmcp's `Parameters<T>`. The name is a hint alone, as for the context.
fn parameters(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match (last.ident == "Parameters", arguments.args.first()) {
        (true, Some(GenericArgument::Type(all))) => Some(all),
        _ => None,
    }
}

fn context(typed: &PatType, ours: &[Attribute], errors: &mut Errors) -> Parameter {
    refuse_tool_attribute(
        ours,
        "the context is not an argument of the model and takes no `#[tool]`",
        errors,
    );
    Parameter::Context(typed.ty.clone())
}

fn refuse_tool_attribute(attrs: &[Attribute], message: &str, errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("tool")) {
        errors.push(attr, message);
    }
}

fn argument(
    kind: Kind,
    typed: &PatType,
    attrs: &[Attribute],
    errors: &mut Errors,
) -> Option<Argument> {
    let Pat::Ident(pattern) = &*typed.pat else {
        errors.push(
            &typed.pat,
            format!(
                "an argument of a {} is a plain name\n\
                 help: the name is what the model sees; take the value apart in the body",
                kind.noun()
            ),
        );
        return None;
    };
    let mut argument = Argument {
        ty: (*typed.ty).clone(),
        name: plain(&pattern.ident),
        name_span: pattern.ident.span(),
        description: documentation(attrs),
        default: None,
        range: None,
        length: None,
        pattern: None,
        not_tenant: None,
        open: None,
    };
    let mut seen = Vec::new();
    for meta in entries_of(attrs, "tool", errors) {
        let key = key(&meta);
        if seen.contains(&key) {
            errors.push(meta.path(), format!("`{key}` is given twice"));
            continue;
        }
        argument.read(&meta, &key, errors);
        seen.push(key);
    }
    Some(argument)
}

impl Argument {
    fn read(&mut self, meta: &Meta, key: &str, errors: &mut Errors) {
        let Some(ident) = meta
            .path()
            .segments
            .first()
            .map(|first| first.ident.clone())
        else {
            return;
        };
        match key {
            "rename" => {
                if let Some(name) = text(meta, "rename = \"plan\"", errors) {
                    self.name = name.value();
                    self.name_span = name.span();
                }
            }
            "default" => self.default = default_value(ident, meta, errors),
            "range" => self.range = limits(ident, meta, "range(1..=100)", errors),
            "length" => self.length = limits(ident, meta, "length(1..=200)", errors),
            "pattern" => {
                self.pattern =
                    text(meta, "pattern = \"^[a-z]+$\"", errors).map(|text| (ident, text));
            }
            "not_tenant" => {
                self.not_tenant = reason(meta, "not_tenant = \"renter of a flat\"", errors);
            }
            "open" => self.open = reason(meta, "open = \"labels that users invent\"", errors),
            "description" => errors.push(
                meta,
                "an argument's description is its doc comment: write `/// …` above it",
            ),
            _ => errors.push(
                meta.path(),
                format!(
                    "unknown key `{key}`{}\nhelp: an argument knows {}",
                    meant(key, shown_value(meta).as_deref(), ARGUMENT_KEYS),
                    list(ARGUMENT_KEYS)
                ),
            ),
        }
    }
}

/// What `#[tool(…)]` on an argument knows.
const ARGUMENT_KEYS: &[&str] = &[
    "rename",
    "default",
    "range",
    "length",
    "pattern",
    "not_tenant",
    "open",
];

fn default_value(key: Ident, meta: &Meta, errors: &mut Errors) -> Option<DefaultValue> {
    let value = match meta {
        Meta::Path(_) => None,
        Meta::NameValue(pair) => Some(pair.value.clone()),
        Meta::List(list) => {
            errors.push(list, "`default` takes no list: write `default = 20`");
            return None;
        }
    };
    Some(DefaultValue { key, value })
}

fn limits(key: Ident, meta: &Meta, example: &str, errors: &mut Errors) -> Option<Limits> {
    let Meta::List(list) = meta else {
        errors.push(meta, format!("`{key}` needs its limits: `{example}`"));
        return None;
    };
    let Ok(limits) = syn::parse2::<Expr>(list.tokens.clone()) else {
        errors.push(list, format!("these limits are half written: `{example}`"));
        return None;
    };
    let Expr::Range(range) = limits else {
        errors.push(
            &list.tokens,
            format!("write the limits as a range: `{example}`"),
        );
        return None;
    };
    if range.end.is_some() && matches!(range.limits, RangeLimits::HalfOpen(_)) {
        errors.push(
            &range,
            format!("the schema needs the last value that is allowed: `{example}`"),
        );
        return None;
    }
    if range.start.is_none() && range.end.is_none() {
        errors.push(&range, format!("`..` limits nothing: `{example}`"));
        return None;
    }
    Some(Limits {
        key,
        least: range.start.map(|start| *start),
        most: range.end.map(|end| *end),
    })
}

/// `T` of `ToolResult<T>`, `T` and `E` of `Result<T, E>`, or of a path that ends in one of these
/// names; nothing of another type.
fn output(output: &ReturnType) -> impl Iterator<Item = &Type> {
    let arguments = match output {
        ReturnType::Type(_, ty) => result_arguments(ty),
        ReturnType::Default => None,
    };
    let arguments = arguments.into_iter().flat_map(|it| &it.args);
    arguments.map_while(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn result_arguments(mut ty: &Type) -> Option<&AngleBracketedGenericArguments> {
    while let Type::Group(group) = ty {
        ty = &group.elem;
    }
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments)
            if last.ident == "ToolResult" || last.ident == "Result" =>
        {
            Some(arguments)
        }
        _ => None,
    }
}
