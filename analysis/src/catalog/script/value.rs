//! Values of a script as far as they are known before it runs, and how expressions compute them.
//!
//! Invariant: a value is either what the server would compute, or `Unknown`.

use std::collections::HashMap;

use super::super::build::Builder;
use super::super::names::quote;
use super::rows;
use crate::ir::{BoolTest, Call, Expr, ExprKind, Literal, SubqueryKind};

/// Stands in a text for a name or a literal that is not known.
pub(super) const HOLE: &str = "?unknown?";
/// Stands for a relation that no migration creates, such as one of an extension.
pub(super) const FOREIGN: &str = "?foreign?";

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    Null,
    Bool(bool),
    /// Text, also of names and numbers.
    Text(String),
    Array(Vec<Value>),
    Row(Vec<(String, Value)>),
    /// A schema or relation by its identity; the text is its name as `::text` shows it.
    Object {
        id: String,
        text: String,
    },
    /// A name that no migration gives: none of these.
    Other(Vec<String>),
    Unknown,
}

/// Variables, or the columns of a row.
pub(super) type Names = HashMap<String, Value>;

impl Value {
    pub(super) fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// `true` and `false`; nothing where it is neither or not known.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            Value::Null => Some(false),
            _ => None,
        }
    }

    /// The value as text.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Value::Text(text) | Value::Object { text, .. } => Some(text.clone()),
            Value::Other(_) => Some(FOREIGN.to_owned()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// The value as its type's output function writes it, as `format` and `concat` do.
    fn as_output(&self) -> Option<String> {
        match self {
            Value::Bool(value) => Some(if *value { "t" } else { "f" }.to_owned()),
            other => other.as_text(),
        }
    }

    /// Whether any part of it is not known.
    fn is_open(&self) -> bool {
        match self {
            Value::Unknown | Value::Other(_) => true,
            Value::Array(items) => items.iter().any(Value::is_open),
            Value::Row(fields) => fields.iter().any(|(_, value)| value.is_open()),
            other => other.has_hole(),
        }
    }

    fn has_hole(&self) -> bool {
        matches!(self, Value::Text(text) if text.contains(HOLE) || text.contains(FOREIGN))
    }
}

/// `=` in three values and `Unknown`.
fn equal(left: &Value, right: &Value) -> Value {
    if matches!(left, Value::Null) || matches!(right, Value::Null) {
        return Value::Null;
    }
    if left.has_hole() || right.has_hole() {
        return Value::Unknown;
    }
    match (left, right) {
        (Value::Other(names), Value::Text(name)) | (Value::Text(name), Value::Other(names))
            if names.contains(name) =>
        {
            Value::Bool(false)
        }
        (Value::Text(a), Value::Text(b)) => {
            let number = |text: &str| text.parse::<f64>().ok();
            match (a == b, number(a), number(b)) {
                (false, Some(_), Some(_)) => Value::Unknown,
                (same, ..) => Value::Bool(same),
            }
        }
        (Value::Bool(a), Value::Bool(b)) => Value::Bool(a == b),
        (Value::Object { id: a, .. }, Value::Object { id: b, .. }) => Value::Bool(a == b),
        _ => Value::Unknown,
    }
}

fn not(value: &Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::Null => Value::Null,
        _ => Value::Unknown,
    }
}

/// `AND` where `decisive` is false, `OR` where it is true.
fn combine(values: impl Iterator<Item = Value>, decisive: bool) -> Value {
    let mut result = Value::Bool(!decisive);
    for value in values {
        match value {
            Value::Bool(value) if value == decisive => return Value::Bool(decisive),
            Value::Bool(_) => {}
            Value::Null if result != Value::Unknown => result = Value::Null,
            Value::Null => {}
            _ => result = Value::Unknown,
        }
    }
    result
}

impl Builder {
    /// What an expression gives, with these variables and columns.
    pub(super) fn value(&self, expr: &Expr, names: &Names) -> Value {
        let value = |expr: &Expr| self.value(expr, names);
        match &expr.kind {
            ExprKind::Literal(literal) => match literal {
                Literal::Null => Value::Null,
                Literal::Bool(value) => Value::Bool(*value),
                Literal::Number(text) | Literal::String(text) => Value::text(text),
                Literal::Bits(_) => Value::Unknown,
            },
            ExprKind::Column(parts) => column(parts, names),
            ExprKind::Cast { expr, ty } => self.cast(value(expr), ty),
            ExprKind::Operator { name, left, right } => {
                let [operator] = name.parts.as_slice() else {
                    return Value::Unknown;
                };
                let Some(left) = left else {
                    return Value::Unknown;
                };
                if self.catalog.shadows_operator(operator) {
                    return Value::Unknown;
                }
                binary(operator, &value(left), &value(right))
            }
            ExprKind::InList {
                negated,
                left,
                list,
            } => {
                let left = value(left);
                let found = combine(list.iter().map(|item| equal(&left, &value(item))), true);
                if *negated { not(&found) } else { found }
            }
            ExprKind::Quantified {
                name,
                all: false,
                left,
                right,
            } if name.parts == ["="] => match (value(left), value(right)) {
                (left, Value::Array(items)) => {
                    combine(items.iter().map(|item| equal(&left, item)), true)
                }
                _ => Value::Unknown,
            },
            ExprKind::And(list) => combine(list.iter().map(value), false),
            ExprKind::Or(list) => combine(list.iter().map(value), true),
            ExprKind::Not(inner) => not(&value(inner)),
            ExprKind::IsNull { expr, negated } => match value(expr) {
                Value::Unknown => Value::Unknown,
                Value::Null => Value::Bool(!negated),
                _ => Value::Bool(*negated),
            },
            ExprKind::IsBool { expr, test } => match (value(expr), test) {
                (Value::Bool(value), BoolTest::True | BoolTest::NotFalse) => Value::Bool(value),
                (Value::Bool(value), BoolTest::False | BoolTest::NotTrue) => Value::Bool(!value),
                _ => Value::Unknown,
            },
            ExprKind::Coalesce(list) => {
                for item in list {
                    match value(item) {
                        Value::Null => {}
                        other => return other,
                    }
                }
                Value::Null
            }
            ExprKind::Array(list) => Value::Array(list.iter().map(value).collect()),
            ExprKind::Call(call) => self.call(call, names),
            ExprKind::Subquery { kind, query } => {
                let rows = rows::rows(self, query, names);
                match kind {
                    SubqueryKind::Exists => rows.exists(),
                    SubqueryKind::Any { left, operator } if operator.parts == ["="] => {
                        let left = value(left);
                        rows.first_column().map_or(Value::Unknown, |items| {
                            combine(items.iter().map(|item| equal(&left, item)), true)
                        })
                    }
                    SubqueryKind::Array => rows.first_column().map_or(Value::Unknown, Value::Array),
                    SubqueryKind::Scalar => match rows.first_column().as_deref() {
                        Some([]) => Value::Null,
                        Some([one]) => one.clone(),
                        _ => Value::Unknown,
                    },
                    _ => Value::Unknown,
                }
            }
            _ => Value::Unknown,
        }
    }

    fn cast(&self, value: Value, ty: &crate::ir::TypeName) -> Value {
        let name = ty.name.parts.last().map_or("", String::as_str);
        if ty.name.parts.len() < 2 && self.catalog.shadows_type(name) {
            return Value::Unknown;
        }
        match (name, value) {
            (_, Value::Null) => Value::Null,
            ("text" | "varchar" | "name" | "bpchar", value) if ty.dimensions == 0 => value
                .as_text()
                .filter(|text| ty.modifiers.is_empty() && text.len() < 64 || name == "text")
                .map_or(Value::Unknown, Value::Text),
            ("text" | "varchar" | "name", Value::Text(text)) => array_literal(&text),
            ("text" | "varchar" | "name", value @ Value::Array(_)) => value,
            ("char", Value::Text(text)) if text.len() == 1 => Value::Text(text),
            ("regclass", Value::Text(text)) => self.object(&text).unwrap_or(Value::Unknown),
            ("regnamespace", Value::Text(text)) => schema(&text),
            ("regclass" | "oid" | "regnamespace", value @ Value::Object { .. }) => value,
            _ => Value::Unknown,
        }
    }

    /// The relation that a text names, as `regclass` reads it.
    fn object(&self, text: &str) -> Option<Value> {
        let parts = crate::ddl::plain_name(text)?;
        let id = match parts.as_slice() {
            [name] => self.find(&crate::ddl::ir::Ref {
                schema: None,
                name: name.clone(),
            }),
            [schema, name] => self.lookup(schema, name),
            _ => None,
        }?;
        let mark = super::perhaps::mark("relation", &id.0.to_string());
        let found = self.relation(id).filter(|_| !self.is_perhaps(&mark));
        found.map(rows::relation_value)
    }

    fn call(&self, call: &Call, names: &Names) -> Value {
        let name = match call.name.parts.as_slice() {
            [name] if !self.catalog.shadows_function(name) => name,
            [schema, name] if schema == "pg_catalog" => name,
            _ => return Value::Unknown,
        };
        let mut args: Vec<Value> = call.args.iter().map(|arg| self.value(arg, names)).collect();
        if call.variadic {
            match args.pop() {
                Some(Value::Array(items)) => args.extend(items),
                _ => return Value::Unknown,
            }
        }
        match (name.as_str(), args.as_slice()) {
            ("format", [Value::Text(pattern), rest @ ..]) => {
                format(pattern, rest).map_or(Value::Unknown, Value::Text)
            }
            ("quote_ident", [value]) => match value.as_text() {
                Some(text) => Value::Text(quote(&text)),
                None => Value::Text(quote(HOLE)),
            },
            ("quote_literal", [value]) => match value.as_text() {
                Some(text) => Value::Text(literal(&text)),
                None => Value::Text(literal(HOLE)),
            },
            // A hole would become an ordinary name.
            ("lower" | "upper" | "string_to_array" | "array_remove", args)
                if args.iter().any(Value::is_open) =>
            {
                Value::Unknown
            }
            ("lower", [Value::Text(text)]) if text.is_ascii() => Value::Text(text.to_lowercase()),
            ("upper", [Value::Text(text)]) if text.is_ascii() => Value::Text(text.to_uppercase()),
            ("concat", args) => {
                let parts: Option<Vec<String>> = args
                    .iter()
                    .filter(|arg| **arg != Value::Null)
                    .map(Value::as_output)
                    .collect();
                parts.map_or(Value::Unknown, |parts| Value::Text(parts.concat()))
            }
            ("string_to_array", [Value::Text(text), Value::Text(separator)])
                if !separator.is_empty() && !text.is_empty() =>
            {
                Value::Array(text.split(separator.as_str()).map(Value::text).collect())
            }
            ("array_remove", [Value::Array(items), item]) => Value::Array(
                items
                    .iter()
                    .filter(|other| *other != item)
                    .cloned()
                    .collect(),
            ),
            ("current_schema", []) => self
                .path
                .iter()
                .find(|schema| self.catalog.schemas.contains(*schema))
                .map_or(Value::Unknown, |schema| Value::text(schema)),
            // An index, a sequence, or a relation of a tool or an extension may have the name.
            ("to_regclass", [Value::Text(text)]) => self.object(text).unwrap_or(Value::Unknown),
            _ => Value::Unknown,
        }
    }
}

fn column(parts: &[String], names: &Names) -> Value {
    match parts {
        [name] => match names.get(name) {
            // A row of one column stands for its value.
            Some(Value::Row(fields)) => match fields.as_slice() {
                [(_, value)] => value.clone(),
                _ => Value::Unknown,
            },
            Some(value) => value.clone(),
            None => Value::Unknown,
        },
        [row, field] => match names.get(row) {
            Some(Value::Row(fields)) => fields
                .iter()
                .find(|(name, _)| name == field)
                .map_or(Value::Unknown, |(_, value)| value.clone()),
            _ => Value::Unknown,
        },
        _ => Value::Unknown,
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Value {
    match operator {
        "=" => equal(left, right),
        "<>" => not(&equal(left, right)),
        "||" => match (left, right) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::Array(a), Value::Array(b)) => Value::Array([a.clone(), b.clone()].concat()),
            (left, right) => match (left.as_text(), right.as_text()) {
                (Some(left), Some(right)) => Value::Text(left + &right),
                _ => Value::Unknown,
            },
        },
        "~~" | "!~~" => {
            let (Value::Text(text), Value::Text(pattern)) = (left, right) else {
                return Value::Unknown;
            };
            if left.has_hole() || pattern.contains(['\\', '?']) {
                return Value::Unknown;
            }
            let (text, pattern): (Vec<char>, Vec<char>) =
                (text.chars().collect(), pattern.chars().collect());
            Value::Bool(like(&text, &pattern) == (operator == "~~"))
        }
        _ => Value::Unknown,
    }
}

/// `LIKE` without escapes; goes back to the last `%` only, so the time is bounded.
fn like(text: &[char], pattern: &[char]) -> bool {
    let (mut at, mut of, mut last) = (0, 0, None);
    while let Some(c) = text.get(at) {
        match pattern.get(of) {
            Some('%') => {
                last = Some((of, at));
                of += 1;
            }
            Some(wanted) if *wanted == '_' || wanted == c => {
                at += 1;
                of += 1;
            }
            _ => match last {
                Some((percent, from)) => {
                    last = Some((percent, from + 1));
                    of = percent + 1;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(of..)
        .unwrap_or_default()
        .iter()
        .all(|c| *c == '%')
}

/// `'{a,b}'` without quotes inside.
pub(super) fn array_literal(text: &str) -> Value {
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    match inner {
        Some(inner) if !inner.contains(['"', '\\', '{', '}']) => Value::Array(
            inner
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| match item.eq_ignore_ascii_case("null") {
                    true => Value::Null,
                    false => Value::text(item),
                })
                .collect(),
        ),
        _ => Value::Unknown,
    }
}

fn schema(name: &str) -> Value {
    rows::schema_value(name)
}

fn literal(text: &str) -> String {
    if text.contains('\\') {
        return format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// `format(pattern, …)`: `%I`, `%L` and `%s`, also with a position. An unknown name or literal is
/// a hole; nothing where another part is not known.
fn format(pattern: &str, args: &[Value]) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    let mut next = 0_usize;
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if !digits.is_empty() {
            rest.next_if_eq(&'$')?;
            next = digits.parse::<usize>().ok()?.checked_sub(1)?;
        }
        let kind = rest.next()?;
        if kind == '%' && digits.is_empty() {
            out.push('%');
            continue;
        }
        let value = args.get(next)?;
        next += 1;
        match (kind, value) {
            ('I', Value::Null) => return None,
            ('I', value) => out.push_str(&match (value, value.as_text()) {
                // `regclass` is text that is quoted once more, which nobody means.
                (Value::Object { .. }, _) => return None,
                (Value::Bool(_), _) => return None,
                (_, Some(text)) => quote(&text),
                (_, None) => quote(HOLE),
            }),
            ('L', Value::Null) => out.push_str("NULL"),
            ('L', Value::Bool(_)) => return None,
            ('L', value) => out.push_str(&literal(&value.as_text().unwrap_or(HOLE.to_owned()))),
            ('s', Value::Null) => {}
            ('s', value) => out.push_str(&value.as_output()?),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let text = |text: &str| Value::text(text);
        assert_eq!(
            format(
                "ALTER TABLE %I.%I %% %s %2$L",
                &[text("a"), text("B c"), text("x")]
            )
            .unwrap(),
            "ALTER TABLE a.\"B c\" % x 'B c'"
        );
        assert_eq!(
            format("DROP %I", &[Value::Unknown]).unwrap(),
            format!("DROP \"{HOLE}\"")
        );
        assert_eq!(format("DROP %s", &[Value::Unknown]), None);
        assert_eq!(format("%I %I", &[text("a")]), None);
        assert_eq!(format("%-10s", &[text("a")]), None);
    }

    #[test]
    fn three_values_and_unknown() {
        let (yes, no, null, unknown) = (
            Value::Bool(true),
            Value::Bool(false),
            Value::Null,
            Value::Unknown,
        );
        let and = |list: &[&Value]| combine(list.iter().map(|v| (*v).clone()), false);
        let or = |list: &[&Value]| combine(list.iter().map(|v| (*v).clone()), true);
        assert_eq!(and(&[&yes, &unknown, &no]), no);
        assert_eq!(and(&[&yes, &unknown, &null]), unknown);
        assert_eq!(or(&[&no, &null]), null);
        assert_eq!(or(&[&unknown, &yes]), yes);
        assert_eq!(not(&unknown), unknown);
    }

    #[test]
    fn patterns() {
        let matches = |text: &str, pattern: &str| {
            binary("~~", &Value::text(text), &Value::text(pattern)) == Value::Bool(true)
        };
        assert!(matches("tenant_notes", "tenant%") && matches("abc", "a_c"));
        assert!(!matches("notes", "tenant%") && !matches("a", "a\\"));
    }
}
