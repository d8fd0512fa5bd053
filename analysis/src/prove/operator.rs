//! What operators make of their operands, and which parts can raise an error on a row.
//!
//! Invariant: a part is passed without a word only if no value of its operands' types raises.

use super::collation::Collation;
use super::digits;
use super::expr::COMPARISON;
use super::state::{Env, Info, OutColumn, Prover};
use crate::functions::literals;
use crate::functions::operators::{self, Operand, is_textual};
use crate::functions::types::{self, Ty};
use crate::ir::{Expr, ExprKind, Literal, Name, Span, TypeName};

/// What an array of arrays is called.
pub(super) const NESTED: &str = "an array of arrays, which have to be of one size,";

/// What values of unlike types that become one are called.
pub(super) const UNLIKE: &str = "making one type of these values (write the type, as in `$at::date`, \
    where one is a parameter)";

/// What a `LIKE` that can raise an error is called.
pub(super) const PATTERN: &str = "a pattern that may end in a backslash";

impl<'a> Prover<'a> {
    /// Notes what an operator makes of its operands, and whether it can raise an error.
    pub(super) fn operator(
        &mut self,
        name: &Name,
        left: Option<&Info>,
        right: &Info,
        right_expr: &Expr,
        span: &Span,
        info: &mut Info,
    ) {
        let own = name.parts.len() > 1;
        let Some(name) = name.parts.last().map(String::as_str) else {
            return;
        };
        let replaced = !own
            && self.catalog.has_extension("intarray")
            && left.is_some_and(|left| {
                operators::is_of_intarray(name, left.operand(), right.operand())
            });
        let is_text = |info: &Info| info.ty.as_ref().is_some_and(Ty::is_text);
        let text = left.is_some_and(is_text) || is_text(right);
        let left_ty = left.and_then(|left| left.ty.as_ref());
        info.ty = match name {
            "->>" | "#>>" => Some(Ty::plain("text")),
            // Of a document comes a document.
            "->" | "#>" => left_ty.filter(|ty| ty.name.starts_with("json")).cloned(),
            "||" if text => Some(Ty::plain("text")),
            // An array and an element, or two documents.
            "||" => [left_ty, right.ty.as_ref()]
                .into_iter()
                .flatten()
                .find(|ty| ty.array || matches!(&*ty.name, "jsonb" | "bytea" | "tsvector"))
                .cloned(),
            // Of two texts it is what trigrams define.
            "%" if text => Some(Ty::plain("bool")),
            "=" | "<>" | "<" | "<=" | ">" | ">=" | "@>" | "<@" | "&&" | "?" | "?|" | "?&"
            | "@@" | "@?" | "^@" => Some(Ty::plain("bool")),
            name if operators::is_like(name) || operators::is_regex(name) => {
                Some(Ty::plain("bool"))
            }
            "+" | "-" | "*" | "/" | "%" => arithmetic(name, left, right),
            _ => None,
        };
        info.digits = left.and_then(|left| digits::of_operator(name, left, right, right_expr));
        if name == "->" && left_ty.is_some_and(|ty| ty.name == "hstore") {
            info.ty = Some(Ty::plain("text"));
        }
        // Under a collation of the migrations that calls different texts equal, patterns fail,
        // whichever side brings it.
        let textual = |info: &Info| info.ty.as_ref().is_none_or(is_textual);
        let strict = !info.loose && left.is_none_or(textual);
        let compares = left.is_some_and(|left| left.compares(name, right))
            && !(info.loose && operators::wants_strict(name));
        let safe = (compares && !replaced)
            || (name == "||" && text && left.is_some_and(|left| joins(left, right)))
            || (name == "-" && left.is_none() && right.constant)
            || (matches!(name, "%" | "<->")
                && text
                && left.is_some_and(|left| left.compares("=", right)))
            || (operators::is_like(name)
                && strict
                && match left_ty.filter(|ty| ty.name != "bytea") {
                    Some(_) => safe_pattern(right_expr),
                    // The bytes of a literal are not its letters.
                    None => string(right_expr).is_some_and(|text| !text.contains('\\')),
                })
            || (operators::is_regex(name) && safe_regex(right_expr) && strict)
            || left.is_some_and(|left| digits::is_part_of_integer(name, left, right, right_expr))
            || info.digits.is_some()
            || (matches!(name, "@?" | "@@")
                && left_ty.is_some_and(|ty| ty.name == "jsonb")
                && quiet_path(right_expr));
        let extension =
            left.and_then(|left| operators::of_an_extension(name, left.operand(), right.operand()));
        if let Some(extension) = extension {
            info.ty = Some(Ty::plain(extension.result));
        }
        if !safe && !extension.is_some_and(|extension| extension.never) {
            let what = if operators::is_like(name) {
                PATTERN.to_owned()
            } else if operators::is_regex(name) {
                "a regular expression that may be invalid".to_owned()
            } else if replaced {
                format!(
                    "the operator `{name}` of the extension intarray, which takes no NULL (that of PostgreSQL does: `OPERATOR(pg_catalog.{name})`),"
                )
            } else {
                format!("the operator `{name}`")
            };
            info.raises(span, what);
        }
    }

    /// `left IN (SELECT …)` and its kin compare with every row of the sub-query.
    pub(super) fn compared_with_rows(
        &mut self,
        left: &Info,
        operator: &Name,
        columns: Option<&[OutColumn]>,
        span: &Span,
        info: &mut Info,
    ) {
        let single = std::slice::from_ref(left);
        let parts = if left.parts.is_empty() {
            single
        } else {
            &left.parts
        };
        let columns = columns.unwrap_or_default();
        let mut operands: Vec<&Info> = parts.iter().collect();
        operands.extend(columns.iter().map(|column| &column.info));
        self.check_operator(operator, &operands);
        for (part, column) in parts.iter().zip(columns) {
            self.check_operator_collations(operator, &[part, &column.info]);
        }
        let name = operator.parts.last().map_or("", String::as_str);
        let safe = parts.len() == columns.len()
            && parts
                .iter()
                .zip(columns)
                .all(|(part, column)| part.compares(name, &column.info));
        if !safe {
            // The rows of the sub-query may meet those outside before either is filtered.
            let mut exposed = info.clone();
            for column in columns {
                exposed.absorb(&column.info);
            }
            exposed.leak = None;
            exposed.raises(span, COMPARISON);
            if info.leak.is_none() && exposed.leak.is_some() {
                info.exposed = exposed.exposed;
                info.leak = exposed.leak;
            }
        }
    }

    /// Values that become one type, as those of `COALESCE` and of the branches of `CASE`.
    pub(super) fn united(&mut self, operands: &[Info], span: &Span) -> Info {
        let mut info = self.over(&operands.iter().collect::<Vec<_>>());
        if !unify(operands) {
            info.raises(span, UNLIKE);
        }
        info.digits = digits::of_either(operands);
        let known = operands.iter().all(|info| info.ty.is_some() || info.open);
        let types: Vec<&Ty> = operands
            .iter()
            .filter_map(|info| info.ty.as_ref())
            .collect();
        info.ty = operators::united(&types).filter(|_| known);
        info
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&'a Expr>,
        branches: &'a [(Expr, Expr)],
        otherwise: Option<&'a Expr>,
        span: &Span,
        env: &Env,
    ) -> Info {
        let operand = operand.map(|operand| self.expr(operand, env));
        let mut conditions = Info::constant();
        if let Some(operand) = &operand {
            conditions.absorb(operand);
        }
        let mut results = Vec::with_capacity(branches.len() + 1);
        for (when, then) in branches {
            let when = self.expr(when, env);
            conditions.absorb(&when);
            if let Some(operand) = &operand {
                self.check_equality(&[operand, &when], span);
                if !operand.compares("=", &when) {
                    conditions.raises(span, COMPARISON);
                }
            }
            results.push(self.expr(then, env));
        }
        results.extend(otherwise.map(|otherwise| self.expr(otherwise, env)));
        let mut info = self.united(&results, span);
        conditions.collation = Collation::Own;
        info.absorb(&conditions);
        info
    }

    /// Whether a cast never raises an error.
    pub(super) fn cast_never_raises(&self, from: &Info, to: &TypeName) -> bool {
        let text = from.ty.as_ref().is_some_and(Ty::is_text);
        let target = self.type_of(to);
        types::cast_never_raises(from.ty.as_ref(), to)
            || (text
                && to.modifiers.is_empty()
                && target.is_some_and(|ty| ty == Ty::plain("citext")))
    }
}

impl Info {
    /// An element of the array that this is.
    pub(super) fn element(&self) -> Info {
        Info {
            ty: self.ty.as_ref().filter(|ty| ty.array).map(|ty| Ty {
                array: false,
                ..ty.clone()
            }),
            ..self.clone()
        }
    }
}

/// Whether values become one type without an error. A number that is the same for all rows is cast
/// before any row is read, so it is whatever the others are.
pub(super) fn unify(operands: &[Info]) -> bool {
    become_one(operands, Info::given)
}

/// The same for a list after `IN`: what stands before it is compared as it is, so that a parameter
/// counts for what it meets.
pub(super) fn unify_list(operands: &[Info]) -> bool {
    become_one(operands, Info::operand)
}

fn become_one(operands: &[Info], operand: impl for<'i> Fn(&'i Info) -> Operand<'i>) -> bool {
    let number = Ty::plain("int4");
    let all: Vec<Operand<'_>> = operands
        .iter()
        .map(|info| match operand(info) {
            Operand::Known(ty) if info.constant && *ty == Ty::plain("numeric") => {
                Operand::Known(&number)
            }
            operand => operand,
        })
        .collect();
    operators::unify(&all)
}

/// Whether `||` of these, one of which is text, is that of texts and not that of an array.
fn joins(left: &Info, right: &Info) -> bool {
    [left, right].into_iter().all(|info| match info.operand() {
        // `ltree` has one that takes a text for a path.
        Operand::Known(ty) => {
            !ty.array && (types::is_own(&ty.name) || matches!(&*ty.name, "citext" | "enum"))
        }
        Operand::Open => true,
        Operand::Parameter | Operand::Constant | Operand::Unknown => false,
    })
}

/// The type of a sum, a difference or a product, as far as it is plain.
fn arithmetic(operator: &str, left: Option<&Info>, right: &Info) -> Option<Ty> {
    let name = |info: &Info| {
        let ty = info.ty.as_ref().filter(|ty| !ty.array)?;
        Some(ty.name.clone())
    };
    let right = name(right)?;
    let Some(left) = left else {
        return Some(Ty::plain(&right));
    };
    let left = name(left)?;
    let number = |name: &str| {
        matches!(
            name,
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8"
        )
    };
    let ty = match (left.as_str(), operator, right.as_str()) {
        (a, _, b) if a == b && number(a) => a,
        (a, _, b) if number(a) && number(b) => wider(a, b),
        ("timestamptz", "+" | "-", "interval") | ("interval", "+", "timestamptz") => "timestamptz",
        ("timestamp" | "date", "+" | "-", "interval") | ("interval", "+", "timestamp" | "date") => {
            "timestamp"
        }
        ("interval", "+" | "-", "interval") => "interval",
        ("timestamptz" | "timestamp", "-", b) if b == left => "interval",
        ("date", "-", "date") => "int4",
        ("date", "+" | "-", "int4") => "date",
        ("interval", "*" | "/", b) if number(b) => "interval",
        (a, "*", "interval") if number(a) => "interval",
        _ => return None,
    };
    Some(Ty::plain(ty))
}

/// The type to which PostgreSQL takes both of two unlike types of numbers.
fn wider<'t>(a: &'t str, b: &'t str) -> &'t str {
    const BY_WIDTH: [&str; 5] = ["int2", "int4", "int8", "numeric", "float4"];
    let width = |name: &str| BY_WIDTH.iter().position(|other| *other == name);
    match (width(a), width(b)) {
        // A `real` beside a number of another type becomes a `double precision`.
        (Some(4), _) | (_, Some(4)) | (None, _) | (_, None) => "float8",
        (a_width, b_width) if a_width > b_width => a,
        _ => b,
    }
}

/// Whether a `LIKE` pattern can't end in a lone backslash: its last piece is a literal that ends in
/// something else, or there is no escape character at all.
fn safe_pattern(pattern: &Expr) -> bool {
    match &pattern.kind {
        ExprKind::Literal(Literal::String(text)) => {
            let trailing = text.chars().rev().take_while(|c| *c == '\\').count();
            trailing % 2 == 0
        }
        ExprKind::Literal(Literal::Null) => true,
        ExprKind::Cast { expr, ty }
            if Ty::of(ty).is_some_and(|ty| ty.is_text()) && ty.modifiers.is_empty() =>
        {
            safe_pattern(expr)
        }
        ExprKind::Operator { name, right, .. } if name.parts.last().is_some_and(|n| n == "||") => {
            closing(right)
        }
        ExprKind::Call(call) => match (call.name.parts.last().map(String::as_str), &*call.args) {
            // The last argument ends the pattern; NULL adds nothing, so it has to be a string.
            (Some("concat"), [.., last]) => !call.variadic && closing(last),
            // `LIKE pattern ESCAPE ''`: the server doubles every backslash. With another character
            // it is turned into a backslash, so the end has to be neither.
            (Some("like_escape"), [pattern, escape]) => match string(escape) {
                Some("") => true,
                Some(escape) => safe_escaped(pattern, escape),
                None => false,
            },
            _ => false,
        },
        _ => false,
    }
}

/// Whether what is added at the end escapes nothing: what stands before may end in a backslash, so
/// it begins with something that can be escaped and holds no backslash itself.
fn closing(last: &Expr) -> bool {
    string(last).is_some_and(|text| !text.is_empty() && !text.contains('\\'))
}

/// A pattern with an escape character of its own: a literal, or one that a literal closes.
fn safe_escaped(pattern: &Expr, escape: &str) -> bool {
    let closes = |text: &str| !text.is_empty() && !text.contains(escape) && !text.contains('\\');
    match &pattern.kind {
        ExprKind::Operator { name, right, .. } if name.parts.last().is_some_and(|n| n == "||") => {
            string(right).is_some_and(closes)
        }
        _ => string(pattern).is_some_and(|text| text.is_empty() || closes(text)),
    }
}

/// The text of a string literal, possibly cast to text.
fn string(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text),
        ExprKind::Cast { expr, ty }
            if Ty::of(ty).is_some_and(|ty| ty.is_text()) && ty.modifiers.is_empty() =>
        {
            string(expr)
        }
        _ => None,
    }
}

/// Whether a regular expression is a literal that the server takes for sure, or a literal pattern of
/// `SIMILAR TO`.
fn safe_regex(pattern: &Expr) -> bool {
    match &pattern.kind {
        ExprKind::Call(call) => {
            let similar = call
                .name
                .parts
                .last()
                .is_some_and(|name| name == "similar_to_escape");
            match &*call.args {
                [pattern] if similar => string(pattern).is_some_and(literals::is_similar),
                _ => false,
            }
        }
        ExprKind::Literal(Literal::Null) => true,
        _ => string(pattern).is_some_and(literals::is_regex),
    }
}

/// A literal, possibly cast to text or a whole number.
pub(super) fn literal(expr: &Expr) -> Option<literals::Literal<'_>> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text) | Literal::Number(text)) => {
            Some(literals::Literal::Text(text))
        }
        ExprKind::Literal(Literal::Null) => Some(literals::Literal::Null),
        ExprKind::Cast { expr, ty }
            if ty.modifiers.is_empty()
                && Ty::of(ty).is_some_and(|ty| ty.is_text() || ty == Ty::plain("int4")) =>
        {
            literal(expr)
        }
        _ => None,
    }
}

/// Whether a path of jsonb is a literal that raises nothing.
fn quiet_path(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Literal::String(path)) => operators::is_quiet_path(path),
        ExprKind::Cast { expr, ty } => {
            Ty::of(ty) == Some(Ty::plain("jsonpath")) && quiet_path(expr)
        }
        _ => false,
    }
}
