//! What a prompt returns: messages of the user and of the assistant.

use rmcp::model::{GetPromptResult, PromptMessage, Role};

/// A type that a prompt may return: a [`Prompt`], or a text, which is one message of the user.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a prompt",
    label = "a client would see this value",
    note = "return a `String`, which is one message of the user, or a `Prompt`: `Prompt::user(\"…\").assistant(\"…\")`"
)]
pub trait PromptOutput: Send + 'static {
    /// The value as messages.
    #[doc(hidden)]
    fn into_prompt(self) -> Prompt;
}

impl PromptOutput for String {
    fn into_prompt(self) -> Prompt {
        Prompt::user(self)
    }
}

impl PromptOutput for Prompt {
    fn into_prompt(self) -> Prompt {
        self
    }
}

/// The messages of a prompt, in order.
#[derive(Clone, Debug)]
#[must_use = "a prompt does nothing until the function returns it"]
pub struct Prompt(Vec<PromptMessage>);

impl Prompt {
    /// Begins with a message of the user.
    ///
    /// ```
    /// use watertight::Prompt;
    /// let prompt = Prompt::user("How do I reset a password?").assistant("For whom?").and_user("Me.");
    /// # let _ = prompt;
    /// ```
    pub fn user(text: impl Into<String>) -> Self {
        Self(Vec::new()).and_user(text)
    }

    /// Adds a message of the assistant.
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.and(Role::Assistant, text)
    }

    /// Adds a message of the user.
    pub fn and_user(self, text: impl Into<String>) -> Self {
        self.and(Role::User, text)
    }

    fn and(mut self, role: Role, text: impl Into<String>) -> Self {
        self.0.push(PromptMessage::new_text(role, text));
        self
    }

    pub(super) fn into_result(self, description: Option<&str>) -> GetPromptResult {
        let result = GetPromptResult::new(self.0);
        match description {
            Some(description) => result.with_description(description),
            None => result,
        }
    }
}
