//! For people: one block for each finding, the worst first, then one line that sums up.
//!
//! `annotate-snippets` draws the blocks, as rustc does. Invariant: it is handed no text of a project that
//! acts on a terminal, and no place outside of the text or within a character, because it panics there.

use std::io::Write;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level as Tone, Origin, Renderer, Snippet,
};
use anyhow::Result;
use watertight_analysis::Diagnostic;
use watertight_analysis::finding::{Finding, Level, Place, Verdict};

use super::Report;
use super::clean::{clean, one_line};
use crate::paint::Paint;

/// Longer places on one line are cut: nobody reads more carets.
const WIDEST: usize = 100;

type Excerpt<'a> = Snippet<'a, Annotation<'a>>;

pub(super) fn write(report: &Report, out: &mut impl Write, paint: Paint) -> Result<()> {
    for (name, value) in &report.about {
        writeln!(
            out,
            "{} {}",
            paint.bold(&format!("{name}:")),
            one_line(value)
        )?;
    }
    if !report.about.is_empty() {
        writeln!(out)?;
    }
    let renderer = renderer(paint);
    for finding in &report.findings {
        writeln!(out, "{}\n", block(report, finding, &renderer))?;
    }
    if report.shows_clear {
        for (word, list) in [("held", &report.clear), ("not applicable", &report.skipped)] {
            for one in list {
                let place = one.place.to_string();
                let (place, reason) = (one_line(&place), one_line(&one.reason));
                writeln!(out, "{} {place}: {reason}", paint.bold(word))?;
            }
        }
        writeln!(out)?;
    }
    let summary = report.summary();
    let line = summary.line();
    let line = match (summary.findings(), summary.needs_review) {
        (0, 0) => paint.green(&line),
        (0, _) => paint.yellow(&line),
        _ => paint.red(&line),
    };
    writeln!(out, "{line}")?;
    if let Some(first) = report.findings.first() {
        let code = first.code.number();
        writeln!(
            out,
            "`cargo watertight explain {code}` tells more of a rule"
        )?;
    }
    Ok(())
}

fn renderer(paint: Paint) -> Renderer {
    let renderer = match paint.is_on() {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(paint.width())
}

/// What the analysis says of a statement, without a newline at its end.
pub(crate) fn diagnostic(problem: &Diagnostic, sql: &str, paint: Paint) -> String {
    let tone = match problem.is_error() {
        true => Tone::ERROR,
        false => Tone::WARNING,
    };
    let title = tone
        .primary_title(clean(&problem.message))
        .id(problem.code.number());
    let mut group = Group::with_title(title);
    if let Some(span) = &problem.span {
        let also = problem.secondary.iter();
        let also: Vec<_> = also
            .map(|(span, label)| ((span.start, span.end), label.as_str()))
            .collect();
        let main = (span.start, span.end);
        group = group.elements(excerpts(None, sql, main, problem.label.as_deref(), &also));
    }
    for note in &problem.notes {
        group = group.element(Tone::NOTE.message(clean(note.trim_end())));
    }
    for help in &problem.help {
        group = group.element(Tone::HELP.message(clean(help.trim_end())));
    }
    renderer(paint).render(&[group])
}

/// One finding, without a newline at its end.
fn block(report: &Report, finding: &Finding, renderer: &Renderer) -> String {
    let tone = match (finding.verdict, finding.level) {
        (Verdict::Finding, Level::High) => Tone::ERROR,
        (_, Level::Low) => Tone::INFO,
        _ => Tone::WARNING,
    };
    let head = format!("{} {}", finding.level, finding.verdict.word());
    let title = tone
        .with_name(head)
        .primary_title(clean(&finding.message))
        .id(finding.code.number());
    let mut group = Group::with_title(title);
    let excerpts = of_finding(report, finding);
    if excerpts.is_empty() {
        group = group.element(Origin::path(one_line(&finding.place.to_string())));
    }
    group = group.elements(excerpts);
    for note in &finding.notes {
        group = group.element(Tone::NOTE.message(clean(note.trim_end())));
    }
    for help in &finding.help {
        group = group.element(Tone::HELP.message(clean(help.trim_end())));
    }
    if !finding.mend.is_empty() {
        let sql: Vec<String> = finding.mend.iter().map(|sql| format!("{sql};")).collect();
        let sql = clean(&sql.join("\n")).into_owned();
        group = group.element(Tone::HELP.with_name("mend").message(sql));
    }
    renderer.render(&[group])
}

/// A place in a file, with a few words and how it is underlined.
struct Mark<'a> {
    span: Range<usize>,
    label: Option<&'a str>,
    kind: AnnotationKind,
}

/// The lines of the file that the finding is about, with its places.
fn of_finding<'a>(report: &'a Report, finding: &'a Finding) -> Vec<Excerpt<'a>> {
    let Place::Source {
        path,
        span: Some(span),
    } = &finding.place
    else {
        return Vec::new();
    };
    let Some(text) = report.sources.get(path) else {
        return Vec::new();
    };
    let also = finding.also.iter();
    let also: Vec<_> = also.map(|(span, label)| (*span, label.as_str())).collect();
    excerpts(Some(path), text, *span, finding.label.as_deref(), &also)
}

/// The lines of a text with a place and what explains it.
fn excerpts<'a>(
    path: Option<&str>,
    text: &'a str,
    main: (usize, usize),
    label: Option<&'a str>,
    also: &[((usize, usize), &'a str)],
) -> Vec<Excerpt<'a>> {
    let main = within(text, main);
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for (span, label) in also {
        let mark = Mark {
            span: within(text, *span),
            label: Some(label),
            kind: AnnotationKind::Context,
        };
        // Twice under the same letters is no second place; and a line is cut around what is marked in it,
        // so what is far away in the same line is shown by itself.
        let (from, to) = (main.start.min(mark.span.start), main.end.max(mark.span.end));
        let between = text.get(from..to).unwrap_or_default();
        match between.contains('\n') || between.chars().count() < WIDEST {
            _ if mark.span == main => {}
            true => near.push(mark),
            false => far.push(vec![mark]),
        }
    }
    let kind = AnnotationKind::Primary;
    near.insert(
        0,
        Mark {
            span: main,
            label,
            kind,
        },
    );
    far.insert(0, near);
    far.into_iter()
        .filter_map(|marks| excerpt(path, text, marks))
        .collect()
}

/// The lines in question alone: a file may be long, and have many findings.
fn excerpt<'a>(path: Option<&str>, text: &'a str, marks: Vec<Mark<'a>>) -> Option<Excerpt<'a>> {
    let first = marks.iter().map(|mark| mark.span.start).min()?;
    let last = marks.iter().map(|mark| mark.span.end).max()?;
    let from = text.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
    let to = text
        .get(last..)?
        .find('\n')
        .map_or(text.len(), |at| last + at);
    let shown = text.get(from..to)?;
    let mut excerpt = Snippet::source(shown.strip_suffix('\r').unwrap_or(shown))
        .path(path.map(one_line))
        .line_start(text.get(..from)?.matches('\n').count() + 1);
    for mark in marks {
        let place = mark.kind.span(mark.span.start - from..mark.span.end - from);
        excerpt = excerpt.annotation(match mark.label {
            Some(label) => place.label(one_line(label)),
            None => place,
        });
    }
    Some(excerpt)
}

/// The place, moved to whole characters of the text, without the white space behind it, and no longer than
/// anybody reads.
fn within(text: &str, (start, end): (usize, usize)) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(start);
    let end = floor(end).max(start);
    let part = text.get(start..end).unwrap_or_default().trim_end();
    let cut = part.char_indices().nth(WIDEST).map(|(at, _)| at);
    match cut.filter(|_| !part.contains('\n')) {
        Some(cut) => start..start + cut,
        None => start..start + part.len(),
    }
}
