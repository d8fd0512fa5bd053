//! Expressions, queries and bodies inside a migration, through the lowering of statements.

use rupg_sql::nodes::{Node, ReturnStmt, SelectStmt};

use super::ir::Maybe;
use crate::catalog::walk::{self, Visitor};
use crate::diagnostic::Diagnostic;
use crate::ir;
use crate::lower::Lower;
use crate::lower::tokens::Tokens;
use crate::parse::{self, Limits};

/// Takes `f('simple'::regconfig, …)` for `f('simple', …)`, and `nextval('s'::regclass)` likewise: the
/// server writes constants with their type when it prints what it has stored, and the argument has
/// that type anyway.
struct Constants;

impl Visitor for Constants {
    fn expr(&mut self, expr: &mut ir::Expr) {
        let ir::ExprKind::Call(call) = &mut expr.kind else {
            return;
        };
        let sequence = call.name.parts.last().is_some_and(|name| name == "nextval");
        for arg in &mut call.args {
            let ir::ExprKind::Cast { expr: inner, ty } = &mut arg.kind else {
                continue;
            };
            let constant = matches!(inner.kind, ir::ExprKind::Literal(ir::Literal::String(_)));
            // A name without a schema is the server's own: its schema comes first.
            let servers = match ty.name.parts.as_slice() {
                [schema, name] if schema == "pg_catalog" => Some(name),
                [name] => Some(name),
                _ => None,
            };
            let servers =
                servers.is_some_and(|name| name == "regconfig" || sequence && name == "regclass");
            if constant && servers {
                arg.kind = std::mem::replace(&mut inner.kind, ir::ExprKind::Default);
            }
        }
    }
}

/// Lowers parts of one text.
pub(super) struct Lowering<'a> {
    lower: Lower<'a>,
    text: &'a str,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a Tokens) -> Self {
        Self {
            lower: Lower::new(tokens),
            text,
        }
    }

    pub(super) fn expr(&self, node: &Node) -> Maybe<ir::Expr> {
        let mut expr = self.lower.expr(node).map_err(|error| why(&error))?;
        walk::expr(&mut expr, &mut Constants);
        Ok(expr)
    }

    pub(super) fn query(&self, select: &SelectStmt) -> Maybe<ir::Query> {
        let mut query = self.lower.query(select).map_err(|error| why(&error))?;
        walk::query(&mut query, &mut Constants);
        Ok(query)
    }

    pub(super) fn query_node(&self, node: Option<&Node>) -> Maybe<ir::Query> {
        match node {
            Some(Node::SelectStmt(select)) => self.query(select),
            _ => Err("its definition is not a query".to_owned()),
        }
    }

    pub(super) fn statement(&self, node: &Node, span: &ir::Span) -> Maybe<ir::Statement> {
        self.lower
            .statement(node, span)
            .map_err(|error| why(&error))
    }

    /// The text of the migration.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The statements of a SQL-standard body: `RETURN expr` or `BEGIN ATOMIC … END`.
    pub(super) fn standard_body(&self, node: &Node) -> Maybe<Vec<ir::Statement>> {
        match node {
            Node::ReturnStmt(value) => self
                .return_statement(value)
                .map(|statement| vec![statement]),
            Node::List(list) => {
                let mut statements = Vec::new();
                for node in list {
                    match node {
                        // The list of `BEGIN ATOMIC` holds one list of statements.
                        Some(inner @ Node::List(_)) => {
                            statements.extend(self.standard_body(inner)?)
                        }
                        Some(Node::ReturnStmt(value)) => {
                            statements.push(self.return_statement(value)?)
                        }
                        Some(node) => statements.push(self.statement(node, &(0..0))?),
                        None => {}
                    }
                }
                Ok(statements)
            }
            other => self
                .statement(other, &(0..0))
                .map(|statement| vec![statement]),
        }
    }

    /// `RETURN expr` is `SELECT expr`.
    fn return_statement(&self, value: &ReturnStmt) -> Maybe<ir::Statement> {
        let expr = self.expr(value.returnval.as_ref().ok_or("`RETURN` without a value")?)?;
        let span = expr.span.clone();
        let target = ir::Target {
            expr,
            alias: None,
            span: span.clone(),
        };
        Ok(ir::Statement::Query(Box::new(ir::Query {
            with: None,
            body: ir::QueryBody::Select(Box::new(ir::Select {
                distinct: None,
                targets: vec![target],
                from: Vec::new(),
                filter: None,
                group_by: Vec::new(),
                grouping_sets: false,
                having: None,
                windows: Vec::new(),
            })),
            order_by: Vec::new(),
            limit: None,
            with_ties: false,
            offset: None,
            locking: Vec::new(),
            span,
        })))
    }

    /// The statements of a body that is a string. Their spans are offsets into that string.
    pub(super) fn string_body(&self, text: &str) -> Maybe<Vec<ir::Statement>> {
        statements(text)
    }
}

/// The queries and data changes of a text.
pub(crate) fn statements(text: &str) -> Maybe<Vec<ir::Statement>> {
    let parsed = parse::statements(text, Limits::STATEMENT)
        .map_err(|errors| errors.first().map_or_else(String::new, why))?;
    let lower = Lower::new(&parsed.tokens);
    parsed
        .statements
        .iter()
        .map(|statement| {
            lower
                .statement(&statement.node, &statement.span)
                .map_err(|error| why(&error))
        })
        .collect()
}

fn why(diagnostic: &Diagnostic) -> String {
    diagnostic.message.clone()
}
