//! What a tool must be. Records every objection; expansion happens only where there is none.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprLit, ExprUnary, FnArg, GenericArgument, Ident, Lit, Pat, PathArguments, ReturnType,
    Type, UnOp,
};

use super::model::{Argument, Kind, Limits, Parameter, Tool};
use super::parse::is_context;
use crate::errors::Errors;
use crate::names::{self, Names, display};

/// Checks the whole tool.
pub(crate) fn check(tool: &Tool, names: &Names, errors: &mut Errors) {
    signature(tool, errors);
    returns(tool, errors);
    options(tool, errors);
    writes(tool, errors);
    contexts(tool, errors);
    let mut seen: Vec<&str> = Vec::new();
    for argument in tool.arguments() {
        if seen.contains(&argument.name.as_str()) {
            errors.push_at(
                argument.name_span,
                format!("two arguments are called `{}`", argument.name),
            );
        }
        seen.push(&argument.name);
        self::argument(tool.kind, argument, names, errors);
    }
    if let Some(whole) = tool.wholes().nth(1) {
        errors.push(
            whole,
            "a tool has one `Parameters`, which holds all arguments",
        );
    }
    if let (Some(whole), Some(_)) = (tool.wholes().next(), tool.arguments().next()) {
        errors.push(
            whole,
            "`Parameters` holds all arguments, and there are others beside it\n\
             help: make them fields of this type, or take every argument by its name",
        );
    }
}

fn signature(tool: &Tool, errors: &mut Errors) {
    let sig = &tool.item.sig;
    let noun = tool.kind.noun();
    if sig.asyncness.is_none() {
        errors.push(
            sig.fn_token,
            format!(
                "a {noun} is an `async fn`\nhelp: write `async fn {}`",
                sig.ident
            ),
        );
    }
    if !sig.generics.params.is_empty() {
        errors.push(
            &sig.generics,
            format!("a {noun} has no generics: its schema is one for all callers"),
        );
    } else if let Some(clause) = &sig.generics.where_clause {
        errors.push(
            clause,
            format!("a {noun} has no generics and no `where` clause"),
        );
    }
    if let Some(constness) = &sig.constness {
        errors.push(constness, format!("a {noun} can't be `const`"));
    }
    let safety = sig.safety.to_token_stream();
    if !safety.is_empty() {
        errors.push(
            safety,
            format!("a {noun} is called by a model and can't be `unsafe`"),
        );
    }
    if let Some(abi) = &sig.abi {
        errors.push(abi, format!("a {noun} has Rust's own calling convention"));
    }
    if let Some(variadic) = &sig.variadic {
        errors.push(variadic, format!("a {noun} names all its arguments"));
    }
}

fn returns(tool: &Tool, errors: &mut Errors) {
    if tool.output.is_some() {
        return;
    }
    let noun = tool.kind.noun();
    match &tool.item.sig.output {
        ReturnType::Default => errors.push(
            &tool.item.sig.ident,
            format!(
                "a {noun} says what it returns\nhelp: add {}",
                example(tool.kind)
            ),
        ),
        ReturnType::Type(_, ty) => errors.push(
            ty,
            format!(
                "a {noun} returns `ToolResult<T>`, spelled out\nhelp: {}",
                spelled_out(ty)
            ),
        ),
    }
}

/// Containers, which are no results whatever they hold.
const CONTAINERS: &[&str] = &[
    "Arc", "Box", "Cow", "HashMap", "HashSet", "BTreeMap", "BTreeSet", "Option", "Vec", "VecDeque",
];

/// What to write in the place of a return type that is no `ToolResult`, as far as its name tells.
fn spelled_out(ty: &Type) -> String {
    let value = format!(
        "write `ToolResult<{}>` if this is the value itself",
        display(ty)
    );
    let Type::Path(path) = ty else { return value };
    let Some(last) = path.path.segments.last() else {
        return value;
    };
    let name = last.ident.to_string();
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.first(),
        _ => None,
    };
    match inner {
        Some(GenericArgument::Type(inner)) if name.ends_with("Result") => format!(
            "write `ToolResult<{}>`; `?` makes a `ToolError` of a `DbError`, and \
             `ToolError::internal` of any other",
            display(inner)
        ),
        Some(GenericArgument::Type(inner)) if !CONTAINERS.contains(&name.as_str()) => format!(
            "an alias can't be seen through: write `ToolResult<{}>` if `{name}` stands for a \
             result\nhelp: {value}",
            display(inner)
        ),
        _ => value,
    }
}

/// What a function of this kind returns.
const fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Tool | Kind::Method => {
            "`-> ToolResult<…>`; `ToolResult<()>` if there is nothing to say"
        }
        Kind::Resource => "`-> ToolResult<…>` with the value, or `ToolResult<Contents>`",
        Kind::Prompt => "`-> ToolResult<Prompt>` or `-> ToolResult<String>`",
        Kind::Completion => "`-> ToolResult<Vec<String>>`",
    }
}

fn options(tool: &Tool, errors: &mut Errors) {
    let options = &tool.options;
    let noun = tool.kind.noun();
    // Nobody is shown what a completion does.
    if tool.description.is_none() && tool.kind != Kind::Completion {
        errors.push(
            &tool.item.sig.ident,
            format!(
                "the {noun} `{}` has no description, and the model chooses {noun}s by it\n\
                 help: write a doc comment above it: `/// What it does, in one sentence.`",
                tool.name()
            ),
        );
    }
    if let Some(name) = &options.name
        && !is_tool_name(&name.value())
    {
        errors.push(
            name,
            format!("a {noun}'s name has 1 to 128 letters, digits, `_`, `-` and `.`"),
        );
    }
    if let (Some(read_only), Some(destructive)) = (options.read_only, options.destructive)
        && read_only.value
        && destructive.value
    {
        errors.push_at(
            destructive.span,
            "a tool can't be `read_only` and `destructive`",
        );
    }
    for scope in &options.requires {
        let text = scope.value();
        // The characters of an OAuth scope token, RFC 6749 section 3.3.
        let valid = !text.is_empty()
            && text
                .bytes()
                .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !valid {
            errors.push(
                scope,
                "a scope has no spaces\nhelp: several scopes are a list: `requires = [\"a\", \"b\"]`",
            );
        }
    }
}

/// `cx.write()` in the body of a tool that says `read_only`. What the tokens don't show is refused
/// when it is called.
fn writes(tool: &Tool, errors: &mut Errors) {
    if !tool.options.read_only.is_some_and(|hint| hint.value) {
        return;
    }
    let contexts = tool.item.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) if is_context(&typed.ty) => match &*typed.pat {
            Pat::Ident(pattern) => Some(&pattern.ident),
            _ => None,
        },
        _ => None,
    });
    for context in contexts {
        if let Some(place) = call_of_write(tool.item.body.clone(), context) {
            errors.push_at(
                place,
                "this tool says `read_only`, and this opens a scope that writes\n\
                 note: clients ask nobody before they call a tool that changes nothing\n\
                 help: take `read_only` off the attribute, or write `read()`",
            );
        }
    }
}

/// `write` of `context.write(`, at any depth.
fn call_of_write(tokens: TokenStream, context: &Ident) -> Option<Span> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let direct = tokens.windows(4).find_map(|tokens| match tokens {
        [
            TokenTree::Ident(own),
            TokenTree::Punct(dot),
            TokenTree::Ident(method),
            TokenTree::Group(_),
        ] if own == context && dot.as_char() == '.' && method == "write" => Some(method.span()),
        _ => None,
    });
    direct.or_else(|| {
        tokens.into_iter().find_map(|token| match token {
            TokenTree::Group(group) => call_of_write(group.stream(), context),
            _ => None,
        })
    })
}

/// The names that the protocol allows.
fn is_tool_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn contexts(tool: &Tool, errors: &mut Errors) {
    let noun = tool.kind.noun();
    let mut first = true;
    for parameter in &tool.parameters {
        let Parameter::Context(ty) = parameter else {
            continue;
        };
        if matches!(**ty, Type::Reference(_)) {
            errors.push(
                ty,
                format!("a {noun} owns its context\nhelp: write `ToolContext`"),
            );
        }
        if !first {
            errors.push(ty, format!("a {noun} has one context"));
        }
        first = false;
    }
}

fn argument(kind: Kind, argument: &Argument, names: &Names, errors: &mut Errors) {
    let before = errors.len();
    let excepted = argument.not_tenant.is_some();
    if !excepted && names::refuse_tenant_id(&argument.ty, errors) {
        return;
    }
    names::refuse_tenant_name(&argument.name, argument.name_span, excepted, names, errors);
    if errors.len() == before && !excepted {
        names::refuse_type_named_like_tenant(&argument.ty, names, errors);
    }
    let rule = format!("a {} owns its arguments", kind.noun());
    names::refuse_borrowed(&argument.ty, &rule, errors);
    names::refuse_unsent(&argument.ty, errors);
    if argument.open.is_none() {
        names::refuse_raw_sql(&argument.name, argument.name_span, &argument.ty, errors);
    }
    if let Type::ImplTrait(ty) = &argument.ty {
        errors.push(ty, "an argument has one type: its schema is published");
    }
    if let Some(default) = &argument.default
        && is_option(&argument.ty)
    {
        errors.push(
            &default.key,
            "an argument with a default is never absent\nhelp: leave out the `Option` or the default",
        );
    }
    if let Some(length) = &argument.length {
        in_order(length, errors);
        for end in [&length.least, &length.most].into_iter().flatten() {
            if number(end).is_some_and(|number| number < 0.0) {
                errors.push(end, "a length is never negative");
            }
        }
    }
    if let Some(range) = &argument.range {
        in_order(range, errors);
        within(argument, range, errors);
    }
}

pub(crate) fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

fn in_order(limits: &Limits, errors: &mut Errors) {
    let (Some(least), Some(most)) = (&limits.least, &limits.most) else {
        return;
    };
    if let (Some(from), Some(to)) = (number(least), number(most))
        && from > to
    {
        errors.push(most, "nothing is in this range: its end is below its start");
    }
}

fn within(argument: &Argument, range: &Limits, errors: &mut Errors) {
    let Some(value) = argument.default.as_ref().and_then(|it| it.value.as_ref()) else {
        return;
    };
    let Some(default) = number(value) else {
        return;
    };
    let below = range
        .least
        .as_ref()
        .and_then(number)
        .is_some_and(|least| default < least);
    let above = range
        .most
        .as_ref()
        .and_then(number)
        .is_some_and(|most| default > most);
    if below || above {
        errors.push(value, "the default is outside the argument's own range");
    }
}

/// The value of a number literal. Large integers lose their last digits, which only matters for
/// limits that differ in nothing else; start-up checks the default against the schema again.
fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Int(int) => int.base10_parse::<f64>().ok(),
            Lit::Float(float) => float.base10_parse::<f64>().ok(),
            _ => None,
        },
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => number(expr).map(|value| -value),
        Expr::Group(group) => number(&group.expr),
        Expr::Paren(paren) => number(&paren.expr),
        _ => None,
    }
}
