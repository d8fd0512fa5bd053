//! Items of a `FROM`.

use rupg_sql::nodes::{self, JoinExpr, JoinType, Node, RangeFunction, RangeVar};

use super::{Lower, Result, hull, join};
use crate::ir::{
    Alias, ColumnDefinition, FromItem, FunctionItem, Join, JoinConstraint, JoinKind, Name,
    RelationRef, Sample, Span,
};

impl Lower<'_> {
    pub(super) fn item(&self, node: Option<&Node>) -> Result<FromItem> {
        self.deeper(0..0, || self.item_inner(node))
    }

    fn item_inner(&self, node: Option<&Node>) -> Result<FromItem> {
        match node {
            Some(Node::RangeVar(variable)) => Ok(FromItem::Relation(self.relation(variable)?)),
            Some(Node::RangeTableSample(sample)) => {
                let Some(Node::RangeVar(variable)) = &sample.relation else {
                    let at = self.tokens.token(self.at(sample.location));
                    return self.unknown("`TABLESAMPLE` on what is no relation", at);
                };
                let mut relation = self.relation(variable)?;
                let at = self.tokens.name(self.at(sample.location));
                let mut args = self.exprs(&sample.args)?;
                args.extend(self.optional(sample.repeatable.as_ref())?);
                relation.sample = Some(Sample {
                    method: self.name(&sample.method, at)?,
                    args,
                });
                Ok(FromItem::Relation(relation))
            }
            Some(Node::RangeSubselect(subselect)) => {
                let query = match &subselect.subquery {
                    Some(Node::SelectStmt(select)) => self.query(select)?,
                    _ => return Err(self.bug("a sub-query that is no query")),
                };
                let span = query.span.clone();
                Ok(FromItem::Subquery {
                    lateral: subselect.lateral,
                    span: self.tokens.widen(&span),
                    query: Box::new(query),
                    alias: self.alias(subselect.alias.as_deref())?,
                })
            }
            Some(Node::RangeFunction(function)) => self.range_function(function),
            Some(Node::JoinExpr(join)) => self
                .join_item(join)
                .map(|join| FromItem::Join(Box::new(join))),
            Some(Node::RangeTableFunc(function)) => {
                let at = self.tokens.token(self.at(function.location));
                self.unknown("`XMLTABLE`", at)
            }
            Some(Node::JsonTable(_)) => self.unknown("`JSON_TABLE`", 0..0),
            Some(_) => self.unknown("this item of `FROM`", 0..0),
            None => Err(self.bug("an empty item of FROM")),
        }
    }

    /// The name of a relation, with its exact place.
    pub(super) fn relation_name(&self, variable: &RangeVar) -> Result<Name> {
        let span = self.tokens.name(self.at(variable.location));
        if variable.catalogname.is_some() {
            return self.unknown("a name with a database in front", span);
        }
        let Some(name) = &variable.relname else {
            return Err(self.bug("a relation without a name"));
        };
        let schema = variable.schemaname.as_ref().map(ToString::to_string);
        Ok(Name {
            parts: schema.into_iter().chain([name.to_string()]).collect(),
            span,
        })
    }

    pub(super) fn relation(&self, variable: &RangeVar) -> Result<RelationRef> {
        let name = self.relation_name(variable)?;
        if variable.relpersistence != nodes::RELPERSISTENCE_PERMANENT {
            return self.unknown("a temporary relation", name.span);
        }
        Ok(RelationRef {
            name,
            alias: self.alias(variable.alias.as_deref())?,
            only: !variable.inh,
            sample: None,
        })
    }

    pub(super) fn alias(&self, alias: Option<&nodes::Alias>) -> Result<Option<Alias>> {
        alias
            .map(|alias| {
                let Some(name) = &alias.aliasname else {
                    return Err(self.bug("an alias without a name"));
                };
                Ok(Alias {
                    name: name.to_string(),
                    columns: self.strings(&alias.colnames)?,
                })
            })
            .transpose()
    }

    fn range_function(&self, node: &RangeFunction) -> Result<FromItem> {
        let mut calls = Vec::with_capacity(node.functions.len());
        for item in &node.functions {
            let Some(Node::List(pair)) = item else {
                return Err(self.bug("a function of FROM that is no list"));
            };
            let expr = self.required(pair.first().and_then(Option::as_ref))?;
            let columns = match pair.get(1) {
                Some(Some(Node::List(list))) => self.column_definitions(list)?,
                Some(None) | None => Vec::new(),
                Some(Some(_)) => return Err(self.bug("a column definition list that is none")),
            };
            calls.push(FunctionItem { expr, columns });
        }
        let span = hull(calls.iter().map(|call| &call.expr.span)).unwrap_or(0..0);
        let columns = self.column_definitions(&node.coldeflist)?;
        if !columns.is_empty() {
            match calls.as_mut_slice() {
                [call] if call.columns.is_empty() => call.columns = columns,
                _ => return self.unknown("this column definition list", span),
            }
        }
        Ok(FromItem::Function {
            calls,
            ordinality: node.ordinality,
            alias: self.alias(node.alias.as_deref())?,
            span,
        })
    }

    fn column_definitions(&self, list: &nodes::List) -> Result<Vec<ColumnDefinition>> {
        list.iter()
            .map(|item| match item {
                Some(Node::ColumnDef(column)) => match (&column.colname, &column.typeName) {
                    (Some(name), Some(ty)) => Ok(ColumnDefinition {
                        name: name.to_string(),
                        ty: self.type_name(ty)?,
                    }),
                    _ => Err(self.bug("a column definition without a name or type")),
                },
                _ => Err(self.bug("a column definition that is none")),
            })
            .collect()
    }

    fn join_item(&self, node: &JoinExpr) -> Result<Join> {
        let left = self.item(node.larg.as_ref())?;
        let right = self.item(node.rarg.as_ref())?;
        let mut span: Span = join(left.span(), right.span());
        let kind = match node.jointype {
            JoinType::JOIN_INNER => JoinKind::Inner,
            JoinType::JOIN_LEFT => JoinKind::Left,
            JoinType::JOIN_RIGHT => JoinKind::Right,
            JoinType::JOIN_FULL => JoinKind::Full,
            _ => return self.unknown("this kind of join", span),
        };
        let constraint = match (&node.quals, node.usingClause.is_empty(), node.isNatural) {
            (None, true, false) => JoinConstraint::None,
            (None, true, true) => JoinConstraint::Natural,
            (Some(quals), true, false) => {
                let condition = self.expr(quals)?;
                span = join(&span, &condition.span);
                JoinConstraint::On(condition)
            }
            (None, false, false) => {
                // The end of a join with USING is the bracket after its right item.
                let after = self.tokens.index(right.span().end);
                if let Some(token) = self.tokens.list().get(after)
                    && token.kind == rupg_sql::token::USING
                    && let Some(columns) = self.tokens.bracketed(token.start)
                {
                    span = join(&span, &columns);
                }
                JoinConstraint::Using {
                    columns: self.strings(&node.usingClause)?,
                    alias: self
                        .alias(node.join_using_alias.as_deref())?
                        .map(|alias| alias.name),
                }
            }
            _ => return Err(self.bug("a join with several conditions")),
        };
        Ok(Join {
            kind,
            left,
            right,
            constraint,
            alias: self.alias(node.alias.as_deref())?,
            span,
        })
    }
}
