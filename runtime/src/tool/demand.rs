//! What generated code demands of the user's types where no other trait says it, each with the
//! words for who wrote another: the error of a tool, its whole result, a default given as a text.
//!
//! Invariant: nothing passes here that would not pass without; these only tell it better.

use crate::error::{ToolError, ToolResult};

/// The error that a tool can return: [`ToolError`] and nothing else.
#[diagnostic::on_unimplemented(
    message = "a tool's error is `ToolError`, and this is `{Self}`",
    label = "write `ToolError` here, or `ToolResult<…>` for the whole",
    note = "what a client is told is a fixed text: `?` makes a `ToolError` of a `DbError`, and `.map_err(ToolError::internal)?` of any other error, whose text goes to the log alone"
)]
pub trait IsToolError: Into<ToolError> {}
impl IsToolError for ToolError {}

/// Passes a tool's result on.
///
/// # Errors
/// The tool's own.
pub fn with_error<E: IsToolError, T>(result: Result<T, E>) -> ToolResult<T> {
    result.map_err(Into::into)
}

/// A whole result whose error is [`ToolError`].
#[diagnostic::on_unimplemented(
    message = "a tool returns `ToolResult<T>`, and this is `{Self}`",
    label = "its error is no `ToolError`",
    note = "what a client is told is a fixed text: `?` makes a `ToolError` of a `DbError`, and `.map_err(ToolError::internal)?` of any other error, whose text goes to the log alone"
)]
pub trait IsToolResult<T> {
    /// The same, as it is spelled out.
    ///
    /// # Errors
    /// The tool's own.
    fn spelled_out(self) -> ToolResult<T>;
}
impl<T> IsToolResult<T> for ToolResult<T> {
    fn spelled_out(self) -> ToolResult<T> {
        self
    }
}

/// Passes a tool's result on, under whatever name it is written.
///
/// # Errors
/// The tool's own.
pub fn with_result<R: IsToolResult<T>, T>(result: R) -> ToolResult<T> {
    result.spelled_out()
}

/// A type whose default can be written as a text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be made of a text",
    label = "a text, and the argument is of type `{Self}`",
    note = "write the value itself: `default = 20`, `default = Order::Newest`"
)]
pub trait FromText: Sized {
    /// Makes it.
    fn made_of(text: &'static str) -> Self;
}
#[diagnostic::do_not_recommend]
impl<T: From<&'static str>> FromText for T {
    fn made_of(text: &'static str) -> Self {
        text.into()
    }
}

/// The default that a text stands for.
pub fn text_default<T: FromText>(text: &'static str) -> T {
    T::made_of(text)
}
