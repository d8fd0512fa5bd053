//! What a policy's expression comes to for a row of another tenant, as far as that is certain: where a
//! tenant is set, where none is, and where the setting is an empty text.
//!
//! Invariant: `true` is said only where the server would say so; what is not followed is `Any`, and
//! an error of the server is never `true`.

use crate::catalog::{Body, Catalog, Relation};
use crate::ir::{BoolTest, Call, Expr, ExprKind, Literal, Statement, SubqueryKind};
use crate::policy::term;

/// What the session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// A tenant, which is not the row's.
    Own,
    /// Nothing was ever set.
    Unset,
    /// What is left after a transaction that had set one.
    Empty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Null,
    Bool(bool),
    /// A constant as a text.
    Text(String),
    /// The session's tenant.
    Session,
    /// A column of the row that has a value.
    Column(String),
    Any,
}

/// One evaluation.
struct Eval<'a> {
    catalog: &'a Catalog,
    relation: &'a Relation,
    tenant: &'a str,
    session: Session,
    /// The constants that the tenant column was compared with.
    constants: Vec<String>,
}

/// Depth of functions over functions.
const DEEP: usize = 8;
/// Tenants that are none: what a setting is replaced by so that no row has it.
const NOBODY: &[&str] = &["00000000-0000-0000-0000-000000000000", "0", "-1", ""];

/// Whether `expr` is true for every row of other tenants whose columns have values.
pub(super) fn lets_all_through(
    catalog: &Catalog,
    relation: &Relation,
    tenant: &str,
    expr: &Expr,
    session: Session,
) -> bool {
    let mut eval = Eval::new(catalog, relation, tenant, session);
    eval.of(expr, 0) == Value::Bool(true)
}

/// The tenant that is taken where none is set.
pub(super) fn default_tenant(
    catalog: &Catalog,
    relation: &Relation,
    tenant: &str,
    expr: &Expr,
) -> Option<String> {
    let constants = |session| {
        let mut eval = Eval::new(catalog, relation, tenant, session);
        eval.of(expr, 0);
        eval.constants
    };
    let always = constants(Session::Own);
    [Session::Unset, Session::Empty]
        .into_iter()
        .flat_map(constants)
        .find(|text| !always.contains(text) && !NOBODY.contains(&text.as_str()))
}

impl<'a> Eval<'a> {
    fn new(
        catalog: &'a Catalog,
        relation: &'a Relation,
        tenant: &'a str,
        session: Session,
    ) -> Self {
        Self {
            catalog,
            relation,
            tenant,
            session,
            constants: Vec::new(),
        }
    }

    fn of(&mut self, expr: &Expr, depth: usize) -> Value {
        match &expr.kind {
            ExprKind::Literal(Literal::Null) => Value::Null,
            ExprKind::Literal(Literal::Bool(value)) => Value::Bool(*value),
            ExprKind::Literal(Literal::String(text) | Literal::Number(text)) => {
                Value::Text(text.clone())
            }
            ExprKind::Column(parts) => self.column(parts),
            ExprKind::Collate { expr, .. } => self.of(expr, depth),
            ExprKind::Cast { expr, ty } => {
                let value = self.of(expr, depth);
                let name = ty.name.parts.last().map_or("", String::as_str);
                match value {
                    // An empty text is no value of another type.
                    Value::Text(text) if text.is_empty() => match name {
                        "text" | "varchar" => Value::Text(text),
                        _ => Value::Any,
                    },
                    Value::Text(text) if name == "bool" => boolean(&text),
                    value => value,
                }
            }
            ExprKind::Call(call) => self.call(call, depth),
            ExprKind::Subquery {
                kind: SubqueryKind::Scalar,
                query,
            } => match term::only_value(query) {
                Some(value) => self.of(value, depth),
                None => Value::Any,
            },
            ExprKind::NullIf(value, other) => {
                match (self.of(value, depth), self.of(other, depth)) {
                    (Value::Null, _) => Value::Null,
                    (value, Value::Null) => value,
                    (Value::Session, Value::Text(text)) if text.is_empty() => Value::Session,
                    (left, right) if left == right && left != Value::Any => Value::Null,
                    _ => Value::Any,
                }
            }
            ExprKind::Coalesce(list) => list
                .iter()
                .map(|part| self.of(part, depth))
                .find(|value| *value != Value::Null)
                .unwrap_or(Value::Null),
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => {
                let operand = operand.as_ref().map(|operand| self.of(operand, depth));
                for (when, then) in branches {
                    let mut holds = self.of(when, depth);
                    if let Some(operand) = &operand {
                        holds = self.equal(operand, &holds);
                    }
                    match holds {
                        Value::Bool(true) => return self.of(then, depth),
                        Value::Bool(false) | Value::Null => {}
                        _ => return Value::Any,
                    }
                }
                match otherwise {
                    Some(otherwise) => self.of(otherwise, depth),
                    None => Value::Null,
                }
            }
            ExprKind::IsNull { expr, negated } => match self.of(expr, depth) {
                Value::Any => Value::Any,
                value => Value::Bool((value == Value::Null) != *negated),
            },
            ExprKind::IsBool { expr, test } => tested(&self.of(expr, depth), *test),
            ExprKind::Distinct {
                negated,
                left,
                right,
            } => {
                let (left, right) = (self.of(left, depth), self.of(right, depth));
                let same = match (&left, &right) {
                    (Value::Null, Value::Null) => Value::Bool(true),
                    (Value::Any, _) | (_, Value::Any) => Value::Any,
                    (Value::Null, _) | (_, Value::Null) => Value::Bool(false),
                    _ => self.equal(&left, &right),
                };
                if *negated { same } else { not(same) }
            }
            ExprKind::And(list) => self.all(list, depth, false),
            ExprKind::Or(list) => self.all(list, depth, true),
            ExprKind::Not(inner) => not(self.of(inner, depth)),
            ExprKind::Operator {
                name,
                left: Some(left),
                right,
            } => {
                let (left, right) = (self.of(left, depth), self.of(right, depth));
                match name.parts.last().map_or("", String::as_str) {
                    _ if left == Value::Null || right == Value::Null => Value::Null,
                    "=" => self.equal(&left, &right),
                    "<>" => not(self.equal(&left, &right)),
                    _ => Value::Any,
                }
            }
            ExprKind::InList {
                negated,
                left,
                list,
            } => {
                let found = self.among(left, list, depth);
                if *negated { not(found) } else { found }
            }
            ExprKind::Quantified {
                name,
                all: false,
                left,
                right,
            } if name.parts.last().is_some_and(|last| last == "=") => match &right.kind {
                ExprKind::Array(list) => self.among(left, list, depth),
                ExprKind::Cast { expr, .. } => match &expr.kind {
                    ExprKind::Array(list) => self.among(left, list, depth),
                    _ => Value::Any,
                },
                _ => Value::Any,
            },
            _ => Value::Any,
        }
    }

    /// A column of the table itself; with a value, or the row is not the one that is looked for.
    fn column(&self, parts: &[String]) -> Value {
        let name = match parts {
            [name] => name,
            [table, name] if *table == self.relation.name => name,
            _ => return Value::Any,
        };
        match self.relation.column(name) {
            Some(_) => Value::Column(name.clone()),
            None => Value::Any,
        }
    }

    fn call(&mut self, call: &Call, depth: usize) -> Value {
        let name = call.name.parts.last().map_or("", String::as_str);
        let own = self.catalog.defines_function(name);
        if !own && name == "current_setting" {
            return self.setting(call, depth);
        }
        if own {
            return self.function(call, depth);
        }
        match (name, call.args.as_slice()) {
            ("lower" | "upper" | "btrim" | "length" | "md5", [value]) => {
                match self.of(value, depth) {
                    Value::Null => Value::Null,
                    _ => Value::Any,
                }
            }
            _ => Value::Any,
        }
    }

    fn setting(&mut self, call: &Call, depth: usize) -> Value {
        let mut args = call.args.iter().map(|arg| self.of(arg, depth));
        let (name, missing) = (args.next(), args.next());
        let tenants = matches!(&name, Some(Value::Text(name)) if name.eq_ignore_ascii_case(&self.catalog.config().tenant.setting));
        match (tenants, self.session) {
            (false, _) => Value::Any,
            (true, Session::Own) => Value::Session,
            (true, Session::Empty) => Value::Text(String::new()),
            // Without the flag it is an error.
            (true, Session::Unset) if missing == Some(Value::Bool(true)) => Value::Null,
            (true, Session::Unset) => Value::Any,
        }
    }

    /// A function without arguments whose body is one value.
    fn function(&mut self, call: &Call, depth: usize) -> Value {
        if !call.args.is_empty() || depth > DEEP {
            return Value::Any;
        }
        let name = call.name.parts.last();
        let catalog = self.catalog;
        let mut named = catalog.all_functions().iter().filter(|function| {
            Some(&function.name) == name
                && (call.name.parts.len() < 2 || call.name.parts.first() == Some(&function.schema))
        });
        let (Some(function), None) = (named.next(), named.next()) else {
            return Value::Any;
        };
        let statements = match (&function.body, &function.returned) {
            (Body::Sql { statements, .. }, _) => statements,
            (_, Some(returned)) => returned,
            _ => return Value::Any,
        };
        match statements.as_slice() {
            [Statement::Query(query)] if !function.returns_set => match term::only_value(query) {
                // Its columns would be something else.
                Some(value) => self.of(value, depth + 1),
                None => Value::Any,
            },
            _ => Value::Any,
        }
    }

    fn all(&mut self, list: &[Expr], depth: usize, deciding: bool) -> Value {
        let mut unknown = None;
        for part in list {
            match self.of(part, depth) {
                Value::Bool(value) if value == deciding => return Value::Bool(deciding),
                Value::Bool(_) => {}
                Value::Null => {
                    unknown.get_or_insert(Value::Null);
                }
                _ => unknown = Some(Value::Any),
            }
        }
        unknown.unwrap_or(Value::Bool(!deciding))
    }

    fn among(&mut self, left: &Expr, list: &[Expr], depth: usize) -> Value {
        let left = self.of(left, depth);
        let mut found = Value::Bool(false);
        for item in list {
            let item = self.of(item, depth);
            match self.equal(&left, &item) {
                Value::Bool(true) => return Value::Bool(true),
                Value::Bool(false) => {}
                Value::Null if found != Value::Any => found = Value::Null,
                _ => found = Value::Any,
            }
        }
        found
    }

    fn equal(&mut self, left: &Value, right: &Value) -> Value {
        match (left, right) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::Any, _) | (_, Value::Any) => Value::Any,
            // The row is another tenant's.
            (Value::Session, Value::Column(name)) | (Value::Column(name), Value::Session)
                if name == self.tenant =>
            {
                Value::Bool(false)
            }
            (Value::Text(text), Value::Column(name)) | (Value::Column(name), Value::Text(text))
                if name == self.tenant =>
            {
                self.constants.push(text.clone());
                Value::Any
            }
            (Value::Bool(left), Value::Bool(right)) => Value::Bool(left == right),
            (left, right) if left == right => Value::Bool(true),
            // Texts that differ can be the same value of a type.
            _ => Value::Any,
        }
    }
}

fn not(value: Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::Null => Value::Null,
        _ => Value::Any,
    }
}

fn boolean(text: &str) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "on" | "yes" | "1" => Value::Bool(true),
        "f" | "false" | "off" | "no" | "0" => Value::Bool(false),
        _ => Value::Any,
    }
}

fn tested(value: &Value, test: BoolTest) -> Value {
    let truth = match value {
        Value::Bool(truth) => Some(*truth),
        Value::Null => None,
        _ => return Value::Any,
    };
    Value::Bool(match test {
        BoolTest::True => truth == Some(true),
        BoolTest::NotTrue => truth != Some(true),
        BoolTest::False => truth == Some(false),
        BoolTest::NotFalse => truth != Some(false),
        BoolTest::Unknown => truth.is_none(),
        BoolTest::NotUnknown => truth.is_some(),
    })
}
