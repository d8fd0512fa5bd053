//! How large a number can get: the most digits in front of its point, where that is known.
//!
//! A `numeric` overflows at 131,072 digits, so what is computed from numbers of a declared length
//! stays far from an error. Integers overflow at the end of their type: of what they make, only a
//! quotient and a remainder by a literal are safe.
//!
//! Invariant: a sum, product or quotient is bounded only where both sides are.

use super::state::Info;
use crate::functions::types::Ty;
use crate::ir::{Expr, ExprKind, Literal, TypeName};

/// A number with more digits is not called bounded.
const MOST: u32 = 1_000;

/// Digits that adding up rows brings: there are fewer than 2^63.
const ROWS: u32 = 19;

/// The digits of a literal number; nothing where it is spelled with an exponent or in another base.
pub(super) fn of_literal(literal: &Literal) -> Option<u32> {
    Decimal::of(literal).map(|number| number.before)
}

/// The digits of a type: those that its length leaves in front of the point.
pub(super) fn of_type(ty: &TypeName) -> Option<u32> {
    if Ty::of(ty) != Some(Ty::plain("numeric")) {
        return None;
    }
    let mut sizes = ty.modifiers.iter().map(|size| size.parse::<i32>().ok());
    let precision = sizes.next()??;
    // A negative scale rounds in front of the point, and makes room there.
    let scale = sizes.next().map_or(Some(0), |scale| scale)?;
    u32::try_from(precision.checked_sub(scale)?.max(1)).ok()
}

/// The digits of what a function makes of a bounded number.
pub(super) fn of_call(name: &str, operands: &[Info]) -> Option<u32> {
    let first = operands.first()?.most_digits()?;
    let digits = match name {
        "sum" => first.saturating_add(ROWS),
        "ceil" | "ceiling" | "floor" | "round" => first.saturating_add(1),
        "abs" | "avg" | "max" | "min" | "trunc" => first,
        _ => return None,
    };
    (digits <= MOST).then_some(digits)
}

/// The digits of one of several values.
pub(super) fn of_either(operands: &[Info]) -> Option<u32> {
    let digits = operands.iter().map(Info::most_digits);
    digits.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// The digits of what an operator makes of two numbers, one of which is a `numeric`. Where there is
/// an answer the operator never raises an error.
pub(super) fn of_operator(name: &str, left: &Info, right: &Info, by: &Expr) -> Option<u32> {
    if !left.is_numeric() && !right.is_numeric() {
        return None;
    }
    let (a, b) = (left.most_digits()?, right.most_digits()?);
    let digits = match name {
        "+" | "-" => a.max(b).saturating_add(1),
        "*" => a.saturating_add(b),
        "/" => a.saturating_add(divisor(by)?.behind),
        "%" => divisor(by).map(|_| a.max(b))?,
        _ => return None,
    };
    (digits <= MOST).then_some(digits)
}

/// Whether it is a quotient or a remainder of integers by a literal that is neither zero nor minus
/// one: the least integer has no opposite.
pub(super) fn is_part_of_integer(name: &str, left: &Info, right: &Info, by: &Expr) -> bool {
    let integer = |info: &Info| ["int2", "int4", "int8"].iter().any(|ty| info.is_of(ty));
    matches!(name, "/" | "%")
        && integer(left)
        && integer(right)
        && divisor(by).is_some_and(|by| !(by.negative && by.one))
}

/// A literal that is not zero.
fn divisor(expr: &Expr) -> Option<Decimal> {
    match &expr.kind {
        ExprKind::Literal(literal) => Decimal::of(literal).filter(|number| !number.zero),
        _ => None,
    }
}

/// A number that is written out.
struct Decimal {
    negative: bool,
    zero: bool,
    one: bool,
    /// Digits in front of the point.
    before: u32,
    /// Digits behind it.
    behind: u32,
}

impl Decimal {
    fn of(literal: &Literal) -> Option<Decimal> {
        let Literal::Number(text) = literal else {
            return None;
        };
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.as_str()),
        };
        let (before, behind) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| {
            let plain = part.len() <= 40 && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| u32::try_from(part.len()).ok()).flatten()
        };
        if before.is_empty() && behind.is_empty() {
            return None;
        }
        Some(Decimal {
            negative,
            zero: text.bytes().all(|byte| matches!(byte, b'0' | b'.')),
            one: before.trim_start_matches('0') == "1" && behind.bytes().all(|byte| byte == b'0'),
            before: digits(before)?,
            behind: digits(behind)?,
        })
    }
}

impl Info {
    /// Whether it is a `numeric`.
    pub(super) fn is_numeric(&self) -> bool {
        self.is_of("numeric")
    }

    fn is_of(&self, name: &str) -> bool {
        self.ty
            .as_ref()
            .is_some_and(|ty| !ty.array && ty.name == name)
    }

    /// The most digits in front of its point; nothing where it may have any number of them.
    pub(super) fn most_digits(&self) -> Option<u32> {
        let ty = self.ty.as_ref().filter(|ty| !ty.array)?;
        match ty.name.as_str() {
            "int2" => Some(5),
            "int4" => Some(10),
            "int8" => Some(19),
            "numeric" => self.digits,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Name;

    fn number(text: &str) -> Option<u32> {
        of_literal(&Literal::Number(text.to_owned()))
    }

    #[test]
    fn literals_that_are_written_out() {
        assert_eq!(number("100.0"), Some(3));
        assert_eq!(number("-7"), Some(1));
        assert_eq!(number(".5"), Some(0));
        for endless in ["1e131071", "0xff", ".", "-", "1_000"] {
            assert_eq!(number(endless), None, "{endless}");
        }
        assert_eq!(number(&"9".repeat(41)), None);
    }

    #[test]
    fn zero_and_minus_one() {
        let of = |text: &str| Decimal::of(&Literal::Number(text.to_owned())).unwrap();
        assert!(of("0").zero && of("0.00").zero && !of("0.01").zero);
        assert!(of("-1").one && of("-1").negative && of("1.0").one && !of("11").one);
    }

    #[test]
    fn lengths_of_types() {
        let of = |sizes: &[&str]| {
            of_type(&TypeName {
                name: Name {
                    parts: vec!["numeric".to_owned()],
                    span: 0..0,
                },
                modifiers: sizes.iter().map(|size| (*size).to_owned()).collect(),
                dimensions: 0,
                set_of: false,
            })
        };
        assert_eq!(of(&["12", "2"]), Some(10));
        assert_eq!(of(&["10"]), Some(10));
        assert_eq!(of(&["2", "-3"]), Some(5));
        assert_eq!(of(&["2", "5"]), Some(1));
        assert_eq!(of(&[]), None);
    }
}
