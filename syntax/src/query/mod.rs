//! Statements in the user's source: `#[tenant_query]`, `#[system_query]`, `unproved!`, `catalog!`.
//!
//! Stages: `attr` and `item` parse, `output` reads the return type, `judge` asks the analysis,
//! `declared` and `body` check, `expand` writes tokens. Invariant: the literal that is expanded is
//! the text that was proved, and after any error the expansion holds a `compile_error!`.

mod attr;
mod body;
mod declared;
mod embed;
mod expand;
mod item;
mod judge;
mod output;
mod sqlx_macro;
mod unproved;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::project::Loader;
use attr::QueryAttr;
use item::Function;

pub use embed::catalog;
pub use unproved::unproved;

/// Expands `#[tenant_query]`, in the declared form and around a body.
#[must_use]
pub fn tenant(attr: TokenStream, item: TokenStream, load: Loader<'_>) -> TokenStream {
    expand_function(attr, item, load, attr::Kind::Tenant)
}

/// Expands `#[system_query]`.
#[must_use]
pub fn system(attr: TokenStream, item: TokenStream, load: Loader<'_>) -> TokenStream {
    expand_function(attr, item, load, attr::Kind::System)
}

fn expand_function(
    attr: TokenStream,
    item: TokenStream,
    load: Loader<'_>,
    kind: attr::Kind,
) -> TokenStream {
    let mut errors = Errors::default();
    let attr = QueryAttr::parse(attr, kind, &mut errors);
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            // Not a function at all: there is nothing to mend, so the item stands as it is.
            errors.absorb::<()>(Err(error));
            let errors = errors.into_compile_errors();
            return quote::quote!(#errors #item);
        }
    };
    if function.body.is_none() {
        declared::expand(&attr, &function, load, errors)
    } else {
        body::expand(&attr, function, load, errors)
    }
}
