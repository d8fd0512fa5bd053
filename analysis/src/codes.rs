//! The one table of diagnostic codes: number, short name, summary.
//!
//! A code is never reused or renumbered; the table is snapshotted. The long page of each code is
//! in `explain`. Groups: W00 text and limits, W01 relations, W02 writes, W03 functions and
//! operators, W04 views and bodies, W05 parameters, W06 errors that tell, W07 migrations,
//! W08 configuration, W09 outside a tenant, W10 what a live database is, W11 attacks, W12 what a workspace's
//! source is, W13 what an MCP server is and answers, W99 faults of ours.

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
    SUPPRESSION = "W0803", "suppression", "a suppression has expired, gives no reason or suppresses nothing";
    // outside a tenant
    UNPROVED_FORBIDDEN = "W0901", "unproved-forbidden", "the configuration forbids `unproved!`";
    UNPROVED_TABLE = "W0902", "unproved-table", "`unproved!` reaches a table that is neither protected nor global";
    SYSTEM_TABLE = "W0903", "system-table", "a system query reaches a table that it does not name";
    RETURNS_TENANT = "W0904", "returns-tenant", "a row that may leave the server tells the tenant";
    // a live database: roles and grants
    BYPASSING_ROLE = "W1001", "bypassing-role", "the application role bypasses row-level security";
    OWNING_ROLE = "W1002", "owning-role", "the application role owns what it works with, so it can switch row-level security off";
    REACHABLE_ROLE = "W1003", "reachable-role", "the application role can become a role that sees every tenant";
    POWERFUL_ROLE = "W1004", "powerful-role", "the application role has a privilege that goes past the tables";
    SESSION_DEFAULT = "W1005", "session-default", "sessions begin with a tenant, or with a setting that weakens them";
    ROLE_CREATES = "W1006", "role-creates", "the application role can create objects where names are looked up";
    EXCESS_GRANT = "W1007", "excess-grant", "a grant goes past row-level security";
    DEFAULT_PRIVILEGES = "W1008", "default-privileges", "new tables are open to the application before they have row-level security";
    // tables
    RLS_OFF = "W1010", "rls-off", "a tenant's table has no row-level security";
    POLICIES_IDLE = "W1011", "policies-idle", "policies exist, but row-level security is not enabled";
    RLS_NOT_FORCED = "W1012", "rls-not-forced", "row-level security does not hold for the owner of the table";
    UNPROTECTED_COPY = "W1013", "unprotected-copy", "a copy of a protected table is not protected itself";
    CHILD_WITHOUT_TENANT = "W1014", "child-without-tenant", "a table belongs to a tenant's table but does not tell the tenant";
    FOREIGN_TABLE = "W1015", "foreign-table", "a foreign table can't have row-level security";
    TENANT_TYPE = "W1016", "tenant-type", "equality on the tenant column does not tell tenants apart";
    TENANT_INDEX = "W1017", "tenant-index", "no index leads with the tenant column";
    // policies
    POLICY_OPEN = "W1020", "policy-open", "a policy lets rows through without looking at the session's tenant";
    POLICY_FAILS_OPEN = "W1021", "policy-fails-open", "a policy lets every row through when no tenant is set";
    POLICY_NULL_TENANT = "W1022", "policy-null-tenant", "a policy takes rows without a tenant for everybody's";
    POLICY_PATTERN = "W1023", "policy-pattern", "a policy compares tenants by pattern or by parts of a text";
    POLICY_MEMBERSHIP = "W1024", "policy-membership", "a policy rests on rows that the application can write";
    FOLDED_SETTING = "W1025", "folded-setting", "an IMMUTABLE function reads a setting, so a cached plan keeps another tenant's";
    POLICY_BY_ROLE = "W1026", "policy-by-role", "a policy compares the tenant with the role, which all tenants share";
    POLICY_UNKNOWN = "W1027", "policy-unknown", "whether a policy confines rows to the tenant can't be told";
    // functions
    DEFINER_FUNCTION = "W1030", "definer-function", "a function runs as a role that row-level security does not hold";
    DEFINER_SEARCH_PATH = "W1031", "definer-search-path", "a definer's function looks names up where a caller can put them";
    LEAKPROOF_FUNCTION = "W1032", "leakproof-function", "a LEAKPROOF function runs before policies and sees every row";
    FUNCTION_SETS_TENANT = "W1033", "function-sets-tenant", "a function runs under another tenant or role";
    FUNCTION_RUNS_TEXT = "W1034", "function-runs-text", "a function runs SQL text that it is given";
    OUTSIDE_REACH = "W1035", "outside-reach", "the application can run functions that reach files, programs or other servers";
    // the server
    PUBLICATION = "W1040", "publication", "a publication sends every tenant's rows";
    SERVER_VERSION = "W1041", "server-version", "the server lacks fixes of faults that break row-level security";
    DRIFT = "W1042", "drift", "the database is not what the migrations make";
    SHARED_STATE = "W1043", "shared-state", "what sessions leave behind is in reach of every tenant";
    // attacks that were replayed
    ATTACK_READ = "W1101", "attack-read", "an attack showed another tenant's rows";
    ATTACK_WRITE = "W1102", "attack-write", "an attack changed, removed or planted another tenant's rows";
    ATTACK_TELLS = "W1103", "attack-tells", "an attack told whether another tenant has a value, or how much";
    ATTACK_RIGHTS = "W1104", "attack-rights", "an attack took rights that the application should not have";
    // a workspace's source: tools
    TENANT_ARGUMENT = "W1201", "tenant-argument", "a tool's schema lets the caller name a tenant";
    SQL_ARGUMENT = "W1202", "sql-argument", "a tool takes SQL, or a piece of it, from the caller";
    OPEN_ARGUMENT = "W1203", "open-argument", "a tool takes what its schema does not name";
    // statements and connections
    DYNAMIC_SQL = "W1210", "dynamic-sql", "the text of a statement is made at run time";
    SESSION_SETTING = "W1220", "session-setting", "a setting outlives the transaction of its tenant, and the next borrower of the connection has it";
    DROPPED_BEGIN = "W1221", "dropped-begin", "a transaction begins where it can be dropped half-way, with the tenant set";
    BESIDE_SCOPE = "W1222", "beside-scope", "the database is reached beside the scope";
    WITHOUT_SCOPE = "W1223", "without-scope", "a statement that rests on the tenant's setting is sent where nothing sets it";
    // what leaves, and what is kept
    TENANT_IN_ERROR = "W1230", "tenant-in-error", "an error that leaves the server names the tenant";
    AUDIT_SEGREGATION = "W1240", "audit-segregation", "calls of tools leave no record that belongs to one tenant";
    // what a reviewer has to know
    EXCEPTION = "W1250", "exception", "an exception from a rule, with its reason";
    HIDDEN_CONSTRUCTOR = "W1251", "hidden-constructor", "code names what only generated code may name";
    UNSEEN = "W1260", "unseen", "something can't be looked into";
    UNREADABLE_SOURCE = "W1261", "unreadable-source", "a source file can't be read as Rust";
    DATABASE_DEPENDENCY = "W1262", "database-dependency", "a dependency can reach a database, and its source is not looked at";
    // an MCP server: what it publishes
    PUBLISHED_TENANT = "W1301", "published-tenant", "callers of an MCP server can name a tenant";
    TENANT_WORD = "W1302", "tenant-word", "an argument of an MCP server may name a tenant";
    OPEN_SCHEMA = "W1303", "open-schema", "a tool takes arguments that its schema does not name";
    PUBLISHED_SQL = "W1304", "published-sql", "an argument of an MCP server is called like raw SQL";
    SCHEMA_UNREAD = "W1305", "schema-unread", "a schema of an MCP server can't be read to its end";
    ASKS_FOR_TENANT = "W1306", "asks-for-tenant", "a description asks the model for a tenant";
    TENANT_IN_ANSWERS = "W1307", "tenant-in-answers", "an output schema tells the tenant";
    // what it answers to two callers
    OTHERS_DATA = "W1310", "others-data", "an MCP server shows one caller what belongs to another";
    ANSWERS_MIX = "W1311", "answers-mix", "the answers of two callers of an MCP server get mixed up";
    SAME_FOR_BOTH = "W1312", "same-for-both", "two callers of an MCP server get the same answer";
    SESSION_NOT_BOUND = "W1313", "session-not-bound", "a session of an MCP server answers to who did not open it";
    ERROR_NAMES_TENANT = "W1314", "error-names-tenant", "an error of an MCP server names a tenant";
    EXISTENCE_TOLD = "W1315", "existence-told", "an error tells that another caller's object exists";
    SHARED_CACHE = "W1316", "shared-cache", "what differs by caller is marked as good for all of them";
    NO_TOKEN = "W1317", "no-token", "an MCP server answers without a token";
    HANDLE_NOT_BOUND = "W1318", "handle-not-bound", "a handle of one caller works for another";
    NOT_LOOKED_AT = "W1320", "not-looked-at", "a part of an MCP server was not looked at";
    // faults of ours
    ACCOUNTING = "W9901", "accounting", "the parse tree names more relations than the analysis saw";
    BUG = "W9902", "bug", "an internal invariant does not hold";
}
