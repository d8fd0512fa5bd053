//! What a condition says where it is true, and where it is false.
//!
//! Invariant: every equality that is taken is strict, and holds in every combination of rows for
//! which the whole condition is true. SQL has three truth values: `NOT a` is true only where `a` is
//! false, so what `a` says where it is merely not true is never used.

use std::collections::HashMap;

use super::state::{Env, FactKind, Info, Node, OutputId, Prover, SubQuery};
use crate::functions::types::{Family, Ty};
use crate::ir::{BoolTest, Expr, ExprKind, Name, Query, SubqueryKind};

/// What is taken from a condition.
#[derive(Debug, Default)]
pub(super) struct Implied {
    /// Strict equalities.
    pub(super) pairs: Vec<(Node, Node, FactKind)>,
    /// Values that equal the columns of some row of a sub-query.
    pub(super) members: Vec<(Vec<Option<Node>>, OutputId)>,
    /// Sub-queries that have a row.
    pub(super) existing: Vec<SubQuery>,
}

impl Implied {
    fn also(&mut self, other: Implied) {
        self.pairs.extend(other.pairs);
        self.members.extend(other.members);
        self.existing.extend(other.existing);
    }

    /// The same as a part of a larger condition, which need not filter one entry by itself.
    fn inside(mut self) -> Implied {
        for (_, _, kind) in &mut self.pairs {
            *kind = FactKind::Implied;
        }
        self
    }
}

impl<'a> Prover<'a> {
    /// What `expr` says where it is `truth`. Its operands have been walked before: the walk here
    /// visits each condition once, and single values again.
    pub(super) fn implied(&mut self, expr: &'a Expr, truth: bool, env: &Env) -> Implied {
        match (&expr.kind, truth) {
            (ExprKind::And(list), true) | (ExprKind::Or(list), false) => {
                let mut all = Implied::default();
                for part in list {
                    all.also(self.implied(part, truth, env));
                }
                if truth { all } else { all.inside() }
            }
            // One of them holds, it is not known which: what all of them say.
            (ExprKind::Or(list), true) | (ExprKind::And(list), false) => {
                let branches = list.iter().map(|part| self.implied(part, truth, env));
                common(branches.collect())
            }
            (ExprKind::Not(inner), _) => self.implied(inner, !truth, env).inside(),
            (ExprKind::IsBool { expr, test }, _) => match (test, truth) {
                (BoolTest::True, true) | (BoolTest::NotTrue, false) => {
                    self.implied(expr, true, env).inside()
                }
                (BoolTest::False, true) | (BoolTest::NotFalse, false) => {
                    self.implied(expr, false, env).inside()
                }
                _ => Implied::default(),
            },
            (
                ExprKind::Operator {
                    name,
                    left: Some(left),
                    right,
                },
                _,
            ) => match truth {
                true if self.is_equality(name) => self
                    .compared_with_query(left, right, env)
                    .or_else(|| self.compared_with_query(right, left, env))
                    .unwrap_or_else(|| self.equate(left, right, env)),
                // `a <> b` is false, not NULL: both are there and equal. For rows: in every column.
                false if self.is_inequality(name) => self.equate(left, right, env).inside(),
                _ => Implied::default(),
            },
            (
                ExprKind::Distinct {
                    negated,
                    left,
                    right,
                },
                _,
            ) if *negated == truth && !self.equality_shadowed => {
                // `$tenant` is never NULL, so the other side is not either; a setting can be.
                let sides = [(left, right), (right, left)];
                let mut found = Implied::default();
                for (value, other) in sides {
                    if self.is_tenant_parameter(other) {
                        found.also(self.equate(value, other, env));
                    }
                }
                // It is not strict: PostgreSQL leaves it above an outer join.
                found.inside()
            }
            (
                ExprKind::InList {
                    negated,
                    left,
                    list,
                },
                _,
            ) if *negated != truth && !self.equality_shadowed => {
                self.equals_one(left, list.iter().collect(), env)
            }
            (
                ExprKind::Quantified {
                    name,
                    all,
                    left,
                    right,
                },
                _,
            ) => {
                let equality = match truth {
                    true => self.is_equality(name),
                    false => self.is_inequality(name),
                };
                match self.elements(right, env) {
                    // `NOT (a <> ALL (b))` is `a = ANY (b)`, and the other way round. What is
                    // written as `ARRAY[…]` with an element has that element, in the one type that
                    // all of them have.
                    Some(list) if equality && *all == truth => {
                        if !self.one_family(left, &list, env) {
                            return Implied::default();
                        }
                        let mut every = Implied::default();
                        for item in list {
                            every.also(self.equate(left, item, env));
                        }
                        every.inside()
                    }
                    Some(list) if equality => self.equals_one(left, list, env).inside(),
                    _ => Implied::default(),
                }
            }
            (
                ExprKind::Subquery {
                    kind:
                        SubqueryKind::Any { left, operator }
                        | SubqueryKind::RowCompare { left, operator },
                    query,
                },
                true,
            ) if self.is_equality(operator) => self.member(left, query, env).unwrap_or_default(),
            (
                ExprKind::Subquery {
                    kind: SubqueryKind::Exists,
                    query,
                },
                true,
            ) => Implied {
                existing: self
                    .sub_queries
                    .get(&std::ptr::from_ref::<Query>(query))
                    .cloned()
                    .into_iter()
                    .collect(),
                ..Implied::default()
            },
            _ => Implied::default(),
        }
    }

    /// `left IN (a, b)`: it equals one of them.
    fn equals_one(&mut self, left: &'a Expr, list: Vec<&'a Expr>, env: &Env) -> Implied {
        let branches = list.into_iter().map(|item| self.equate(left, item, env));
        common(branches.collect())
    }

    /// The elements of `ARRAY[a, b]`, possibly cast to an array of the type that they have.
    fn elements(&mut self, array: &'a Expr, env: &Env) -> Option<Vec<&'a Expr>> {
        match &array.kind {
            ExprKind::Array(list) if !list.is_empty() => Some(list.iter().collect()),
            ExprKind::Cast { expr, ty } if ty.modifiers.is_empty() => {
                let list = self.elements(expr, env)?;
                let element = Ty::plain(&Ty::of(ty).filter(|ty| ty.array)?.name).family()?;
                let kept = list.iter().all(|item| {
                    self.operand(item, env)
                        .and_then(|info| info.ty?.family())
                        .is_some_and(|family| family == element)
                });
                kept.then_some(list)
            }
            _ => None,
        }
    }

    /// Whether the elements of an array are known to be of the family of `left`: one that is not
    /// decides over the type, and so over the equality, of all.
    fn one_family(&mut self, left: &'a Expr, list: &[&'a Expr], env: &Env) -> bool {
        let family = |info: Option<Info>| info.and_then(|info| info.ty?.family());
        let own = family(self.operand(left, env));
        own.is_some()
            && list
                .iter()
                .all(|item| family(self.operand(item, env)) == own)
    }

    /// `value = (SELECT …)`: the sub-query has a row, and the value is its column.
    fn compared_with_query(
        &mut self,
        query: &'a Expr,
        value: &'a Expr,
        env: &Env,
    ) -> Option<Implied> {
        match &query.kind {
            ExprKind::Subquery {
                kind: SubqueryKind::Scalar,
                query,
            } => self.member(value, query, env),
            _ => None,
        }
    }

    fn member(&mut self, left: &'a Expr, query: &Query, env: &Env) -> Option<Implied> {
        let output = self
            .sub_queries
            .get(&std::ptr::from_ref::<Query>(query))?
            .output;
        let parts: Vec<&Expr> = match &left.kind {
            ExprKind::Row(parts) => parts.iter().collect(),
            _ => vec![left],
        };
        let columns = self.outputs.get(output)?.columns.clone()?;
        if columns.len() != parts.len() {
            return None;
        }
        let nodes = parts
            .into_iter()
            .zip(columns)
            .map(|(part, column)| {
                let info = self.operand(part, env)?;
                self.comparable(&info, &column.info).then_some(info.node)?
            })
            .collect();
        Some(Implied {
            members: vec![(nodes, output)],
            ..Implied::default()
        })
    }

    /// `left = right`, for rows column by column.
    fn equate(&mut self, left: &'a Expr, right: &'a Expr, env: &Env) -> Implied {
        let mut implied = Implied::default();
        if let (ExprKind::Row(a), ExprKind::Row(b)) = (&left.kind, &right.kind) {
            if a.len() == b.len() {
                for (left, right) in a.iter().zip(b) {
                    implied.also(self.equate(left, right, env));
                }
            }
            return implied;
        }
        let (Some(a), Some(b)) = (self.operand(left, env), self.operand(right, env)) else {
            return implied;
        };
        let converted = a.converted || b.converted || a.node.is_none() || b.node.is_none();
        if let Some((a, b)) = self.equal_nodes(&a, &b)
            && a != b
        {
            let kind = if converted {
                FactKind::Converted
            } else {
                FactKind::Filter
            };
            implied.pairs.push((a, b, kind));
        }
        implied
    }

    /// The values that are the same where `a = b`: of one family compared as they are, or compared
    /// by their texts.
    fn equal_nodes(&self, a: &Info, b: &Info) -> Option<(Node, Node)> {
        if let (Some(x), Some(y)) = (a.node, b.node) {
            return self.comparable(a, b).then_some((x, y));
        }
        // A uuid or an integer has one text, so equal texts are texts of equal values; a column
        // that holds the text itself equals it letter by letter.
        let text = |info: &Info| {
            info.text_of.or_else(|| {
                let own = info.ty.as_ref().and_then(Ty::family) == Some(Family::Text);
                info.node.filter(|_| own)
            })
        };
        Some((text(a)?, text(b)?)).filter(|_| !a.loose && !b.loose)
    }

    /// Whether an operator is PostgreSQL's own `=`.
    pub(super) fn is_equality(&self, name: &Name) -> bool {
        match name.parts.as_slice() {
            [name] => name == "=" && !self.equality_shadowed,
            [schema, name] => schema == "pg_catalog" && name == "=",
            _ => false,
        }
    }

    /// Whether an operator is PostgreSQL's own `<>`.
    fn is_inequality(&self, name: &Name) -> bool {
        match name.parts.as_slice() {
            [name] => name == "<>" && !self.shadowed("<>"),
            [schema, name] => schema == "pg_catalog" && name == "<>",
            _ => false,
        }
    }
}

/// The equalities that follow from each of the branches, one of which is true.
///
/// Each branch divides its values into classes of equal ones. Two values are equal in all branches
/// if they are in one class in each, so values are grouped by their classes: linear in the pairs.
fn common(branches: Vec<Implied>) -> Implied {
    let mut branches = branches.into_iter();
    let Some(first) = branches.next() else {
        return Implied::default();
    };
    let mut implied = first;
    let mut single = true;
    for branch in branches {
        single = false;
        let (left, right) = (classes(&implied.pairs), classes(&branch.pairs));
        // A class of both is named by its members' classes in each; its first value stands for it.
        let mut groups: HashMap<(usize, usize), Node> = HashMap::new();
        let mut pairs = Vec::new();
        for (node, class) in &left.order {
            let Some(other) = right.of.get(node) else {
                continue;
            };
            match groups.get(&(*class, *other)) {
                Some(representative) => pairs.push((*representative, *node, FactKind::Implied)),
                None => {
                    groups.insert((*class, *other), *node);
                }
            }
        }
        implied = Implied {
            pairs,
            ..Implied::default()
        };
    }
    if single { implied } else { implied.inside() }
}

/// Values by their class of equal ones.
struct Classes {
    of: HashMap<Node, usize>,
    /// In the order in which they were met, so that derivations do not vary.
    order: Vec<(Node, usize)>,
}

fn classes(pairs: &[(Node, Node, FactKind)]) -> Classes {
    let mut neighbours: HashMap<Node, Vec<Node>> = HashMap::new();
    for (a, b, _) in pairs {
        neighbours.entry(*a).or_default().push(*b);
        neighbours.entry(*b).or_default().push(*a);
    }
    let mut classes = Classes {
        of: HashMap::new(),
        order: Vec::new(),
    };
    let starts = pairs.iter().flat_map(|(a, b, _)| [*a, *b]);
    for (class, start) in starts.enumerate() {
        let mut waiting = vec![start];
        while let Some(node) = waiting.pop() {
            if classes.of.contains_key(&node) {
                continue;
            }
            classes.of.insert(node, class);
            classes.order.push((node, class));
            waiting.extend(neighbours.get(&node).into_iter().flatten());
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implied(pairs: &[(usize, usize)]) -> Implied {
        let node = |number: usize| match number {
            0 => Node::Tenant,
            number => Node::Column(number, 0),
        };
        Implied {
            pairs: pairs
                .iter()
                .map(|(a, b)| (node(*a), node(*b), FactKind::Filter))
                .collect(),
            ..Implied::default()
        }
    }

    fn pairs(branches: &[&[(usize, usize)]]) -> Vec<(Node, Node)> {
        let found = common(branches.iter().map(|branch| implied(branch)).collect());
        found.pairs.into_iter().map(|(a, b, _)| (a, b)).collect()
    }

    #[test]
    fn what_all_branches_say() {
        let column = |number| Node::Column(number, 0);
        assert_eq!(pairs(&[&[(1, 0)], &[(0, 1)]]), [(column(1), Node::Tenant)]);
        // By different ways.
        assert_eq!(
            pairs(&[&[(1, 2), (2, 0)], &[(1, 0)], &[(3, 0), (1, 3)]]),
            [(column(1), Node::Tenant)]
        );
        assert_eq!(pairs(&[&[(1, 0)], &[(2, 0)]]), []);
        assert_eq!(pairs(&[&[(1, 0)], &[]]), []);
        // Equal to each other in both, to the tenant in one.
        assert_eq!(
            pairs(&[&[(1, 0), (2, 0)], &[(1, 2)]]),
            [(column(1), column(2))]
        );
    }
}
