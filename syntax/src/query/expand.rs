//! Writes the tokens. Infallible: everything was checked before.
//!
//! Generated code names the user's own items and `::watertight::__private` (or what `crate = path`
//! says), always by absolute path.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{LitStr, Path};

use super::attr::{QueryAttr, System};
use super::declared::Declared;
use super::item::Function;
use super::output::{self, Output};
use crate::errors::Errors;

/// A proved statement as a constant expression.
pub(super) struct Constant<'a> {
    pub(super) krate: &'a Path,
    pub(super) sql: LitStr,
    pub(super) catalog: &'a str,
    pub(super) name: &'a str,
    pub(super) parameters: usize,
    pub(super) tenant: bool,
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
        } = self;
        let parameters = (*parameters > 0).then(|| {
            let count = proc_macro2::Literal::usize_unsuffixed(*parameters);
            quote!(.parameters(#count))
        });
        let tenant = tenant.then(|| quote!(.tenant()));
        quote!(#krate::__private::Statement::new(#sql, #catalog, #name) #parameters #tenant)
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
        bound,
        output,
        catalog,
        judged,
        writes,
    } = declared;
    let krate = &attr.krate;
    let span = attr.sql.as_ref().map_or_else(Span::call_site, LitStr::span);
    let constant = Constant {
        krate,
        sql: LitStr::new(&judged.prepared.sql, span),
        catalog,
        name: &function.name(),
        parameters: bound.len(),
        tenant: judged.prepared.tenant.is_some(),
    };
    let statement = constant.tokens();
    let start = match (&attr.system, writes) {
        (Some(System { role, .. }), true) => quote!(system_write(#statement, #role)),
        (Some(System { role, .. }), false) => quote!(system_read(#statement, #role)),
        (None, true) => quote!(write(#statement)),
        (None, false) => quote!(read(#statement)),
    };
    let start = quote!(#krate::__private::Bound::#start);
    let fetch = match output {
        Output::All(ty) => {
            let decoder = decoder(krate, ty, false);
            quote!(.fetch_all(#decoder).await)
        }
        Output::AtMostOne(ty) => {
            let decoder = decoder(krate, ty, false);
            quote!(.fetch_optional(#decoder).await)
        }
        Output::One(ty) => {
            // `Vec<u8>` in full is one column; behind an alias no `Vec` can be told from rows.
            let decoder = decoder(krate, ty, !output::is_spelled_shape(ty));
            quote!(.fetch_one(#decoder).await)
        }
        Output::Stream(ty, _) => {
            let decoder = decoder(krate, ty, false);
            quote!(.stream(#decoder))
        }
        Output::Affected => quote!(.affected().await),
        Output::Nothing => quote!(.execute().await),
    };
    let run = quote!(#start #(.bind(#bound))* .within(#scope) #fetch);
    let result = match output {
        Output::Stream(_, true) => quote!(::core::result::Result::Ok(#run)),
        Output::Stream(_, false) => run,
        _ => quote!(#run.map_err(::core::convert::From::from)),
    };
    let stamp = stamp();
    function.with_body(&quote!(#stamp #result))
}

/// Picks row or column by the traits of the user's own type, whose tokens carry the span.
/// Each `&` more lets method lookup try one trait more; the first looks for hidden shapes.
fn decoder(krate: &Path, ty: &syn::Type, look_for_shapes: bool) -> TokenStream {
    let (shape, reference) = match look_for_shapes {
        true => (quote!(ByShape as _,), quote!(&)),
        false => (TokenStream::new(), TokenStream::new()),
    };
    let wanted =
        quote_spanned!(ty.span()=> (#reference &&&#krate::__private::Wanted::<#ty>::NEW).decoder());
    // The block keeps the macro's own span: the compiler tells an unfit type once at the argument
    // and once at the future, and drops the second only where both stand at one place.
    quote! {{
        #[allow(unused_imports)]
        use #krate::__private::{#shape ByRow as _, ByColumn as _, ByNothing as _};
        #wanted
    }}
}

/// The user's function after an error: its signature stands, so that callers still resolve, and
/// the body is one that fits every return type.
pub(super) fn refused(
    attr: &QueryAttr,
    function: &Function,
    output: Option<&Output>,
    errors: Errors,
) -> TokenStream {
    let krate = &attr.krate;
    let body = match output {
        Some(Output::Stream(ty, inside_result)) => {
            let empty =
                quote_spanned!(Span::call_site()=> #krate::__private::refused_stream::<#ty, _>());
            if *inside_result {
                quote!(::core::result::Result::Ok(#empty))
            } else {
                empty
            }
        }
        _ => quote!(::core::panic!("refused at compile time")),
    };
    let errors = errors.into_compile_errors();
    let function = function.with_body(&body);
    quote! {
        #errors
        #[allow(unused)]
        #function
    }
}
