//! What a person sees: one line for each thing that was tried, what came back, and whether it held.
//!
//! Invariant: an attack holds only if it had a positive control, at least one check, and no problem;
//! one that proves nothing is shown as not held.

use std::fmt::Write as _;
use std::io::IsTerminal;

/// One thing that was tried.
#[derive(Debug)]
pub struct Row {
    tried: String,
    answer: String,
    problems: Vec<String>,
    checks: u32,
    controls: u32,
}

impl Row {
    /// Starts a row; `tried` is what the table says was tried.
    pub fn new(tried: impl Into<String>) -> Self {
        Self {
            tried: tried.into(),
            answer: String::new(),
            problems: Vec::new(),
            checks: 0,
            controls: 0,
        }
    }

    /// Changes what the table says was tried.
    pub fn name(&mut self, tried: impl Into<String>) {
        self.tried = tried.into();
    }

    /// What came back, for people.
    pub fn came_back(&mut self, answer: impl Into<String>) {
        self.answer = answer.into();
    }

    /// Something that must be so, or the attack got through.
    pub fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.problems.push(otherwise());
        }
    }

    /// Something that must work for the rightful caller, or the attack proves nothing.
    pub fn control(&mut self, works: bool, otherwise: impl FnOnce() -> String) {
        self.controls += 1;
        if !works {
            self.problems.push(format!("control: {}", otherwise()));
        }
    }

    /// Nothing of another organisation may be in an answer.
    pub fn check_leaks(&mut self, leaks: &[String]) {
        self.check(leaks.is_empty(), || {
            format!("the other organisation's {} came back", leaks.join(", "))
        });
    }

    /// Something broke before anything was shown.
    pub fn fail(&mut self, error: &anyhow::Error) {
        self.problems.push(format!("{error:#}"));
    }

    /// Whether it held.
    pub fn held(&self) -> bool {
        self.problems.is_empty() && self.checks > 0 && self.controls > 0
    }

    fn lines(&self) -> String {
        let mut text = self.answer.clone();
        for problem in &self.problems {
            let _ = write!(text, "\n! {problem}");
        }
        if self.problems.is_empty() && (self.checks == 0 || self.controls == 0) {
            text.push_str("\n! nothing was checked, or there was no control");
        }
        text.trim_start().to_owned()
    }
}

/// How the table is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colour: bool,
    width: usize,
}

/// Widths of the columns without their margins: what was tried, what came back, the verdict.
const TRIED: usize = 42;
const VERDICT: usize = 10;
/// Borders and margins of three columns.
const FRAME: usize = 10;

impl Style {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub fn of_stdout() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok());
        Self {
            colour: std::io::stdout().is_terminal() && !plain,
            width: width.unwrap_or(120_usize).clamp(90, 140),
        }
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// The top of a table and the names of its columns.
    pub fn top(self, tried: &str, answer: &str) -> String {
        let head = [(tried, TRIED), (answer, self.answer()), ("", VERDICT)];
        let head = head.map(|(text, width)| self.paint("1", &pad(text, width)));
        format!("{}\n│ {} │", self.rule("┌", "┬", "┐"), head.join(" │ "))
    }

    /// One row, with the line above it.
    pub fn row(self, row: &Row) -> String {
        let (verdict, colour) = match row.held() {
            true => ("✓ held", "32"),
            false => ("✗ NOT HELD", "1;31"),
        };
        let (tried, answer) = (wrap(&row.tried, TRIED), wrap(&row.lines(), self.answer()));
        let mut out = self.rule("├", "┼", "┤");
        for line in 0..tried.len().max(answer.len()).max(1) {
            let cell =
                |lines: &[String], width| pad(lines.get(line).map_or("", String::as_str), width);
            let (tried, answer) = (cell(&tried, TRIED), cell(&answer, self.answer()));
            let verdict = self.paint(colour, &pad(if line == 0 { verdict } else { "" }, VERDICT));
            let _ = write!(out, "\n│ {tried} │ {answer} │ {verdict} │");
        }
        out
    }

    /// The bottom of a table.
    pub fn bottom(self) -> String {
        self.rule("└", "┴", "┘")
    }

    fn answer(self) -> usize {
        self.width.saturating_sub(TRIED + VERDICT + FRAME)
    }

    fn rule(self, left: &str, middle: &str, right: &str) -> String {
        let dashes = [TRIED, self.answer(), VERDICT].map(|width| "─".repeat(width + 2));
        format!("{left}{}{right}", dashes.join(middle))
    }

    /// The last line.
    pub fn verdict(self, rows: &[Row], seconds: f32) -> String {
        let held = rows.iter().filter(|row| row.held()).count();
        let text = format!("{held} of {} held, in {seconds:.1} s", rows.len());
        self.paint(if held == rows.len() { "1;32" } else { "1;31" }, &text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What is printed here is one column per character.
fn columns(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            while columns(&line) > width {
                let rest: String = line.chars().skip(width).collect();
                lines.push(line.chars().take(width).collect());
                line = rest;
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_control_or_check_does_not_hold() {
        let mut row = Row::new("x");
        assert!(!row.held());
        row.check(true, String::new);
        assert!(!row.held());
        row.control(true, String::new);
        assert!(row.held());
        row.check_leaks(&["NWT-C000001".to_owned()]);
        assert!(!row.held());
    }

    #[test]
    fn every_line_of_a_table_is_equally_wide() {
        let mut row = Row::new("a tenant id slipped in as an argument, under seven spellings");
        row.came_back("refused\n".to_owned() + &"word ".repeat(60) + &"x".repeat(200));
        for width in [90, 120] {
            let style = Style {
                colour: false,
                width,
            };
            let parts = [
                style.top("tried", "came back"),
                style.row(&row),
                style.bottom(),
            ];
            let table = parts.join("\n");
            assert!(table.lines().all(|line| columns(line) == width), "{table}");
        }
    }
}
