//! Joins: which side is preserved, the merged columns of `USING`, and the facts of the condition.

use std::rc::Rc;

use super::resolve::error;
use super::state::{
    Fact, FactKind, Guard, Info, Namespace, Node, Prover, Rte, RteColumn, RteKind, Table, Visible,
};
use crate::diagnostic::Code;
use crate::functions::types::Ty;
use crate::ir::{FromItem, Join, JoinConstraint, JoinKind};

use super::from::Place;

/// Outer joins multiply the conditions under which a row takes part.
const OUTER_JOINS: usize = 130;

impl<'a> Prover<'a> {
    pub(super) fn join_item(
        &mut self,
        join: &'a Join,
        place: &Place,
        left_of: &Namespace,
    ) -> Namespace {
        let (left_guard, right_guard, on_guard) = match join.kind {
            JoinKind::Inner => (
                place.guard.clone(),
                place.guard.clone(),
                place.guard.clone(),
            ),
            JoinKind::Left => {
                let nullable = self.guard_with_new(&place.guard);
                (place.guard.clone(), nullable.clone(), nullable)
            }
            JoinKind::Right => {
                let nullable = self.guard_with_new(&place.guard);
                (nullable.clone(), place.guard.clone(), nullable)
            }
            JoinKind::Full => {
                let left = self.guard_with_new(&place.guard);
                let right = self.guard_with_new(&place.guard);
                let both = union(&left, &right);
                (left, right, both)
            }
        };
        if join.kind != JoinKind::Inner {
            self.joins += 1;
            if self.joins == OUTER_JOINS {
                self.problem(*error(
                    Code::TOO_LARGE,
                    format!("the statement has {OUTER_JOINS} outer joins, and the analysis takes no more"),
                    &join.span,
                ));
            }
            if self.joins >= OUTER_JOINS {
                return Namespace {
                    opaque: true,
                    ..Namespace::default()
                };
            }
        }
        let with_guard = |guard: Guard| Place {
            guard,
            ..place.clone()
        };
        let before = self.rtes.len();
        let left = self.item(&join.left, &with_guard(left_guard.clone()), left_of);
        let left_rtes = before..self.rtes.len();
        // The right item sees the left one; a function there is lateral without the word.
        let right = if lateral(&join.right) {
            let mut seen = left_of.clone();
            seen.tables.extend(left.tables.iter().cloned());
            seen.columns.extend(left.columns.iter().cloned());
            seen.opaque |= left.opaque;
            self.item(&join.right, &with_guard(right_guard.clone()), &seen)
        } else {
            self.item(&join.right, &with_guard(right_guard.clone()), left_of)
        };
        let right_rtes = left_rtes.end..self.rtes.len();
        if self.stopped {
            return Namespace {
                opaque: true,
                ..Namespace::default()
            };
        }
        if let (JoinConstraint::On(condition), true) =
            (&join.constraint, join.kind != JoinKind::Inner)
        {
            // A condition on the nullable side belongs into the `ON`.
            let nullable = match join.kind {
                JoinKind::Right => left_rtes.clone(),
                _ => right_rtes.clone(),
            };
            self.note_insertion(nullable, Some(condition));
        }
        let mut merged_columns = None;
        let mut using_alias = None;
        match &join.constraint {
            JoinConstraint::None => {}
            JoinConstraint::On(condition) => {
                let mut both = Namespace::default();
                self.merge(&mut both, left.clone(), &join.span);
                // A clash is reported once, when the namespaces are merged for good.
                both.tables.extend(right.tables.iter().cloned());
                both.columns.extend(right.columns.iter().cloned());
                both.opaque |= right.opaque;
                let scope = self.push_scope(both, place.outer);
                let env = super::state::Env {
                    scope,
                    block: place.block,
                    guard: on_guard.clone(),
                    condition: true,
                    rows: None,
                    upsert: false,
                };
                self.condition(condition, &env, "ON");
            }
            JoinConstraint::Using { columns, alias } => {
                merged_columns = Some(columns.clone());
                using_alias = alias.as_ref();
            }
            JoinConstraint::Natural => {
                if left.opaque || right.opaque {
                    self.problem(*error(
                        Code::NOT_UNDERSTOOD,
                        "the columns of a `NATURAL JOIN` can't be told",
                        &join.span,
                    ));
                }
                let mut common: Vec<String> = Vec::new();
                for column in &left.columns {
                    if right.columns.iter().any(|other| other.name == column.name)
                        && !common.iter().any(|known| **known == *column.name)
                    {
                        common.push(column.name.to_string());
                    }
                }
                merged_columns = Some(common);
            }
        }
        let mut tables = Namespace::default();
        let (left_columns, right_columns) = (left.columns.clone(), right.columns.clone());
        self.merge(&mut tables, left, &join.span);
        self.merge(&mut tables, right, &join.span);
        if let Some(names) = merged_columns {
            let guards = Guards {
                left: left_guard,
                right: right_guard,
                both: on_guard,
            };
            let merged = self.using(&names, &left_columns, &right_columns, join, place, &guards);
            if let Some(alias) = using_alias {
                let columns: Rc<[Visible]> = merged.clone().into();
                tables.tables.push(Table {
                    name: alias.clone(),
                    schema: None,
                    columns: Some(columns),
                    scalar: false,
                    rte: None,
                    made: 0..0,
                });
            }
            let rest = left_columns
                .into_iter()
                .chain(right_columns)
                .filter(|column| !names.iter().any(|name| **name == *column.name));
            tables.columns = merged.into_iter().chain(rest).collect();
        }
        match &join.alias {
            None => tables,
            Some(alias) => {
                let columns = (!tables.opaque).then_some(tables.columns);
                let mut namespace = self.renamed(Some(alias), None, columns, None, &join.span);
                for table in &mut namespace.tables {
                    table.made = before..self.rtes.len();
                }
                namespace
            }
        }
    }

    /// The merged columns of `USING` and the facts they give.
    fn using(
        &mut self,
        names: &[String],
        left: &[Visible],
        right: &[Visible],
        join: &Join,
        place: &Place,
        guards: &Guards,
    ) -> Vec<Visible> {
        let mut merged = Vec::new();
        for name in names {
            let mut side = |columns: &[Visible]| -> Option<Info> {
                let mut found = columns.iter().filter(|column| *column.name == **name);
                match (found.next(), found.next()) {
                    (Some(column), None) => Some(Info::clone(&column.info)),
                    (None, _) => {
                        self.problem(*error(
                            Code::UNKNOWN_COLUMN,
                            format!("one side of the join has no column `{name}`"),
                            &join.span,
                        ));
                        None
                    }
                    (Some(_), Some(_)) => {
                        self.problem(*error(
                            Code::AMBIGUOUS_COLUMN,
                            format!("one side of the join has several columns `{name}`"),
                            &join.span,
                        ));
                        None
                    }
                }
            };
            let (Some(a), Some(b)) = (side(left), side(right)) else {
                continue;
            };
            let word = match join.constraint {
                JoinConstraint::Natural => "NATURAL JOIN",
                _ => "USING",
            };
            let text = format!("`{name}` ({word})");
            self.check_equality(&[&a, &b], &join.span);
            let nodes = match (a.node, b.node) {
                (Some(x), Some(y)) if !self.equality_shadowed && self.comparable(&a, &b) => {
                    let fact = Fact {
                        a: x,
                        b: y,
                        guard: guards.both.clone(),
                        kind: if a.converted || b.converted {
                            FactKind::Converted
                        } else {
                            FactKind::Filter
                        },
                        text: text.clone(),
                    };
                    self.push_fact(place.block, fact);
                    Some((x, y))
                }
                _ => None,
            };
            let mut condition = self.over(&[&a, &b]);
            if !a.compares("=", &b) {
                condition.raises(&join.span, super::expr::COMPARISON);
                self.leaks(&condition, place.block, None);
            }
            // The merged column has the common type of both sides: it is the one side's value only
            // where both are of one family.
            let ty = common_type(&a, &b);
            let node = match join.kind {
                _ if ty.is_none() => None,
                JoinKind::Inner | JoinKind::Left => a.node,
                JoinKind::Right => b.node,
                JoinKind::Full => nodes.map(|nodes| self.either(name, nodes, place, guards, &text)),
            };
            let mut info = Info {
                node,
                ty,
                ..Info::default()
            };
            info.absorb(&a);
            info.absorb(&b);
            let sides = [a, b];
            if !super::operator::unify(&sides) {
                info.raises(&join.span, super::expr::COMPARISON);
            }
            merged.push(Visible {
                name: name.as_str().into(),
                info: info.into(),
            });
        }
        merged
    }

    /// The merged column of a full join, which is `coalesce(left, right)`.
    ///
    /// Where the left row is there the column is the left one's: the rows of both sides meet only
    /// where they are equal, so a NULL on the left meets nothing and leaves NULL. Likewise for the
    /// right row. Neither equality is strict, and each holds only where its side is there.
    fn either(
        &mut self,
        name: &str,
        (left, right): (Node, Node),
        place: &Place,
        guards: &Guards,
        text: &str,
    ) -> Node {
        let rte = self.push_rte(
            place,
            Rte {
                name: name.to_owned(),
                columns: vec![RteColumn {
                    name: name.to_owned(),
                }],
                guard: place.guard.clone(),
                in_view: false,
                kind: RteKind::Other,
            },
        );
        let merged = Node::Column(rte, 0);
        for (side, guard) in [(left, &guards.left), (right, &guards.right)] {
            let fact = Fact {
                a: merged,
                b: side,
                guard: guard.clone(),
                kind: FactKind::Same,
                text: text.to_owned(),
            };
            self.push_fact(place.block, fact);
        }
        merged
    }
}

/// The type of a column that is made of two: that of both, or one of their family.
pub(super) fn common_type(a: &Info, b: &Info) -> Option<Ty> {
    let (a, b) = (a.ty.as_ref()?, b.ty.as_ref()?);
    let same = a == b || (a.family().is_some() && a.family() == b.family());
    same.then(|| a.clone())
}

/// Under which conditions the rows of a join's sides take part.
struct Guards {
    left: Guard,
    right: Guard,
    both: Guard,
}

/// Whether an item may refer to what stands to its left.
fn lateral(item: &FromItem) -> bool {
    match item {
        FromItem::Relation(_) => false,
        FromItem::Subquery { lateral, .. } => *lateral,
        FromItem::Function { .. } => true,
        FromItem::Join(join) => lateral(&join.left) || lateral(&join.right),
    }
}

/// Both conditions.
pub(super) fn union(a: &Guard, b: &Guard) -> Guard {
    let mut all: Vec<u32> = a.iter().chain(b.iter()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}
