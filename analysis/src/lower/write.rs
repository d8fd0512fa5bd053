//! Data changes: `INSERT`, `UPDATE`, `DELETE`, `MERGE`.

use rupg_sql::nodes::{
    CmdType, DeleteStmt, InsertStmt, List, MergeMatchKind, MergeStmt, MergeWhenClause, Node,
    OnConflictAction, OnConflictClause, OverridingKind, RangeVar, ResTarget, ReturningClause,
    UpdateStmt,
};

use super::{Lower, Result, hull};
use crate::ir::{
    Assignment, ConflictTarget, ConflictUpdate, Delete, Expr, FromItem, IndirectionStep, Insert,
    InsertColumn, Merge, MergeAction, MergeBranch, MergeMatch, OnConflict, RelationRef, Span,
    Target, Update,
};

impl Lower<'_> {
    fn target(&self, relation: Option<&RangeVar>) -> Result<RelationRef> {
        match relation {
            Some(relation) => self.relation(relation),
            None => Err(self.bug("a data change without a target")),
        }
    }

    fn items(&self, list: &List) -> Result<Vec<FromItem>> {
        list.iter().map(|item| self.item(item.as_ref())).collect()
    }

    fn returning(&self, clause: Option<&ReturningClause>, span: &Span) -> Result<Vec<Target>> {
        match clause {
            None => Ok(Vec::new()),
            Some(clause) if clause.options.is_empty() => self.targets(&clause.exprs),
            Some(_) => self.unknown("`RETURNING WITH (…)`", span.clone()),
        }
    }

    fn column(&self, target: &ResTarget) -> Result<InsertColumn> {
        let Some(name) = &target.name else {
            return Err(self.bug("a target column without a name"));
        };
        let mut subscripts = Vec::new();
        for step in self.steps(&target.indirection)? {
            match step {
                IndirectionStep::Field(_) => {}
                IndirectionStep::Star => return Err(self.bug("a star in a target column")),
                IndirectionStep::Subscript(bounds) => subscripts.extend(bounds),
            }
        }
        Ok(InsertColumn {
            name: name.to_string(),
            partial: !target.indirection.is_empty(),
            subscripts,
            span: self.tokens.token(self.at(target.location)),
        })
    }

    fn columns(&self, list: &List) -> Result<Vec<InsertColumn>> {
        list.iter()
            .map(|item| match item {
                Some(Node::ResTarget(target)) => self.column(target),
                _ => Err(self.bug("a column list with an unknown item")),
            })
            .collect()
    }

    pub(super) fn insert(&self, node: &InsertStmt, span: &Span) -> Result<Insert> {
        let with = self.with(node.withClause.as_deref())?;
        let target = self.target(node.relation.as_deref())?;
        let columns = self.columns(&node.cols)?;
        let source = match &node.selectStmt {
            None => None,
            Some(Node::SelectStmt(select)) => Some(Box::new(self.query(select)?)),
            Some(_) => return Err(self.bug("the source of an INSERT is no query")),
        };
        Ok(Insert {
            with,
            target,
            columns,
            source,
            overriding_user: node.r#override == OverridingKind::OVERRIDING_USER_VALUE,
            on_conflict: node
                .onConflictClause
                .as_deref()
                .map(|clause| self.on_conflict(clause))
                .transpose()?,
            returning: self.returning(node.returningClause.as_deref(), span)?,
            span: span.clone(),
        })
    }

    fn on_conflict(&self, node: &OnConflictClause) -> Result<OnConflict> {
        let span = self.tokens.token(self.at(node.location));
        let update = match node.action {
            OnConflictAction::ONCONFLICT_NOTHING => None,
            OnConflictAction::ONCONFLICT_UPDATE => Some(ConflictUpdate {
                assignments: self.assignments(&node.targetList)?,
                filter: self.optional(node.whereClause.as_ref())?,
            }),
            _ => return self.unknown("`ON CONFLICT DO SELECT`", span),
        };
        let target = match node.infer.as_deref() {
            None => None,
            Some(infer) => match &infer.conname {
                Some(name) => Some(ConflictTarget::Constraint(name.to_string())),
                None => {
                    let mut elements = Vec::new();
                    for element in &infer.indexElems {
                        let Some(Node::IndexElem(element)) = element else {
                            return Err(self.bug("a conflict target with an unknown item"));
                        };
                        if !element.opclass.is_empty() || !element.collation.is_empty() {
                            return self.unknown(
                                "a collation or operator class of a conflict target",
                                span,
                            );
                        }
                        let at = self.tokens.token(self.at(element.location));
                        elements.push(match (&element.name, &element.expr) {
                            (Some(name), None) => Expr {
                                kind: crate::ir::ExprKind::Column(vec![name.to_string()]),
                                span: at,
                            },
                            (None, Some(expr)) => self.expr(expr)?,
                            _ => return Err(self.bug("an empty element of a conflict target")),
                        });
                    }
                    Some(ConflictTarget::Columns {
                        elements,
                        filter: self.optional(infer.whereClause.as_ref())?,
                    })
                }
            },
        };
        Ok(OnConflict {
            target,
            update,
            span,
        })
    }

    fn assignments(&self, list: &List) -> Result<Vec<Assignment>> {
        let mut assignments = Vec::new();
        let mut items = list.iter();
        while let Some(item) = items.next() {
            let Some(Node::ResTarget(target)) = item else {
                return Err(self.bug("a SET with an unknown item"));
            };
            let mut columns = vec![self.column(target)?];
            let value = match &target.val {
                // `(a, b) = source`: every column carries a copy of the source.
                Some(Node::MultiAssignRef(multi)) => {
                    if multi.colno != 1 {
                        return Err(self.bug("a SET list that begins in its middle"));
                    }
                    for colno in 2..=multi.ncolumns {
                        match items.next() {
                            Some(Some(Node::ResTarget(further)))
                                if matches!(&further.val, Some(Node::MultiAssignRef(next))
                                    if next.colno == colno && next.ncolumns == multi.ncolumns) =>
                            {
                                columns.push(self.column(further)?);
                            }
                            _ => return Err(self.bug("a SET list that is cut short")),
                        }
                    }
                    self.required(multi.source.as_ref())?
                }
                value => self.required(value.as_ref())?,
            };
            assignments.push(Assignment { columns, value });
        }
        Ok(assignments)
    }

    pub(super) fn update(&self, node: &UpdateStmt, span: &Span) -> Result<Update> {
        Ok(Update {
            with: self.with(node.withClause.as_deref())?,
            target: self.target(node.relation.as_deref())?,
            assignments: self.assignments(&node.targetList)?,
            from: self.items(&node.fromClause)?,
            filter: self.optional(node.whereClause.as_ref())?,
            returning: self.returning(node.returningClause.as_deref(), span)?,
            span: span.clone(),
        })
    }

    pub(super) fn delete(&self, node: &DeleteStmt, span: &Span) -> Result<Delete> {
        Ok(Delete {
            with: self.with(node.withClause.as_deref())?,
            target: self.target(node.relation.as_deref())?,
            using: self.items(&node.usingClause)?,
            filter: self.optional(node.whereClause.as_ref())?,
            returning: self.returning(node.returningClause.as_deref(), span)?,
            span: span.clone(),
        })
    }

    pub(super) fn merge(&self, node: &MergeStmt, span: &Span) -> Result<Merge> {
        let with = self.with(node.withClause.as_deref())?;
        let target = self.target(node.relation.as_deref())?;
        let source = self.item(node.sourceRelation.as_ref())?;
        let on = self.required(node.joinCondition.as_ref())?;
        let branches = node
            .mergeWhenClauses
            .iter()
            .map(|branch| match branch {
                Some(Node::MergeWhenClause(branch)) => self.branch(branch, &on.span),
                _ => Err(self.bug("a MERGE with an unknown branch")),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Merge {
            with,
            target,
            source,
            on,
            branches,
            returning: self.returning(node.returningClause.as_deref(), span)?,
            span: span.clone(),
        })
    }

    fn branch(&self, node: &MergeWhenClause, on: &Span) -> Result<MergeBranch> {
        let matched = match node.matchKind {
            MergeMatchKind::MERGE_WHEN_MATCHED => MergeMatch::Matched,
            MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_TARGET => MergeMatch::NotMatchedByTarget,
            MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE => MergeMatch::NotMatchedBySource,
            _ => return Err(self.bug("a MERGE with an unknown match")),
        };
        let condition = self.optional(node.condition.as_ref())?;
        let action = match node.commandType {
            CmdType::CMD_NOTHING => MergeAction::Nothing,
            CmdType::CMD_DELETE => MergeAction::Delete,
            CmdType::CMD_UPDATE => MergeAction::Update(self.assignments(&node.targetList)?),
            CmdType::CMD_INSERT => MergeAction::Insert {
                columns: self.columns(&node.targetList)?,
                values: if node.values.is_empty() {
                    None
                } else {
                    Some(self.exprs(&node.values)?)
                },
            },
            _ => return Err(self.bug("a MERGE with an unknown action")),
        };
        // The tree does not place a branch; its first part does, or else the condition of the MERGE.
        let span = match &action {
            MergeAction::Update(assignments) => hull(
                assignments
                    .iter()
                    .flat_map(|assignment| &assignment.columns)
                    .map(|column| &column.span),
            ),
            MergeAction::Insert { columns, .. } => hull(columns.iter().map(|column| &column.span)),
            MergeAction::Nothing | MergeAction::Delete => None,
        };
        Ok(MergeBranch {
            matched,
            span: span
                .or_else(|| condition.as_ref().map(|condition| condition.span.clone()))
                .unwrap_or_else(|| on.clone()),
            condition,
            action,
        })
    }
}
