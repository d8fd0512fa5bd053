//! Statements in the user's source: `#[tenant_query]`, `#[system_query]`, `unproved!`, `catalog!`.
//!
//! Stages: `attr`, `choice` and `item` parse, `output` reads the return type, `judge` asks the
//! analysis, `declared` and `body` check, `expand` writes tokens. Invariant: the literal that is
//! expanded is the text that was proved, and after any error the expansion holds a
//! `compile_error!`, or another one of the same compilation holds it, and a body that runs nothing.

mod attr;
mod body;
mod choice;
mod declared;
mod embed;
mod expand;
mod float;
mod item;
mod judge;
mod output;
mod parameters;
mod provenance;
mod selector;
mod sqlx_macro;
mod text_value;
mod unproved;

use proc_macro2::TokenStream;

use crate::project::Files;
use attr::QueryAttr;
use item::Function;
use judge::Desk;

pub use attr::Kind;
pub use embed::catalog;
pub use judge::{Judgement, Question};

/// Expands `#[tenant_query]`, in the declared form and around a body.
#[must_use]
pub fn tenant(attr: TokenStream, item: TokenStream, files: &dyn Files) -> TokenStream {
    examine(Kind::Tenant, attr, item, files).tokens
}

/// Expands `#[system_query]`.
#[must_use]
pub fn system(attr: TokenStream, item: TokenStream, files: &dyn Files) -> TokenStream {
    examine(Kind::System, attr, item, files).tokens
}

/// Expands `unproved!`. The value is a proved query whose rows are read by `rows_as`, `scalars` or
/// `map`.
#[must_use]
pub fn unproved(tokens: TokenStream, files: &dyn Files) -> TokenStream {
    examine(Kind::Unproved, tokens, TokenStream::new(), files).tokens
}

/// What came of one macro call.
#[derive(Debug)]
pub struct Examined {
    /// What the compiler goes on with.
    pub tokens: TokenStream,
    /// Every text that was judged, proved or refused.
    pub judged: Vec<Judgement>,
    /// Everything that is wrong, as it stands in `tokens`.
    pub errors: Vec<syn::Error>,
}

/// Expands one call and keeps what was judged on the way: what the compiler sees and what the lock
/// file holds come from here. `item` is empty for `unproved!`.
#[must_use]
pub fn examine(kind: Kind, attr: TokenStream, item: TokenStream, files: &dyn Files) -> Examined {
    let mut desk = Desk::new(files);
    let attr = QueryAttr::parse(attr, kind, &mut desk.errors);
    let tokens = match kind {
        Kind::Unproved => unproved::expand(&attr, &mut desk),
        Kind::Tenant | Kind::System => function(&attr, item, &mut desk),
    };
    Examined {
        tokens,
        judged: desk.judged,
        errors: desk.errors.into_list(),
    }
}

fn function(attr: &QueryAttr, item: TokenStream, desk: &mut Desk<'_>) -> TokenStream {
    match syn::parse2::<Function>(item.clone()) {
        Ok(function) if function.body.is_none() => declared::expand(attr, &function, desk),
        Ok(function) => body::expand(attr, function, desk),
        Err(error) => {
            // Not a function at all: there is nothing to mend, so the item stands as it is.
            desk.errors.absorb::<()>(Err(error));
            let errors = desk.errors.compile_errors();
            quote::quote!(#errors #item)
        }
    }
}
