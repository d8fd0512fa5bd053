//! Which of a function's statements its arguments choose: flags and optional values as indexes.
//!
//! An enum needs nothing here: the macro matches on it where it stands.

/// An argument that an optional fragment stands or falls with.
#[diagnostic::on_unimplemented(
    message = "an optional fragment depends on an `Option` or a `bool`, and this is `{Self}`",
    label = "neither absent nor given",
    note = "write `Option<…>` around its type; for fragments by the variant of an enum write \
            `name(first = \"…\", second = \"…\")` instead of `optional(…)`"
)]
pub trait Given {
    /// Whether the fragment is there.
    #[doc(hidden)]
    fn is_given(&self) -> bool;
}

impl<T> Given for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }
}

impl Given for bool {
    fn is_given(&self) -> bool {
        *self
    }
}

impl<T: Given + ?Sized> Given for &T {
    fn is_given(&self) -> bool {
        T::is_given(self)
    }
}

/// The index of an optional fragment: absent, then given.
pub fn given(argument: &impl Given) -> usize {
    usize::from(argument.is_given())
}

/// The index of `false` or `true`.
pub fn flag(argument: &bool) -> usize {
    usize::from(*argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_comes_first() {
        assert_eq!((given(&None::<i64>), given(&Some(1))), (0, 1));
        assert_eq!((given(&false), given(&&true)), (0, 1));
        assert_eq!((flag(&false), flag(&true)), (0, 1));
    }
}
