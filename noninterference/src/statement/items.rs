//! The items of a FROM clause: tables under every kind of name, views, functions, sub-queries, joins.
//!
//! Invariant: the columns of a range variable are what the server would find under its alias, or a
//! part of it; a name that two columns share is left out.

use super::from::{Item, names, pair};
use super::{Rel, Writer};
use crate::schema::{Table, Ty};

impl Writer<'_> {
    pub(super) fn item(&mut self, depth: usize, before: &[Rel], lateral: bool) -> Item {
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
            5,
            if deep { 5 } else { 0 },
            2,
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
            10 => self.called(before, lateral),
            11 => self.aliased_join(),
            12 => self.whole_table(),
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

    /// Rows from functions that read no table.
    fn called(&mut self, before: &[Rel], lateral: bool) -> Item {
        let alias = self.alias();
        let number = match lateral {
            true => pair(&mut self.c, before).unwrap_or_else(|| "2".to_owned()),
            false => "2".to_owned(),
        };
        let int = |name: &str| (name.to_owned(), Ty::Int);
        let text = |name: &str| (name.to_owned(), Ty::Text);
        let (call, columns) = match self.c.below(8) {
            0 => (
                format!(
                    "ROWS FROM (generate_series(1, 3), unnest(ARRAY['open', 'paid'])) WITH ORDINALITY AS {alias}(id, status, at)"
                ),
                vec![int("id"), text("status")],
            ),
            1 => {
                let ids = self.typed_parameter(Ty::Ints);
                (format!("unnest({ids}) AS {alias}(id)"), vec![int("id")])
            }
            2 => (
                format!("unnest(ARRAY[1, {number}], ARRAY['ann', 'bob']) AS {alias}(id, name)"),
                vec![int("id"), text("name")],
            ),
            3 => (
                format!(
                    "jsonb_to_recordset('[{{\"id\": 1, \"status\": \"open\"}}]') AS {alias}(id integer, status text)"
                ),
                vec![int("id"), text("status")],
            ),
            4 => (
                format!(
                    "regexp_split_to_table('open,paid', ',') WITH ORDINALITY AS {alias}(status, at)"
                ),
                vec![text("status")],
            ),
            5 => (
                format!("generate_series({number}, {number} + 2) {alias}(id)"),
                vec![int("id")],
            ),
            6 => (
                format!(
                    "ROWS FROM (jsonb_array_elements_text('[\"a\"]'), generate_series(1, 2)) AS {alias}(note, id)"
                ),
                vec![text("note"), int("id")],
            ),
            _ => (
                format!("json_each_text('{{\"k\": \"a\"}}') AS {alias}(name, note)"),
                vec![text("name"), text("note")],
            ),
        };
        Item {
            text: call,
            rels: vec![bare(&alias, columns)],
            conjuncts: Vec::new(),
            table: false,
        }
    }

    /// Two tables joined, under one name: their tenants' columns are one, or have new names.
    fn aliased_join(&mut self) -> Item {
        let (left, right) = (self.table(&[]), self.table(&[]));
        let (a, b) = (left.rels[0].clone(), right.rels[0].clone());
        self.aliases += 1;
        let alias = format!("j{}", self.aliases);
        let how = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"][self.c.pick(&[55, 20, 10, 15])];
        let joined = match (&a.tenant, &b.tenant) {
            (Some(x), Some(y)) if x == y && self.c.chance(70) => Some(x.clone()),
            _ => None,
        };
        let all: Vec<(String, Ty)> = a.columns.iter().chain(&b.columns).cloned().collect();
        let mut rel = bare(&alias, Vec::new());
        rel.guarded = a.guarded && b.guarded;
        rel.sound = a.sound && b.sound;
        let text = match joined {
            Some(tenant) => {
                rel.columns = all
                    .iter()
                    .filter(|(n, _)| {
                        *n == tenant || all.iter().filter(|(m, _)| m == n).count() == 1
                    })
                    .cloned()
                    .collect();
                rel.columns.sort_by_key(|(n, _)| *n != tenant);
                rel.columns.dedup();
                rel.tenant = Some(tenant.clone());
                format!(
                    "({} {how} {} USING ({tenant})) AS {alias}",
                    left.text, right.text
                )
            }
            None => {
                let mut on = vec!["true".to_owned()];
                let both = [a.clone(), b.clone()];
                let outer = std::mem::replace(&mut self.bare, false);
                self.scopes.push(both.to_vec());
                if let Some(predicate) = self.predicate(&b, &both) {
                    on.push(predicate);
                }
                self.scopes.pop();
                self.bare = outer;
                rel.columns = all
                    .iter()
                    .enumerate()
                    .map(|(index, (_, ty))| (format!("e{index}"), *ty))
                    .collect();
                rel.tenant = a.tenant.as_ref().and_then(|tenant| {
                    let index = a.columns.iter().position(|(n, _)| n == tenant)?;
                    Some(format!("e{index}"))
                });
                self.intended &= how != "RIGHT JOIN" && how != "FULL JOIN";
                format!(
                    "({} {how} {} ON {}) AS {alias}({})",
                    left.text,
                    right.text,
                    on.join(" AND "),
                    names(&rel.columns)
                )
            }
        };
        Item {
            text,
            rels: vec![rel],
            conjuncts: Vec::new(),
            table: false,
        }
    }

    /// `TABLE t` as a sub-query.
    fn whole_table(&mut self) -> Item {
        let table = self.schema.tables[self.c.below(self.schema.tables.len())].clone();
        let columns = table
            .columns
            .iter()
            .map(|c| (c.name.clone(), c.ty))
            .collect();
        let mut item = self.source(&format!("(TABLE {})", table.path()), columns);
        item.rels[0].tenant = table.tenant().map(str::to_owned);
        item.rels[0].guarded = table.guarded;
        item.rels[0].sound = table.sound;
        self.intended &= table.declared;
        item
    }

    /// New names for the first columns; the tenant's may go to another of its type.
    fn renamed(&mut self, rel: &mut Rel) -> String {
        let count = 1 + self.c.below(rel.columns.len());
        let tenant = rel.tenant.clone();
        let swap = rel
            .columns
            .iter()
            .take(count)
            .position(|(n, ty)| *ty == Ty::Tenant && Some(n) != tenant.as_ref());
        let mut list = Vec::new();
        for (index, (name, _)) in rel.columns.iter_mut().take(count).enumerate() {
            let own = Some(&*name) == tenant.as_ref();
            let new = match swap {
                Some(at) if at == index => "tenant_id".to_owned(),
                None if own && count.is_multiple_of(2) => "tenant_id".to_owned(),
                _ => format!("a{index}"),
            };
            if own {
                rel.tenant = Some(new.clone());
            }
            name.clone_from(&new);
            list.push(new);
        }
        format!("({})", list.join(", "))
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
                match table.schema {
                    "public" if !hidden => table.name.clone(),
                    _ => table.path(),
                },
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
                (alias.clone(), format!("{} {alias}", table.named()))
            }
            _ => {
                let alias = self.alias();
                let prefix = if hidden && self.c.chance(50) {
                    "public."
                } else {
                    ["", "public.", "ONLY "][self.c.pick(&[85, 10, 5])]
                };
                let word = if self.c.chance(50) { " AS" } else { "" };
                let path = match table.schema {
                    "public" => format!("{prefix}{}", table.name),
                    _ if prefix == "ONLY " => format!("ONLY {}", table.path()),
                    _ => table.path(),
                };
                (alias.clone(), format!("{path}{word} {alias}"))
            }
        };
        let mut rel = Rel {
            alias,
            columns,
            tenant: table.tenant().map(str::to_owned),
            guarded: table.guarded,
            sound: table.sound,
            unique: self.unique(&table),
        };
        let mut named = named;
        let fresh = rel.alias.starts_with('r') && named.ends_with(&format!(" {}", rel.alias));
        if fresh && self.c.chance(5) {
            named += &self.renamed(&mut rel);
        }
        if self.c.chance(2) {
            named += self.c.one(&[
                " TABLESAMPLE BERNOULLI (100)",
                " TABLESAMPLE SYSTEM (100) REPEATABLE (7)",
            ]);
        }
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

pub(super) fn bare(alias: &str, columns: Vec<(String, Ty)>) -> Rel {
    Rel {
        alias: alias.to_owned(),
        columns,
        tenant: None,
        guarded: true,
        sound: true,
        unique: false,
    }
}
