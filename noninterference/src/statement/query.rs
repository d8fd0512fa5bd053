//! Queries: blocks, set operations, common table expressions, ordering and limits.
//!
//! Invariant: LIMIT and DISTINCT ON stand only over an order of every output column, so that which
//! rows they keep is fixed up to rows that look the same.

use super::from::names;
use super::{Common, Writer};
use crate::schema::Ty;

type Columns = Vec<(String, Ty)>;

impl Writer<'_> {
    pub(super) fn top_query(&mut self, depth: usize) -> String {
        if self.c.chance(3) {
            let table = self.schema.tables[self.c.below(self.schema.tables.len())].named();
            self.intended = false;
            return format!("TABLE {table}");
        }
        if self.c.chance(2) {
            // No rows but these; a sub-query in them is one of the clauses.
            self.scopes.push(Vec::new());
            let (a, b) = (self.scalar_subquery(Ty::Int, 0), self.literal(Ty::Text));
            self.scopes.pop();
            return format!("VALUES (1, {b}), ({a}, 'x')");
        }
        self.query(depth, None).0
    }

    /// A query expression; `want` fixes the types of its columns.
    pub(super) fn query(&mut self, depth: usize, want: Option<&[Ty]>) -> (String, Columns) {
        let hidden = self.common.len();
        let prefix = if depth > 0 && self.c.chance(28) {
            self.common_list(depth - 1, false)
        } else {
            String::new()
        };
        let (body, columns) = self.body(depth, want);
        self.common.truncate(hidden);
        (format!("{prefix}{body}"), columns)
    }

    /// A query without `WITH`.
    pub(super) fn body(&mut self, depth: usize, want: Option<&[Ty]>) -> (String, Columns) {
        match depth > 0 && self.c.chance(14) {
            true => self.set_operation(depth - 1, want),
            false => self.block(depth, want, true),
        }
    }

    /// `WITH ...`: what it defines stays in `common` for the caller to remove.
    pub(super) fn common_list(&mut self, depth: usize, modifying: bool) -> String {
        let mut parts = Vec::new();
        let mut recursive = false;
        let mut defined: Vec<String> = Vec::new();
        for index in 0..1 + self.c.pick(&[60, 30, 10]) {
            let name = match self.c.pick(&[70, 30]) {
                1 => self.schema.tables[self.c.below(self.schema.tables.len())]
                    .name
                    .clone(),
                _ => {
                    self.aliases += 1;
                    format!("w{}", self.aliases)
                }
            };
            if defined.contains(&name) {
                continue;
            }
            defined.push(name.clone());
            let (text, columns) = if modifying && (index == 0 || self.c.chance(30)) {
                self.returning_statement(depth)
            } else if self.c.chance(14) {
                recursive = true;
                self.recursive(&name)
            } else {
                // The sub-query's own blocks must not see the range variables around it twice.
                self.query(depth, None)
            };
            let mut columns = columns;
            let list = if self.c.chance(10) && !columns.is_empty() && self.suffix.is_empty() {
                for (index, column) in columns.iter_mut().enumerate() {
                    column.0 = if column.1 == Ty::Tenant && index > 0 {
                        "tenant_id".to_owned()
                    } else {
                        format!("k{index}")
                    };
                }
                unique(&mut columns);
                format!("({})", names(&columns))
            } else {
                String::new()
            };
            let how = ["", "MATERIALIZED ", "NOT MATERIALIZED "][self.c.pick(&[80, 10, 10])];
            let suffix = std::mem::take(&mut self.suffix);
            parts.push(format!("{name}{list} AS {how}({text}){suffix}"));
            if !columns.is_empty() {
                self.common.retain(|c| c.name != name);
                self.common.push(Common { name, columns });
            }
        }
        let word = if recursive { "RECURSIVE " } else { "" };
        format!("WITH {word}{} ", parts.join(", "))
    }

    /// A recursive query over one table's references to itself.
    fn recursive(&mut self, name: &str) -> (String, Columns) {
        let table = self.schema.tables[self.c.below(self.schema.tables.len())].clone();
        let mut columns = vec![("id".to_owned(), Ty::Int)];
        let Some(tenant) = table
            .tenant()
            .filter(|_| table.name != "tenants" && table.name != name)
            .map(str::to_owned)
        else {
            return (
                format!("SELECT 1 AS id UNION SELECT x.id + 1 FROM {name} x WHERE x.id < 4"),
                columns,
            );
        };
        let link = if table.column("parent_id").is_some() {
            "parent_id"
        } else {
            "id"
        };
        let carry = self.c.chance(60);
        let list = |alias: &str| {
            if carry {
                format!("{alias}.id, {alias}.{tenant}")
            } else {
                format!("{alias}.id")
            }
        };
        if carry {
            columns.push((tenant.clone(), Ty::Tenant));
        }
        let term = self.term();
        let careful = |w: &mut Self| {
            let careful = w.c.below(100) < w.care as usize;
            w.intended &= careful;
            careful
        };
        self.intended &= table.declared;
        let first = if careful(self) {
            format!("a.{tenant} = {term}")
        } else {
            format!("a.{tenant} IS NOT NULL")
        };
        let second = match careful(self) {
            true if carry && self.c.chance(50) => format!(" AND b.{tenant} = x.{tenant}"),
            true => format!(" AND b.{tenant} = {}", self.term()),
            false => String::new(),
        };
        let from = &table.named();
        let text = format!(
            "SELECT {} FROM {from} a WHERE {first} UNION SELECT {} FROM {from} b JOIN {name} x ON b.{link} = x.id{second}",
            list("a"),
            list("b")
        );
        self.suffix = self
            .c
            .one(&[
                "",
                "",
                "",
                " CYCLE id SET looped USING path",
                " SEARCH BREADTH FIRST BY id SET at",
            ])
            .to_owned();
        (text, columns)
    }

    fn set_operation(&mut self, depth: usize, want: Option<&[Ty]>) -> (String, Columns) {
        let types: Vec<Ty> = match want {
            Some(want) => want.to_vec(),
            None => (0..1 + self.c.below(3)).map(|_| self.type_of()).collect(),
        };
        let (first, columns) = self.block(depth, Some(&types), false);
        let mut text = first;
        for _ in 0..1 + self.c.pick(&[75, 25]) {
            let op = self.c.one(&[
                "UNION ALL",
                "UNION",
                "EXCEPT",
                "INTERSECT",
                "EXCEPT ALL",
                "INTERSECT ALL",
            ]);
            let next = if depth > 0 && self.c.chance(20) {
                format!("({})", self.query(depth - 1, Some(&types)).0)
            } else if self.c.chance(8) {
                let values: Vec<String> = types.iter().map(|ty| self.literal(*ty)).collect();
                format!("VALUES ({})", values.join(", "))
            } else {
                self.block(depth, Some(&types), false).0
            };
            text = format!("{text} {op} {next}");
        }
        if self.c.chance(25) {
            text += &order_all(columns.len());
            if self.c.chance(60) {
                text += " LIMIT 3";
            }
        }
        (text, columns)
    }

    /// One SELECT.
    fn block(&mut self, depth: usize, want: Option<&[Ty]>, tail: bool) -> (String, Columns) {
        if self.c.chance(3) {
            self.scopes.push(Vec::new());
            let (list, columns) = self.select_list(want, depth.max(1));
            self.scopes.pop();
            return (format!("SELECT {list}"), columns);
        }
        let from = self.tables(depth);
        let mut conjuncts = from.conjuncts;
        for _ in 0..self.c.pick(&[45, 40, 15]) {
            let more = self.bool(depth.min(2));
            let at = self.c.below(conjuncts.len() + 1);
            conjuncts.insert(at, more);
        }
        if self.risk > 0 && self.c.chance(12) {
            conjuncts.push(self.probe());
        }
        let filter = if conjuncts.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.joined(&conjuncts))
        };
        let answer = match self.c.pick(&[60, 16, 10, 8]) {
            1 => self.grouped(&from.text, &filter, want),
            2 => self.total(&from.text, &filter, want),
            3 if tail => self.distinct_on(&from.text, &filter, want, depth),
            _ => self.plain(&from.text, &filter, want, depth, tail, from.lockable),
        };
        self.scopes.pop();
        answer
    }

    /// Conjuncts, now and then with parentheses of their own.
    fn joined(&mut self, conjuncts: &[String]) -> String {
        if conjuncts.len() > 2 && self.c.chance(30) {
            format!(
                "({}) AND {}",
                conjuncts[..2].join(" AND "),
                conjuncts[2..].join(" AND ")
            )
        } else {
            conjuncts.join(" AND ")
        }
    }

    fn plain(
        &mut self,
        from: &str,
        filter: &str,
        want: Option<&[Ty]>,
        depth: usize,
        tail: bool,
        lockable: bool,
    ) -> (String, Columns) {
        if want.is_none() && self.c.chance(18) {
            return self.star(from, filter);
        }
        let (list, columns) = self.select_list(want, depth);
        let distinct = self.c.chance(12);
        let word = if distinct { "DISTINCT " } else { "" };
        let window = match list.contains(" OVER w") {
            true => {
                let by = self
                    .inner_column(Ty::Text)
                    .unwrap_or_else(|| "1".to_owned());
                format!(" WINDOW w AS (PARTITION BY {by})")
            }
            false => String::new(),
        };
        let mut text = format!("SELECT {word}{list} FROM {from}{filter}{window}");
        if tail && self.c.chance(25) {
            let order = order_all(columns.len());
            text += &match !distinct && self.c.chance(25) {
                // What the order comes from may tell as much as what is returned.
                true => {
                    let first = self.expression(Ty::Int, depth.min(1));
                    order.replacen("BY ", &format!("BY ({first}) + 0, "), 1)
                }
                false => order,
            };
            match self.c.pick(&[40, 30, 15, 15, 8, 6]) {
                0 => {}
                4 => text += &format!(" LIMIT {}", self.scalar_subquery(Ty::Int, 0)),
                5 if !text.contains("BY (") => text += " FETCH FIRST 2 ROWS WITH TIES",
                5 => {}
                1 => text += " LIMIT 2",
                2 => text += &format!(" LIMIT {}::bigint", self.parameter(Ty::Int)),
                _ => text += " OFFSET 1 ROWS FETCH FIRST 2 ROWS ONLY",
            }
        }
        if tail
            && lockable
            && !distinct
            && self.scopes.len() == 1
            && self.c.chance(6)
            && !text.contains(" OVER ")
        {
            text += self.c.one(&[
                " FOR UPDATE",
                " FOR SHARE",
                " FOR NO KEY UPDATE",
                " FOR KEY SHARE",
            ]);
            let rels = self.scopes.last().cloned().unwrap_or_default();
            if !rels.is_empty() && self.c.chance(50) {
                text += &format!(" OF {}", rels[self.c.below(rels.len())].alias);
            }
            text += self.c.one(&["", " SKIP LOCKED", " NOWAIT"]);
        }
        (text, columns)
    }

    fn star(&mut self, from: &str, filter: &str) -> (String, Columns) {
        let rels = self.scopes.last().cloned().unwrap_or_default();
        if rels.len() == 1 {
            let mut columns = rels[0].columns.clone();
            unique(&mut columns);
            if columns.len() == rels[0].columns.len() {
                return (format!("SELECT * FROM {from}{filter}"), columns);
            }
        }
        let rel = rels[self.c.below(rels.len())].clone();
        (
            format!("SELECT {}.* FROM {from}{filter}", rel.alias),
            rel.columns,
        )
    }

    /// Expressions with names; a name may say `tenant_id` of something else.
    fn select_list(&mut self, want: Option<&[Ty]>, depth: usize) -> (String, Columns) {
        let types: Vec<Ty> = match want {
            Some(want) => want.to_vec(),
            None => (0..1 + self.c.below(4)).map(|_| self.type_of()).collect(),
        };
        let mut columns = Vec::new();
        let mut list = Vec::new();
        for ty in types {
            let value = match ty {
                Ty::Int if self.c.chance(2) && want.is_none() => {
                    format!("generate_series(1, {})", self.c.one(&["2", "3"]))
                }
                Ty::Int if self.c.chance(8) => self.window(),
                Ty::Int if depth > 0 && self.c.chance(10) => self.scalar_subquery(ty, depth - 1),
                _ => self.expression(ty, depth.min(2)),
            };
            let name = self.output_name(ty, &columns);
            list.push(format!("{value} AS {name}"));
            columns.push((name, ty));
        }
        (list.join(", "), columns)
    }

    fn output_name(&mut self, ty: Ty, taken: &Columns) -> String {
        let name = match ty {
            Ty::Tenant => self.c.one(&["tenant_id", "tenant_id", "org_id"]),
            Ty::Int => self.c.one(&["id", "qty", "parent_id"]),
            Ty::Text => self.c.one(&["name", "status", "note"]),
            Ty::Bool => "flag",
            Ty::Json => "data",
            Ty::Time => "made_at",
            Ty::Ints => "numbers",
        };
        if taken.iter().any(|(n, _)| n == name) {
            format!("x{}", taken.len())
        } else {
            name.to_owned()
        }
    }

    /// One row of aggregates.
    pub(super) fn total(
        &mut self,
        from: &str,
        filter: &str,
        want: Option<&[Ty]>,
    ) -> (String, Columns) {
        let types: Vec<Ty> = want.map_or_else(|| vec![Ty::Int, Ty::Text], <[Ty]>::to_vec);
        let mut columns = Vec::new();
        let mut list = Vec::new();
        for ty in types {
            let name = self.output_name(ty, &columns);
            list.push(format!("{} AS {name}", self.aggregate(ty)));
            columns.push((name, ty));
        }
        (
            format!("SELECT {} FROM {from}{filter}", list.join(", ")),
            columns,
        )
    }

    fn grouped(&mut self, from: &str, filter: &str, want: Option<&[Ty]>) -> (String, Columns) {
        let types: Vec<Ty> = match want {
            Some(want) => want.to_vec(),
            None => (0..1 + self.c.below(3)).map(|_| self.type_of()).collect(),
        };
        let (mut keys, mut list, mut columns): (Vec<String>, Vec<String>, Columns) =
            Default::default();
        for ty in types {
            let name = self.output_name(ty, &columns);
            let key = if self.c.chance(55) {
                self.inner_column(ty)
            } else {
                None
            };
            let value = match key {
                Some(key) => {
                    keys.push(key.clone());
                    key
                }
                None if ty == Ty::Int && !keys.is_empty() && self.c.chance(12) => {
                    format!("GROUPING({})", keys[0])
                }
                None => self.aggregate(ty),
            };
            list.push(format!("{value} AS {name}"));
            columns.push((name, ty));
        }
        if keys.is_empty() {
            return (
                format!("SELECT {} FROM {from}{filter}", list.join(", ")),
                columns,
            );
        }
        let by = match self.c.pick(&[80, 8, 6, 6, 4]) {
            0 => keys.join(", "),
            4 => format!(
                "DISTINCT ROLLUP ({0}), GROUPING SETS (({0}), ())",
                keys.join(", ")
            ),
            1 => format!("ROLLUP ({})", keys.join(", ")),
            2 => format!("CUBE ({})", keys.join(", ")),
            _ => format!("GROUPING SETS (({}), ())", keys.join(", ")),
        };
        let having = match self.c.pick(&[72, 14, 9, 5]) {
            0 => String::new(),
            3 => format!(" HAVING {}", self.exists(0)),
            1 => format!(
                " HAVING {} >= {}",
                self.aggregate(Ty::Int),
                self.literal(Ty::Int)
            ),
            _ => format!(
                " HAVING max({}::text) = $tenant::{}::text",
                self.inner_column(Ty::Tenant)
                    .unwrap_or_else(|| "1".to_owned()),
                self.sql_type(Ty::Tenant)
            ),
        };
        (
            format!(
                "SELECT {} FROM {from}{filter} GROUP BY {by}{having}",
                list.join(", ")
            ),
            columns,
        )
    }

    fn distinct_on(
        &mut self,
        from: &str,
        filter: &str,
        want: Option<&[Ty]>,
        depth: usize,
    ) -> (String, Columns) {
        let (list, columns) = self.select_list(want, depth);
        let first = &columns[0].0;
        let all = columns
            .iter()
            .map(|(name, _)| format!("d.{name}"))
            .collect::<Vec<_>>()
            .join(", ");
        (
            format!(
                "SELECT DISTINCT ON (d.{first}) {all} FROM (SELECT {list} FROM {from}{filter}) d ORDER BY {all}"
            ),
            columns,
        )
    }
}

pub(super) fn order_all(columns: usize) -> String {
    let numbers: Vec<String> = (1..=columns).map(|n| n.to_string()).collect();
    format!(" ORDER BY {}", numbers.join(", "))
}

fn unique(columns: &mut Columns) {
    let mut seen = std::collections::HashSet::new();
    for (index, column) in columns.iter_mut().enumerate() {
        if !seen.insert(column.0.clone()) {
            column.0 = format!("u{index}");
            seen.insert(column.0.clone());
        }
    }
}
