//! FROM clauses: range variables of every kind, joined in every way.

use super::items::bare;
use super::{Rel, Writer};
use crate::schema::Ty;
use std::collections::HashMap;

/// A FROM clause, and the predicates that are left for WHERE.
pub(super) struct From {
    pub(super) text: String,
    pub(super) conjuncts: Vec<String>,
    /// Whether rows may be locked: not under outer joins, and only of tables.
    pub(super) lockable: bool,
}

/// One item, with the range variables that it brings.
pub(super) struct Item {
    pub(super) text: String,
    pub(super) rels: Vec<Rel>,
    pub(super) conjuncts: Vec<String>,
    pub(super) table: bool,
}

impl Writer<'_> {
    /// Opens a block: pushes a scope with the range variables of a new FROM clause.
    pub(super) fn tables(&mut self, depth: usize) -> From {
        let count = 1 + self.c.pick(&[52, 34, 14]);
        self.tables_of(depth, count, true)
    }

    pub(super) fn tables_of(&mut self, depth: usize, count: usize, commas: bool) -> From {
        let outer = std::mem::replace(&mut self.bare, count == 1);
        let mut rels: Vec<Rel> = Vec::new();
        let mut text = String::new();
        let mut conjuncts = Vec::new();
        let mut lockable = true;
        // The range variables that an ON may name begin after the last comma.
        let mut start = 0;
        for index in 0..count {
            if index == 0 {
                let item = self.item(depth, &rels, false);
                lockable &= item.table;
                text = item.text;
                conjuncts.extend(item.conjuncts);
                for rel in &item.rels {
                    self.place(rel, &item.rels, &mut conjuncts);
                }
                rels.extend(item.rels);
                continue;
            }
            let how = match self.c.pick(&[20, 30, 18, 6, 5, 5, 4, 8, 4]) {
                0 if !commas => 1,
                how => how,
            };
            let lateral = matches!(how, 0 | 1 | 2 | 5);
            let mut item = self.item(depth, &rels, lateral);
            lockable &= item.table && matches!(how, 0 | 1 | 5 | 6 | 7);
            let visible = if how == 0 { rels.len() } else { start };
            conjuncts.append(&mut item.conjuncts);
            let mut known: Vec<Rel> = rels[visible.min(rels.len())..].to_vec();
            known.extend(item.rels.iter().cloned());
            let join = [
                "",
                "JOIN",
                "LEFT JOIN",
                "RIGHT JOIN",
                "FULL JOIN",
                "CROSS JOIN",
                "NATURAL JOIN",
                "JOIN",
                "LEFT JOIN",
            ][how];
            match how {
                0 | 5 => {
                    text = if how == 0 {
                        format!("{text}, {}", item.text)
                    } else {
                        format!("{text} CROSS JOIN {}", item.text)
                    };
                    for rel in &item.rels {
                        let mut peers = rels.clone();
                        peers.extend(item.rels.iter().cloned());
                        self.place(rel, &peers, &mut conjuncts);
                    }
                    if how == 0 {
                        start = rels.len();
                    }
                }
                6 => {
                    let left = if self.c.chance(30) {
                        "NATURAL LEFT JOIN"
                    } else {
                        "NATURAL JOIN"
                    };
                    lockable &= left == "NATURAL JOIN";
                    text = format!("{text} {left} {}", item.text);
                    for rel in &item.rels {
                        if self.c.chance(50) {
                            self.place(rel, &known, &mut conjuncts);
                        } else {
                            self.intended &= rel.sound || rel.tenant.is_none();
                        }
                    }
                }
                7 | 8 => match shared(&rels[start..], &item.rels) {
                    Some(columns) => {
                        let tenant = columns.iter().find(|(name, ty)| {
                            *ty == Ty::Tenant && item.rels[0].tenant.as_deref() == Some(name)
                        });
                        let mut using: Vec<String> = Vec::new();
                        if let Some((name, _)) = tenant
                            && self.c.chance(80)
                        {
                            using.push(name.clone());
                        }
                        let plain: Vec<&(String, Ty)> = columns
                            .iter()
                            .filter(|(_, ty)| matches!(ty, Ty::Int | Ty::Text))
                            .collect();
                        if using.is_empty() || (!plain.is_empty() && self.c.chance(40)) {
                            let (name, _) = columns[self.c.below(columns.len())].clone();
                            if !using.contains(&name) {
                                using.push(name);
                            }
                        }
                        text = format!("{text} {join} {} USING ({})", item.text, using.join(", "));
                        // A name for the columns of USING alone.
                        if self.c.chance(12) {
                            self.aliases += 1;
                            let alias = format!("j{}", self.aliases);
                            text += &format!(" AS {alias}");
                            lockable = false;
                            let merged: Vec<(String, Ty)> = columns
                                .iter()
                                .filter(|(name, _)| using.contains(name))
                                .cloned()
                                .collect();
                            if let Some((name, _)) = tenant
                                && using.contains(name)
                                && self.c.chance(60)
                            {
                                conjuncts.push(format!("{alias}.{name} = {}", self.term()));
                            }
                            rels.push(bare(&alias, merged));
                        }
                        let tied = using
                            .iter()
                            .any(|u| item.rels[0].tenant.as_deref() == Some(u));
                        for rel in &item.rels {
                            if !tied || self.c.chance(20) {
                                self.place(rel, &known, &mut conjuncts);
                            }
                        }
                    }
                    None => {
                        let on = self.on(&known, &item, how == 7, &mut conjuncts);
                        text = format!("{text} {join} {} ON {on}", item.text);
                    }
                },
                _ => {
                    let on = self.on(&known, &item, how == 1, &mut conjuncts);
                    text = format!("{text} {join} {} ON {on}", item.text);
                }
            }
            rels.extend(item.rels);
        }
        self.bare = outer;
        self.scopes.push(rels);
        From {
            text,
            conjuncts,
            lockable,
        }
    }

    /// A predicate for WHERE, if one is written.
    fn place(&mut self, rel: &Rel, peers: &[Rel], conjuncts: &mut Vec<String>) {
        self.scopes.push(peers.to_vec());
        // A bare name that means the block around this one, if the block here has no such column.
        if rel.tenant.as_deref() != Some("tenant_id") && self.scopes.len() > 1 && self.c.chance(6) {
            conjuncts.push("tenant_id = $tenant".to_owned());
        }
        if let Some(predicate) = self.predicate(rel, peers) {
            conjuncts.push(predicate);
        }
        self.scopes.pop();
    }

    /// The ON of a join: what ties the sides, and predicates for some of the range variables.
    fn on(
        &mut self,
        known: &[Rel],
        item: &Item,
        inner: bool,
        conjuncts: &mut Vec<String>,
    ) -> String {
        self.scopes.push(known.to_vec());
        let mut parts = Vec::new();
        let left: Vec<Rel> = known
            .iter()
            .filter(|r| !item.rels.iter().any(|i| i.alias == r.alias))
            .cloned()
            .collect();
        if let (Some(a), Some(b)) = (pair(&mut self.c, &left), pair(&mut self.c, &item.rels))
            && self.c.chance(70)
        {
            parts.push(format!("{a} = {b}"));
        }
        if self.c.chance(20) {
            parts.push(self.bool(1));
        }
        for rel in &item.rels {
            let Some(predicate) = self.predicate(rel, known) else {
                continue;
            };
            // In WHERE it would make an outer join an inner one, which is right as well.
            if self.c.chance(if inner { 60 } else { 75 }) {
                parts.push(predicate);
            } else {
                conjuncts.push(predicate);
            }
        }
        // Sometimes the other side's predicate stands here, where it may not filter that side.
        if self.c.chance(8)
            && let Some(rel) = left.first()
            && let Some(tenant) = &rel.tenant
        {
            parts.push(format!("{}.{tenant} = $tenant", rel.alias));
        }
        self.scopes.pop();
        if parts.is_empty() {
            "true".to_owned()
        } else {
            parts.join(" AND ")
        }
    }
}

pub(super) fn names(columns: &[(String, Ty)]) -> String {
    columns
        .iter()
        .map(|(name, _)| name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A column of whole numbers of some range variable.
pub(super) fn pair(c: &mut crate::choice::Choices, rels: &[Rel]) -> Option<String> {
    let found: Vec<String> = rels
        .iter()
        .flat_map(|r| {
            r.columns
                .iter()
                .filter(|(_, ty)| *ty == Ty::Int)
                .map(move |(n, _)| format!("{}.{n}", r.alias))
        })
        .collect();
    if found.is_empty() {
        None
    } else {
        Some(found[c.below(found.len())].clone())
    }
}

/// Columns that USING may name: once on the left, of one type on both sides.
fn shared(left: &[Rel], right: &[Rel]) -> Option<Vec<(String, Ty)>> {
    if right.len() != 1 {
        return None;
    }
    let mut counts: HashMap<&str, (usize, Ty)> = HashMap::new();
    for (name, ty) in left.iter().flat_map(|r| &r.columns) {
        counts.entry(name).or_insert((0, *ty)).0 += 1;
    }
    let columns: Vec<(String, Ty)> = right[0]
        .columns
        .iter()
        .filter(|(name, ty)| counts.get(name.as_str()) == Some(&(1, *ty)))
        .cloned()
        .collect();
    if columns.is_empty() {
        None
    } else {
        Some(columns)
    }
}
