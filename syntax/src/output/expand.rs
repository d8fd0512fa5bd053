//! The implementation of `ToolOutput`. Infallible.
//!
//! It comes with one of `EitherOutputOrTenant`, which `TenantIdentifier` brings as well, so a type
//! that derives both is refused by coherence. Each field's type stands verbatim in a call that
//! demands `ToolOutput` of it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

use crate::input::expand::krate;
use crate::input::model::{Field, Input, Reading};

/// The implementations for a checked output type.
pub(super) fn output(output: &Input) -> TokenStream {
    let krate = krate(output.krate.as_ref());
    let fields: Vec<_> = output.fields.iter().map(field).collect();
    let open = output.open.iter();
    let body = match (fields.is_empty(), output.open.is_empty()) {
        (true, true) => quote! {
            fn parts(_: &mut #krate::__private::Parts) {}
        },
        _ => quote! {
            fn parts(parts: &mut #krate::__private::Parts) {
                #(parts.open_type(#open);)*
                #(parts.#fields;)*
            }
        },
    };
    implementation(output, &krate, &body)
}

/// The same for a type with mistakes: nothing of it is judged again.
pub(super) fn fallback(output: &Input) -> TokenStream {
    let krate = krate(output.krate.as_ref());
    let body = quote! {
        const REFUSED: bool = true;
        fn parts(_: &mut #krate::__private::Parts) {}
    };
    implementation(output, &krate, &body)
}

fn implementation(output: &Input, krate: &TokenStream, parts: &TokenStream) -> TokenStream {
    let ident = &output.ident;
    let mut generics = output.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(#krate::ToolOutput));
    }
    // What the parameters must be for serde to write the type is serde's to say.
    if generics.type_params().next().is_some() {
        let clause = generics.make_where_clause();
        clause
            .predicates
            .push(parse_quote!(Self: #krate::__private::Writable));
    }
    let (with, types, clause) = generics.split_for_impl();
    quote! {
        impl #with #krate::__private::EitherOutputOrTenant for #ident #types #clause {
            type Kind = #krate::__private::Output;
        }
        impl #with #krate::__private::OpenOutput for #ident #types #clause {
            #parts
        }
        impl #with #krate::ToolOutput for #ident #types #clause {}
    }
}

fn field(field: &Field) -> TokenStream {
    let Field {
        ty,
        shown,
        not_tenant,
        open,
        reading,
        ..
    } = field;
    let exception = not_tenant.iter();
    match (open, reading) {
        // Custom code writes the field: its type is not what the client sees.
        (Some(reason), Reading::Custom(_)) => {
            quote!(open(#shown, #reason) #(.not_tenant(#exception))*)
        }
        // A well-known module writes a time, a number or bytes in the published form.
        (open, Reading::Codec { published }) => {
            let reason = open.as_ref().map_or_else(
                || quote!(written(#shown)),
                |reason| quote!(open(#shown, #reason)),
            );
            match published {
                Some(form) => quote!(written_as::<#form>().#reason #(.not_tenant(#exception))*),
                None => quote!(#reason #(.not_tenant(#exception))*),
            }
        }
        (Some(reason), _) => {
            quote!(add_open::<#ty>(#shown, #reason) #(.not_tenant(#exception))*)
        }
        (None, _) => quote!(add::<#ty>(#shown) #(.not_tenant(#exception))*),
    }
}
