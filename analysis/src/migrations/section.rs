//! Sections of a migration file: the way up is kept, the way back is blanked.
//!
//! The tools read their markers line by line, also inside strings, and so do we. A comment that
//! looks like the start of a way back in an unknown notation is refused: read straight through, a
//! *down* that restores row-level security would yield a false proof.

/// A marker that is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) line: usize,
    pub(super) text: String,
}

/// What a line does to the reading of the lines after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Up,
    Down,
    /// A known marker without effect on what is applied.
    Neutral,
}

/// The text with the way back blanked; offsets and line numbers stay.
pub(super) fn up(text: &str) -> Result<String, Marker> {
    let marks: Vec<Option<Mark>> = text
        .lines()
        .enumerate()
        .map(|(index, line)| {
            mark(line).map_err(|()| Marker {
                line: index + 1,
                text: line.trim().to_owned(),
            })
        })
        .collect::<Result<_, _>>()?;
    if !marks
        .iter()
        .any(|mark| matches!(mark, Some(Mark::Up | Mark::Down)))
    {
        return Ok(text.to_owned());
    }
    // With an explicit start, what stands before it is not applied; tern has no start.
    let mut applied = !marks.contains(&Some(Mark::Up));
    let mut out = String::with_capacity(text.len());
    for (line, mark) in text.split_inclusive('\n').zip(marks) {
        match mark {
            Some(Mark::Up) => applied = true,
            Some(Mark::Down) => applied = false,
            Some(Mark::Neutral) | None => {}
        }
        if applied {
            out.push_str(line);
        } else {
            out.extend(
                line.bytes()
                    .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
            );
        }
    }
    Ok(out)
}

/// The marker in a line; an error for one that is not known.
fn mark(line: &str) -> Result<Option<Mark>, ()> {
    let line = line.trim();
    let Some(comment) = line.strip_prefix("--").or_else(|| line.strip_prefix('#')) else {
        return Ok(None);
    };
    let words: Vec<String> = comment
        .trim_start_matches(['-', '>'])
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let known = match words.as_slice() {
        ["+goose" | "+migrate", "up", ..] | ["migrate:up", ..] | ["up", "migration"] => Mark::Up,
        ["+goose" | "+migrate", "down", ..] | ["migrate:down", ..] | ["down", "migration"] => {
            Mark::Down
        }
        ["rambler", "up"] | ["====", "up", "===="] => Mark::Up,
        ["rambler", "down"] | ["====", "down", "===="] => Mark::Down,
        ["create", "above", "/", "drop", "below", "----"] => Mark::Down,
        ["+goose", "statementbegin" | "statementend"]
        | ["+migrate", "statementbegin" | "statementend"]
        | ["+goose", "no", "transaction"]
        | ["+migrate", "notransaction"]
        | ["statement-breakpoint"]
        | ["no-transaction"] => Mark::Neutral,
        _ if is_suspicious(comment, &words) => return Err(()),
        _ => return Ok(None),
    };
    Ok(Some(known))
}

/// Whether a comment could be a tool's marker: `+word`, `word:down`, `//@UNDO`, or a short line
/// that names a way back.
fn is_suspicious(comment: &str, words: &[&str]) -> bool {
    let first = words.first().copied().unwrap_or("");
    if first.starts_with('+')
        && first.len() > 1
        && first[1..].starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return true;
    }
    if ["liquibase", "changeset", "atlas:txtar", "atlas:delimiter"]
        .iter()
        .any(|tool| first.starts_with(tool))
    {
        return true;
    }
    let plain: Vec<String> = comment
        .to_ascii_lowercase()
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let back = ["down", "downs", "undo", "rollback", "revert"];
    plain.len() <= 3 && plain.iter().any(|word| back.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> String {
        up(text)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn only_the_way_up_is_kept() {
        for (start, end) in [
            ("-- +goose Up", "-- +goose Down"),
            ("-- +migrate Up", "-- +migrate Down"),
            ("-- migrate:up", "-- migrate:down"),
            ("-- migrate:up transaction:false", "-- migrate:down"),
            ("-- Up Migration", "-- Down Migration"),
            ("-- rambler up", "-- rambler down"),
            ("-- ==== UP ====", "-- ==== DOWN ===="),
            ("--+goose up", "--   +goose   down"),
        ] {
            let text = format!("SELECT 0;\n{start}\nSELECT 1;\n{end}\nSELECT 2;\n");
            let result = up(&text).unwrap();
            assert_eq!(result.len(), text.len());
            assert!(result.contains("SELECT 1"), "{start}");
            assert!(
                !result.contains("SELECT 0") && !result.contains("SELECT 2"),
                "{start}"
            );
        }
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
        assert_eq!(up(text).unwrap(), text);
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
        ] {
            let error = up(&format!("SELECT 1;\n{marker}\nSELECT 2;")).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, marker));
        }
    }
}
