//! The rest of the grammar: XML and JSON forms, and the names of statements that are refused.

use rupg_sql::nodes::{List, Node, XmlExpr, XmlExprOp};

use super::{Lower, Result};
use crate::ir::{Expr, ExprKind, Span};

impl Lower<'_> {
    /// What the other forms of expressions become.
    pub(super) fn special(&self, node: &Node) -> Result<Expr> {
        let token = |location: i32| self.tokens.token(self.at(location));
        match node {
            Node::XmlExpr(xml) => self.xml(xml),
            Node::XmlSerialize(xml) => {
                let operands = vec![self.required(xml.expr.as_ref())?];
                if let Some(ty) = &xml.typeName {
                    self.type_name(ty)?;
                }
                Ok(self.special_form("xmlserialize", operands, xml.location))
            }
            Node::NamedArgExpr(arg) => self.unknown("a named argument here", token(arg.location)),
            Node::MultiAssignRef(_) => Err(self.bug("an assignment outside of SET")),
            Node::CurrentOfExpr(_) => self.unknown("`WHERE CURRENT OF`", 0..0),
            Node::MergeSupportFunc(call) => self.unknown("`merge_action()`", token(call.location)),
            Node::JsonIsPredicate(json) => self.json("IS JSON", token(json.location)),
            Node::JsonFuncExpr(json) => self.json(
                "JSON_VALUE, JSON_QUERY or JSON_EXISTS",
                token(json.location),
            ),
            Node::JsonObjectConstructor(json) => self.json("JSON_OBJECT", token(json.location)),
            Node::JsonArrayConstructor(json) => self.json("JSON_ARRAY", token(json.location)),
            Node::JsonArrayQueryConstructor(json) => self.json("JSON_ARRAY", token(json.location)),
            Node::JsonObjectAgg(_) => self.json("JSON_OBJECTAGG", 0..0),
            Node::JsonArrayAgg(_) => self.json("JSON_ARRAYAGG", 0..0),
            Node::JsonParseExpr(json) => self.json("JSON", token(json.location)),
            Node::JsonScalarExpr(json) => self.json("JSON_SCALAR", token(json.location)),
            Node::JsonSerializeExpr(json) => self.json("JSON_SERIALIZE", token(json.location)),
            Node::List(_) => self.unknown("a list in this place", 0..0),
            _ => self.unknown("this expression", 0..0),
        }
    }

    fn json<T>(&self, what: &str, at: Span) -> Result<T> {
        self.unknown(
            format_args!("`{what}`, which PostgreSQL has since version 16,"),
            at,
        )
        .map_err(|mut diagnostic: Box<crate::Diagnostic>| {
            diagnostic.help.push(
                "`jsonb_build_object`, `jsonb_agg` and the operators of jsonb do the same"
                    .to_owned(),
            );
            diagnostic
        })
    }

    fn xml(&self, xml: &XmlExpr) -> Result<Expr> {
        let name = match xml.op {
            XmlExprOp::IS_XMLCONCAT => "xmlconcat",
            XmlExprOp::IS_XMLELEMENT => "xmlelement",
            XmlExprOp::IS_XMLFOREST => "xmlforest",
            XmlExprOp::IS_XMLPARSE => "xmlparse",
            XmlExprOp::IS_XMLPI => "xmlpi",
            XmlExprOp::IS_XMLROOT => "xmlroot",
            XmlExprOp::IS_DOCUMENT => "is document",
            _ => return self.unknown("this form of XML", self.tokens.token(self.at(xml.location))),
        };
        let mut operands = self.exprs(&xml.args)?;
        operands.extend(self.named(&xml.named_args)?);
        Ok(self.special_form(name, operands, xml.location))
    }

    /// `XMLATTRIBUTES(value AS name, …)` and `XMLFOREST(…)` hold targets.
    fn named(&self, list: &List) -> Result<Vec<Expr>> {
        list.iter()
            .map(|item| match item {
                Some(Node::ResTarget(target)) => self.required(target.val.as_ref()),
                item => self.required(item.as_ref()),
            })
            .collect()
    }

    fn special_form(&self, name: &'static str, operands: Vec<Expr>, location: i32) -> Expr {
        let span = self.special_span(location, &operands);
        Expr {
            kind: ExprKind::Special { name, operands },
            span,
        }
    }
}

/// What a statement is called in a message.
pub(super) fn statement_name(node: &Node) -> &'static str {
    match node {
        Node::ExplainStmt(_) => "`EXPLAIN`, whose plan tells about every tenant's rows,",
        Node::CallStmt(_) => "`CALL`",
        Node::DoStmt(_) => "`DO`, which runs a procedural block,",
        Node::CopyStmt(_) => "`COPY`",
        Node::TruncateStmt(_) => "`TRUNCATE`, which removes every tenant's rows,",
        Node::LockStmt(_) => "`LOCK`, which stops every tenant,",
        Node::VariableSetStmt(_) => "`SET` or `RESET`, which changes the session,",
        Node::VariableShowStmt(_) => "`SHOW`",
        Node::TransactionStmt(_) => "transaction control, which is the scope's,",
        Node::ListenStmt(_) | Node::UnlistenStmt(_) | Node::NotifyStmt(_) => {
            "`LISTEN` or `NOTIFY`, which crosses tenants,"
        }
        Node::PrepareStmt(_) | Node::ExecuteStmt(_) | Node::DeallocateStmt(_) => {
            "a prepared statement by name"
        }
        Node::DeclareCursorStmt(_) | Node::FetchStmt(_) | Node::ClosePortalStmt(_) => "a cursor",
        Node::DiscardStmt(_) => "`DISCARD`, which changes the session,",
        Node::GrantStmt(_) | Node::GrantRoleStmt(_) => "`GRANT` or `REVOKE`",
        Node::VacuumStmt(_) => "`VACUUM` or `ANALYZE`",
        Node::RefreshMatViewStmt(_) => "`REFRESH MATERIALIZED VIEW`",
        Node::CreateTableAsStmt(_) => "`CREATE TABLE AS`",
        _ => "DDL or a command of the server",
    }
}
