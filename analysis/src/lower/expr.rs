//! Expressions.

use rupg_sql::nodes::{
    A_Expr, A_Expr_Kind, BoolExprType, BoolTestType, List, Node, NullTestType, SQLValueFunctionOp,
    SubLink, SubLinkType,
};

use super::{Lower, Result, hull, join, place};
use crate::ir::{
    BoolTest, Expr, ExprKind, IndirectionStep, Literal, Name, Span, SqlValue, SubqueryKind,
};

impl Lower<'_> {
    /// Lowers an expression.
    pub(crate) fn expr(&self, node: &Node) -> Result<Expr> {
        self.deeper(0..0, || self.expr_inner(node))
    }

    pub(super) fn optional(&self, node: Option<&Node>) -> Result<Option<Expr>> {
        node.map(|node| self.expr(node)).transpose()
    }

    pub(super) fn required(&self, node: Option<&Node>) -> Result<Expr> {
        match node {
            Some(node) => self.expr(node),
            None => Err(self.bug("an operand is missing")),
        }
    }

    pub(super) fn exprs(&self, list: &List) -> Result<Vec<Expr>> {
        list.iter()
            .map(|node| self.required(node.as_ref()))
            .collect()
    }

    fn boxed(&self, node: Option<&Node>) -> Result<Box<Expr>> {
        self.required(node).map(Box::new)
    }

    fn expr_inner(&self, node: &Node) -> Result<Expr> {
        match node {
            Node::ColumnRef(column) => {
                let start = self.at(column.location);
                self.saw_column(column.location);
                let span = self.tokens.name(start);
                let star = matches!(column.fields.last(), Some(Some(Node::A_Star(_))));
                let parts = if star {
                    let head: List = column
                        .fields
                        .split_last()
                        .map_or_else(List::new, |(_, head)| head.to_vec());
                    self.strings(&head)?
                } else {
                    self.strings(&column.fields)?
                };
                let kind = if star {
                    ExprKind::Star(parts)
                } else {
                    ExprKind::Column(parts)
                };
                Ok(Expr { kind, span })
            }
            Node::A_Const(constant) => {
                let span = self.tokens.token(self.at(constant.location));
                let literal = if constant.isnull {
                    Literal::Null
                } else {
                    match &constant.val {
                        Some(Node::Integer(number)) => Literal::Number(number.to_string()),
                        Some(Node::Float(text)) => Literal::Number(text.to_string()),
                        Some(Node::Boolean(value)) => Literal::Bool(*value),
                        Some(Node::String(text)) => Literal::String(text.to_string()),
                        Some(Node::BitString(text)) => Literal::Bits(text.to_string()),
                        _ => return self.unknown("this literal", span),
                    }
                };
                Ok(Expr {
                    kind: ExprKind::Literal(literal),
                    span,
                })
            }
            Node::ParamRef(parameter) => {
                self.seen
                    .borrow_mut()
                    .parameters
                    .insert(place(parameter.location));
                let span = self.tokens.token(self.at(parameter.location));
                match u32::try_from(parameter.number) {
                    Ok(number) if number > 0 => Ok(Expr {
                        kind: ExprKind::Parameter(number),
                        span,
                    }),
                    _ => self.unknown("a parameter without a number from 1", span),
                }
            }
            Node::TypeCast(cast) => {
                let expr = self.boxed(cast.arg.as_ref())?;
                let Some(ty) = &cast.typeName else {
                    return Err(self.bug("a cast without a type"));
                };
                let ty = self.type_name(ty)?;
                let mut span = join(&self.tokens.widen(&expr.span), &ty.name.span);
                if cast.location >= 0 {
                    let at = self.at(cast.location);
                    if at < expr.span.start {
                        // `CAST(…)` or `type 'literal'`.
                        span = join(&span, &self.tokens.bracketed(at).unwrap_or(at..at));
                        span.start = span.start.min(at);
                    }
                }
                Ok(Expr {
                    kind: ExprKind::Cast { expr, ty },
                    span,
                })
            }
            Node::A_Expr(operator) => self.operator(operator),
            Node::BoolExpr(bool_expr) => {
                let args = self.exprs(&bool_expr.args)?;
                let at = self.tokens.token(self.at(bool_expr.location));
                // Brackets around an operand belong to the whole.
                let operands: Vec<Span> = args
                    .iter()
                    .map(|arg| self.tokens.widen(&arg.span))
                    .collect();
                let span = hull(&operands).unwrap_or(at.clone());
                let kind = match bool_expr.boolop {
                    BoolExprType::AND_EXPR => ExprKind::And(flatten(args, |kind| match kind {
                        ExprKind::And(args) => Ok(args),
                        other => Err(other),
                    })),
                    BoolExprType::OR_EXPR => ExprKind::Or(flatten(args, |kind| match kind {
                        ExprKind::Or(args) => Ok(args),
                        other => Err(other),
                    })),
                    BoolExprType::NOT_EXPR => {
                        let Ok([arg]) = <[Expr; 1]>::try_from(args) else {
                            return Err(self.bug("NOT with other than one operand"));
                        };
                        return Ok(Expr {
                            span: join(&span, &at),
                            kind: ExprKind::Not(Box::new(arg)),
                        });
                    }
                    _ => return Err(self.bug("an unknown boolean operator")),
                };
                Ok(Expr { kind, span })
            }
            Node::NullTest(test) => {
                let expr = self.boxed(test.arg.as_ref())?;
                let negated = match test.nulltesttype {
                    NullTestType::IS_NULL => false,
                    NullTestType::IS_NOT_NULL => true,
                    _ => return Err(self.bug("an unknown null test")),
                };
                Ok(Expr {
                    span: self.to_word(&self.tokens.widen(&expr.span), test.location, "NULL"),
                    kind: ExprKind::IsNull { expr, negated },
                })
            }
            Node::BooleanTest(test) => {
                let expr = self.boxed(test.arg.as_ref())?;
                let kind = match test.booltesttype {
                    BoolTestType::IS_TRUE => BoolTest::True,
                    BoolTestType::IS_NOT_TRUE => BoolTest::NotTrue,
                    BoolTestType::IS_FALSE => BoolTest::False,
                    BoolTestType::IS_NOT_FALSE => BoolTest::NotFalse,
                    BoolTestType::IS_UNKNOWN => BoolTest::Unknown,
                    BoolTestType::IS_NOT_UNKNOWN => BoolTest::NotUnknown,
                    _ => return Err(self.bug("an unknown boolean test")),
                };
                Ok(Expr {
                    span: self.to_word(&self.tokens.widen(&expr.span), test.location, ""),
                    kind: ExprKind::IsBool { expr, test: kind },
                })
            }
            Node::SubLink(link) => self.sublink(link),
            Node::FuncCall(call) => self.call(call),
            Node::SQLValueFunction(value) => {
                let at = self.at(value.location);
                let kind = match value.op {
                    SQLValueFunctionOp::SVFOP_CURRENT_DATE => SqlValue::Date,
                    SQLValueFunctionOp::SVFOP_CURRENT_TIME
                    | SQLValueFunctionOp::SVFOP_CURRENT_TIME_N => SqlValue::TimeWithZone,
                    SQLValueFunctionOp::SVFOP_CURRENT_TIMESTAMP
                    | SQLValueFunctionOp::SVFOP_CURRENT_TIMESTAMP_N => SqlValue::TimestampWithZone,
                    SQLValueFunctionOp::SVFOP_LOCALTIME | SQLValueFunctionOp::SVFOP_LOCALTIME_N => {
                        SqlValue::Time
                    }
                    SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP
                    | SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP_N => SqlValue::Timestamp,
                    SQLValueFunctionOp::SVFOP_CURRENT_ROLE
                    | SQLValueFunctionOp::SVFOP_CURRENT_USER
                    | SQLValueFunctionOp::SVFOP_USER
                    | SQLValueFunctionOp::SVFOP_SESSION_USER => SqlValue::User,
                    SQLValueFunctionOp::SVFOP_CURRENT_CATALOG
                    | SQLValueFunctionOp::SVFOP_CURRENT_SCHEMA => SqlValue::Place,
                    _ => return self.unknown("this key word", self.tokens.token(at)),
                };
                Ok(Expr {
                    kind: ExprKind::SqlValue(kind),
                    span: self.tokens.token(at),
                })
            }
            Node::CoalesceExpr(coalesce) => {
                let args = self.exprs(&coalesce.args)?;
                let span = self.special_span(coalesce.location, &args);
                Ok(Expr {
                    kind: ExprKind::Coalesce(args),
                    span,
                })
            }
            Node::MinMaxExpr(min_max) => {
                let args = self.exprs(&min_max.args)?;
                let span = self.special_span(min_max.location, &args);
                Ok(Expr {
                    kind: ExprKind::MinMax(args),
                    span,
                })
            }
            Node::CaseExpr(case) => {
                let operand = self.optional(case.arg.as_ref())?.map(Box::new);
                let mut branches = Vec::new();
                for branch in &case.args {
                    let Some(Node::CaseWhen(when)) = branch else {
                        return Err(self.bug("a CASE with an unknown branch"));
                    };
                    branches.push((
                        self.required(when.expr.as_ref())?,
                        self.required(when.result.as_ref())?,
                    ));
                }
                let otherwise = self.optional(case.defresult.as_ref())?.map(Box::new);
                let mut span = self.tokens.token(self.at(case.location));
                let last = otherwise
                    .as_ref()
                    .map(|expr| &expr.span)
                    .or(branches.last().map(|(_, result)| &result.span));
                if let Some(last) = last {
                    span = self.to_word(&join(&span, last), -1, "END");
                }
                Ok(Expr {
                    kind: ExprKind::Case {
                        operand,
                        branches,
                        otherwise,
                    },
                    span,
                })
            }
            Node::A_ArrayExpr(array) => {
                let elements = self.exprs(&array.elements)?;
                let span = self.special_span(array.location, &elements);
                Ok(Expr {
                    kind: ExprKind::Array(elements),
                    span,
                })
            }
            Node::RowExpr(row) => {
                let args = self.exprs(&row.args)?;
                let span = self.special_span(row.location, &args);
                Ok(Expr {
                    kind: ExprKind::Row(args),
                    span,
                })
            }
            Node::A_Indirection(indirection) => {
                let expr = self.boxed(indirection.arg.as_ref())?;
                let steps = self.steps(&indirection.indirection)?;
                let span = self.tokens.widen(&expr.span);
                Ok(Expr {
                    kind: ExprKind::Indirection { expr, steps },
                    span,
                })
            }
            Node::CollateClause(collate) => {
                let expr = self.boxed(collate.arg.as_ref())?;
                let at = self.at(collate.location);
                let collation = self.name(&collate.collname, self.tokens.token(at))?;
                Ok(Expr {
                    span: join(&expr.span, &collation.span),
                    kind: ExprKind::Collate { expr, collation },
                })
            }
            Node::GroupingFunc(grouping) => {
                let args = self.exprs(&grouping.args)?;
                let span = self.special_span(grouping.location, &args);
                Ok(Expr {
                    kind: ExprKind::Grouping(args),
                    span,
                })
            }
            Node::SetToDefault(default) => Ok(Expr {
                kind: ExprKind::Default,
                span: self.tokens.token(self.at(default.location)),
            }),
            other => self.special(other),
        }
    }

    /// The place of a form with brackets that begins at `location`.
    pub(super) fn special_span(&self, location: i32, args: &[Expr]) -> Span {
        let inner = hull(args.iter().map(|arg| &arg.span));
        if location < 0 {
            return inner.unwrap_or(0..0);
        }
        let at = self.at(location);
        let outer = self
            .tokens
            .bracketed(at)
            .unwrap_or_else(|| self.tokens.token(at));
        inner.map_or(outer.clone(), |inner| join(&inner, &outer))
    }

    /// Extends `span` over the key words of a test (`IS NOT NULL`), which the tree does not place.
    fn to_word(&self, span: &Span, location: i32, word: &str) -> Span {
        let mut end = span.end;
        if location >= 0 {
            end = end.max(self.tokens.token(self.at(location)).end);
        }
        for token in self.tokens.list().iter().skip(self.tokens.index(end)) {
            if !token.word && word != "END" {
                break;
            }
            end = token.end;
            let last = match word {
                "END" => token.kind == rupg_sql::token::END_P,
                "NULL" => token.kind == rupg_sql::token::NULL_P,
                _ => token.kind != rupg_sql::token::NOT,
            };
            if last {
                break;
            }
        }
        span.start..end
    }

    pub(super) fn steps(&self, list: &List) -> Result<Vec<IndirectionStep>> {
        list.iter()
            .map(|step| match step {
                Some(Node::String(field)) => Ok(IndirectionStep::Field(field.to_string())),
                Some(Node::A_Star(_)) => Ok(IndirectionStep::Star),
                Some(Node::A_Indices(indices)) => {
                    let bounds = [&indices.lidx, &indices.uidx];
                    let bounds = bounds.into_iter().flatten().map(|bound| self.expr(bound));
                    Ok(IndirectionStep::Subscript(bounds.collect::<Result<_>>()?))
                }
                _ => Err(self.bug("an unknown step of an indirection")),
            })
            .collect()
    }

    fn operator(&self, node: &A_Expr) -> Result<Expr> {
        let at = self.tokens.token(self.at(node.location));
        let name = self.name(&node.name, at.clone())?;
        let left = self.optional(node.lexpr.as_ref())?.map(Box::new);
        let left_span = left
            .as_ref()
            .map_or(at.clone(), |left| self.tokens.widen(&left.span));
        // The right side of IN and BETWEEN is a list.
        if let Some(Node::List(list)) = &node.rexpr {
            let right = self.exprs(list)?;
            let Some(left) = left else {
                return Err(self.bug("an operand is missing"));
            };
            let inner = hull(right.iter().map(|item| &item.span)).unwrap_or(at.clone());
            let mut span = join(&left_span, &inner);
            let kind = match node.kind {
                A_Expr_Kind::AEXPR_IN => {
                    if let Some(list) = self.tokens.bracketed(at.start) {
                        span = join(&span, &list);
                    }
                    ExprKind::InList {
                        negated: match name.parts.first().map(String::as_str) {
                            Some("=") => false,
                            Some("<>") => true,
                            _ => return Err(self.bug("IN with an unknown operator")),
                        },
                        left,
                        list: right,
                    }
                }
                A_Expr_Kind::AEXPR_BETWEEN
                | A_Expr_Kind::AEXPR_NOT_BETWEEN
                | A_Expr_Kind::AEXPR_BETWEEN_SYM
                | A_Expr_Kind::AEXPR_NOT_BETWEEN_SYM => {
                    let Ok([low, high]) = <[Expr; 2]>::try_from(right) else {
                        return Err(self.bug("BETWEEN with other than two bounds"));
                    };
                    ExprKind::Between {
                        expr: left,
                        low: Box::new(low),
                        high: Box::new(high),
                    }
                }
                _ => return self.unknown("an operator with a list", span),
            };
            return Ok(Expr { kind, span });
        }
        // `(a, b) = (SELECT …)` compares a row with the row of the sub-query.
        if let (Some(left), Some(Node::SubLink(link))) = (&left, &node.rexpr)
            && matches!(left.kind, ExprKind::Row(_))
            && link.subLinkType == SubLinkType::EXPR_SUBLINK
            && node.kind == A_Expr_Kind::AEXPR_OP
        {
            let query = self.subquery(link)?;
            let span = join(&left_span, &self.link_span(link));
            return Ok(Expr {
                kind: ExprKind::Subquery {
                    kind: SubqueryKind::RowCompare {
                        left: left.clone(),
                        operator: name,
                    },
                    query: Box::new(query),
                },
                span,
            });
        }
        let right = self.boxed(node.rexpr.as_ref())?;
        let span = join(&join(&left_span, &at), &self.tokens.widen(&right.span));
        let kind = match (node.kind, left) {
            (
                A_Expr_Kind::AEXPR_OP
                | A_Expr_Kind::AEXPR_LIKE
                | A_Expr_Kind::AEXPR_ILIKE
                | A_Expr_Kind::AEXPR_SIMILAR,
                left,
            ) => ExprKind::Operator { name, left, right },
            (A_Expr_Kind::AEXPR_OP_ANY, Some(left)) => ExprKind::Quantified {
                name,
                all: false,
                left,
                right,
            },
            (A_Expr_Kind::AEXPR_OP_ALL, Some(left)) => ExprKind::Quantified {
                name,
                all: true,
                left,
                right,
            },
            (A_Expr_Kind::AEXPR_DISTINCT, Some(left)) => ExprKind::Distinct {
                negated: false,
                left,
                right,
            },
            (A_Expr_Kind::AEXPR_NOT_DISTINCT, Some(left)) => ExprKind::Distinct {
                negated: true,
                left,
                right,
            },
            (A_Expr_Kind::AEXPR_NULLIF, Some(left)) => ExprKind::NullIf(left, right),
            _ => return self.unknown("this form of an operator", span),
        };
        // The array of `ANY (…)` and the brackets of `NULLIF (…)` belong to the expression.
        let span = match kind {
            ExprKind::NullIf(..) => join(
                &span,
                &self.tokens.bracketed(at.start).unwrap_or(span.clone()),
            ),
            ExprKind::Quantified { .. } => self
                .tokens
                .bracketed(at.end)
                .map_or(span.clone(), |array| join(&span, &array)),
            _ => span,
        };
        Ok(Expr { kind, span })
    }

    fn subquery(&self, link: &SubLink) -> Result<crate::ir::Query> {
        match &link.subselect {
            Some(Node::SelectStmt(select)) => self.query(select),
            _ => Err(self.bug("a sub-query that is no query")),
        }
    }

    fn link_span(&self, link: &SubLink) -> Span {
        let at = self.at(link.location);
        self.tokens
            .bracketed(at)
            .unwrap_or_else(|| self.tokens.token(at))
    }

    fn sublink(&self, link: &SubLink) -> Result<Expr> {
        let query = Box::new(self.subquery(link)?);
        let mut span = self.link_span(link);
        let at = self.tokens.token(self.at(link.location));
        let left = self.optional(link.testexpr.as_ref())?.map(Box::new);
        if let Some(left) = &left {
            span = join(&span, &left.span);
        }
        // `IN (SELECT …)` has no operator of its own: it is `= ANY`.
        let operator = if link.operName.is_empty() {
            Name {
                parts: vec!["=".to_owned()],
                span: at,
            }
        } else {
            self.name(&link.operName, at)?
        };
        let kind = match (link.subLinkType, left) {
            (SubLinkType::EXISTS_SUBLINK, None) => SubqueryKind::Exists,
            (SubLinkType::EXPR_SUBLINK, None) => SubqueryKind::Scalar,
            (SubLinkType::ARRAY_SUBLINK, None) => SubqueryKind::Array,
            (SubLinkType::ANY_SUBLINK, Some(left)) => SubqueryKind::Any { left, operator },
            (SubLinkType::ALL_SUBLINK, Some(left)) => SubqueryKind::All { left, operator },
            _ => return self.unknown("this form of a sub-query", span),
        };
        Ok(Expr {
            kind: ExprKind::Subquery { kind, query },
            span,
        })
    }
}

/// Merges nested lists of the same boolean operator.
fn flatten(
    args: Vec<Expr>,
    same: impl Fn(ExprKind) -> std::result::Result<Vec<Expr>, ExprKind>,
) -> Vec<Expr> {
    let mut flat = Vec::with_capacity(args.len());
    for arg in args {
        let span = arg.span;
        match same(arg.kind) {
            Ok(inner) => flat.extend(inner),
            Err(kind) => flat.push(Expr { kind, span }),
        }
    }
    flat
}
