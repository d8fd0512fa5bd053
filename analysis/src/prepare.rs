//! Named parameters to numbered ones, on the parser's own lexer.
//!
//! Invariant: the text that is proved is byte for byte the text that is sent. A parameter is a `$`
//! directly followed by a name; what stands in strings, comments and quoted names is never one,
//! and `$tenant$` opens a string. Names are exact: `$TENANT` and `$tenant_id` are the caller's.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use rupg_sql::token;

use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Limits, lex};

/// The one parameter that the executor binds.
const TENANT: &str = "tenant";

/// What `$tenant` becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantBinding {
    /// A parameter of its own, after the caller's, which the executor binds last.
    LastParameter,
    /// A sub-select of the setting of the scope, for statements whose arguments a macro binds.
    Setting,
}

/// A parameter that the caller binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its number in the text that is sent, from one.
    pub number: u32,
    /// Its name, exactly as written; absent for a numbered one.
    pub name: Option<String>,
}

/// A statement with its parameters numbered.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The text that is sent, byte for byte.
    pub sql: String,
    /// The text as written.
    pub source: String,
    /// The caller's parameters in the order of their numbers.
    pub parameters: Vec<Parameter>,
    /// The number of `$tenant`, when it is a parameter and occurs.
    pub tenant: Option<u32>,
    edits: Vec<Edit>,
}

/// A piece of the source that was replaced.
#[derive(Clone, Debug)]
struct Edit {
    source: Range<usize>,
    sql: Range<usize>,
}

impl Prepared {
    /// The place in the source of a place in the text that is sent.
    pub fn source_span(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.source_offset(span.start, false);
        start..self.source_offset(span.end, true).max(start)
    }

    fn source_offset(&self, offset: usize, end: bool) -> usize {
        let mut shift_sql = 0;
        let mut shift_source = 0;
        for edit in &self.edits {
            let inside = if end {
                edit.sql.start < offset && offset <= edit.sql.end
            } else {
                edit.sql.start <= offset && offset < edit.sql.end
            };
            if inside {
                return if end {
                    edit.source.end
                } else {
                    edit.source.start
                };
            }
            if offset < edit.sql.end {
                break;
            }
            shift_sql = edit.sql.end;
            shift_source = edit.source.end;
        }
        (shift_source + offset.saturating_sub(shift_sql)).min(self.source.len())
    }

    /// The text of a place, with names instead of numbers.
    pub(crate) fn source_text(&self, span: &Range<usize>) -> &str {
        self.source.get(self.source_span(span)).unwrap_or_default()
    }

    /// How a parameter was written.
    pub(crate) fn parameter_text(&self, number: u32) -> String {
        if self.tenant == Some(number) {
            return format!("${TENANT}");
        }
        self.parameters
            .iter()
            .find(|parameter| parameter.number == number)
            .and_then(|parameter| parameter.name.as_deref())
            .map_or_else(|| format!("${number}"), |name| format!("${name}"))
    }

    /// The places and numbers of the parameters in the text that is sent, in order.
    pub(crate) fn lexed_parameters(&self) -> Result<Vec<(usize, u32)>, Box<Diagnostic>> {
        numbered(&self.sql)
    }
}

/// The numbered parameters of a text: where they begin, and their numbers.
fn numbered(sql: &str) -> Result<Vec<(usize, u32)>, Box<Diagnostic>> {
    let tokens = lex(sql, Limits::STATEMENT)?;
    tokens
        .list()
        .iter()
        .filter(|token| token.kind == token::PARAM)
        .map(|token| {
            let number = sql
                .get(token.start + 1..token.end)
                .and_then(|digits| digits.parse().ok())
                .filter(|number| *number > 0);
            match number {
                Some(number) => Ok((token.start, number)),
                None => Err(Box::new(
                    Diagnostic::error(Code::SYNTAX, "parameters are numbered from 1")
                        .at(token.start..token.end),
                )),
            }
        })
        .collect()
}

/// Where the numbered parameters of a text stand, and their numbers; none if the text can't be read.
pub fn parameters_in(source: &str) -> Option<Vec<(Range<usize>, u32)>> {
    let found = numbered(source).ok()?.into_iter();
    Some(
        found
            .map(|(start, number)| (start..start + 1 + number.to_string().len(), number))
            .collect(),
    )
}

/// Where the first numbered parameter of a text stands; none if the text can't be read.
pub fn first_numbered(source: &str) -> Option<Range<usize>> {
    let (start, number) = numbered(source).ok()?.into_iter().next()?;
    Some(start..start + 1 + number.to_string().len())
}

/// The first number below `highest` that no parameter has.
fn gap(numbers: &[(usize, u32)], highest: u32) -> Option<u32> {
    let used: BTreeSet<u32> = numbers.iter().map(|(_, number)| *number).collect();
    (1..highest).find(|number| !used.contains(number))
}

/// A named parameter in the source.
struct Named<'s> {
    name: &'s str,
    span: Range<usize>,
}

/// Numbers the parameters of `source`.
///
/// # Errors
/// Text beyond the limits or that PostgreSQL's lexer refuses; names mixed with numbers; numbers
/// with a gap; a `$` that no name follows. Spans are in `source`.
pub fn prepare(
    source: &str,
    binding: TenantBinding,
    config: &Config,
) -> Result<Prepared, Vec<Diagnostic>> {
    let named = named(source).map_err(|error| vec![*error])?;
    let numbers = numbered(source).map_err(|error| vec![*error])?;
    let mut problems = Vec::new();
    if let (Some(name), Some((at, number))) = (
        named.iter().find(|named| named.name != TENANT),
        numbers.first(),
    ) {
        let digits = number.to_string().len();
        problems.push(
            Diagnostic::error(
                Code::MIXED_PARAMETERS,
                format!("`${}` and `${number}` are mixed", name.name),
            )
            .at(name.span.clone())
            .also(*at..at + 1 + digits, "a numbered parameter")
            .help(
                "write all of them as names, or all of them as numbers; `$tenant` goes with both",
            ),
        );
    }
    let highest = numbers.iter().map(|(_, number)| *number).max().unwrap_or(0);
    // A statement has at most 65,535 parameters; beyond that the search for gaps is pointless.
    if highest > u32::from(u16::MAX) {
        problems.push(Diagnostic::error(
            Code::TOO_LARGE,
            format!("`${highest}` is beyond the 65535 parameters that PostgreSQL takes"),
        ));
    } else if let Some(gap) = gap(&numbers, highest) {
        problems.push(
            Diagnostic::error(
                Code::PARAMETER_GAP,
                format!("the statement uses `${highest}` but not `${gap}`"),
            )
            .help("number the parameters from 1 without a gap"),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut parameters: Vec<Parameter> = (1..=highest)
        .map(|number| Parameter { number, name: None })
        .collect();
    let mut numbers_of_names = HashMap::new();
    for named in named.iter().filter(|named| named.name != TENANT) {
        numbers_of_names.entry(named.name).or_insert_with(|| {
            let number = u32::try_from(parameters.len() + 1).unwrap_or(u32::MAX);
            parameters.push(Parameter {
                number,
                name: Some(named.name.to_owned()),
            });
            number
        });
    }
    let last = u32::try_from(parameters.len() + 1).unwrap_or(u32::MAX);
    let uses_tenant = named.iter().any(|named| named.name == TENANT);
    let mut prepared = Prepared {
        sql: String::with_capacity(source.len() + 64),
        source: source.to_owned(),
        parameters,
        tenant: (uses_tenant && binding == TenantBinding::LastParameter).then_some(last),
        edits: Vec::with_capacity(named.len()),
    };
    let mut at = 0;
    let mut expected = numbers.len();
    for named in &named {
        prepared
            .sql
            .push_str(source.get(at..named.span.start).unwrap_or_default());
        let start = prepared.sql.len();
        if named.name == TENANT && binding == TenantBinding::Setting {
            prepared.sql.push_str(&config.tenant_expression());
        } else {
            // `$tenant` is not among the names, and comes last.
            let number = numbers_of_names.get(named.name).copied().unwrap_or(last);
            prepared.sql.push_str(&format!("${number}"));
            expected += 1;
        }
        prepared.edits.push(Edit {
            source: named.span.clone(),
            sql: start..prepared.sql.len(),
        });
        at = named.span.end;
    }
    prepared.sql.push_str(source.get(at..).unwrap_or_default());
    // The rewritten text must lex to exactly the parameters that were written.
    let found = numbered(&prepared.sql).map_err(|error| vec![*error])?;
    if found.len() != expected {
        return Err(vec![Diagnostic::bug(
            "the rewritten statement has another number of parameters",
        )]);
    }
    Ok(prepared)
}

/// The named parameters of a text in order.
fn named(source: &str) -> Result<Vec<Named<'_>>, Box<Diagnostic>> {
    let tokens = lex(source, Limits::STATEMENT)?;
    let mut found = Vec::new();
    // A lone `$` is a character that the grammar does not know.
    for (index, dollar) in tokens.list().iter().enumerate() {
        if source.get(dollar.start..dollar.end) != Some("$") {
            continue;
        }
        let name = tokens
            .list()
            .get(index + 1)
            .filter(|next| next.word && next.start == dollar.end)
            .and_then(|next| Some((source.get(next.start..next.end)?, next.end)))
            .filter(|(name, _)| !name.starts_with(['"', 'u', 'U']) || is_plain(name));
        match name {
            Some((name, end)) => found.push(Named {
                name,
                span: dollar.start..end,
            }),
            None => {
                return Err(Box::new(
                    Diagnostic::error(
                        Code::SYNTAX,
                        "a `$` that neither a name nor a number follows",
                    )
                    .at(dollar.start..dollar.end)
                    .help("write a parameter as `$name`, `$tenant` or `$1`"),
                ));
            }
        }
    }
    Ok(found)
}

/// Whether a name is written without quotes.
fn is_plain(name: &str) -> bool {
    !name.contains('"') && !name.contains('&')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(source: &str) -> Prepared {
        prepare(source, TenantBinding::LastParameter, &Config::default()).unwrap()
    }

    fn names(prepared: &Prepared) -> Vec<Option<&str>> {
        prepared
            .parameters
            .iter()
            .map(|p| p.name.as_deref())
            .collect()
    }

    #[test]
    fn names_become_numbers_and_the_tenant_is_last() {
        let p = last("SELECT $b, $tenant, $a, $b::int FROM t WHERE x=$tenant");
        assert_eq!(p.sql, "SELECT $1, $3, $2, $1::int FROM t WHERE x=$3");
        assert_eq!(names(&p), [Some("b"), Some("a")]);
        assert_eq!(p.tenant, Some(3));
    }

    #[test]
    fn numbers_go_with_the_tenant() {
        let p = last("SELECT $2, $1 WHERE a = $tenant");
        assert_eq!(p.sql, "SELECT $2, $1 WHERE a = $3");
        assert_eq!(names(&p), [None, None]);
    }

    #[test]
    fn names_are_exact() {
        let p = last("SELECT $TENANT, $tenants, $tenant_id, $limit");
        assert_eq!(p.tenant, None);
        assert_eq!(
            names(&p),
            ["TENANT", "tenants", "tenant_id", "limit"].map(Some)
        );
    }

    #[test]
    fn strings_comments_and_quoted_names_hold_no_parameters() {
        for text in [
            "SELECT '$tenant', \"$tenant\", E'\\'$tenant', $q$ $tenant $q$, $$ $tenant $$ -- $tenant",
            "SELECT $tenant$ x $tenant$ /* $a /* $b */ $c */",
            "SELECT a$tenant FROM t",
            "SELECT U&'$tenant', U&\"$tenant\"",
        ] {
            assert_eq!(last(text).sql, text);
        }
    }

    #[test]
    fn the_setting_takes_the_place_of_the_tenant() {
        let p = prepare(
            "SELECT 1 WHERE a = $tenant AND b = $1",
            TenantBinding::Setting,
            &Config::default(),
        )
        .unwrap();
        assert_eq!(
            p.sql,
            "SELECT 1 WHERE a = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid) AND b = $1"
        );
        assert_eq!((p.tenant, p.parameters.len()), (None, 1));
    }

    #[test]
    fn places_map_back() {
        let p = last("SELECT $plan, x FROM t WHERE x = $tenant AND y");
        for piece in ["x FROM", "t", "AND y"] {
            let at = p.sql.rfind(piece).unwrap();
            let span = at..at + piece.len();
            assert_eq!(p.source_text(&span), &p.sql[span.clone()]);
        }
        let at = p.sql.rfind("$2").unwrap();
        assert_eq!(p.source_text(&(at..at + 2)), "$tenant");
        assert_eq!(p.source_text(&(at - 4..at + 2)), "x = $tenant");
        assert_eq!(p.source_text(&(0..p.sql.len())), p.source);
    }

    #[test]
    fn mistakes_are_told() {
        let code = |text: &str| {
            prepare(text, TenantBinding::LastParameter, &Config::default()).unwrap_err()[0].code
        };
        assert_eq!(code("SELECT $1, $name"), Code::MIXED_PARAMETERS);
        assert_eq!(code("SELECT $1, $3"), Code::PARAMETER_GAP);
        assert_eq!(code("SELECT $ name"), Code::SYNTAX);
        assert_eq!(code("SELECT $\"name\""), Code::SYNTAX);
        assert_eq!(code("SELECT $0"), Code::SYNTAX);
        assert_eq!(code("SELECT $e'x'"), Code::SYNTAX);
        assert_eq!(code("SELECT $99999"), Code::TOO_LARGE);
        assert_eq!(code("SELECT $tenant$ x"), Code::SYNTAX);
    }
}
