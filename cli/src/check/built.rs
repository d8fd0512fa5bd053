//! Adds what a build saw: statements of watertight that come out of other macros.

use watertight_syntax::scan::{Call, Source};

use super::extract::judged;
use super::facts::OURS_BY_MACRO;
use super::sources::Workspace;
use crate::lock::build::Record;
use crate::lock::collect::{Projects, Sources};
use crate::output::position;

/// Adds each call to the file that it stands in, unless it was read there.
pub(crate) fn add(workspace: &mut Workspace, records: &[Record]) {
    let projects = Projects::default();
    for record in records {
        let Some(file) = workspace.files.iter_mut().find(|it| it.path == record.file) else {
            continue;
        };
        let at_line = |at: usize| position(&file.text, at).0 == record.line;
        if file.judged.iter().any(|it| at_line(it.span.start)) {
            continue;
        }
        let files = Sources {
            path: &record.file,
            package: &record.package,
            projects: &projects,
        };
        let call = Call {
            kind: record.kind,
            path: vec!["(made by a macro)".to_owned()],
            arguments: record.attribute.clone(),
            item: record.item.clone(),
            span: proc_macro2::Span::call_site(),
        };
        let source = Source {
            calls: vec![call],
            ..Source::default()
        };
        let test = file.test;
        let (mut found, mut exceptions) = judged(&source, &files, &|_| test);
        // Its places are those of the tokens that were written down.
        let span = line(&file.text, record.line);
        for judged in &mut found {
            judged.span = span.clone();
        }
        for exception in &mut exceptions {
            exception.span = span.clone();
        }
        file.judged.extend(found);
        file.exceptions.extend(exceptions);
    }
    for file in &mut workspace.files {
        // What else a macro or an included file holds, no expansion wrote down.
        file.unseen.retain(|(what, _)| what != OURS_BY_MACRO);
    }
}

/// A line of a text, by its number from one, without the white space around it.
pub(crate) fn line(text: &str, number: usize) -> std::ops::Range<usize> {
    let mut lines = text.split_inclusive('\n');
    let before = lines.by_ref().take(number.saturating_sub(1));
    let offset: usize = before.map(str::len).sum();
    let line = lines.next().unwrap_or_default();
    let start = offset + line.len() - line.trim_start().len();
    start..start + line.trim().len()
}
