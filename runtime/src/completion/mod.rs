//! Completions: what may stand in an argument of a prompt, or in a variable of a resource's URI,
//! while a person types.
//!
//! Invariant: suggestions are read for this caller, with the scopes of the prompt or resource that
//! they are for and those of their own; at most as many leave as the protocol allows.

mod list;

use std::future::Future;

pub use list::Completions;
pub(crate) use list::{Registry, Wanted};

use crate::error::ToolResult;
use crate::prompt::PromptTemplate;
use crate::resource::Resource;
use crate::tool::{Arguments, ToolContext, ToolSpec};

/// A completion. `#[mcp_completion]` implements it for a type with the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a completion",
    label = "not a completion",
    note = "put `#[mcp_completion(prompt = …)]` on the function and name it here: `completions![complete_status]`"
)]
pub trait Completion: Send + Sync + 'static {
    /// The function's name, for the log.
    const NAME: &'static str;

    /// Whose argument it completes.
    const TARGET: Target;

    /// The argument's name.
    const ARGUMENT: &'static str;

    /// What it returns.
    type Output: CompletionOutput;

    /// What it says about itself.
    fn spec() -> ToolSpec;

    /// Calls the function.
    fn call(
        context: ToolContext,
        arguments: Arguments,
    ) -> impl Future<Output = ToolResult<Self::Output>> + Send;
}

/// A type that a completion may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a completion",
    label = "not a list of suggestions",
    note = "return `ToolResult<Vec<String>>`, the best suggestion first"
)]
pub trait CompletionOutput: Send + 'static {
    /// The suggestions.
    #[doc(hidden)]
    fn into_values(self) -> Vec<String>;
}

impl CompletionOutput for Vec<String> {
    fn into_values(self) -> Vec<String> {
        self
    }
}

/// Whose argument a completion completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) kind: TargetKind,
    arguments: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// By name.
    Prompt(&'static str),
    /// By template.
    Resource(&'static str),
    /// Of a function that does not compile.
    Nothing,
}

impl Target {
    /// An argument of this prompt.
    #[must_use]
    pub const fn prompt<P: PromptTemplate>() -> Self {
        Self {
            kind: TargetKind::Prompt(P::NAME),
            arguments: P::ARGUMENTS,
        }
    }

    /// A variable of this resource.
    #[must_use]
    pub const fn resource<R: Resource>() -> Self {
        Self {
            kind: TargetKind::Resource(R::URI),
            arguments: R::VARIABLES,
        }
    }

    /// What stands there beside an error of the macro.
    #[doc(hidden)]
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            kind: TargetKind::Nothing,
            arguments: &[],
        }
    }

    /// Whether the prompt or the resource has this argument.
    #[must_use]
    pub const fn has(self, name: &str) -> bool {
        let mut rest = self.arguments;
        while let [first, others @ ..] = rest {
            if equal(first.as_bytes(), name.as_bytes()) {
                return true;
            }
            rest = others;
        }
        false
    }
}

/// `==` is not for constants.
const fn equal(mut one: &[u8], mut two: &[u8]) -> bool {
    while let ([a, rest_of_one @ ..], [b, rest_of_two @ ..]) = (one, two) {
        if *a != *b {
            return false;
        }
        (one, two) = (rest_of_one, rest_of_two);
    }
    one.is_empty() && two.is_empty()
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn equality_in_constants_is_equality() {
        let texts = ["", "a", "b", "ab", "ba", "status"];
        for one in texts {
            for two in texts {
                assert_eq!(equal(one.as_bytes(), two.as_bytes()), one == two);
            }
        }
    }
}
