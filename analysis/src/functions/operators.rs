//! PostgreSQL's own operators by name, and which of them can raise an error.

/// Every operator of PostgreSQL's own (`pg_operator`); each computes from its operands alone.
const OPERATORS: &[&str] = &[
    "!!", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "&", "&&", "&<", "&<|",
    "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+", "-", "->", "->>", "-|-", "/", "<",
    "<->", "<<", "<<=", "<<|", "<=", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?",
    "?#", "?&", "?-", "?-|", "?|", "?||", "@", "@-@", "@>", "@?", "@@", "@@@", "^", "^@", "|",
    "|&>", "|/", "|>>", "||", "||/", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
];

/// Those that never raise an error, whatever their operands are. Comparisons of rows without a
/// comparison of a column fail before the first row is read, which tells nothing.
const NEVER: &[&str] = &[
    "=", "<>", "<", "<=", ">", ">=", "@>", "<@", "&&", "?", "?|", "?&", "->", "->>", "#>", "#>>",
    "@@", "@?", "^@", "-|-", "&<", "&>", "<<", ">>", "<<=", ">>=", "*=", "*<>", "~<=~", "~<~",
    "~>=~", "~>~",
];

/// Whether PostgreSQL has an operator of this name.
pub(crate) fn is_builtin(name: &str) -> bool {
    OPERATORS.contains(&name)
}

/// Whether the operator never raises an error.
pub(crate) fn never_raises(name: &str) -> bool {
    NEVER.contains(&name)
}

/// `LIKE` and its kin: they raise an error when the pattern ends in a lone backslash.
pub(crate) fn is_like(name: &str) -> bool {
    matches!(name, "~~" | "!~~" | "~~*" | "!~~*")
}

/// Regular expressions: they raise an error when the pattern is not valid.
pub(crate) fn is_regex(name: &str) -> bool {
    matches!(name, "~" | "!~" | "~*" | "!~*")
}
