//! The six faults, and which command shows which: one table, from which the documentation's is written.
//!
//! Invariant: a command that shows or suggests a fault does so by rules that it has, and one that can't
//! see it has none for it; so the table can't promise what nothing reports.

use std::fmt::Write as _;

use super::rules::{Axis, Level};
use crate::diagnostic::Code;

/// What a command tells of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// It finds it where it is.
    Shows,
    /// It finds what makes it likely, or what comes of it.
    Suggests,
    /// What it looks at does not tell.
    CantSee,
}

impl Sight {
    /// The words of the documentation.
    pub fn words(self) -> &'static str {
        match self {
            Sight::Shows => "shows",
            Sight::Suggests => "suggests",
            Sight::CantSee => "can't see",
        }
    }
}

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cell {
    /// `check`, `doctor`, `scan` or `attack`.
    pub command: &'static str,
    /// What it tells.
    pub sight: Sight,
    /// By which rules, the one of the fault itself first.
    pub codes: &'static [Code],
    /// By what, or why not.
    pub why: &'static str,
}

/// One of the six.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// In a few words.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What kind of harm.
    pub axis: Axis,
    /// In the order of the commands.
    pub cells: [Cell; 4],
}

const fn shows(command: &'static str, codes: &'static [Code], why: &'static str) -> Cell {
    Cell {
        command,
        sight: Sight::Shows,
        codes,
        why,
    }
}

const fn suggests(command: &'static str, codes: &'static [Code], why: &'static str) -> Cell {
    Cell {
        command,
        sight: Sight::Suggests,
        codes,
        why,
    }
}

const fn blind(command: &'static str, why: &'static str) -> Cell {
    Cell {
        command,
        sight: Sight::CantSee,
        codes: &[],
        why,
    }
}

/// The six faults.
pub const FAULTS: [Fault; 6] = [
    Fault {
        name: "a tenant id in a tool's input schema",
        level: Level::High,
        axis: Axis::Security,
        cells: [
            shows(
                "check",
                &[
                    Code::TENANT_ARGUMENT,
                    Code::OPEN_ARGUMENT,
                    Code::SQL_ARGUMENT,
                ],
                "the arguments of each tool, by name and type, at any depth",
            ),
            blind("doctor", "tools are not in the database"),
            shows(
                "scan",
                &[
                    Code::PUBLISHED_TENANT,
                    Code::TENANT_WORD,
                    Code::OPEN_SCHEMA,
                    Code::PUBLISHED_SQL,
                    Code::ASKS_FOR_TENANT,
                ],
                "the published schemas and descriptions, in any language",
            ),
            blind("attack", "it calls no tool"),
        ],
    },
    Fault {
        name: "a query without a tenant filter",
        level: Level::High,
        axis: Axis::Security,
        cells: [
            shows(
                "check",
                &[
                    Code::UNPINNED,
                    Code::WRONG_PLACE,
                    Code::OUTER_JOIN,
                    Code::CALLER_TENANT,
                    Code::DYNAMIC_SQL,
                ],
                "each statement in the source, by the prover",
            ),
            suggests(
                "doctor",
                &[Code::RLS_OFF, Code::DEFINER_VIEW, Code::DEFINER_FUNCTION],
                "tables where a forgotten filter would leak; views and functions that forget it",
            ),
            suggests(
                "scan",
                &[Code::OTHERS_DATA, Code::SAME_FOR_BOTH, Code::EXISTENCE_TOLD],
                "with two tokens: the rows that come of it",
            ),
            suggests(
                "attack",
                &[Code::ATTACK_READ],
                "whether the database holds where a filter is forgotten",
            ),
        ],
    },
    Fault {
        name: "a pooled connection with the old tenant's context",
        level: Level::High,
        axis: Axis::Security,
        cells: [
            shows(
                "check",
                &[
                    Code::SESSION_SETTING,
                    Code::DROPPED_BEGIN,
                    Code::BESIDE_SCOPE,
                    Code::WITHOUT_SCOPE,
                ],
                "settings that outlive a transaction, begins that can be dropped, use beside the scope",
            ),
            suggests(
                "doctor",
                &[
                    Code::SESSION_DEFAULT,
                    Code::FUNCTION_SETS_TENANT,
                    Code::SHARED_STATE,
                ],
                "sessions that begin with a tenant, and what sessions leave behind",
            ),
            suggests(
                "scan",
                &[Code::ANSWERS_MIX, Code::OTHERS_DATA],
                "with two tokens, called in turn and at once: answers that mix",
            ),
            blind("attack", "it has connections of its own"),
        ],
    },
    Fault {
        name: "no row-level security",
        level: Level::Medium,
        axis: Axis::Security,
        cells: [
            shows(
                "check",
                &[Code::RLS_OFF, Code::UNPROTECTED],
                "the migrations",
            ),
            shows(
                "doctor",
                &[
                    Code::RLS_OFF,
                    Code::POLICIES_IDLE,
                    Code::RLS_NOT_FORCED,
                    Code::POLICY_OPEN,
                    Code::POLICY_FAILS_OPEN,
                ],
                "the live tables, their policies by what they imply, and who gets around them",
            ),
            blind("scan", "a server does not tell what carries its answers"),
            shows(
                "attack",
                &[Code::ATTACK_READ, Code::ATTACK_WRITE],
                "by reading and writing the other tenant's rows",
            ),
        ],
    },
    Fault {
        name: "a tenant id in an error message",
        level: Level::Medium,
        axis: Axis::Credentials,
        cells: [
            shows(
                "check",
                &[Code::TENANT_IN_ERROR],
                "errors that are made of a tenant, or of the database's own text",
            ),
            suggests(
                "doctor",
                &[Code::KEY_WITHOUT_TENANT],
                "keys whose errors tell of another tenant",
            ),
            shows(
                "scan",
                &[Code::ERROR_NAMES_TENANT, Code::EXISTENCE_TOLD],
                "the errors that a client gets",
            ),
            suggests(
                "attack",
                &[Code::ATTACK_TELLS],
                "errors of the database that print another tenant's values",
            ),
        ],
    },
    Fault {
        name: "no audit log per tenant",
        level: Level::Low,
        axis: Axis::Maintenance,
        cells: [
            shows(
                "check",
                &[Code::AUDIT_SEGREGATION],
                "whether calls leave a record, and whose",
            ),
            suggests(
                "doctor",
                &[Code::RLS_OFF],
                "a trail that is there and has no row-level security",
            ),
            blind("scan", "records are not published"),
            blind("attack", "it calls no tool, so none is recorded"),
        ],
    },
];

/// The table of the documentation, in Markdown.
pub fn matrix() -> String {
    let mut out = String::from("| fault | severity, axis |");
    let heads = FAULTS.first().map(|fault| fault.cells);
    for cell in heads.iter().flatten() {
        let _ = write!(out, " `{}` |", cell.command);
    }
    out.push_str("\n|---|---|---|---|---|---|\n");
    for fault in &FAULTS {
        let _ = write!(out, "| {} | {}, {} |", fault.name, fault.level, fault.axis);
        for cell in &fault.cells {
            let codes: Vec<&str> = cell.codes.iter().map(|code| code.number()).collect();
            let _ = write!(out, " **{}**: {}", cell.sight.words(), cell.why);
            if codes.is_empty() {
                out.push_str(" |");
            } else {
                let _ = write!(out, " ({}) |", codes.join(", "));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::rule;

    /// The first three characters of the rules that only this command has.
    fn own(command: &str) -> &'static str {
        match command {
            "check" => "W12",
            "doctor" => "W10",
            "scan" => "W13",
            _ => "W11",
        }
    }

    #[test]
    fn each_cell_rests_on_rules_that_its_command_has() {
        for fault in &FAULTS {
            for cell in &fault.cells {
                assert_eq!(
                    cell.codes.is_empty(),
                    cell.sight == Sight::CantSee,
                    "{fault:?}"
                );
                for code in cell.codes {
                    // The migrations' own rules and the prover's are `check`'s and `doctor`'s as well.
                    let groups = ["W10", "W11", "W12", "W13"];
                    let group = &code.number()[..3];
                    let shared = !groups.contains(&group) || group == "W10";
                    let may = group == own(cell.command)
                        || (shared && ["check", "doctor"].contains(&cell.command));
                    assert!(may, "{} has no rule {code}", cell.command);
                }
            }
        }
    }

    #[test]
    fn the_fault_is_as_bad_as_its_rule() {
        for fault in &FAULTS {
            let shown = fault.cells.iter().find(|cell| cell.sight == Sight::Shows);
            let first = shown.and_then(|cell| cell.codes.first()).copied().unwrap();
            let rule = rule(first);
            assert_eq!(
                (rule.level, rule.axis),
                (fault.level, fault.axis),
                "{first:?}"
            );
        }
    }
}
