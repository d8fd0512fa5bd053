//! PostgreSQL's own functions: what they return, and on which arguments they never raise an error.
//!
//! Invariant: a function is taken for silent only where the list, or the types and literals of its
//! arguments, say so; a result type that is not known stays unknown.

use super::state::{Info, Prover};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::Ty;
use crate::functions::{Builtin, Errors, Verdict};
use crate::ir::{Call, ExprKind, Literal, Span};

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
                self.problem(
                    Diagnostic::error(
                        Code::REFUSED_FUNCTION,
                        format!("`{name}` {}", Builtin::refusal(reason)),
                    )
                    .at(call.name.span.clone()),
                );
            }
            Verdict::Allowed(errors) => {
                self.check_json_casts(name, call);
                self.check_populated(name, call);
                let never = match errors {
                    Errors::May => never_on_types(name, call, operands),
                    Errors::Never => true,
                    Errors::NeverWith(count) => call.args.len() == count,
                    Errors::NeverWithLiterals(positions) => {
                        call.args.iter().enumerate().all(|(position, arg)| {
                            !Errors::wants_literal(positions, position)
                                || super::operator::literal_only(arg)
                        })
                    }
                };
                // Many functions of text fail under a collation that calls different texts equal,
                // and `OVERLAPS` with the length of a span adds it.
                let never = never
                    && !operands.iter().any(|operand| operand.loose)
                    && !(name == "overlaps" && operands.iter().any(is_interval));
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

/// Functions that raise errors on some types only.
fn never_on_types(name: &str, call: &Call, operands: &[Info]) -> bool {
    let first = operands.first().and_then(|operand| operand.ty.as_ref());
    match name {
        // Sums of integers are wider than what they sum, and those of numerics have no end.
        "sum" | "avg" => first.is_some_and(|ty| {
            !ty.array && matches!(&*ty.name, "int2" | "int4" | "int8" | "numeric")
        }),
        "date_trunc" => {
            // Larger units lead before the first day that there is.
            let unit = call.args.first().and_then(|unit| match &unit.kind {
                ExprKind::Literal(Literal::String(unit)) => Some(unit.to_ascii_lowercase()),
                _ => None,
            });
            let short = unit.is_some_and(|unit| {
                matches!(
                    unit.as_str(),
                    "microseconds" | "milliseconds" | "second" | "minute" | "hour" | "day"
                )
            });
            let moment = operands.get(1).and_then(|operand| operand.ty.as_ref());
            short && moment.is_some_and(|ty| matches!(&*ty.name, "timestamp" | "timestamptz"))
        }
        "jsonb_agg" => first.is_some_and(|ty| ty.name != "json" && ty.name != "record"),
        "array_agg" => first.is_some_and(|ty| !ty.array),
        // A name that is NULL raises, and so does one without a value.
        "jsonb_build_object" | "json_build_object" => {
            let pairs = call.args.chunks(2).zip(operands.chunks(2));
            !call.variadic
                && pairs
                    .into_iter()
                    .all(|(pair, values)| match (pair, values) {
                        ([name, _], [_, value]) => {
                            matches!(&name.kind, ExprKind::Literal(Literal::String(_)))
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
        "bit_and" | "bit_or" | "bit_xor" => {
            first.is_some_and(|ty| matches!(&*ty.name, "int2" | "int4" | "int8"))
        }
        "to_char" => {
            first.is_some_and(|ty| {
                !ty.array && matches!(&*ty.name, "date" | "timestamp" | "timestamptz")
            }) && call.args.get(1).is_some_and(super::operator::literal_only)
        }
        // Universal time shifts nothing.
        "timezone" => call.args.first().is_some_and(|zone| {
            matches!(&zone.kind, ExprKind::Literal(Literal::String(zone))
                if matches!(zone.to_ascii_lowercase().as_str(), "utc" | "gmt"))
        }),
        _ => false,
    }
}

fn is_interval(operand: &Info) -> bool {
    operand.ty.as_ref().is_some_and(|ty| ty.name == "interval")
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
