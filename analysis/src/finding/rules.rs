//! The level, the axis and the mapping to public lists of every rule, in one table.
//!
//! Invariant: a code that is not named falls to its group, so that no rule is without a level.

use std::fmt;

use crate::diagnostic::Code;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Tells a little, or will matter later.
    Low,
    /// Leaks once something else goes wrong.
    Medium,
    /// Another tenant's rows can be read or changed.
    High,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Low => "LOW",
            Level::Medium => "MEDIUM",
            Level::High => "HIGH",
        })
    }
}

/// What kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// Tenants are not kept apart.
    Security,
    /// An identifier or secret is told.
    Credentials,
    /// It can't be kept right, or can't be shown to be.
    Maintenance,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Axis::Security => "Security",
            Axis::Credentials => "Credentials",
            Axis::Maintenance => "Maintenance",
        })
    }
}

/// An entry of the OWASP MCP Top 10 of 2025.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owasp {
    /// Privilege escalation by scope creep.
    Mcp02,
    /// Software supply chain attacks and dependency tampering.
    Mcp04,
    /// Command injection and execution.
    Mcp05,
    /// Insufficient authentication and authorization.
    Mcp07,
    /// Lack of audit and telemetry.
    Mcp08,
    /// Context injection and over-sharing.
    Mcp10,
}

impl Owasp {
    /// Every entry that a rule is mapped to.
    pub const ALL: [Owasp; 6] = [
        Owasp::Mcp02,
        Owasp::Mcp04,
        Owasp::Mcp05,
        Owasp::Mcp07,
        Owasp::Mcp08,
        Owasp::Mcp10,
    ];

    /// Its number, such as `MCP10:2025`.
    pub fn id(self) -> &'static str {
        match self {
            Owasp::Mcp02 => "MCP02:2025",
            Owasp::Mcp04 => "MCP04:2025",
            Owasp::Mcp05 => "MCP05:2025",
            Owasp::Mcp07 => "MCP07:2025",
            Owasp::Mcp08 => "MCP08:2025",
            Owasp::Mcp10 => "MCP10:2025",
        }
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Owasp::Mcp02 => "Privilege Escalation via Scope Creep",
            Owasp::Mcp04 => "Software Supply Chain Attacks & Dependency Tampering",
            Owasp::Mcp05 => "Command Injection & Execution",
            Owasp::Mcp07 => "Insufficient Authentication & Authorization",
            Owasp::Mcp08 => "Lack of Audit and Telemetry",
            Owasp::Mcp10 => "Context Injection & Over-Sharing",
        }
    }
}

/// What is known of a rule beside its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// How bad a finding of it is, where nothing says otherwise.
    pub level: Level,
    /// What kind of harm.
    pub axis: Axis,
    /// The entry of the OWASP MCP Top 10.
    pub owasp: Owasp,
    /// Numbers of the Common Weakness Enumeration. 639 is an authorization that a key of the user's
    /// gets around: another tenant's row by its identifier.
    pub cwe: &'static [u32],
}

const ROWS: &[u32] = &[639];
const TELLS: &[u32] = &[639, 203];
const RIGHTS: &[u32] = &[639, 269];
const GRANTS: &[u32] = &[639, 732];
const TEXT: &[u32] = &[639, 89];

/// The rule of a code.
pub fn rule(code: Code) -> Rule {
    use Axis::{Credentials, Maintenance, Security};
    use Level::{High, Low, Medium};
    use Owasp::{Mcp02, Mcp04, Mcp05, Mcp07, Mcp08, Mcp10};
    let (level, axis, owasp, cwe): (Level, Axis, Owasp, &'static [u32]) = match code {
        Code::BYPASSING_ROLE | Code::OWNING_ROLE | Code::REACHABLE_ROLE => {
            (High, Security, Mcp02, RIGHTS)
        }
        Code::POWERFUL_ROLE | Code::OUTSIDE_REACH => (High, Security, Mcp02, RIGHTS),
        Code::SESSION_DEFAULT | Code::FUNCTION_SETS_TENANT => (High, Security, Mcp07, ROWS),
        Code::ROLE_CREATES | Code::EXCESS_GRANT => (Medium, Security, Mcp02, GRANTS),
        Code::DEFAULT_PRIVILEGES => (Low, Maintenance, Mcp02, GRANTS),
        Code::RLS_OFF | Code::RLS_NOT_FORCED | Code::UNPROTECTED_COPY => {
            (Medium, Security, Mcp10, ROWS)
        }
        Code::CHILD_WITHOUT_TENANT | Code::UNDECLARED => (Medium, Security, Mcp10, ROWS),
        Code::TENANT_INDEX => (Low, Maintenance, Mcp10, &[]),
        Code::POLICY_UNKNOWN | Code::POLICY_NULL_TENANT => (Medium, Security, Mcp10, ROWS),
        Code::DEFINER_SEARCH_PATH => (High, Security, Mcp02, &[639, 426]),
        Code::FUNCTION_RUNS_TEXT | Code::REFUSED_FUNCTION => (Medium, Security, Mcp05, TEXT),
        Code::KEY_WITHOUT_TENANT | Code::FOREIGN_KEY_WITHOUT_TENANT | Code::SHARED_SEQUENCE => {
            (Low, Security, Mcp10, TELLS)
        }
        Code::ATTACK_TELLS => (Low, Security, Mcp10, TELLS),
        Code::ATTACK_RIGHTS => (High, Security, Mcp02, RIGHTS),
        Code::CASCADE_ACROSS_TENANTS | Code::REFERENTIAL_ACTION | Code::GLOBAL_WRITE => {
            (Medium, Security, Mcp10, ROWS)
        }
        Code::PUBLICATION => (Low, Security, Mcp10, ROWS),
        Code::SHARED_STATE => (Medium, Security, Mcp10, ROWS),
        Code::SERVER_VERSION => (Medium, Maintenance, Mcp04, &[639, 1395]),
        Code::DRIFT => (Medium, Maintenance, Mcp10, ROWS),
        Code::SUPPRESSION | Code::CONFIG | Code::CATALOG_MISSING => (Low, Maintenance, Mcp10, &[]),
        Code::TENANT_ARGUMENT => (High, Security, Mcp07, ROWS),
        Code::SQL_ARGUMENT | Code::DYNAMIC_SQL => (High, Security, Mcp05, TEXT),
        Code::OPEN_ARGUMENT => (Low, Security, Mcp07, ROWS),
        Code::SESSION_SETTING | Code::DROPPED_BEGIN => (High, Security, Mcp10, &[639, 488]),
        Code::BESIDE_SCOPE | Code::HIDDEN_CONSTRUCTOR => (High, Security, Mcp10, ROWS),
        Code::WITHOUT_SCOPE => (Medium, Security, Mcp10, ROWS),
        Code::TENANT_IN_ERROR => (Medium, Credentials, Mcp10, &[639, 209]),
        Code::AUDIT_SEGREGATION => (Low, Maintenance, Mcp08, &[778]),
        Code::EXCEPTION | Code::UNSEEN | Code::DATABASE_DEPENDENCY => {
            (Low, Maintenance, Mcp10, &[])
        }
        Code::UNREADABLE_SOURCE => (Medium, Maintenance, Mcp10, &[]),
        Code::LEAKY_ERROR => (Medium, Credentials, Mcp10, &[639, 209]),
        Code::PUBLISHED_TENANT | Code::OTHERS_DATA | Code::ANSWERS_MIX => {
            (High, Security, Mcp10, ROWS)
        }
        Code::TENANT_WORD | Code::OPEN_SCHEMA | Code::ASKS_FOR_TENANT => {
            (Low, Security, Mcp10, ROWS)
        }
        Code::PUBLISHED_SQL => (Medium, Security, Mcp05, TEXT),
        Code::SCHEMA_UNREAD | Code::NOT_LOOKED_AT => (Low, Maintenance, Mcp10, &[]),
        Code::TENANT_IN_ANSWERS => (Low, Credentials, Mcp10, &[639, 200]),
        Code::SAME_FOR_BOTH => (Medium, Security, Mcp10, ROWS),
        Code::SESSION_NOT_BOUND => (Medium, Security, Mcp07, &[639, 384]),
        Code::ERROR_NAMES_TENANT => (Medium, Credentials, Mcp10, &[639, 209]),
        Code::EXISTENCE_TOLD => (Low, Credentials, Mcp10, &[639, 204]),
        Code::SHARED_CACHE => (Medium, Security, Mcp10, &[639, 524]),
        Code::NO_TOKEN => (High, Security, Mcp07, &[639, 306]),
        Code::HANDLE_NOT_BOUND => (High, Security, Mcp07, ROWS),
        _ => return of_group(code),
    };
    Rule {
        level,
        axis,
        owasp,
        cwe,
    }
}

/// By the first three characters: text and configuration are upkeep, everything else isolation.
fn of_group(code: Code) -> Rule {
    let upkeep = ["W00", "W07", "W08", "W99"]
        .iter()
        .any(|group| code.number().starts_with(group));
    Rule {
        level: if upkeep { Level::Medium } else { Level::High },
        axis: if upkeep {
            Axis::Maintenance
        } else {
            Axis::Security
        },
        owasp: Owasp::Mcp10,
        cwe: ROWS,
    }
}
