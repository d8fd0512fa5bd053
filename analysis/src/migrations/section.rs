//! Sections of a migration file: the way up is kept, the way back is blanked.
//!
//! The tools read their markers line by line, also inside strings, and so do we. A line that merely
//! resembles a marker is refused: read straight through, a *down* that restores row-level security
//! would yield a false proof, and taken for a marker it would hide statements that are applied.

use crate::diagnostic::{Code, Diagnostic};

/// What is applied of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// The text with the way back blanked; offsets and line numbers stay.
    pub(super) text: String,
    /// How the file is divided; nothing for one without sections.
    pub(super) notation: Option<Notation>,
}

/// The tools that keep both ways in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Goose,
    SqlMigrate,
    Dbmate,
    NodePgMigrate,
    Rambler,
    Shmig,
    Tern,
    Liquibase,
}

impl Notation {
    /// The name of the tool.
    pub(super) fn tool(self) -> &'static str {
        match self {
            Notation::Goose => "goose",
            Notation::SqlMigrate => "sql-migrate",
            Notation::Dbmate => "dbmate",
            Notation::NodePgMigrate => "node-pg-migrate",
            Notation::Rambler => "rambler",
            Notation::Shmig => "shmig",
            Notation::Tern => "tern",
            Notation::Liquibase => "Liquibase",
        }
    }
}

/// A line that can't be taken for a marker, nor for none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) problem: Problem,
}

/// What is wrong with a marker.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It looks like a marker, but of no tool that is known, or not as that tool writes it.
    Unknown,
    /// Statements stand before the first way up.
    TextBefore,
    /// A way back without a way up before it.
    NoUp,
    /// The file has markers of two tools.
    Mixed,
}

impl Marker {
    pub(super) fn diagnostic(&self, path: &str) -> Diagnostic {
        let (line, text) = (self.line, &self.text);
        let known = "known are the sections of goose (`-- +goose Up`), sql-migrate (`-- +migrate Up`), dbmate \
             (`-- migrate:up`), node-pg-migrate (`-- Up Migration`), rambler (`-- rambler up`), shmig \
             (`-- ==== UP ====`), tern (`---- create above / drop below ----`) and Liquibase \
             (`--liquibase formatted sql`, changesets without contexts and conditions), written exactly so \
             at the start of a line; keep the way back in a file of its own that ends in `.down.sql`, \
             or reword the comment";
        let (what, help) = match self.problem {
            Problem::Unknown => (
                "looks like a marker of a migration tool, but not as one that is known writes it",
                known,
            ),
            Problem::TextBefore => (
                "begins the way up, and statements stand before it, which some tools apply and others skip",
                "move the statements below the marker, or reword the comment",
            ),
            Problem::NoUp => (
                "looks like the start of a way back, but the file has no way up before it",
                "write the marker of the way up in front of the statements, or reword the comment",
            ),
            Problem::Mixed => (
                "is a marker of another tool than the first one of the file",
                "use the markers of one tool, or reword the comment",
            ),
        };
        Diagnostic::error(
            Code::MIGRATION_MARKER,
            format!("`{path}` line {line}: `{text}` {what}"),
        )
        .help(help)
    }
}

/// What a line does to the reading of the lines after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Up(Notation),
    Down(Notation),
    /// A known marker without effect on what is applied.
    Neutral,
}

/// What is applied of a file.
///
/// # Errors
/// A marker that is not known, or out of place.
pub(super) fn up(text: &str) -> Result<Section, Marker> {
    let mut notation = None;
    let mut applied = true;
    let mut upward = false;
    let mut before = false;
    let mut doubtful = None;
    let liquibase = is_liquibase(text);
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let fail = |problem| Marker {
            line: index + 1,
            text: line.trim().to_owned(),
            problem,
        };
        let line_end = line.trim_end_matches(['\n', '\r']);
        let found = match liquibase {
            true => liquibase_mark(line_end).unwrap_or_else(|| mark(line_end)),
            false => mark(line_end),
        };
        let mark = match found {
            Ok(mark) => mark,
            Err(()) => {
                // Nothing hangs on it where no statement follows, as over the sketch of a way back.
                doubtful.get_or_insert(fail(Problem::Unknown));
                None
            }
        };
        if (mark.is_some() || is_text(line))
            && let Some(marker) = doubtful.take()
        {
            return Err(marker);
        }
        if let Some(Mark::Up(found) | Mark::Down(found)) = mark {
            if notation.is_some_and(|known| known != found) {
                return Err(fail(Problem::Mixed));
            }
            notation = Some(found);
        }
        match mark {
            Some(Mark::Up(_)) => {
                if !upward && before {
                    return Err(fail(Problem::TextBefore));
                }
                (applied, upward) = (true, true);
            }
            Some(Mark::Down(found)) => {
                // tern has only this one marker.
                if !upward && found != Notation::Tern {
                    return Err(fail(Problem::NoUp));
                }
                applied = false;
            }
            Some(Mark::Neutral) | None => {}
        }
        before |= mark.is_none() && is_text(line);
        if applied {
            out.push_str(line);
        } else {
            let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
            out.extend(line.bytes().map(blank));
        }
    }
    Ok(Section {
        text: out,
        notation,
    })
}

/// Whether a file is Liquibase's formatted SQL, as its first line says.
fn is_liquibase(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<String> = first
        .strip_prefix("--")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    words == ["liquibase", "formatted", "sql"]
}

/// The markers of Liquibase's formatted SQL. Its way back stands in comments. Attributes and
/// conditions that decide whether a changeset is run are refused.
fn liquibase_mark(line: &str) -> Option<Result<Option<Mark>, ()>> {
    let comment = line.trim_start().strip_prefix("--")?.trim_start();
    let (word, rest) = comment
        .split_once(|c: char| c.is_whitespace() || c == ':')
        .unwrap_or((comment, ""));
    let harmless = |attribute: &str| {
        [
            "splitstatements:",
            "stripcomments:",
            "runintransaction:",
            "logicalfilepath:",
        ]
        .iter()
        .any(|known| attribute.to_ascii_lowercase().starts_with(known))
    };
    Some(match word.to_ascii_lowercase().as_str() {
        "liquibase" => Ok(Some(Mark::Neutral)),
        "changeset" => {
            let mut words = rest.split_whitespace();
            let named = words.next().is_some_and(|id| id.contains(':'));
            match named && words.all(harmless) {
                true => Ok(Some(Mark::Up(Notation::Liquibase))),
                false => Err(()),
            }
        }
        "rollback" | "comment" | "validchecksum" => Ok(Some(Mark::Neutral)),
        "preconditions" | "property" | "ignorelines" => Err(()),
        word if word.starts_with("precondition-") => Err(()),
        _ => return None,
    })
}

/// Whether a line holds more than blanks or a line comment.
fn is_text(line: &str) -> bool {
    let line = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    !line.is_empty() && !line.starts_with("--")
}

/// The marker in a line; an error for what only resembles one.
fn mark(line: &str) -> Result<Option<Mark>, ()> {
    if let Some(known) = known(line) {
        return Ok(Some(known));
    }
    let trimmed = line.trim();
    match trimmed
        .strip_prefix("--")
        .or_else(|| trimmed.strip_prefix('#'))
    {
        Some(comment) if is_suspicious(comment) => Err(()),
        _ => Ok(None),
    }
}

/// The marker as its tool writes it. Each pattern is that of the tool, or stricter.
fn known(line: &str) -> Option<Mark> {
    use Notation::{Dbmate, Goose, NodePgMigrate, Rambler, Shmig, SqlMigrate, Tern};
    // The file may begin with a byte order mark.
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    if line.trim_end() == "---- create above / drop below ----" {
        return Some(Mark::Down(Tern));
    }
    // `/^\s*--[\s-]*up\s+migration/i`
    if let Some(comment) = line.trim_start().strip_prefix("--") {
        let comment = comment.trim_start_matches(|c: char| c.is_whitespace() || c == '-');
        let mut words = comment.split_whitespace().map(str::to_ascii_lowercase);
        let first = words.next();
        if words
            .next()
            .is_some_and(|word| word.starts_with("migration"))
        {
            match first.as_deref() {
                Some("up") => return Some(Mark::Up(NodePgMigrate)),
                Some("down") => return Some(Mark::Down(NodePgMigrate)),
                _ => {}
            }
        }
    }
    let comment = line.strip_prefix("--")?;
    let words: Vec<&str> = comment.split_whitespace().collect();
    // sql-migrate wants `-- +migrate ` as it stands, and goose one blank between its two words.
    let literal = match words.first() {
        Some(&"+migrate") => comment.starts_with(" +migrate "),
        Some(&"+goose") => comment
            .trim_start()
            .strip_prefix("+goose")
            .is_some_and(|rest| {
                rest.strip_prefix(' ')
                    .is_some_and(|rest| !rest.starts_with(char::is_whitespace))
            }),
        _ => true,
    };
    if !literal {
        return None;
    }
    Some(match words.as_slice() {
        ["+goose", "Up"] => Mark::Up(Goose),
        ["+goose", "Down"] => Mark::Down(Goose),
        ["+goose", "StatementBegin" | "StatementEnd"] | ["+goose", "NO", "TRANSACTION"] => {
            Mark::Neutral
        }
        ["+migrate", "Up"] | ["+migrate", "Up", "notransaction"] => Mark::Up(SqlMigrate),
        ["+migrate", "Down"] | ["+migrate", "Down", "notransaction"] => Mark::Down(SqlMigrate),
        ["+migrate", "StatementBegin" | "StatementEnd"] => Mark::Neutral,
        ["migrate:up"] | ["migrate:up", "transaction:false" | "transaction:true"] => {
            Mark::Up(Dbmate)
        }
        ["migrate:down"] | ["migrate:down", "transaction:false" | "transaction:true"] => {
            Mark::Down(Dbmate)
        }
        ["rambler", "up"] => Mark::Up(Rambler),
        ["rambler", "down"] => Mark::Down(Rambler),
        ["====", "UP", "===="] => Mark::Up(Shmig),
        ["====", "DOWN", "===="] => Mark::Down(Shmig),
        [">", "statement-breakpoint"] | [">statement-breakpoint"] | ["no-transaction"] => {
            Mark::Neutral
        }
        _ => return None,
    })
}

/// Whether a comment could be a tool's marker: `+word`, `word:down`, `//@UNDO`, another spelling of
/// a known one, or a short line that names a way back.
fn is_suspicious(comment: &str) -> bool {
    let lower = comment.to_ascii_lowercase();
    let mut words = lower
        .trim_start_matches(|c: char| c == '-' || c == '>' || c.is_whitespace())
        .split_whitespace();
    let first = words.next().unwrap_or("");
    let plus = first.strip_prefix('+').unwrap_or("");
    if plus.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return true;
    }
    let tools = [
        "liquibase",
        "changeset",
        "atlas:txtar",
        "atlas:delimiter",
        "migrate:",
    ];
    if tools.iter().any(|tool| first.starts_with(tool)) {
        return true;
    }
    if first == "rambler" && matches!(words.next(), Some("up" | "down")) {
        return true;
    }
    let plain: Vec<&str> = lower
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .collect();
    let back = ["down", "downs", "undo", "rollback", "revert"];
    let known_elsewhere = plain == ["create", "above", "drop", "below"] || plain == ["up"];
    known_elsewhere || plain.len() <= 3 && plain.iter().any(|word| back.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> String {
        up(text)
            .unwrap()
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn problem(text: &str) -> (usize, Problem) {
        let marker = up(text).unwrap_err();
        (marker.line, marker.problem)
    }

    #[test]
    fn only_the_way_up_is_kept() {
        for (start, end) in [
            ("-- +goose Up", "-- +goose Down"),
            ("-- +migrate Up", "-- +migrate Down"),
            ("-- migrate:up", "-- migrate:down"),
            ("-- migrate:up transaction:false", "-- migrate:down"),
            ("-- Up Migration", "-- Down Migration"),
            ("-- up migration: the table", "--- DOWN MIGRATION: and away"),
            ("-- rambler up", "-- rambler down"),
            ("-- ==== UP ====", "-- ==== DOWN ===="),
            ("--+goose Up", "--   +goose Down"),
        ] {
            let text = format!("-- a comment\n\n{start}\nSELECT 1;\n{end}\nSELECT 2;\n");
            let result = up(&text).unwrap().text;
            assert_eq!(result.len(), text.len());
            assert!(result.contains("SELECT 1"), "{start}");
            assert!(!result.contains("SELECT 2"), "{end}");
        }
    }

    #[test]
    fn liquibase_goes_back_in_comments() {
        let head = "--liquibase formatted sql\n\n";
        let text = format!(
            "{head}--changeset ann:1 splitStatements:false\n--comment the table\nSELECT 1;\n--rollback DROP TABLE t;\n\
             --changeset ann:2\nSELECT 2;\n--rollback empty\n"
        );
        let section = up(&text).unwrap();
        assert_eq!(
            (section.text, section.notation),
            (text, Some(Notation::Liquibase))
        );
        for marker in [
            "--changeset ann:1 context:test",
            "--changeset ann:1 dbms:mysql",
            "--changeset ann:1 runAlways:true",
            "--preconditions onFail:MARK_RAN",
            "--precondition-sql-check expectedResult:0 SELECT 1",
            "--property name:a value:b",
        ] {
            let text = format!("{head}--changeset ann:0\nSELECT 1;\n{marker}\nSELECT 2;\n");
            assert_eq!(problem(&text), (5, Problem::Unknown), "{marker}");
        }
        let before = format!("{head}SELECT 0;\n--changeset ann:1\nSELECT 1;\n");
        assert_eq!(problem(&before), (4, Problem::TextBefore));
    }

    #[test]
    fn tern_has_only_an_end() {
        assert_eq!(
            kept("SELECT 1;\n---- create above / drop below ----\nSELECT 2;"),
            "SELECT 1;"
        );
    }

    #[test]
    fn up_after_down_counts_again() {
        let text = "-- migrate:up\nA\n-- migrate:down\nB\n-- migrate:up\nC\n";
        assert_eq!(kept(text), "-- migrate:up A -- migrate:up C");
    }

    #[test]
    fn a_file_without_markers_stays() {
        let text = "-- goes up and down the tree, as the planner does\nSELECT 1; --> statement-breakpoint\n-- shut down the worker before\n";
        let section = up(text).unwrap();
        assert_eq!((section.text.as_str(), section.notation), (text, None));
    }

    #[test]
    fn a_heading_over_comments_is_no_marker() {
        let text = "SELECT 1;\n-- ===== DOWN =====\n-- DROP TABLE t;\n\n";
        assert_eq!(up(text).unwrap().text, text);
        assert_eq!(problem(&format!("{text}SELECT 2;")), (2, Problem::Unknown));
    }

    #[test]
    fn markers_out_of_place_are_refused() {
        for up in ["-- migrate:up", "-- Up migration", "-- +goose Up"] {
            let found = problem(&format!("SELECT 0;\n{up}\nSELECT 1;"));
            assert_eq!(found, (2, Problem::TextBefore), "{up}");
        }
        for down in ["-- migrate:down", "-- Down Migration: restores it"] {
            let found = problem(&format!("SELECT 0;\n{down}\nSELECT 1;"));
            assert_eq!(found, (2, Problem::NoUp), "{down}");
        }
        let found = problem("-- migrate:up\nSELECT 1;\n-- +goose Down\nSELECT 2;");
        assert_eq!(found, (3, Problem::Mixed));
    }

    #[test]
    fn unknown_markers_are_refused() {
        for marker in [
            "-- DOWN",
            "--//@UNDO",
            "-- @down",
            "--- rollback:",
            "-- +tool Down",
            "# --- !Downs",
            "-- !Downs",
            "--liquibase formatted sql",
            "-- [down]",
            "--changeset a:1",
            "-- Revert",
            // Not as their tools write them.
            "  -- migrate:down",
            "-- MIGRATE:DOWN",
            "-- migrate:down now",
            "-- +goose down",
            "  -- +goose Down",
            "-- +goose ENVSUB ON",
            "-- +migrate down",
            "--+migrate Down",
            "--  +migrate Down",
            "-- +goose  Down",
            "-- Rambler Down",
            "-- ---- create above / drop below ----",
        ] {
            let error = up(&format!("SELECT 1;\n{marker}\nSELECT 2;")).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, marker.trim()));
            assert_eq!(error.problem, Problem::Unknown);
        }
    }
}
