//! Diagnostics as plain text: message, excerpt with carets, notes, help.
//!
//! A stable macro can't point inside a string literal, so the excerpt with its carets is part of
//! the message. Offsets that do not fit the text are dropped, never a panic.

use std::fmt::Write as _;
use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// How many columns a tab takes in the excerpt.
const TAB: usize = 4;
/// Longer lines are cut around the place at fault.
const WIDTH: usize = 110;

/// Renders `d`, whose spans are offsets into `sql`.
pub fn render(d: &Diagnostic, sql: &str) -> String {
    let mut out = format!("{d}\n");
    let mut places: Vec<(Range<usize>, &str, char)> = Vec::new();
    if let Some(span) = &d.span {
        places.push((span.clone(), d.label.as_deref().unwrap_or(""), '^'));
    }
    for (span, label) in &d.secondary {
        places.push((span.clone(), label, '-'));
    }
    excerpt(&mut out, sql, &places);
    for note in &d.notes {
        section(&mut out, "note", note);
    }
    for help in &d.help {
        section(&mut out, "help", help);
    }
    out.truncate(out.trim_end().len());
    out
}

/// Renders several diagnostics with an empty line between them.
pub fn render_all(diagnostics: &[Diagnostic], sql: &str) -> String {
    let texts: Vec<String> = diagnostics.iter().map(|d| render(d, sql)).collect();
    texts.join("\n\n")
}

fn section(out: &mut String, kind: &str, text: &str) {
    let indent = format!("\n{:width$}", "", width = kind.len() + 4);
    let _ = writeln!(out, "  {kind}: {}", text.trim_end().replace('\n', &indent));
}

/// One line of the text, by its number from one and its byte range.
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

fn excerpt(out: &mut String, sql: &str, places: &[(Range<usize>, &str, char)]) {
    let lines = lines(sql);
    // Marks by line, in the order of lines, the primary place first on its line.
    let mut marks: Vec<(usize, Range<usize>, &str, char)> = Vec::new();
    for (span, label, mark) in places {
        let span = clamp(sql, span);
        let Some(index) = lines.iter().rposition(|line| line.start <= span.start) else {
            continue;
        };
        marks.push((index, span, label, *mark));
    }
    if marks.is_empty() {
        return;
    }
    marks.sort_by_key(|(index, ..)| *index);
    let width = lines.len().to_string().len();
    let _ = writeln!(out, "{:width$} |", "");
    let mut shown: Option<usize> = None;
    for (index, span, label, mark) in marks {
        let Some(line) = lines.get(index) else {
            continue;
        };
        let from = span.start.saturating_sub(line.start).min(line.text.len());
        let to = span
            .end
            .saturating_sub(line.start)
            .clamp(from, line.text.len());
        let before = columns(line.text.get(..from).unwrap_or(""));
        let length = columns(line.text.get(from..to).unwrap_or("")).max(1);
        let cut = if before + length > WIDTH {
            before.saturating_sub(WIDTH / 2)
        } else {
            0
        };
        if shown != Some(index) {
            if shown.is_some_and(|last| index > last + 1) {
                let _ = writeln!(out, "{:width$} ...", "");
            }
            let text = window(&line.text.replace('\t', &" ".repeat(TAB)), cut);
            let _ = writeln!(out, "{:>width$} | {}", line.number, text.trim_end());
            shown = Some(index);
        }
        let lead = before - cut + if cut > 0 { 3 } else { 0 };
        let carets: String = std::iter::repeat_n(mark, length.min(WIDTH)).collect();
        let _ = writeln!(out, "{:width$} | {:lead$}{carets} {label}", "", "");
        while out.ends_with(" \n") {
            out.truncate(out.len() - 2);
            out.push('\n');
        }
    }
    let _ = writeln!(out, "{:width$} |", "");
}

fn window(text: &str, cut: usize) -> String {
    let total = text.chars().count();
    let kept: String = text.chars().skip(cut).take(WIDTH + 20).collect();
    let head = if cut > 0 { "..." } else { "" };
    let tail = if total > cut + WIDTH + 20 { "..." } else { "" };
    format!("{head}{kept}{tail}")
}

fn lines(sql: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for (index, piece) in sql.split_inclusive('\n').enumerate() {
        let text = piece.trim_end_matches(['\n', '\r']);
        lines.push(Line {
            number: index + 1,
            start,
            text,
        });
        start += piece.len();
    }
    lines
}

fn clamp(sql: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(sql.len());
        while !sql.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { TAB } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    #[test]
    fn carets_stand_under_the_place() {
        let sql = "SELECT *\nFROM customers\nWHERE plan = $1";
        let d = Diagnostic::error(Code::UNPINNED, "`customers` is not confined to the tenant")
            .at(14..23)
            .label("here")
            .also(30..34, "this does not help")
            .note("created in 0001.sql")
            .help("add a condition:\nWHERE customers.tenant_id = $tenant");
        assert_eq!(
            render(&d, sql),
            "\
error[W0101]: `customers` is not confined to the tenant
  |
2 | FROM customers
  |      ^^^^^^^^^ here
3 | WHERE plan = $1
  |       ---- this does not help
  |
  note: created in 0001.sql
  help: add a condition:
        WHERE customers.tenant_id = $tenant"
        );
    }

    #[test]
    fn offsets_outside_or_inside_a_character_do_no_harm() {
        let d = Diagnostic::error(Code::UNPINNED, "x");
        assert!(render(&d.clone().at(1..900), "é").contains('^'));
        assert!(render(&d.clone().at(500..900), "ab\ncd").contains("| cd"));
        assert_eq!(render(&d.at(0..1), ""), "error[W0101]: x");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let sql = format!("SELECT {} FROM t", "x, ".repeat(200));
        let at = sql.len() - 1;
        let text = render(&Diagnostic::error(Code::UNPINNED, "x").at(at..at + 1), &sql);
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[3].find('^').unwrap();
        assert_eq!(lines[2].as_bytes()[caret], b't', "{text}");
    }
}
