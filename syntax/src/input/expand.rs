//! The implementations of `ToolInput` and `TenantIdentifier`. Infallible.
//!
//! Both implement one more trait, `EitherInputOrTenant`, so a type that derives both is refused
//! by coherence; `EitherOutputOrTenant` does the same for `ToolOutput`. Each field's type stands
//! verbatim in a call that demands `ToolInput` of it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Generics, Ident, Path, Type};

use super::bounds::bounded;
use super::model::{Field, InText, Input, Outside, Reading};

/// The implementations for a checked input type.
pub(super) fn input(input: &Input) -> TokenStream {
    let krate = krate(input.krate.as_ref());
    let mut calls = Vec::new();
    let open_types = input.open.iter();
    calls.extend(open_types.map(|reason| quote!(fields.open_type(#reason);)));
    if let Some(reason) = &input.not_tenant {
        let name = input.ident.to_string();
        calls.push(quote!(fields.name(#name).not_tenant(#reason);));
    }
    calls.extend(input.names.iter().filter_map(outside));
    calls.extend(input.proxy.iter().map(|proxy| match input.open.first() {
        Some(_) => quote!(fields.visit::<#proxy>();),
        None => quote!(fields.read_as::<#proxy>();),
    }));
    calls.extend(input.fields.iter().map(|it| field(it, &krate)));
    let parameter = match calls.is_empty() {
        true => quote!(_),
        false => quote!(fields),
    };
    let one_text = one_text(input, &krate);
    let body = quote! {
        #one_text
        fn fields(#parameter: &mut #krate::__private::Fields) {
            #(#calls)*
        }
    };
    implementation(input, &krate, &body)
}

/// Says that one text can't stand for the type, where that is sure.
fn one_text(input: &Input, krate: &TokenStream) -> TokenStream {
    let own = |field: &&Field| matches!(field.reading, Reading::Own) && field.open.is_none();
    match (input.in_text, input.fields.as_slice()) {
        (InText::No, _) if input.custom.is_empty() && input.open.is_empty() => {
            quote!(
                const ONE_TEXT: bool = false;
            )
        }
        (InText::AsItsField, [field]) if own(&field) => {
            let ty = &field.ty;
            quote! {
                const ONE_TEXT: bool = {
                    #[allow(unused_imports)]
                    use #krate::__private::Unjudged as _;
                    #krate::__private::InText::<#ty>::FITS
                };
            }
        }
        _ => TokenStream::new(),
    }
}

/// The same for a type with mistakes: nothing of it is judged again. What is never read itself gets
/// none, or the compiler would say so once more.
pub(super) fn fallback(input: &Input) -> TokenStream {
    if input.custom.iter().any(|custom| !custom.excusable) {
        return TokenStream::new();
    }
    let krate = krate(input.krate.as_ref());
    let body = quote! {
        fn fields(_: &mut #krate::__private::Fields) {}
    };
    implementation(input, &krate, &body)
}

fn implementation(input: &Input, krate: &TokenStream, fields: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let generics = bounded(input, krate);
    let (with, types, clause) = generics.split_for_impl();
    quote! {
        impl #with #krate::__private::EitherInputOrTenant for #ident #types #clause {
            type Kind = #krate::__private::Input;
        }
        impl #with #krate::__private::OpenInput for #ident #types #clause {
            #fields
        }
        impl #with #krate::ToolInput for #ident #types #clause {}
    }
}

/// A name without a field says something only if it is waived.
fn outside(outside: &Outside) -> Option<TokenStream> {
    let (name, reason) = (&outside.name.text, outside.not_tenant.as_ref()?);
    Some(quote!(fields.name(#name).not_tenant(#reason);))
}

fn field(field: &Field, krate: &TokenStream) -> TokenStream {
    let Field {
        ty, shown, open, ..
    } = field;
    let exception = field.not_tenant.iter();
    let exception = quote!(#(.not_tenant(#exception))*);
    match (&field.reading, open) {
        (Reading::Own, _) if is_marker(ty) => quote!(fields.mark::<#ty>();),
        (Reading::Own, None) => quote!(fields.add::<#ty>(#shown) #exception;),
        (Reading::Own, Some(reason)) => {
            quote!(fields.add_open::<#ty>(#shown, #reason) #exception;)
        }
        (Reading::Codec { published }, open) => {
            let open = open.iter().map(|reason| quote!(open(#shown, #reason)));
            let published = published.iter().map(|ty| quote!(read_as::<#ty>()));
            let excepted = field.not_tenant.iter();
            let honest = honest(field, krate);
            quote! {
                #honest
                #(fields.#published;)*
                #(fields.#open;)*
                #(fields.name(#shown).not_tenant(#excepted);)*
            }
        }
        // Code of the user's reads the field: its type is not what comes from the client, but a
        // tenant identifier it must not be.
        (Reading::Custom(_), open) => {
            let open = open.iter();
            let honest = honest(field, krate);
            quote! {
                #honest
                #(fields.open(#shown, #open) #exception;)*
            }
        }
    }
}

/// `PhantomData<T>` holds no value, whatever `T` is. The name is a hint: `mark` takes no other type.
fn is_marker(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|it| it.ident == "PhantomData"))
}

/// Refuses a tenant identifier where nothing is demanded of the type.
fn honest(field: &Field, krate: &TokenStream) -> TokenStream {
    let ty = &field.ty;
    quote_spanned! {ty.span()=>
        #krate::__private::require_no_tenant({
            use #krate::__private::Otherwise as _;
            #krate::__private::Probe::<#ty>::of().kind()
        });
    }
}

/// The implementations for a tenant identifier.
pub(super) fn tenant_identifier(
    ident: &Ident,
    generics: &Generics,
    krate_path: Option<&Path>,
) -> TokenStream {
    let krate = krate(krate_path);
    let (with, types, clause) = generics.split_for_impl();
    quote! {
        impl #with #krate::__private::EitherInputOrTenant for #ident #types #clause {
            type Kind = #krate::__private::Tenant;
        }
        impl #with #krate::__private::EitherOutputOrTenant for #ident #types #clause {
            type Kind = #krate::__private::Tenant;
        }
        impl #with #krate::TenantIdentifier for #ident #types #clause {}
    }
}

pub(crate) fn krate(path: Option<&Path>) -> TokenStream {
    match path {
        Some(path) => path.to_token_stream(),
        None => quote!(::watertight),
    }
}
