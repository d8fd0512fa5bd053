//! Columns that tell the tenant, in rows that may leave the server.
//!
//! The proof says which columns are computed of the tenant; whether the row's type may leave is
//! known to the compiler alone. So the expansion asks it, about the user's own type tokens:
//! `Row::<T>::LEAVES` is true where `T` has `ToolOutput`, and then the constant below panics with
//! the text made here. Invariant: a type that can't be seen from here is taken to leave.

use std::ops::Range;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{Generics, Lifetime, LitStr, Path, Type};
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::prove::{OutputColumn, Proof};

use super::item::spelled;
use super::judge::Text;
use crate::errors::Errors;
use crate::project::render;

/// A statement whose rows tell the tenant.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    text: Text,
    columns: Vec<OutputColumn>,
    /// Which of several statements it is.
    note: Option<String>,
}

/// What of a statement's rows tells the tenant; `None` if nothing does.
pub(super) fn carried(text: &Text, proof: &Proof) -> Option<Carried> {
    if !proof.returns_rows {
        return None;
    }
    let columns = match &proof.columns {
        Some(columns) if columns.iter().any(|column| column.from_tenant) => columns.clone(),
        Some(_) => return None,
        // What can't be told may be the tenant's, unless nothing here has one.
        None if proof.occurrences.iter().all(|it| it.class == "global") => return None,
        None => Vec::new(),
    };
    Some(Carried {
        text: text.clone(),
        columns,
        note: None,
    })
}

impl Carried {
    /// Says which of several statements it is.
    pub(super) fn among(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }

    /// Refuses rows of a type that can't be seen; `mend` says how to show it, if there is a way.
    pub(super) fn refuse_unseen(&self, mend: Option<&str>, errors: &mut Errors) {
        let mut problem = self.problem("what reads its rows can't be seen from here");
        if let Some(mend) = mend {
            problem = problem.help(mend);
        }
        self.text.refuse(&problem, errors);
    }

    /// Code that does not compile if `ty` may leave the server. The error stands at the type.
    pub(super) fn refuse_leaving(&self, krate: &Path, ty: &Type) -> TokenStream {
        let problem = self.problem(&format!("`{}` may leave the server", spelled(ty)));
        let message = LitStr::new(&self.shown(&problem), Span::call_site());
        let mut anywhere = ty.clone();
        // No named lifetime can be used in a constant, and none makes a difference here.
        Anywhere.visit_type_mut(&mut anywhere);
        let asked = quote_spanned!(ty.span()=> #krate::__private::Row::<#anywhere>::LEAVES);
        let refused = quote_spanned!(ty.span()=> ::core::panic!("{}", #message));
        // The length of an array, and not `const _`, because `Self` may stand in it.
        quote! {
            let _: [(); {
                #[allow(unused_imports)]
                use #krate::__private::Stays as _;
                if #asked {
                    #refused
                }
                0
            }] = [];
        }
    }

    /// The diagnostic as the error of a constant.
    fn shown(&self, problem: &Diagnostic) -> String {
        let mut message = render(problem, &self.text.source);
        if let Some(file) = &self.text.file {
            let end = message.find('\n').unwrap_or(message.len());
            message.insert_str(end, &format!("\n  --> {file}"));
        }
        message
    }

    fn problem(&self, and: &str) -> Diagnostic {
        let told: Vec<&OutputColumn> = self.columns.iter().filter(|it| it.from_tenant).collect();
        let mut problem = Diagnostic::error(
            Code::RETURNS_TENANT,
            format!("{}, and {and}", what_is_told(&told)),
        );
        let mut places: Vec<(Range<usize>, String)> = Vec::new();
        for column in &told {
            let Some(span) = &column.span else { continue };
            if places.iter().any(|(place, _)| place == span) {
                continue;
            }
            let label = match (column.star, &column.name) {
                (true, Some(name)) => format!("`{name}` is among these columns"),
                _ => "the tenant".to_owned(),
            };
            places.push((span.clone(), label));
        }
        let mut places = places.into_iter();
        if let Some((span, label)) = places.next() {
            problem = problem.at(span).label(label);
        }
        problem.secondary.extend(places);
        if let Some(note) = &self.note {
            problem = problem.note(format!("with {note}"));
        }
        problem = match (mended(&self.text.source, &self.columns), told.is_empty()) {
            (Some(mended), _) => problem.help(format!("write: {mended}")),
            (None, true) => problem.help("name the columns, without the tenant's"),
            (None, false) => {
                problem.help("leave it out: no client needs to be told its own tenant")
            }
        };
        problem
            .help("if a client has to be told, say why: `returns_tenant = \"…\"` in the attribute")
    }
}

fn what_is_told(told: &[&OutputColumn]) -> String {
    let name = |column: &OutputColumn| {
        column
            .name
            .as_ref()
            .map_or_else(|| "a column".to_owned(), |name| format!("`{name}`"))
    };
    match told {
        [] => "which columns this returns can't be told".to_owned(),
        [one] => format!("{} tells the tenant", name(one)),
        [rest @ .., last] => {
            let rest: Vec<String> = rest.iter().map(|column| name(column)).collect();
            format!("{} and {} tell the tenant", rest.join(", "), name(last))
        }
    }
}

/// The statement without the columns that tell the tenant; `None` where that is not a matter of
/// leaving words out.
fn mended(source: &str, columns: &[OutputColumn]) -> Option<String> {
    let kept: Vec<&OutputColumn> = columns.iter().filter(|it| !it.from_tenant).collect();
    if kept.is_empty() {
        return None;
    }
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (index, column) in columns.iter().enumerate().filter(|(_, it)| it.from_tenant) {
        let span = column.span.clone()?;
        if edits.iter().any(|(place, _)| *place == span) {
            continue;
        }
        let edit = match column.star {
            true => (span.clone(), named(source, &span, columns)?),
            false => (without(source, &span, index, columns)?, String::new()),
        };
        edits.push(edit);
    }
    let mut mended = source.to_owned();
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    for (place, text) in edits {
        mended.get(place.clone())?;
        mended.replace_range(place, &text);
    }
    Some(mended.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The columns to write instead of a `*`.
fn named(source: &str, star: &Range<usize>, columns: &[OutputColumn]) -> Option<String> {
    let prefix = source.get(star.clone())?.strip_suffix('*')?.trim_end();
    let mut names: Vec<&str> = Vec::new();
    for column in columns.iter().filter(|it| it.span.as_ref() == Some(star)) {
        let name = column.name.as_deref()?;
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        // Two of one name have to be told apart, and others may need quotes: by hand.
        if !plain || names.contains(&name) {
            return None;
        }
        if !column.from_tenant {
            names.push(name);
        }
    }
    let list: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    (!list.is_empty()).then(|| list.join(", "))
}

/// What to take out for one column that was written out: it and a comma.
fn without(
    source: &str,
    span: &Range<usize>,
    index: usize,
    columns: &[OutputColumn],
) -> Option<Range<usize>> {
    if let Some(next) = columns.get(index + 1) {
        let next = next.span.as_ref()?;
        return (next.start > span.end).then_some(span.start..next.start);
    }
    let before = columns.get(index.checked_sub(1)?)?.span.as_ref()?;
    let between = source.get(before.end..span.start)?;
    let comma = before.end + between.rfind(',')?;
    // An alias would stay behind.
    let after = source.get(span.end..)?.trim_start();
    let ends = after.is_empty()
        || after
            .get(..5)
            .is_some_and(|word| word.trim_end().eq_ignore_ascii_case("from"));
    ends.then_some(comma..span.end)
}

/// Whether a type names a parameter of the function, so that it is not known here.
pub(super) fn is_generic(ty: &Type, generics: &Generics) -> bool {
    struct Names<'a>(&'a Generics, bool);
    impl<'ast> Visit<'ast> for Names<'_> {
        fn visit_path(&mut self, path: &'ast Path) {
            let parameters = self.0.type_params();
            if let Some(first) = path.segments.first() {
                self.1 |= parameters.into_iter().any(|it| it.ident == first.ident);
            }
            syn::visit::visit_path(self, path);
        }
    }
    let mut names = Names(generics, false);
    names.visit_type(ty);
    names.1
}

/// A reason for what no statement does.
pub(super) fn refuse_unused(reason: &LitStr, errors: &mut Errors) {
    errors.push(
        reason,
        "nothing that is returned here tells the tenant\n\
         help: remove `returns_tenant`",
    );
}

struct Anywhere;

impl VisitMut for Anywhere {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            *lifetime = Lifetime::new("'_", lifetime.span());
        }
    }
}
