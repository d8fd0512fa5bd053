//! What to write instead where a migration leaves something unknown.
//!
//! Invariant: every reason has a way out that is true of it; the one table of them is here.

/// For what can't be read at all.
pub(super) const PLAIN: &str = "write it as plain statements, or say in the line before it what \
    it touches: `-- @touches notes, tasks` or `-- @touches nothing`";

const DROP_FIRST: &str = "in the migrations, drop what depends on it (the policy, view, default or \
    check) before that statement, and create it again after it";

const QUALIFY: &str = "in that statement, write the schema before the name: `public.notes`";

const POLICY: &str = "add the migration that creates the policy; or write `DROP POLICY IF EXISTS`, \
    and `CREATE POLICY` after it";

/// A part of a reason, and what to write instead.
const TABLE: &[(&str, &str)] = &[
    (
        "a DO block or a function",
        "write the statement by itself, not in a block: `IF NOT EXISTS`, `IF EXISTS` and `OR \
         REPLACE` ask what a block asks; or, if it leaves the switches of row-level security, \
         the policies, columns and triggers as they are, say so in the line before the block: \
         `-- @touches nothing`",
    ),
    (
        "a directive says",
        "write the statement so that it is read; or, if it leaves the switches of row-level \
         security, the policies, columns and triggers as they are, say `-- @touches nothing`",
    ),
    ("touches is not known", PLAIN),
    (
        "does to it is not known",
        "if it leaves the switches of row-level security, the policies, columns and triggers as \
         they are, say so in the line before the call: `-- @touches nothing`",
    ),
    (
        "could not be read",
        "mend what the file is refused for: `cargo watertight catalog` tells",
    ),
    (
        "`@touches` names",
        "name tables that an earlier statement creates, or `nothing`",
    ),
    ("but no migration creates it", POLICY),
    (
        "its policy",
        "write `DROP POLICY IF EXISTS` before `CREATE POLICY`",
    ),
    (
        "is added twice",
        "write `ADD COLUMN IF NOT EXISTS`, or remove one of the two",
    ),
    (
        "it is created twice",
        "write `CREATE TABLE IF NOT EXISTS` or `CREATE OR REPLACE VIEW`, or drop the first before",
    ),
    (
        "it gets the name of another relation",
        "drop or rename the other one before",
    ),
    ("whether it is created again in another schema", QUALIFY),
    ("search_path", QUALIFY),
    ("search path", QUALIFY),
    ("in a schema that is called like a role", QUALIFY),
    (
        "was a temporary table",
        "write the schema before the name: `public.notes`; or drop the temporary table where it \
         is made",
    ),
    (
        "a restrictive policy may have gone",
        "drop without CASCADE; or drop the restrictive policy before, and create it again after",
    ),
    ("depends on it", DROP_FIRST),
    ("is dropped", DROP_FIRST),
    ("renamed or moved", DROP_FIRST),
    (
        "was added to what it reads",
        "write the view or policy again with the columns qualified: drop it before the column is \
         added, and create it after",
    ),
    (
        "its columns come from a type",
        "write the columns out instead of `OF`",
    ),
    (
        "its columns are not known",
        "name the columns in the query instead of `*`",
    ),
    (
        "a rule makes it a view",
        "create it with `CREATE VIEW` instead of a rule",
    ),
    (
        "it is replaced by a view",
        "drop the table before the view is created",
    ),
    (
        "its definition is not understood",
        "write the view with PostgreSQL's own functions and over relations that the migrations \
         create",
    ),
    (
        "its parent",
        "add the migration that creates the parent before this one",
    ),
];

/// What to write instead, where `reason` is why nothing is known.
pub(super) fn of(reason: &str) -> &'static str {
    TABLE.iter().find(|(part, _)| reason.contains(part)).map_or(
        "write in that migration, as plain statements, what it is to be",
        |(_, help)| help,
    )
}
