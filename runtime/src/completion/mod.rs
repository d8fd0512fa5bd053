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

/// What is told where a completion names an argument that there is not: made while the user's crate
/// is compiled, because only then both items are known.
#[doc(hidden)]
#[derive(Debug)]
pub struct Mistake {
    bytes: [u8; 1024],
    length: usize,
}

impl Target {
    /// `what`, and the arguments that there are.
    #[doc(hidden)]
    #[must_use]
    pub const fn lacks(self, what: &str) -> Mistake {
        let mut mistake = Mistake {
            bytes: [0; 1024],
            length: 0,
        };
        mistake = mistake.with(what);
        let mut rest = self.arguments;
        let mut lead = "\nhelp: it has `";
        while let [first, others @ ..] = rest {
            mistake = mistake.with(lead).with(first);
            lead = "`, `";
            rest = others;
        }
        match self.arguments {
            [] => mistake.with("\nhelp: it has none"),
            _ => mistake.with("`"),
        }
    }
}

impl Mistake {
    /// What does not fit is left out as a whole, so that it stays a text.
    const fn with(mut self, text: &str) -> Self {
        let mut rest = text.as_bytes();
        let (_, mut free) = self.bytes.split_at_mut(self.length);
        if rest.len() > free.len() {
            return self;
        }
        while let ([byte, others @ ..], [place, places @ ..]) = (rest, free) {
            *place = *byte;
            self.length += 1;
            (rest, free) = (others, places);
        }
        self
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length);
        match str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "",
        }
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
    use super::{Target, TargetKind, equal};

    #[test]
    fn a_mistake_tells_the_arguments_that_there_are() {
        let target = |arguments| Target {
            kind: TargetKind::Nothing,
            arguments,
        };
        let told = target(&["word", "pages"]).lacks("no `wrod`");
        assert_eq!(told.text(), "no `wrod`\nhelp: it has `word`, `pages`");
        let none = target(&[]).lacks("no `x`");
        assert_eq!(none.text(), "no `x`\nhelp: it has none");
        let long = "é".repeat(600);
        assert_eq!(target(&[]).lacks(&long).text(), "\nhelp: it has none");
    }

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
