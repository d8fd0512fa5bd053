//! Parses the function under a query attribute: a signature with `;` or with a body.
//!
//! Not `syn::ItemFn`, which demands a body. Attributes, visibility, generics and documentation
//! are kept as tokens and come out as they went in.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Block, FnArg, Ident, Pat, PatType, Signature, Token, Visibility};

/// A function or method, declared or defined.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) sig: Signature,
    pub(super) body: Option<Block>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if !looks_like_function(input) {
            return Err(input.error(
                "a query attribute stands on a function: \
                 `async fn name(db: &mut Scope<'_>) -> DbResult<Vec<Row>>;`",
            ));
        }
        let sig = input.parse()?;
        let body = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            Some(input.parse()?)
        };
        Ok(Self {
            attrs,
            vis,
            sig,
            body,
        })
    }
}

fn looks_like_function(input: ParseStream<'_>) -> bool {
    input.peek(Token![fn])
        || input.peek(Token![async])
        || input.peek(Token![const])
        || input.peek(Token![unsafe])
        || input.peek(Token![extern])
}

impl Function {
    /// The arguments behind `self`.
    pub(super) fn typed(&self) -> impl Iterator<Item = &PatType> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
    }

    /// The name for the log.
    pub(super) fn name(&self) -> String {
        use syn::ext::IdentExt as _;
        self.sig.ident.unraw().to_string()
    }

    /// The function as the user wrote it, with `body` instead of what it had.
    pub(super) fn with_body(&self, body: &TokenStream) -> TokenStream {
        let Self {
            attrs, vis, sig, ..
        } = self;
        quote! {
            #(#attrs)*
            #vis #sig {
                #body
            }
        }
    }
}

/// The name of an argument that is a plain identifier.
pub(super) fn simple_name(argument: &PatType) -> Option<&Ident> {
    match &*argument.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
        _ => None,
    }
}

/// A type as the user would read it in a message.
pub(super) fn spelled(tokens: &impl ToTokens) -> String {
    let mut out = String::new();
    spell(tokens.to_token_stream(), &mut out);
    out
}

fn spell(tokens: TokenStream, out: &mut String) {
    use proc_macro2::{Delimiter, TokenTree};
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                spell(group.stream(), out);
                out.push_str(close);
            }
            TokenTree::Punct(punct) => {
                out.push(punct.as_char());
                if matches!(punct.as_char(), ',' | '+' | '=') {
                    out.push(' ');
                }
            }
            TokenTree::Ident(ident) => {
                if out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    out.push(' ');
                }
                out.push_str(&ident.to_string());
            }
            TokenTree::Literal(literal) => out.push_str(&literal.to_string()),
        }
    }
}
