//! Which of a function's overloads a call can mean, and whether all of them are silent.
//!
//! Invariant: a call is said never to raise an error only if its arguments have the types of an
//! overload that never does, or reach them by implicit casts that never do. The list is generated
//! from a server (`scripts/builtins.py`); what is not on it raises.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::operators::Operand;
use super::types::{Implicit, implicit};

/// One overload of a function of PostgreSQL's own.
struct Overload {
    types: Vec<&'static str>,
    /// The type of each further argument, where there can be any number.
    variadic: Option<&'static str>,
    never: bool,
}

fn overloads(name: &str) -> &'static [Overload] {
    static TABLE: OnceLock<HashMap<&'static str, Vec<Overload>>> = OnceLock::new();
    TABLE.get_or_init(read).get(name).map_or(&[], Vec::as_slice)
}

fn read() -> HashMap<&'static str, Vec<Overload>> {
    let mut table: HashMap<_, Vec<Overload>> = HashMap::new();
    let lines = include_str!("../../functions/overloads.tsv").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        // A line of another form is left out, and what is left out raises.
        if let [name, types, variadic, errors] = *line.split('\t').collect::<Vec<_>>() {
            table.entry(name).or_default().push(Overload {
                types: types.split(',').filter(|ty| !ty.is_empty()).collect(),
                variadic: Some(variadic).filter(|ty| !ty.is_empty()),
                never: errors == "never",
            });
        }
    }
    table
}

impl Overload {
    /// The types of the arguments of a call with this many of them.
    fn taking(&self, count: usize, spread: bool) -> Option<Vec<&'static str>> {
        match (self.variadic, self.types.split_last()) {
            (Some(element), Some((_, first))) if !spread => (count > first.len()).then(|| {
                let rest = std::iter::repeat_n(element, count - first.len());
                first.iter().copied().chain(rest).collect()
            }),
            _ => (self.types.len() == count).then(|| self.types.clone()),
        }
    }
}

/// An overload that a call can mean.
struct Candidate {
    /// The types that it takes.
    types: Vec<&'static str>,
    never: bool,
    /// How many arguments have its very types.
    exact: usize,
    /// How many have its types, or become the type that PostgreSQL prefers among like ones.
    preferred: usize,
}

/// Whether a call with these arguments never raises an error, the last of them behind `VARIADIC`
/// where `spread`.
pub(crate) fn never(name: &str, operands: &[Operand<'_>], spread: bool) -> bool {
    let mut candidates: Vec<Candidate> = overloads(name)
        .iter()
        .filter_map(|overload| candidate(overload, operands, spread))
        .collect();
    // PostgreSQL keeps those with the most exact matches, then those with the most preferred types;
    // where a type is not known, nothing is told of that.
    let told = |operand: &Operand<'_>| matches!(operand, Operand::Known(_) | Operand::Open);
    if operands.iter().all(told) {
        for count in [|c: &Candidate| c.exact, |c: &Candidate| c.preferred] {
            let best = candidates.iter().map(count).max();
            candidates.retain(|candidate| Some(count(candidate)) == best);
        }
        take_for_text(&mut candidates, operands);
        take_for_the_same(&mut candidates, operands);
    }
    !candidates.is_empty() && candidates.iter().all(|candidate| candidate.never)
}

/// A string or a parameter without a type is taken for text where an overload takes text there,
/// provided that the others are settled likewise.
fn take_for_text(candidates: &mut Vec<Candidate>, operands: &[Operand<'_>]) {
    let text = |candidate: &Candidate, at: usize| {
        candidate
            .types
            .get(at)
            .is_some_and(|ty| matches!(*ty, "text" | "varchar" | "bpchar" | "name"))
    };
    let open: Vec<usize> = (0..operands.len())
        .filter(|at| matches!(operands.get(*at), Some(Operand::Open)))
        .collect();
    let some = |at: &usize| candidates.iter().any(|candidate| text(candidate, *at));
    if open.iter().all(some) {
        candidates.retain(|candidate| open.iter().all(|at| text(candidate, *at)));
    }
}

/// Where all types that are known are one, strings and parameters are taken for that.
fn take_for_the_same(candidates: &mut Vec<Candidate>, operands: &[Operand<'_>]) {
    let mut known = operands.iter().filter_map(|operand| match operand {
        Operand::Known(ty) => Some(*ty),
        _ => None,
    });
    let Some(one) = known.next() else {
        return;
    };
    let fits = |candidate: &Candidate| candidate.types.iter().all(|to| implicit(one, to).is_some());
    if known.all(|other| other == one) && candidates.iter().any(fits) {
        candidates.retain(fits);
    }
}

fn candidate(overload: &Overload, operands: &[Operand<'_>], spread: bool) -> Option<Candidate> {
    let types = overload.taking(operands.len(), spread)?;
    let mut found = Candidate {
        types: Vec::new(),
        never: overload.never,
        exact: 0,
        preferred: 0,
    };
    for (operand, to) in operands.iter().zip(types.iter().copied()) {
        match operand {
            Operand::Open | Operand::Parameter => {}
            Operand::Known(from) => match implicit(from, to)? {
                Implicit::Same => {
                    found.exact += 1;
                    found.preferred += 1;
                }
                Implicit::Never => found.preferred += usize::from(is_preferred(to)),
                Implicit::Raises => {
                    found.never = false;
                    found.preferred += usize::from(is_preferred(to));
                }
            },
            Operand::Constant | Operand::Unknown => found.never &= !reached_by_raising(to),
        }
    }
    found.types = types;
    Some(found)
}

/// The types that PostgreSQL prefers within their categories.
fn is_preferred(name: &str) -> bool {
    matches!(
        name,
        "text" | "float8" | "timestamptz" | "inet" | "oid" | "varbit" | "bool"
    )
}

/// Types to which an implicit cast from another can raise an error.
fn reached_by_raising(name: &str) -> bool {
    matches!(
        name,
        "oid" | "float4" | "float8" | "timestamp" | "timestamptz" | "macaddr"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::types::Ty;

    fn silent(name: &str, types: &[&str]) -> bool {
        let types: Vec<Ty> = types
            .iter()
            .map(|name| match name.strip_prefix('_') {
                Some(element) => Ty {
                    array: true,
                    ..Ty::plain(element)
                },
                None => Ty::plain(name),
            })
            .collect();
        let operands: Vec<_> = types
            .iter()
            .map(|ty| match ty.name.as_str() {
                "open" => Operand::Open,
                "unknown" => Operand::Unknown,
                _ => Operand::Known(ty),
            })
            .collect();
        never(name, &operands, false)
    }

    #[test]
    fn every_line_of_the_list_is_read() {
        let lines = include_str!("../../functions/overloads.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        let read: usize = read().values().map(Vec::len).sum();
        assert_eq!(read, lines);
    }

    #[test]
    fn a_parameter_can_be_of_any_type() {
        let local = Ty::plain("timestamp");
        let with = |end| {
            let known = Operand::Known(&local);
            never("overlaps", &[known, known, end, end], false)
        };
        assert!(with(Operand::Open) && !with(Operand::Parameter) && with(Operand::Known(&local)));
        let text = Ty::plain("text");
        assert!(never(
            "strpos",
            &[Operand::Known(&text), Operand::Parameter],
            false
        ));
    }

    #[test]
    fn by_the_types_that_the_server_would_choose() {
        assert!(silent("lower", &["varchar"]) && silent("lower", &["daterange"]));
        assert!(silent("lower", &["open"]) && silent("lower", &["unknown"]));
        // The numeric form overflows; an integer becomes a float, which it prefers.
        assert!(silent("ceil", &["float8"]) && silent("ceil", &["int4"]));
        assert!(!silent("ceil", &["numeric"]) && !silent("ceil", &["unknown"]));
        // There is a form for dates, and none.
        assert!(silent("extract", &["open", "date"]) && !silent("date_part", &["open", "date"]));
        assert!(!silent("to_char", &["date", "open"]));
        assert!(silent("to_char", &["timestamp", "open"]) && !silent("to_char", &["int4", "open"]));
        assert!(!silent("overlaps", &["date"; 4]) && silent("overlaps", &["timestamp"; 4]));
        assert!(!silent(
            "overlaps",
            &["timestamp", "interval", "open", "open"]
        ));
        assert!(silent("concat", &["date", "json", "unknown"]) && !silent("concat", &[]));
        assert!(silent("cardinality", &["_int4"]) && !silent("cardinality", &["int4"]));
        // A string is taken for text rather than for an interval.
        assert!(
            silent("timezone", &["open", "timestamptz"]) && !silent("timezone", &["open", "date"])
        );
        assert!(!silent("length", &["path"]) && !silent("nothing", &["int4"]));
    }
}
