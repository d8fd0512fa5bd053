//! The one table of diagnostic codes: number, short name, summary.
//!
//! A code is never reused or renumbered; the table is snapshotted. The long page of each code is
//! in `explain`. Groups: W00 text and limits, W01 relations, W02 writes, W03 functions and
//! operators, W04 views and bodies, W05 parameters, W06 errors that tell, W07 migrations,
//! W08 configuration, W09 outside a tenant, W99 faults of ours.

use std::fmt;

/// The code of a rule, such as `W0101`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static CodeInfo);

/// What is known about a code.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CodeInfo {
    number: &'static str,
    name: &'static str,
    summary: &'static str,
}

impl Code {
    /// The number, such as `W0101`.
    pub fn number(self) -> &'static str {
        self.0.number
    }

    /// The short name, such as `unpinned`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// One line that says what the rule refuses.
    pub fn summary(self) -> &'static str {
        self.0.summary
    }

    /// Finds a code by its number or its short name, in any casing.
    pub fn find(text: &str) -> Option<Code> {
        CODES.iter().copied().find(|code| {
            code.number().eq_ignore_ascii_case(text) || code.name().eq_ignore_ascii_case(text)
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.number)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.0.number, self.0.name)
    }
}

macro_rules! codes {
    ($($constant:ident = $number:literal, $name:literal, $summary:literal;)*) => {
        impl Code {
            $(
                #[doc = $summary]
                pub const $constant: Code = Code(&CodeInfo {
                    number: $number,
                    name: $name,
                    summary: $summary,
                });
            )*
        }

        /// Every code, in order.
        pub const CODES: &[Code] = &[$(Code::$constant),*];
    };
}

codes! {
    // text, grammar and limits
    SYNTAX = "W0001", "syntax", "the text is not PostgreSQL's SQL";
    TOO_LARGE = "W0002", "too-large", "the statement is longer or deeper than the analysis takes";
    NOT_ONE_STATEMENT = "W0003", "not-one-statement", "the text is not exactly one statement";
    STATEMENT_KIND = "W0004", "statement-kind", "the statement is not a query or a data change";
    NOT_UNDERSTOOD = "W0005", "not-understood", "the statement uses a form that the analysis does not understand";
    INVALID = "W0006", "invalid-statement", "PostgreSQL refuses the statement, so nothing can be proved about it";
    // relations and their occurrences
    UNPINNED = "W0101", "unpinned", "a tenant's table occurs without a condition on the tenant";
    UNKNOWN_RELATION = "W0102", "unknown-relation", "no migration creates the relation";
    UNDECLARED = "W0103", "undeclared", "the table has neither a tenant column, nor protection, nor a declaration";
    UNKNOWN_COLUMN = "W0104", "unknown-column", "the relation has no such column";
    UNPROTECTED = "W0105", "unprotected", "row-level security is there but does not confine the command to the tenant";
    UNKNOWN_STATE = "W0106", "unknown-state", "the migrations do not tell what the relation is in the end";
    OUTER_JOIN = "W0107", "outer-join", "the condition does not filter the preserved side of an outer join";
    WRONG_PLACE = "W0108", "wrong-place", "the tenant's condition stands where it does not filter the occurrence";
    METADATA = "W0109", "metadata", "the statement reads catalogs or statistics of the server";
    AMBIGUOUS_COLUMN = "W0110", "ambiguous-column", "the column could belong to several relations";
    GRADE = "W0111", "grade", "the configuration demands row-level security for every table";
    // writes
    GLOBAL_WRITE = "W0201", "global-write", "a global table is written";
    FOREIGN_WRITE = "W0202", "foreign-write", "a row could be written for another tenant or for none";
    TENANT_ASSIGNED = "W0203", "tenant-assigned", "the tenant of a row is assigned something else than the session's";
    UPSERT = "W0204", "upsert", "the conflicting row may be another tenant's";
    TRIGGER = "W0205", "trigger", "a trigger or rule of the written table reaches rows that are not the tenant's";
    REFERENTIAL_ACTION = "W0206", "referential-action", "a foreign key's action reaches rows of other tenants";
    MERGE = "W0207", "merge", "a branch of the MERGE reaches rows that are not the tenant's";
    // functions and operators
    UNKNOWN_FUNCTION = "W0301", "unknown-function", "the function is not on the list of those that stay within the scope";
    REFUSED_FUNCTION = "W0302", "refused-function", "the function runs SQL text, changes the session or reads beyond its arguments";
    SHADOWED = "W0303", "shadowed", "a migration defines what PostgreSQL could choose instead of the built-in";
    FUNCTION_BODY = "W0304", "function-body", "the body of the function could not be proved";
    UNKNOWN_OPERATOR = "W0305", "unknown-operator", "the operator is not on the list of built-in ones";
    UNKNOWN_TYPE = "W0306", "unknown-type", "the type is not a built-in one, or a migration defines it";
    // views and bodies
    DEFINER_VIEW = "W0401", "definer-view", "the view reads with its owner's rights and is not confined to the tenant";
    MATERIALIZED = "W0402", "materialized", "the materialised view holds the rows of every tenant";
    VIEW_BODY = "W0403", "view-body", "the definition of the view could not be proved";
    VIEW_WRITE = "W0404", "view-write", "a view is written";
    // parameters
    CALLER_TENANT = "W0501", "caller-tenant", "the tenant is chosen by the caller, by a constant or by another setting";
    MIXED_PARAMETERS = "W0502", "mixed-parameters", "named and numbered parameters are mixed";
    PARAMETER_GAP = "W0503", "parameter-gap", "the numbers of the parameters have a gap";
    UNKNOWN_PARAMETER = "W0504", "unknown-parameter", "the statement names a parameter that the function lacks";
    UNUSED_PARAMETER = "W0505", "unused-parameter", "the function has an argument that the statement does not use";
    // errors that tell
    LEAKY_ERROR = "W0601", "leaky-error", "an expression could raise an error about another tenant's row";
    // migrations
    MIGRATION_SYNTAX = "W0701", "migration-syntax", "a migration is not PostgreSQL's SQL";
    MIGRATION_NAME = "W0702", "migration-name", "the order of a migration can't be told from its name";
    MIGRATION_MARKER = "W0703", "migration-marker", "a migration has markers of a tool that is not known";
    MIGRATION_DYNAMIC = "W0704", "migration-dynamic", "a migration runs what can't be read, so what it may touch is unknown";
    MIGRATION_UNKNOWN = "W0705", "migration-unknown", "a migration holds a statement whose effect is not known";
    MIGRATION_REFERENCE = "W0706", "migration-reference", "a migration changes something that no migration before it creates";
    DIRECTIVE = "W0707", "directive", "a directive in a comment is not valid";
    POLICY_GAP = "W0708", "policy-gap", "row-level security or a policy does not protect what it seems to";
    KEY_WITHOUT_TENANT = "W0709", "key-without-tenant", "a unique key tells whether another tenant has a value";
    FOREIGN_KEY_WITHOUT_TENANT = "W0710", "foreign-key-without-tenant", "a foreign key can refer to another tenant's row";
    CASCADE_ACROSS_TENANTS = "W0711", "cascade-across-tenants", "a foreign key's action can reach another tenant's rows";
    SEARCH_PATH = "W0712", "search-path", "a migration leaves the search path changed";
    SHARED_SEQUENCE = "W0713", "shared-sequence", "numbers of a sequence that all tenants share tell how much the others add";
    // configuration
    CONFIG = "W0801", "config", "the configuration is not valid";
    CATALOG_MISSING = "W0802", "catalog-missing", "no migrations were found";
    // outside a tenant
    UNPROVED_FORBIDDEN = "W0901", "unproved-forbidden", "the configuration forbids `unproved!`";
    UNPROVED_TABLE = "W0902", "unproved-table", "`unproved!` reaches a table that is neither protected nor global";
    SYSTEM_TABLE = "W0903", "system-table", "a system query reaches a table that it does not name";
    RETURNS_TENANT = "W0904", "returns-tenant", "a row that may leave the server tells the tenant";
    // faults of ours
    ACCOUNTING = "W9901", "accounting", "the parse tree names more relations than the analysis saw";
    BUG = "W9902", "bug", "an internal invariant does not hold";
}
