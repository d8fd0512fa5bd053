//! The SQL of the audit trail, with places for the names that a project chooses.

/// `{setting}` and `{application_role}` are to be replaced.
pub(crate) const SCHEMA: &str = include_str!("schema.sql");

/// For each role that does system work; `{system_role}` is to be replaced.
pub(crate) const SYSTEM_GRANT: &str = "\
GRANT USAGE ON SCHEMA watertight TO {system_role};
GRANT INSERT (kind, reference, tool, issuer, subject) ON watertight.system_audit TO {system_role};
";
