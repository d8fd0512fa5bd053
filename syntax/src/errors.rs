//! Collects every mistake of one macro call, so that a user sees all of them from one compile.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors found so far. Stages push and go on; the pipeline looks between stages.
#[derive(Default)]
#[must_use = "errors that nobody reports would let a refused item compile"]
pub(crate) struct Errors {
    list: Vec<syn::Error>,
    /// Whether there is one more, which stands at another item already.
    elsewhere: bool,
}

impl Errors {
    /// Records a message over all of `tokens`.
    pub(crate) fn push(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.list.push(syn::Error::new_spanned(tokens, message));
    }

    /// Records a message at a span, for text that comes from inside a literal.
    pub(crate) fn push_at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.list.push(syn::Error::new(span, message));
    }

    /// Takes the value, or records why there is none.
    pub(crate) fn absorb<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.list.push(error);
                None
            }
        }
    }

    /// Refuses without a word: the error stands at another item of the same compilation.
    pub(crate) fn told_elsewhere(&mut self) {
        self.elsewhere = true;
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.elsewhere
    }

    /// How many mistakes were found so far.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn compile_errors(&self) -> TokenStream {
        self.list.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The same, at the end of a pipeline.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.compile_errors()
    }

    /// The mistakes, for who shows them in another way.
    pub(crate) fn into_list(self) -> Vec<syn::Error> {
        self.list
    }
}
