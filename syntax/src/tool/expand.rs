//! From a checked tool to code that reads as a person would write it. Infallible.
//!
//! The user's type tokens stand verbatim where a trait judges them, so rustc underlines exactly
//! the type that is wrong. Each is judged in one place, so that one mistake is one error.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, ReturnType, Type};

use super::model::{Argument, Item, Kind, Limits, Parameter, Tool};
use crate::attributes::conditions;

/// The whole expansion of a tool without mistakes.
pub(super) fn expand(tool: &Tool) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let implementation = implementation(tool);
    let route = route(tool);
    quote! {
        #function
        #marker
        #implementation
        #route
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attrs,
            vis,
            sig,
            body,
        } = self;
        tokens.extend(quote!(#(#attrs)* #vis #sig #body));
    }
}

/// The type that carries the tool: it bears the function's name in the other namespace.
pub(crate) fn marker(kind: Kind, item: &Item) -> TokenStream {
    let (vis, name, cfg) = (&item.vis, &item.sig.ident, conditions(&item.attrs));
    let noun = kind.noun();
    let doc = format!(" The {noun} that calls [`{name}()`]: name it in `{noun}s![{name}]`.");
    quote! {
        #(#cfg)*
        #[doc = #doc]
        #[allow(non_camel_case_types)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #vis struct #name {}
    }
}

fn implementation(tool: &Tool) -> TokenStream {
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let cfg = conditions(&tool.item.attrs);
    let output = &tool.output;
    let specification = specification(tool, &krate);
    let call = call(tool, &krate);
    quote! {
        #(#cfg)*
        impl #krate::Tool for #name {
            const NAME: &'static str = #published;
            type Output = #output;
            fn spec() -> #krate::ToolSpec {
                #specification
            }
            #call
        }
    }
}

pub(crate) fn specification(tool: &Tool, krate: &TokenStream) -> TokenStream {
    let name = match tool.kind {
        Kind::Method => tool.name().to_token_stream(),
        _ => quote!(Self::NAME),
    };
    let options = &tool.options;
    let description = tool.description.iter();
    let title = options.title.iter();
    let scopes = &options.requires;
    let hints = [
        ("read_only", options.read_only),
        ("destructive", options.destructive),
        ("idempotent", options.idempotent),
        ("open_world", options.open_world),
    ]
    .into_iter()
    .filter_map(|(name, hint)| {
        let value = hint?.value;
        let name = format_ident!("{name}");
        Some(quote!(.#name(#value)))
    });
    let arguments = tool.arguments().map(|it| argument(it, krate));
    let wholes = tool.wholes();
    quote! {
        #krate::ToolSpec::new(#name)
            #(.title(#title))*
            #(.describe(#description))*
            #(.requires(#scopes))*
            #(#hints)*
            #(.argument(#arguments))*
            #(.arguments_of::<#wholes>())*
    }
}

fn argument(argument: &Argument, krate: &TokenStream) -> TokenStream {
    let Argument { ty, name, .. } = argument;
    let start = match &argument.open {
        Some(reason) => quote!(#krate::__private::open_argument::<#ty>(#name, #reason)),
        None => quote!(#krate::__private::argument::<#ty>(#name)),
    };
    let description = argument.description.iter();
    let not_tenant = argument.not_tenant.iter();
    let range = argument.range.iter();
    let range = range.map(|range| limits(range, &TokenStream::new()));
    // What a limit demands of the type is asked with the type's own tokens, to be told there.
    let length = argument.length.iter().map(|length| {
        let measured = quote!(#krate::__private::measured::<#ty>(),);
        limits(length, &measured)
    });
    let pattern = argument.pattern.iter().map(|(key, pattern)| {
        let text = quote!(#krate::__private::of_text::<#ty>());
        quote_spanned!(key.span()=> .pattern(#text, #pattern))
    });
    let default = argument.default.iter().map(|default| {
        let key = &default.key;
        match &default.value {
            None => quote_spanned!(key.span()=> .default(::core::default::Default::default())),
            Some(value) => {
                let value = default_expression(value, krate);
                quote_spanned!(key.span()=> .default(#value))
            }
        }
    });
    quote! {
        #start #(.describe(#description))* #(#range)* #(#length)* #(#pattern)* #(#default)*
            #(.not_tenant(#not_tenant))*
    }
}

/// `range(1..=100)` becomes `.range(1, 100)`; a missing end leaves a call for the other one. `first` is
/// what the call takes before them.
fn limits(limits: &Limits, first: &TokenStream) -> TokenStream {
    let key = &limits.key;
    match (&limits.least, &limits.most) {
        (Some(least), Some(most)) => quote_spanned!(key.span()=> .#key(#first #least, #most)),
        (Some(least), None) => {
            let key = Ident::new(&format!("{key}_from"), key.span());
            quote_spanned!(key.span()=> .#key(#first #least))
        }
        (None, Some(most)) => {
            let key = Ident::new(&format!("{key}_to"), key.span());
            quote_spanned!(key.span()=> .#key(#first #most))
        }
        (None, None) => TokenStream::new(),
    }
}

/// A string literal becomes whatever string type the argument has.
fn default_expression(value: &Expr, krate: &TokenStream) -> TokenStream {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => {
            let support = at(quote!(#krate::__private), text.span());
            quote_spanned!(text.span()=> #support::text_default(#text))
        }
        other => other.to_token_stream(),
    }
}

/// The same tokens at another place.
fn at(tokens: TokenStream, span: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        token.set_span(span);
        token
    });
    moved.collect()
}

/// The call of the user's function, and what it needs of the call's context and arguments.
pub(crate) struct Call {
    pub(crate) context: Ident,
    /// `mut arguments`, or `_arguments` where there are none.
    pub(crate) arguments: TokenStream,
    pub(crate) expression: TokenStream,
}

impl Call {
    /// A call of `function`, which is the user's function as the generated code reaches it.
    pub(crate) fn of(tool: &Tool, function: &TokenStream, krate: &TokenStream) -> Self {
        let is_context = |it: &Parameter| matches!(it, Parameter::Context(_));
        let has_context = tool.parameters.iter().any(is_context);
        let has_arguments = !tool.parameters.iter().all(is_context);
        // Mixed-site spans keep our locals apart from whatever the user's module has in scope.
        let local = |text: &str| Ident::new(text, Span::mixed_site());
        let arguments = local(if has_arguments {
            "arguments"
        } else {
            "_arguments"
        });
        let mutable = has_arguments.then(|| quote!(mut));
        let values = tool.parameters.iter().map(|parameter| match parameter {
            // The user's span: if the type only bears the name, the mismatch is shown there.
            Parameter::Context(ty) => {
                let cx = Ident::new("cx", Span::mixed_site().located_at(ty.span()));
                quote!(#cx)
            }
            Parameter::Argument(argument) => {
                let name = &argument.name;
                quote!(#arguments.take(#name)?)
            }
            Parameter::Whole(_) => quote!(#krate::__private::Parameters(#arguments.take_all()?)),
        });
        let span = Span::mixed_site().located_at(tool.item.sig.output.span());
        let called = quote_spanned!(span=> #function(#(#values),*).await);
        // Another error type is refused at its own tokens; where a path hides it, at the return type.
        let expression = match (&tool.error, &tool.item.sig.output) {
            (Some(error), _) if !is_tool_error(error) => {
                quote!(#krate::__private::with_error::<#error, _>(#called))
            }
            (None, ReturnType::Type(_, ty)) if !is_tool_result(ty) => {
                quote!(#krate::__private::with_result::<#ty, _>(#called))
            }
            _ => called,
        };
        Self {
            expression,
            context: local(if has_context { "cx" } else { "_cx" }),
            arguments: quote!(#mutable #arguments),
        }
    }
}

/// Refuses arguments that come as one text and whose types have several parts. Whether they have is
/// the types' to say, so a constant asks each, at its own tokens.
pub(crate) fn texts_alone(tool: &Tool, krate: &TokenStream) -> TokenStream {
    let cfg = conditions(&tool.item.attrs);
    let message = format!(
        "an argument of a {} comes as one text, which this type can't be read from\n\
         help: take a `String`, a number, a `Uuid`, a date or an enum of words",
        tool.kind.noun()
    );
    let asked = tool.arguments().map(|argument| {
        let ty = &argument.ty;
        let span = Span::mixed_site().located_at(ty.span());
        quote_spanned! {span=>
            #(#cfg)*
            const _: () = {
                #[allow(unused_imports)]
                use #krate::__private::Unjudged as _;
                if !#krate::__private::InText::<#ty>::FITS {
                    ::core::panic!("{}", #message)
                }
            };
        }
    });
    asked.collect()
}

/// Whether the type is spelled as ours. What only bears the name does not fit where it is used.
fn is_tool_error(ty: &Type) -> bool {
    last_name(ty).is_some_and(|name| name == "ToolError")
}

fn is_tool_result(ty: &Type) -> bool {
    last_name(ty).is_some_and(|name| name == "ToolResult")
}

fn last_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        Type::Group(group) => last_name(&group.elem),
        _ => None,
    }
}

pub(crate) fn call(tool: &Tool, krate: &TokenStream) -> TokenStream {
    let name = tool.item.sig.ident.to_token_stream();
    let Call {
        context,
        arguments,
        expression,
    } = Call::of(tool, &name, krate);
    quote! {
        async fn call(
            #context: #krate::ToolContext,
            #arguments: #krate::Arguments,
        ) -> #krate::ToolResult<Self::Output> {
            #expression
        }
    }
}

/// The route that any rmcp server can mount. Only this crate's user may write it: both the trait
/// and its first parameter are foreign to us.
pub(super) fn route(tool: &Tool) -> TokenStream {
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let cfg = conditions(&tool.item.attrs);
    quote! {
        #(#cfg)*
        impl<S> #krate::__private::IntoToolRoute<S, ()> for #name
        where
            S: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            fn into_tool_route(self) -> #krate::__private::ToolRoute<S> {
                #krate::__private::route::<Self, S>()
            }
        }
    }
}

/// The path of the crate as generated code writes it.
pub(crate) fn krate(tool: &Tool) -> TokenStream {
    match &tool.options.krate {
        Some(path) => path.to_token_stream(),
        None => quote!(::watertight),
    }
}
