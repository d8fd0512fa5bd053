//! FROM clauses: range variables of every kind, joined in every way.

use super::{Rel, Writer};
use crate::schema::{Table, Ty};
use std::collections::HashMap;

/// A FROM clause, and the predicates that are left for WHERE.
pub(super) struct From {
    pub(super) text: String,
    pub(super) conjuncts: Vec<String>,
    /// Whether rows may be locked: not under outer joins, and only of tables.
    pub(super) lockable: bool,
}

/// One item, with the range variables that it brings.
struct Item {
    text: String,
    rels: Vec<Rel>,
    conjuncts: Vec<String>,
    table: bool,
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

    fn item(&mut self, depth: usize, before: &[Rel], lateral: bool) -> Item {
        let deep = depth > 0;
        let views = if self.schema.views.is_empty() { 0 } else { 9 };
        let common = if self.common.is_empty() { 0 } else { 30 };
        let functions = if self.schema.set_functions.is_empty() {
            0
        } else {
            4
        };
        let (derived, side) = if deep {
            (10, if lateral && !before.is_empty() { 6 } else { 0 })
        } else {
            (0, 0)
        };
        let left_json = before.iter().rev().find_map(|r| {
            r.columns
                .iter()
                .find(|(_, t)| *t == Ty::Json)
                .map(|(n, _)| format!("{}.{n}", r.alias))
        });
        let json = if lateral && left_json.is_some() { 5 } else { 0 };
        match self.c.pick(&[
            62,
            views,
            common,
            derived,
            side,
            functions,
            2,
            2,
            if deep { 4 } else { 0 },
            json,
        ]) {
            0 => self.table(before),
            1 => {
                let view = self.schema.views[self.c.below(self.schema.views.len())].clone();
                self.intended = false;
                self.source(&view.name, view.columns)
            }
            2 => {
                let common = self.common[self.c.below(self.common.len())].clone();
                self.source(&common.name, common.columns)
            }
            3 => self.derived(depth - 1, false, &[]),
            4 => self.derived(depth - 1, true, before),
            5 => {
                let function = self.schema.set_functions
                    [self.c.below(self.schema.set_functions.len())]
                .clone();
                self.intended = false;
                let mut argument = self.literal(Ty::Int);
                if lateral
                    && let (true, Some(column)) = (self.c.chance(50), pair(&mut self.c, before))
                {
                    argument = column;
                }
                self.source(&function.name.replace('%', &argument), function.columns)
            }
            6 => {
                let alias = self.alias();
                let columns = vec![("id".to_owned(), Ty::Int)];
                Item {
                    text: format!("generate_series(1, 3) AS {alias}(id)"),
                    rels: vec![bare(&alias, columns)],
                    conjuncts: Vec::new(),
                    table: false,
                }
            }
            7 => {
                let alias = self.alias();
                let columns = vec![("id".to_owned(), Ty::Int), ("status".to_owned(), Ty::Text)];
                Item {
                    text: format!("(VALUES (1, 'open'), (2, 'paid')) AS {alias}(id, status)"),
                    rels: vec![bare(&alias, columns)],
                    conjuncts: Vec::new(),
                    table: false,
                }
            }
            9 => {
                let alias = self.alias();
                let json = left_json.unwrap_or_default();
                let columns = vec![("note".to_owned(), Ty::Text)];
                let text = match self.c.below(3) {
                    0 => format!("LATERAL jsonb_each_text({json}) AS {alias}(k, note)"),
                    1 => format!("jsonb_object_keys({json}) AS {alias}(note)"),
                    _ => format!(
                        "unnest(ARRAY[{json} ->> 'k', 'x']) WITH ORDINALITY AS {alias}(note, at)"
                    ),
                };
                Item {
                    text,
                    rels: vec![bare(&alias, columns)],
                    conjuncts: Vec::new(),
                    table: false,
                }
            }
            _ => self.nested(depth - 1),
        }
    }

    /// A table, with `ONLY`, a schema, or no alias of its own.
    fn table(&mut self, before: &[Rel]) -> Item {
        let table = self.schema.tables[self.c.below(self.schema.tables.len())].clone();
        self.intended &= table.declared;
        let columns: Vec<(String, Ty)> = table
            .columns
            .iter()
            .map(|c| (c.name.clone(), c.ty))
            .collect();
        let hidden = self.common.iter().any(|c| c.name == table.name);
        let free = |w: &Self, name: &str| {
            !w.scopes
                .iter()
                .flatten()
                .chain(before)
                .any(|r| r.alias == name)
        };
        let (alias, named) = match self.c.pick(&[76, 18, 6]) {
            1 if free(self, &table.name) => (
                table.name.clone(),
                format!("{}{}", if hidden { "public." } else { "" }, table.name),
            ),
            // An alias that is the name of some other table.
            2 => {
                let other = self.schema.tables[self.c.below(self.schema.tables.len())]
                    .name
                    .clone();
                let alias = if free(self, &other) {
                    other
                } else {
                    self.alias()
                };
                (alias.clone(), format!("{} {alias}", table.name))
            }
            _ => {
                let alias = self.alias();
                let prefix = if hidden && self.c.chance(50) {
                    "public."
                } else {
                    ["", "public.", "ONLY "][self.c.pick(&[85, 10, 5])]
                };
                let word = if self.c.chance(50) { " AS" } else { "" };
                (
                    alias.clone(),
                    format!("{prefix}{}{word} {alias}", table.name),
                )
            }
        };
        let rel = Rel {
            alias,
            columns,
            tenant: table.tenant().map(str::to_owned),
            guarded: table.guarded,
            sound: table.sound,
            unique: self.unique(&table),
        };
        Item {
            text: named,
            rels: vec![rel],
            conjuncts: Vec::new(),
            table: true,
        }
    }

    /// Whether an id of one tenant names one row, children included.
    fn unique(&self, table: &Table) -> bool {
        let id = |key: &Vec<String>| {
            key.contains(&"id".to_owned())
                && key
                    .iter()
                    .all(|k| k == "id" || Some(k.as_str()) == table.tenant())
        };
        let child = |other: &Table| {
            other.name == table.name
                || other
                    .parent
                    .is_some_and(|p| self.schema.tables[p].name == table.name)
        };
        table.keys.iter().any(id) && self.schema.tables.iter().filter(|t| child(t)).count() == 1
    }

    fn source(&mut self, name: &str, columns: Vec<(String, Ty)>) -> Item {
        let alias = self.alias();
        let tenant = columns
            .iter()
            .find(|(n, ty)| *ty == Ty::Tenant && n == "tenant_id")
            .map(|(n, _)| n.clone());
        let rel = Rel {
            alias: alias.clone(),
            columns,
            tenant,
            guarded: true,
            sound: true,
            unique: false,
        };
        Item {
            text: format!("{name} {alias}"),
            rels: vec![rel],
            conjuncts: Vec::new(),
            table: false,
        }
    }

    /// A sub-query in FROM, sometimes with names of its own for the columns.
    fn derived(&mut self, depth: usize, lateral: bool, before: &[Rel]) -> Item {
        if lateral {
            self.scopes.push(before.to_vec());
        }
        let (text, mut columns) = self.query(depth, None);
        if lateral {
            self.scopes.pop();
        }
        let alias = self.alias();
        let mut list = String::new();
        if self.c.chance(12) {
            // The first column of the tenant's type need not be the tenant's.
            for (index, column) in columns.iter_mut().enumerate() {
                column.0 = if column.1 == Ty::Tenant && self.c.chance(60) {
                    "tenant_id".to_owned()
                } else {
                    format!("c{index}")
                };
            }
            list = format!("({})", names(&columns));
        }
        let word = if lateral { "LATERAL " } else { "" };
        let tenant = columns
            .iter()
            .find(|(n, ty)| *ty == Ty::Tenant && n == "tenant_id")
            .map(|(n, _)| n.clone());
        let rel = Rel {
            alias: alias.clone(),
            columns,
            tenant,
            guarded: true,
            sound: true,
            unique: false,
        };
        Item {
            text: format!("{word}({text}) AS {alias}{list}"),
            rels: vec![rel],
            conjuncts: Vec::new(),
            table: false,
        }
    }

    /// A join in parentheses.
    fn nested(&mut self, depth: usize) -> Item {
        let from = self.tables_of(depth, 2, false);
        let rels = self.scopes.pop().unwrap_or_default();
        Item {
            text: format!("({})", from.text),
            rels,
            conjuncts: from.conjuncts,
            table: from.lockable,
        }
    }
}

fn bare(alias: &str, columns: Vec<(String, Ty)>) -> Rel {
    Rel {
        alias: alias.to_owned(),
        columns,
        tenant: None,
        guarded: true,
        sound: true,
        unique: false,
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
fn pair(c: &mut crate::choice::Choices, rels: &[Rel]) -> Option<String> {
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
