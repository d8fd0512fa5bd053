//! The implementations of `ToolInput` and `TenantIdentifier`. Infallible.
//!
//! Both implement one more trait, `EitherInputOrTenant`, so a type that derives both is refused
//! by coherence; `EitherOutputOrTenant` does the same for `ToolOutput`. Each field's type stands verbatim in a call that demands `ToolInput` of it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Generics, Ident, Path, parse_quote};

use super::model::{Field, Input};

/// The implementations for a checked input type.
pub(super) fn input(input: &Input) -> TokenStream {
    let krate = krate(input.krate.as_ref());
    let fields: Vec<_> = input.fields.iter().map(field).collect();
    let open = input.open.iter();
    let body = match (fields.is_empty(), input.open.is_some()) {
        (true, false) => quote! {
            fn fields(_: &mut #krate::__private::Fields) {}
        },
        _ => quote! {
            fn fields(fields: &mut #krate::__private::Fields) {
                #(fields.open_type(#open);)*
                #(fields.#fields;)*
            }
        },
    };
    implementation(input, &krate, &body)
}

/// The same for a type with mistakes: nothing of it is judged again.
pub(super) fn fallback(input: &Input) -> TokenStream {
    let krate = krate(input.krate.as_ref());
    let body = quote! {
        fn fields(_: &mut #krate::__private::Fields) {}
    };
    implementation(input, &krate, &body)
}

fn implementation(input: &Input, krate: &TokenStream, fields: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#krate::ToolInput));
    }
    // What the parameters must be for serde to read the type is serde's to say (`default` asks for
    // more than `ToolInput`), so a generic type is an input where it can be read.
    if generics.type_params().next().is_some() {
        let clause = generics.make_where_clause();
        clause
            .predicates
            .push(parse_quote!(Self: #krate::__private::Readable));
    }
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

fn field(field: &Field) -> TokenStream {
    let Field {
        ty,
        shown,
        not_tenant,
        open,
        custom,
        ..
    } = field;
    let exception = not_tenant.iter();
    match (open, custom) {
        // Custom code reads the field: its type is not what comes from the client.
        (Some(reason), Some(_)) => quote!(open(#shown, #reason) #(.not_tenant(#exception))*),
        (Some(reason), None) => {
            quote!(add_open::<#ty>(#shown, #reason) #(.not_tenant(#exception))*)
        }
        (None, _) => quote!(add::<#ty>(#shown) #(.not_tenant(#exception))*),
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
