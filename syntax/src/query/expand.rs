//! Writes the tokens. Infallible: everything was checked before.
//!
//! Generated code names the user's own items and `::watertight::__private` (or what `crate = path`
//! says), always by absolute path.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{LitStr, Path};

use super::attr::{QueryAttr, System};
use super::choice;
use super::declared::{Declared, Proven};
use super::item::Function;
use super::output::{self, Output};
use super::selector::Selector;
use crate::errors::Errors;

/// A proved statement as a constant expression.
pub(super) struct Constant<'a> {
    pub(super) krate: &'a Path,
    pub(super) sql: LitStr,
    pub(super) catalog: &'a str,
    pub(super) name: &'a str,
    pub(super) parameters: usize,
    pub(super) tenant: bool,
    /// Parameters that take no float.
    pub(super) uncast: &'a [u32],
    /// Parameters that take no text.
    pub(super) untexted: &'a [u32],
    /// The relations that the proof rests on, schema-qualified.
    pub(super) relations: &'a [String],
}

impl Constant<'_> {
    pub(super) fn tokens(&self) -> TokenStream {
        let Self {
            krate,
            sql,
            catalog,
            name,
            parameters,
            tenant,
            uncast,
            untexted,
            relations,
        } = self;
        let parameters = (*parameters > 0).then(|| {
            let count = Literal::usize_unsuffixed(*parameters);
            quote!(.parameters(#count))
        });
        let tenant = tenant.then(|| quote!(.tenant()));
        let numbers = |list: &[u32]| {
            let numbers = list.iter().map(|it| Literal::u32_unsuffixed(*it));
            quote!(&[#(#numbers),*])
        };
        let uncast = (!uncast.is_empty()).then(|| {
            let numbers = numbers(uncast);
            quote!(.uncast(#numbers))
        });
        let untexted = (!untexted.is_empty()).then(|| {
            let numbers = numbers(untexted);
            quote!(.untexted(#numbers))
        });
        quote! {
            #krate::__private::Statement::new(#sql, #catalog, #name)
                .relations(&[#(#relations),*]) #parameters #tenant #uncast #untexted
        }
    }
}

/// Ties the expansion to the migrations: the build script changes this variable when they change,
/// and reading it makes the compiler run again.
pub(super) fn stamp() -> TokenStream {
    quote!(
        const _: ::core::option::Option<&str> = ::core::option_env!("WATERTIGHT_STAMP");
    )
}

pub(super) fn declared(declared: &Declared<'_>) -> TokenStream {
    let Declared {
        attr,
        function,
        scope,
        output,
        read,
        carried,
        columns,
        ..
    } = declared;
    let krate = &attr.krate;
    let start = statements(declared);
    let fetch = match output {
        Output::All(ty) => {
            let decoder = decoder(krate, ty, false, *columns);
            quote!(.fetch_all(#decoder).await)
        }
        Output::AtMostOne(ty) => {
            let decoder = decoder(krate, ty, false, *columns);
            quote!(.fetch_optional(#decoder).await)
        }
        Output::One(ty) => {
            // `Vec<u8>` in full is one column; behind an alias no `Vec` can be told from rows.
            let decoder = decoder(krate, ty, !output::is_spelled_shape(ty), *columns);
            quote!(.fetch_one(#decoder).await)
        }
        Output::Stream(ty, _) => {
            let decoder = decoder(krate, ty, false, *columns);
            quote!(.stream(#decoder))
        }
        Output::Affected => quote!(.affected().await),
        Output::Nothing => quote!(.execute().await),
    };
    let run = quote!(#start.within(#scope) #fetch);
    let result = match output {
        Output::Stream(_, true) => quote!(::core::result::Result::Ok(#run)),
        Output::Stream(_, false) => run,
        _ => quote!(#run.map_err(::core::convert::From::from)),
    };
    let stamp = stamp();
    let watched = watched(read);
    let leaving = carried
        .iter()
        .zip(output.row())
        .map(|(carried, row)| carried.refuse_leaving(krate, row));
    function.with_body(&quote!(#stamp #watched #(#leaving)* #result))
}

/// The statement with its values; with choices, the one that the arguments choose.
fn statements(declared: &Declared<'_>) -> TokenStream {
    let indexes: Vec<TokenStream> = declared
        .selectors
        .iter()
        .map(|selector| index(&declared.attr.krate, selector))
        .collect();
    let mut arms: Vec<(TokenStream, TokenStream)> = declared
        .statements
        .iter()
        .map(|statement| {
            let cases = statement
                .combination
                .iter()
                .map(|case| Literal::usize_unsuffixed(*case));
            (quote!((#(#cases,)*)), bound(declared, statement))
        })
        .collect();
    match (arms.pop(), arms.as_slice()) {
        (Some((_, only)), []) if indexes.is_empty() => only,
        // A single combination chooses nothing, and its variants are compared with the type's all the
        // same.
        (Some((_, only)), []) => quote!({ let _ = (#(#indexes,)*); #only }),
        (Some((_, last)), arms) => {
            let (patterns, values): (Vec<_>, Vec<_>) = arms.iter().cloned().unzip();
            // The indexes are of the choices above, so what is left is the last combination.
            quote! {
                match (#(#indexes,)*) {
                    #(#patterns => #values,)*
                    _ => #last,
                }
            }
        }
        (None, _) => TokenStream::new(),
    }
}

/// Which case an argument chooses. The names of variants are the user's tokens: a variant that is
/// missing or too many is an error there.
fn index(krate: &Path, selector: &Selector<'_>) -> TokenStream {
    let Selector {
        choice,
        argument,
        ty,
    } = selector;
    match choice.kind {
        choice::Kind::Variants => {
            let arms = choice.cases.iter().enumerate().map(|(index, case)| {
                let variant = &case.variant;
                let index = Literal::usize_unsuffixed(index);
                quote!(<#ty>::#variant => #index)
            });
            quote_spanned!(argument.span()=> match #argument { #(#arms,)* })
        }
        choice::Kind::Flag => {
            quote_spanned!(argument.span()=> #krate::__private::flag(&#argument))
        }
        choice::Kind::Optional => {
            quote_spanned!(argument.span()=> #krate::__private::given(&#argument))
        }
    }
}

/// One statement with its values.
fn bound(declared: &Declared<'_>, statement: &Proven<'_>) -> TokenStream {
    let Declared {
        attr,
        function,
        catalog,
        writes,
        span,
        ..
    } = declared;
    let Proven {
        sql,
        tenant,
        bound,
        uncast,
        untexted,
        relations,
        ..
    } = statement;
    let krate = &attr.krate;
    let constant = Constant {
        krate,
        sql: LitStr::new(sql, *span),
        catalog,
        name: &function.name(),
        parameters: bound.len(),
        tenant: *tenant,
        uncast,
        untexted,
        relations,
    };
    let statement = constant.tokens();
    let start = match (&attr.system, writes) {
        (Some(System { role, .. }), true) => quote!(system_write(#statement, #role)),
        (Some(System { role, .. }), false) => quote!(system_read(#statement, #role)),
        (None, true) => quote!(write(#statement)),
        (None, false) => quote!(read(#statement)),
    };
    // The call has the argument's own span: a value that can't be bound is underlined itself.
    let binds = bound
        .iter()
        .map(|argument| quote_spanned!(argument.span()=> .bind(#argument)));
    quote!(#krate::__private::Bound::#start #(#binds)*)
}

/// Ties the expansion to the files that it was made from.
pub(super) fn watched(read: &[String]) -> TokenStream {
    quote!(#(const _: &[u8] = ::core::include_bytes!(#read);)*)
}

/// Picks row or column by the traits of the user's own type, whose tokens carry the span: a type
/// that does not fit is told there, once. Each `&` more lets method lookup try one trait more; the
/// first looks for hidden shapes.
fn decoder(krate: &Path, ty: &syn::Type, look_for_shapes: bool, columns: usize) -> TokenStream {
    let (shape, reference) = match look_for_shapes {
        true => (quote!(ByShape as _,), quote!(&)),
        false => (TokenStream::new(), TokenStream::new()),
    };
    let columns = Literal::usize_unsuffixed(columns);
    quote! {{
        #[allow(unused_imports)]
        use #krate::__private::{#shape ByRow as _, ByColumn as _, ByNothing as _};
        (#reference &&&#krate::__private::Wanted::<#ty>::NEW).decoder().of::<#ty, #columns>()
    }}
}

/// The user's function after an error: its signature stands, so that callers still resolve, and
/// the body is one that fits every return type.
pub(super) fn refused(attr: &QueryAttr, function: &Function, errors: &Errors) -> TokenStream {
    let krate = &attr.krate;
    // What the stream is of follows from the return type.
    let empty = quote!(#krate::__private::refused_stream());
    let body = match output::streams(function) {
        Some(true) => quote!(::core::result::Result::Ok(#empty)),
        Some(false) => empty,
        None => quote!(::core::panic!("refused at compile time")),
    };
    let errors = errors.compile_errors();
    let function = function.with_body(&body);
    quote! {
        #errors
        #[allow(unused)]
        #function
    }
}
