//! What a text of the source is in the end: literals where they stand, constants by their name, files
//! read from where they lie.

use std::path::PathBuf;

use super::super::extract::append;
use super::super::facts::{Adds, Bind, FileFacts, Literal, Span, Text};
use super::Judge;

/// A text that may be sent.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) literal: Literal,
    /// The file that it stands in, where that is another one: its path and text.
    pub(super) elsewhere: Option<(String, String)>,
    /// What is bound in it, where that is not what is bound in the statement.
    pub(super) binds: Option<Vec<Bind>>,
}

/// What became of a text.
#[derive(Debug)]
pub(super) enum Resolved {
    Known(Vec<Candidate>),
    /// Made at run time, from parts that are written out.
    Made {
        parts: Vec<String>,
        gaps: Vec<Vec<String>>,
    },
    /// Nothing is known of it.
    Unknown(String),
}

impl Judge<'_> {
    pub(super) fn resolve(&self, file: &FileFacts, text: &Text) -> Resolved {
        self.resolve_within(file, text, 8)
    }

    fn resolve_within(&self, file: &FileFacts, text: &Text, depth: usize) -> Resolved {
        match text {
            Text::Literal(literal) => Resolved::Known(vec![Candidate {
                literal: literal.clone(),
                elsewhere: None,
                binds: None,
            }]),
            Text::Several(list) => {
                let mut known = Vec::new();
                for text in list {
                    match self.resolve_within(file, text, depth) {
                        Resolved::Known(found) => known.extend(found),
                        other => return other,
                    }
                }
                Resolved::Known(known)
            }
            Text::Constant { path, .. } => {
                if depth == 0 {
                    return Resolved::Unknown("a constant that leads in a circle".to_owned());
                }
                match self.constant(file, path) {
                    Some((home, text)) => match self.resolve_within(home, text, depth - 1) {
                        Resolved::Known(mut found) => {
                            if home.shown != file.shown {
                                for candidate in &mut found {
                                    candidate.elsewhere.get_or_insert_with(|| {
                                        (home.shown.clone(), home.text.clone())
                                    });
                                }
                            }
                            Resolved::Known(found)
                        }
                        other => other,
                    },
                    None => Resolved::Unknown(format!(
                        "`{}` is not a text of this workspace",
                        path.join("::")
                    )),
                }
            }
            Text::Built { steps, .. } => {
                let mut parts = vec![String::new()];
                for step in steps {
                    let known = match &step.adds {
                        Adds::Text(text) => match self.resolve_within(file, text, depth) {
                            Resolved::Known(found) if found.len() == 1 => found.into_iter().next(),
                            _ => None,
                        },
                        _ => None,
                    };
                    match (known, parts.last_mut()) {
                        (Some(known), Some(last)) => last.push_str(&known.literal.value),
                        _ => parts.push(String::new()),
                    }
                }
                Resolved::Made {
                    gaps: vec![Vec::new(); parts.len() - 1],
                    parts,
                }
            }
            Text::File { path, beside, .. } => self.file(file, path, *beside),
            Text::Made { parts, gaps, span } => {
                match depth
                    .checked_sub(1)
                    .and_then(|depth| self.filled(file, parts, gaps, span, depth))
                {
                    Some(literal) => Resolved::Known(vec![Candidate {
                        literal,
                        elsewhere: None,
                        binds: None,
                    }]),
                    None => Resolved::Made {
                        parts: parts.clone(),
                        gaps: gaps.clone(),
                    },
                }
            }
            Text::Unknown(_) => Resolved::Unknown("the text comes from elsewhere".to_owned()),
        }
    }

    /// A text whose gaps are constants.
    fn filled(
        &self,
        file: &FileFacts,
        parts: &[String],
        gaps: &[Vec<String>],
        span: &Span,
        depth: usize,
    ) -> Option<Literal> {
        if gaps.is_empty() || gaps.len() + 1 != parts.len() {
            return None;
        }
        // Its parts are not where they stand in the source: its place is the whole.
        let mut whole = Literal {
            value: parts.first()?.clone(),
            span: span.clone(),
            map: Vec::new(),
        };
        for (gap, part) in gaps.iter().zip(parts.iter().skip(1)) {
            let name = gap.last().filter(|name| {
                name.chars().any(|c| c.is_ascii_uppercase())
                    && name.chars().all(|c| !c.is_ascii_lowercase())
            })?;
            let (home, text) = self.constant(file, std::slice::from_ref(name))?;
            let Resolved::Known(found) = self.resolve_within(home, text, depth) else {
                return None;
            };
            let [only] = found.as_slice() else {
                return None;
            };
            let plain = |value: &str| Literal {
                value: value.to_owned(),
                ..Literal::default()
            };
            append(&mut whole, &plain(&only.literal.value));
            append(&mut whole, &plain(part));
        }
        Some(whole)
    }

    /// A constant by its path: of the file, of the package, of the workspace.
    fn constant(&self, file: &FileFacts, path: &[String]) -> Option<(&FileFacts, &Text)> {
        let absolute = self.names.absolute(file, path);
        let name = absolute.last()?;
        let of = |home: &'_ &FileFacts| home.constants.iter().any(|it| it.name == *name);
        let files = || self.workspace.files.iter();
        let package = || files().filter(|home| home.package == file.package);
        let module = absolute.iter().rev().nth(1);
        let home = files()
            .find(|home| home.shown == file.shown && of(home))
            .filter(|_| path.len() == 1)
            .or_else(|| package().find(|home| home.module.last() == module && of(home)))
            .or_else(|| package().find(of))
            .or_else(|| files().find(of))?;
        let found = home.constants.iter().find(|it| it.name == *name)?;
        Some((home, &found.text))
    }

    fn file(&self, file: &FileFacts, path: &str, beside: bool) -> Resolved {
        let folder: Option<PathBuf> = match beside {
            true => file.path.parent().map(PathBuf::from),
            false => self.workspace.package_of(file).map(|it| it.folder.clone()),
        };
        let found = folder.unwrap_or_default().join(path);
        match crate::project::read(&found) {
            Ok(text) => {
                let real = std::fs::canonicalize(&found).unwrap_or(found);
                let literal = Literal {
                    span: 0..text.len(),
                    map: vec![(0, 0)],
                    value: text.clone(),
                };
                Resolved::Known(vec![Candidate {
                    literal,
                    elsewhere: Some((self.workspace.shown(&real), text)),
                    binds: None,
                }])
            }
            Err(error) => Resolved::Unknown(format!("{error:#}")),
        }
    }
}
