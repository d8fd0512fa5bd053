//! PostgreSQL's own functions: what they return, and on which arguments they never raise an error.
//!
//! Invariant: a function is taken for silent only where the list, or the types and literals of its
//! arguments, say so; a result type that is not known stays unknown.

use super::digits;
use super::operator::literal;
use super::state::{Info, Prover};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::literals::{self, Literal};
use crate::functions::operators::Operand;
use crate::functions::types::Ty;
use crate::functions::{Builtin, Errors, Verdict, overloads};
use crate::ir::{Call, ExprKind, Span};

impl Prover<'_> {
    pub(super) fn builtin(
        &mut self,
        own: &Builtin,
        call: &Call,
        operands: &[Info],
        name: &str,
        span: &Span,
        info: &mut Info,
    ) {
        match own.verdict {
            Verdict::Refused("sequence") if name == "nextval" && self.context.default_value => {}
            Verdict::Refused(reason) => {
                let mut problem = Diagnostic::error(
                    Code::REFUSED_FUNCTION,
                    format!("`{name}` {}", Builtin::refusal(reason)),
                )
                .at(call.name.span.clone());
                if let Some(instead) = Builtin::instead(reason) {
                    problem = problem.help(instead);
                }
                self.problem(problem);
            }
            Verdict::Allowed(errors) => {
                self.check_json_casts(name, call);
                self.check_populated(name, call);
                if super::collation::is_sensitive(name) {
                    self.check_collations(&operands.iter().collect::<Vec<_>>(), &call.name.span);
                }
                let never = self.never_raises_on(name, errors, call, operands);
                if !never {
                    info.raises(span, format!("the function `{name}`"));
                }
            }
        }
        if call.over.is_some() {
            info.window = true;
        } else if own.aggregate {
            info.aggregate = true;
        }
        // A number of rows tells nothing of what is in them.
        let plain = |operand: &Info| {
            let row = operand.ty.as_ref().is_some_and(|ty| ty.name == "record");
            self.of_table(operand) || (row && !call.distinct)
        };
        if name == "count" && call.filter.is_none() && operands.iter().all(plain) {
            info.from_tenant = false;
        }
        info.ty = result_type(own.result).or_else(|| result_of(name, operands));
        info.digits = digits::of_call(name, operands);
    }

    /// Whether a call never raises an error: its arguments have the types of an overload that doesn't,
    /// and its literals are valid.
    fn never_raises_on(&self, name: &str, errors: Errors, call: &Call, operands: &[Info]) -> bool {
        let types: Vec<Operand<'_>> = operands.iter().map(Info::given).collect();
        let unknown = types.iter().any(|ty| matches!(ty, Operand::Unknown));
        // An extension may have a function in its place; names of arguments are not matched. A value of a type that is not known could
        // reach the function by a cast of the migrations.
        let replaced = call.name.parts.len() == 1
            && self
                .catalog
                .has_extension(crate::functions::operators::REPLACING);
        if replaced
            || call.arg_names.iter().any(Option::is_some)
            || (unknown && !self.catalog.casts().is_empty())
        {
            return false;
        }
        // Many functions of text fail under a collation that calls different texts equal.
        if operands.iter().any(|operand| operand.loose) {
            return false;
        }
        // A number of a declared length stays far from where it overflows.
        let bounded = digits::of_call(name, operands).is_some();
        let overload = match (name, operands) {
            ("ceil" | "ceiling" | "floor" | "sum" | "avg", [of])
                if bounded && of.digits.is_some() =>
            {
                true
            }
            ("abs" | "round" | "trunc", [of]) if bounded && of.is_numeric() => return true,
            // To which place it is rounded is one value for all rows.
            ("round" | "trunc", [of, to]) if bounded && of.is_numeric() && to.folds => {
                return true;
            }
            _ => overloads::never(name, &types, call.variadic),
        };
        overload
            && match errors {
                Errors::May => never_on_types(name, call, operands),
                Errors::Never => never_compares(name, operands),
                Errors::NeverWith(count) => call.args.len() == count,
                Errors::NeverWithLiterals(positions) => {
                    let literals: Vec<_> = call.args.iter().map(literal).collect();
                    let given = literals.iter().enumerate().all(|(position, literal)| {
                        !Errors::wants_literal(positions, position) || literal.is_some()
                    });
                    let moment = operands.last().and_then(|operand| operand.ty.as_ref());
                    let moment = moment.filter(|ty| !ty.array).map(|ty| ty.name.as_str());
                    given && literals::are_valid(name, &literals, moment)
                }
            }
    }

    /// Functions that make JSON look for a cast to JSON of every value that they meet.
    fn check_json_casts(&mut self, name: &str, call: &Call) {
        let makes_json = ["to_json", "json_", "jsonb_", "row_to_json", "array_to_json"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let defined = self.catalog.casts().iter().any(|cast| {
            let target = cast.target.name.parts.last();
            target.is_some_and(|target| matches!(target.as_str(), "json" | "jsonb"))
        });
        if makes_json && defined {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!("a migration defines a cast to JSON, which `{name}` runs on values of its type"),
                )
                .at(call.name.span.clone())
                .help("select the columns, and make the JSON in the program"),
            );
        }
    }

    /// `jsonb_populate_record(base, …)` makes a value of the type of its first argument.
    fn check_populated(&mut self, name: &str, call: &Call) {
        let typed = call
            .args
            .first()
            .is_some_and(|arg| matches!(arg.kind, ExprKind::Cast { .. }));
        if name.contains("_populate_record") && !typed && self.has_checked_domain() {
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_TYPE,
                    format!("what making a row by `{name}` runs is not known: a migration defines a domain with a check"),
                )
                .at(call.name.span.clone())
                .help(format!("name the type: {name}(NULL::type, …)")),
            );
        }
    }
}

/// Aggregates that compare what they are given fail on values of a type without a comparison, such as
/// an array of boxes.
fn never_compares(name: &str, operands: &[Info]) -> bool {
    match (name, operands) {
        ("max" | "min", [operand]) => operand.compares("<", operand),
        _ => true,
    }
}

/// Functions that raise errors on some of their overloads only, and on some literals.
fn never_on_types(name: &str, call: &Call, operands: &[Info]) -> bool {
    let first = operands.first().and_then(|operand| operand.ty.as_ref());
    let text = |position: usize| match call.args.get(position).and_then(literal) {
        Some(Literal::Text(text)) => Some(text.to_ascii_lowercase()),
        _ => None,
    };
    // Universal time shifts nothing.
    let universal = |position: usize| matches!(text(position).as_deref(), Some("utc" | "gmt"));
    match name {
        // Sums of integers are wider than what they sum.
        "sum" | "avg" | "bit_and" | "bit_or" | "bit_xor" => true,
        "date_trunc" => {
            // Larger units lead before the first day that there is, and so does the first minute of
            // a zone whose clocks were set by the sun.
            let seconds = ["microseconds", "milliseconds", "second"];
            let days = ["minute", "hour", "day"];
            let moment = operands.get(1).and_then(|operand| operand.ty.as_ref());
            let local = moment.is_some_and(|ty| ty.name == "timestamp");
            text(0).is_some_and(|unit| {
                let unit = unit.as_str();
                match operands.len() {
                    2 => seconds.contains(&unit) || (local && days.contains(&unit)),
                    _ => universal(2) && (seconds.contains(&unit) || days.contains(&unit)),
                }
            })
        }
        "jsonb_agg" => first.is_some_and(|ty| ty.name != "json" && ty.name != "record"),
        "array_agg" => first.is_some(),
        // Of an array or a vector come its elements.
        "unnest" => operands.iter().all(|operand| {
            operand
                .ty
                .as_ref()
                .is_some_and(|ty| ty.array || ty.name == "tsvector")
        }),
        // A name that is NULL raises, and so does one without a value.
        "jsonb_build_object" | "json_build_object" => {
            let pairs = call.args.chunks(2).zip(operands.chunks(2));
            !call.variadic
                && pairs
                    .into_iter()
                    .all(|(pair, values)| match (pair, values) {
                        ([name, _], [_, value]) => {
                            matches!(literal(name), Some(Literal::Text(_)))
                                && value.ty.as_ref().is_some_and(|ty| {
                                    matches!(
                                        &*ty.name,
                                        "bool"
                                            | "int2"
                                            | "int4"
                                            | "int8"
                                            | "numeric"
                                            | "text"
                                            | "varchar"
                                            | "uuid"
                                            | "jsonb"
                                    )
                                })
                        }
                        _ => false,
                    })
        }
        "to_char" => call.args.get(1).and_then(literal).is_some(),
        "timezone" => universal(0),
        _ => false,
    }
}

/// The result type of functions whose overloads differ, by the type of an argument.
pub(super) fn result_of(name: &str, operands: &[Info]) -> Option<Ty> {
    let of = |position: usize| operands.get(position)?.ty.clone();
    let number = |result: &dyn Fn(&str) -> &str| {
        let ty = of(0).filter(|ty| !ty.array)?;
        let numeric = matches!(
            &*ty.name,
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8"
        );
        numeric.then(|| Ty::plain(result(&ty.name)))
    };
    match name {
        "lower" | "upper" => match operands.first() {
            Some(operand) if operand.open => Some(Ty::plain("text")),
            // The bounds of a range are of its element's type.
            _ => of(0).filter(|ty| !ty.array).and_then(|ty| match &*ty.name {
                "tstzrange" => Some(Ty::plain("timestamptz")),
                "tsrange" => Some(Ty::plain("timestamp")),
                "daterange" => Some(Ty::plain("date")),
                "int4range" => Some(Ty::plain("int4")),
                "int8range" => Some(Ty::plain("int8")),
                "numrange" => Some(Ty::plain("numeric")),
                _ => ty.is_text().then(|| Ty::plain("text")),
            }),
        },
        "length" => match operands.first() {
            Some(operand) if operand.open => Some(Ty::plain("int4")),
            _ => of(0)
                .filter(|ty| ty.is_text() || matches!(&*ty.name, "bpchar" | "name" | "bytea"))
                .map(|_| Ty::plain("int4")),
        },
        "max" | "min" | "first_value" | "last_value" | "lag" | "lead" | "nth_value" | "mode" => {
            of(0)
        }
        "substring" | "substr" | "btrim" | "ltrim" | "rtrim" | "overlay" | "reverse" => {
            of(0).filter(|ty| ty.is_text() || ty.name == "bytea")
        }
        "avg" => number(&|name| match name {
            "float4" | "float8" => "float8",
            _ => "numeric",
        }),
        "sum" => number(&|name| match name {
            "int2" | "int4" => "int8",
            "int8" => "numeric",
            own => own,
        }),
        "abs" => number(&|own| own),
        "round" | "trunc" | "ceil" | "ceiling" | "floor" => number(&|name| match name {
            "numeric" => "numeric",
            _ => "float8",
        }),
        "array_append" | "array_cat" | "array_remove" | "array_replace" | "trim_array" => {
            of(0).filter(|ty| ty.array)
        }
        "array_prepend" => of(1).filter(|ty| ty.array),
        "generate_series" => of(0).map(|ty| match &*ty.name {
            "date" => Ty::plain("timestamptz"),
            _ => ty,
        }),
        "unnest" => of(0)
            .filter(|ty| ty.array)
            .map(|ty| Ty { array: false, ..ty }),
        "array_agg" => of(0)
            .filter(|ty| !ty.array)
            .map(|ty| Ty { array: true, ..ty }),
        "date_trunc" => of(1).filter(|ty| ty.name != "date"),
        "timezone" => of(1).and_then(|ty| match &*ty.name {
            "timestamptz" => Some(Ty::plain("timestamp")),
            "timestamp" => Some(Ty::plain("timestamptz")),
            _ => None,
        }),
        _ => None,
    }
}

/// A type as the generated list spells it.
pub(super) fn result_type(name: &str) -> Option<Ty> {
    let (name, array) = match name.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let name = match name {
        "" | "anyelement" | "anyarray" | "anycompatible" | "anycompatiblearray" | "record" => {
            return None;
        }
        "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "double precision" => "float8",
        "real" => "float4",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        other => other,
    };
    Some(Ty {
        array,
        ..Ty::plain(name)
    })
}
