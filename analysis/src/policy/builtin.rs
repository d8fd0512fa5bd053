//! Built-in functions that occur in policies, triggers and bodies and stay with their arguments.

use crate::functions::{Verdict, builtin};

/// Whether a built-in function only computes from its arguments, the clock or a setting: the
/// tenant's own setting is judged as a term, and any other tells nothing about rows.
pub(super) fn stays_with_its_arguments(name: &str) -> bool {
    name == "current_setting"
        || builtin(name).is_some_and(|function| matches!(function.verdict, Verdict::Allowed(_)))
}
