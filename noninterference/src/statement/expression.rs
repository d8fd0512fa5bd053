//! Expressions by type, over the range variables in scope.

use super::{Rel, Writer};
use crate::schema::Ty;

impl Writer<'_> {
    /// A column of this type, mostly of the innermost block.
    pub(super) fn column(&mut self, ty: Ty) -> Option<String> {
        let levels = self.scopes.len();
        let level = if levels > 1 && self.c.chance(18) {
            levels - 2
        } else {
            levels.checked_sub(1)?
        };
        self.column_at(level, ty)
    }

    fn column_at(&mut self, level: usize, ty: Ty) -> Option<String> {
        let found: Vec<(String, String)> = self
            .scopes
            .get(level)?
            .iter()
            .flat_map(|rel| {
                rel.columns
                    .iter()
                    .filter(|(_, t)| *t == ty)
                    .map(|(name, _)| (rel.alias.clone(), name.clone()))
            })
            .collect();
        if found.is_empty() {
            return None;
        }
        let (alias, name) = found[self.c.below(found.len())].clone();
        // Alone in its block, a range variable may go without its name.
        if self.bare
            && level + 1 == self.scopes.len()
            && self.scopes[level].len() == 1
            && self.c.chance(20)
        {
            return Some(name);
        }
        Some(format!("{alias}.{name}"))
    }

    /// A column of the innermost block: what an aggregate of that block is over.
    pub(super) fn inner_column(&mut self, ty: Ty) -> Option<String> {
        self.column_at(self.scopes.len().checked_sub(1)?, ty)
    }

    pub(super) fn expression(&mut self, ty: Ty, depth: usize) -> String {
        match ty {
            Ty::Int => self.int(depth),
            Ty::Text => self.text(depth),
            Ty::Bool => self.bool(depth),
            Ty::Json => self.json(depth),
            Ty::Time => self.time(depth),
            Ty::Ints => self.ints(depth),
            Ty::Tenant => self.tenant_value(),
        }
    }

    /// A field of a whole row, in the ways that do not look like a column.
    fn field(&mut self, ty: Ty) -> Option<String> {
        let rels = self.scopes.last()?.clone();
        let rel = rels.get(self.c.below(rels.len()))?;
        let (name, _) = rel.columns.iter().find(|(_, t)| *t == ty)?;
        Some(match self.c.below(3) {
            0 => format!("({}).{name}", rel.alias),
            1 => format!("((SELECT {})).{name}", rel.alias),
            _ if name.starts_with(|c: char| c.is_ascii_lowercase()) => {
                format!("{name}({})", rel.alias)
            }
            _ => format!("({}).{name}", rel.alias),
        })
    }

    pub(super) fn column_or(&mut self, ty: Ty) -> String {
        match self.column(ty) {
            Some(column) => column,
            None => self.literal(ty),
        }
    }

    pub(super) fn literal(&mut self, ty: Ty) -> String {
        match ty {
            Ty::Int => self.c.one(&["1", "0", "2", "3", "12", "101"]).to_owned(),
            Ty::Text => {
                self.c
                    .one(&[
                        "'open'",
                        "'ann'",
                        "'paid'",
                        "''",
                        "'zed'",
                        "'a.tenant_id = $tenant'",
                    ])
                    .to_owned()
                    + "::text"
            }
            Ty::Bool => self.c.one(&["true", "false"]).to_owned(),
            Ty::Json => self
                .c
                .one(&["'{\"n\": 1}'::jsonb", "'{}'::jsonb"])
                .to_owned(),
            Ty::Time => self
                .c
                .one(&["'2026-01-20'::timestamp", "timestamp '2024-02-29 12:00'"])
                .to_owned(),
            Ty::Ints => "'{1,2,3}'::integer[]".to_owned(),
            Ty::Tenant => format!(
                "'{}'::{}",
                self.schema.kind.ids()[1],
                self.sql_type(Ty::Tenant)
            ),
        }
    }

    pub(super) fn typed_parameter(&mut self, ty: Ty) -> String {
        format!("{}::{}", self.parameter(ty), self.sql_type(ty))
    }

    pub(super) fn tenant_value(&mut self) -> String {
        match self.c.pick(&[60, 15, 10, 5, 10, 5]) {
            0 => self.column_or(Ty::Tenant),
            1 => self.term(),
            2 => self.typed_parameter(Ty::Tenant),
            3 => self.literal(Ty::Tenant),
            5 => self
                .field(Ty::Tenant)
                .unwrap_or_else(|| "$tenant".to_owned()),
            _ => {
                let (a, b) = (self.column_or(Ty::Tenant), self.column_or(Ty::Tenant));
                format!("coalesce({a}, {b})")
            }
        }
    }

    pub(super) fn int(&mut self, depth: usize) -> String {
        if self.c.chance(self.risk) {
            return self.risky_int();
        }
        let inner = if depth > 0 { 10 } else { 0 };
        match self.c.pick(&[
            34,
            14,
            8,
            inner,
            inner / 2,
            inner / 2,
            inner / 2,
            inner / 3,
            inner,
            inner / 2,
            inner,
        ]) {
            0 => self.column_or(Ty::Int),
            1 => self.literal(Ty::Int),
            2 => self.typed_parameter(Ty::Int),
            3 => {
                let op = self.c.one(&["+", "-", "*"]);
                let (a, b) = (self.int(depth - 1), self.int(depth - 1));
                format!("({a} {op} {b})")
            }
            4 => format!("length({})", self.text(depth - 1)),
            5 => {
                let (a, b) = (self.int(depth - 1), self.int(depth - 1));
                let function = self.c.one(&["coalesce", "nullif", "greatest", "least"]);
                format!("{function}({a}, {b})")
            }
            6 => {
                let (cond, a, b) = (
                    self.bool(depth - 1),
                    self.int(depth - 1),
                    self.int(depth - 1),
                );
                format!("CASE WHEN {cond} THEN {a} ELSE {b} END")
            }
            7 => format!("abs({})", self.int(depth - 1)),
            8 => self.scalar_subquery(Ty::Int, depth - 1),
            10 => self.more_int(depth - 1),
            _ => self
                .call(Ty::Int, depth - 1)
                .unwrap_or_else(|| "1".to_owned()),
        }
    }

    pub(super) fn named_column(&mut self, name: &str) -> Option<String> {
        let rels: Vec<String> = self
            .scopes
            .last()?
            .iter()
            .filter(|r| r.columns.iter().any(|(n, t)| n == name && *t == Ty::Text))
            .map(|r| r.alias.clone())
            .collect();
        if rels.is_empty() {
            return None;
        }
        Some(format!("{}.{name}", rels[self.c.below(rels.len())]))
    }

    pub(super) fn text(&mut self, depth: usize) -> String {
        let inner = if depth > 0 { 10 } else { 0 };
        match self.c.pick(&[
            40,
            10,
            10,
            inner,
            inner,
            inner / 2,
            inner / 2,
            inner / 2,
            inner / 2,
            inner / 3,
            inner / 2,
            inner,
        ]) {
            0 => self.column_or(Ty::Text),
            1 => self.literal(Ty::Text),
            2 => self.typed_parameter(Ty::Text),
            3 => {
                let function = self
                    .c
                    .one(&["upper", "lower", "trim", "reverse", "md5", "initcap"]);
                format!("{function}({})", self.text(depth - 1))
            }
            4 => {
                let (a, b) = (self.text(depth - 1), self.text(depth - 1));
                format!("({a} || {b})")
            }
            5 => format!("({})::text", self.int(depth - 1)),
            6 => format!("{}::text", self.tenant_value()),
            7 => match self.column(Ty::Json) {
                Some(json) => format!("({json} ->> 'k')"),
                None => self.literal(Ty::Text),
            },
            8 => {
                let (a, b) = (self.text(depth - 1), self.text(depth - 1));
                format!("coalesce({a}, {b})")
            }
            9 => self
                .whole_row()
                .map_or_else(|| "'none'::text".to_owned(), |row| format!("{row}::text")),
            11 => self.more_text(depth - 1),
            _ => self.scalar_subquery(Ty::Text, depth - 1),
        }
    }

    pub(super) fn whole_row(&mut self) -> Option<String> {
        let rels: Vec<Rel> = self.scopes.last()?.clone();
        if rels.is_empty() {
            return None;
        }
        Some(rels[self.c.below(rels.len())].alias.clone())
    }

    pub(super) fn json(&mut self, depth: usize) -> String {
        match self.c.pick(&[40, 20, 20, 20]) {
            0 => self.column_or(Ty::Json),
            1 => self.literal(Ty::Json),
            2 => self
                .whole_row()
                .map_or_else(|| "'1'::jsonb".to_owned(), |row| format!("to_jsonb({row})")),
            _ => {
                let value = self.int(depth.saturating_sub(1));
                format!("jsonb_build_object('v', {value})")
            }
        }
    }

    pub(super) fn bool(&mut self, depth: usize) -> String {
        if self.c.chance(self.risk) {
            return self.risky_bool();
        }
        let inner = if depth > 0 { 10 } else { 0 };
        match self.c.pick(&[
            30,
            20,
            8,
            8,
            8,
            6,
            4,
            inner,
            inner / 2,
            inner / 2,
            inner,
            inner,
            inner / 2,
            4,
            4,
            4,
            inner / 3,
            2,
            2,
            12,
        ]) {
            0 => {
                let op = self.c.one(&["=", "<", ">", "<=", ">=", "<>"]);
                let (a, b) = (
                    self.int(depth.saturating_sub(1)),
                    self.int(depth.saturating_sub(1)),
                );
                format!("{a} {op} {b}")
            }
            1 => {
                let op = self
                    .c
                    .one(&["=", "<>", "<", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
                let (a, b) = (self.column_or(Ty::Text), self.text(depth.saturating_sub(1)));
                format!("{a} {op} {b}")
            }
            2 => self.column_or(Ty::Bool),
            3 => {
                let not = self.c.one(&["IS NOT NULL", "IS NULL"]);
                let ty = self.type_of();
                format!("{} {not}", self.column_or(ty))
            }
            4 => {
                let column = self.column_or(Ty::Int);
                let (a, b) = (self.literal(Ty::Int), self.int(0));
                format!("{column} IN ({a}, {b})")
            }
            5 => {
                let column = self.column_or(Ty::Int);
                let (a, b) = (self.int(0), self.int(0));
                format!("{column} BETWEEN {a} AND {b}")
            }
            6 => {
                let column = self.column_or(Ty::Text);
                let pattern = if self.c.chance(30) {
                    self.typed_parameter(Ty::Text)
                } else {
                    self.c.one(&["'a%'", "'%e%'", "'_ed'"]).to_owned()
                };
                let op = self.c.one(&["LIKE", "ILIKE", "NOT LIKE"]);
                format!("{column} {op} {pattern}")
            }
            7 => {
                let op = self.c.one(&["AND", "OR"]);
                let (a, b) = (self.bool(depth - 1), self.bool(depth - 1));
                format!("({a} {op} {b})")
            }
            8 => format!("NOT ({})", self.bool(depth - 1)),
            9 => {
                let (cond, a, b) = (
                    self.bool(depth - 1),
                    self.bool(depth - 1),
                    self.bool(depth - 1),
                );
                format!("CASE WHEN {cond} THEN {a} ELSE {b} END")
            }
            10 => self.exists(depth - 1),
            11 => self.in_subquery(depth - 1),
            12 => self.row_comparison(depth - 1),
            13 => {
                let (a, b) = (self.column_or(Ty::Tenant), self.tenant_value());
                let op = self.c.one(&["=", "<>", "IS NOT DISTINCT FROM"]);
                format!("{a} {op} {b}")
            }
            14 => {
                let array = match self.c.below(4) {
                    0 => "ARRAY[1, 2, 101]".to_owned(),
                    1 => format!("ARRAY[{}, {}]", self.int(0), self.int(0)),
                    2 if depth > 0 => format!("ARRAY{}", self.scalar_subquery(Ty::Int, 0)),
                    _ => "'{1,2,3}'::integer[]".to_owned(),
                };
                let how = self.c.one(&["= ANY", "<> ALL"]);
                format!("{} {how} ({array})", self.column_or(Ty::Int))
            }
            15 => match self.column(Ty::Json) {
                Some(json) => format!("{json} @> '{{\"k\": \"a\"}}'"),
                None => "true".to_owned(),
            },
            16 => self
                .call(Ty::Bool, depth - 1)
                .unwrap_or_else(|| "true".to_owned()),
            19 => self.more_bool(depth.saturating_sub(1)),
            17 => {
                let row = self.whole_row().unwrap_or_else(|| "NULL".to_owned());
                let test = self
                    .c
                    .one(&["IS NOT NULL", "IS NULL", "IS DISTINCT FROM NULL"]);
                format!("({row}) {test}")
            }
            _ => {
                let (a, b) = (self.tenant_value(), self.column_or(Ty::Tenant));
                format!("nullif({a}, {b}) IS NULL")
            }
        }
    }

    /// A call of one of the schema's own functions.
    fn call(&mut self, returns: Ty, depth: usize) -> Option<String> {
        let found: Vec<_> = self
            .schema
            .scalars
            .iter()
            .filter(|s| s.returns == returns)
            .collect();
        if found.is_empty() {
            return None;
        }
        self.intended = false;
        let function = found[self.c.below(found.len())].clone();
        let arguments: Vec<String> = function
            .arguments
            .iter()
            .map(|ty| self.expression(*ty, depth.min(1)))
            .collect();
        Some(format!("{}({})", function.name, arguments.join(", ")))
    }

    /// An aggregate over the innermost block.
    pub(super) fn aggregate(&mut self, ty: Ty) -> String {
        let over = self.inner_column(ty);
        let filter = if self.c.chance(15) {
            self.filter_clause()
        } else {
            String::new()
        };
        match (ty, over) {
            (Ty::Int, None) => format!("count(*){filter}::integer"),
            (Ty::Int, Some(column)) => match self.c.pick(&[30, 20, 20, 15, 15]) {
                0 => format!("count(*){filter}::integer"),
                1 => format!("max({column}){filter}"),
                2 => format!("sum({column}){filter}::integer"),
                3 => format!("min({column}){filter}"),
                _ => format!("count(DISTINCT {column}){filter}::integer"),
            },
            (Ty::Text, Some(column)) => match self.c.pick(&[40, 20, 40]) {
                0 => format!("max({column}::text){filter}"),
                1 => format!("min({column}::text){filter}"),
                _ => format!("string_agg({column}::text, ',' ORDER BY {column}::text){filter}"),
            },
            (Ty::Bool, Some(column)) => {
                let function = self.c.one(&["bool_or", "bool_and", "every"]);
                format!("{function}({column}){filter}")
            }
            (Ty::Json, Some(column)) => format!("jsonb_agg({column} ORDER BY {column}){filter}"),
            (Ty::Tenant, Some(column)) => {
                format!("max({column}::text){filter}::{}", self.sql_type(Ty::Tenant))
            }
            (Ty::Text, None) => format!("max('x'::text){filter}"),
            (Ty::Bool, None) => format!("(count(*){filter} > 2)"),
            (Ty::Time, Some(column)) => format!("max({column}){filter}"),
            (Ty::Time, None) => "max('2026-01-20'::timestamp)".to_owned(),
            (Ty::Ints, Some(column)) => format!("array_agg({column} ORDER BY {column}){filter}"),
            (Ty::Ints, None) => "array_agg(1)".to_owned(),
            (Ty::Json, None) => format!("to_jsonb(count(*){filter})"),
            (Ty::Tenant, None) => {
                format!("max({}::text)::{}", self.term(), self.sql_type(Ty::Tenant))
            }
        }
    }

    fn filter_clause(&mut self) -> String {
        let pinned = match self.c.chance(40) {
            true => self
                .column_at(self.scopes.len().saturating_sub(1), Ty::Tenant)
                .map(|column| format!("{column} = $tenant")),
            false => None,
        };
        let condition = pinned.unwrap_or_else(|| self.bool(0));
        format!(" FILTER (WHERE {condition})")
    }

    /// A window function whose value does not depend on an order that is left open.
    pub(super) fn window(&mut self) -> String {
        let partition = match self.c.below(3) {
            0 => String::new(),
            1 => format!("PARTITION BY {}", self.column_or(Ty::Tenant)),
            _ => format!("PARTITION BY {}", self.column_or(Ty::Text)),
        };
        match self.c.below(10) {
            4 => "(count(*) OVER w)::integer".to_owned(),
            5 => {
                let x = self.column_or(Ty::Int);
                format!("(lag({x}, 1) OVER ({partition} ORDER BY {x}))")
            }
            6 => {
                let x = self.column_or(Ty::Int);
                format!(
                    "(first_value({x}) OVER ({partition} ORDER BY {x} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))"
                )
            }
            7 => format!(
                "(count(*) OVER ({partition} ORDER BY {} GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP))::integer",
                self.column_or(Ty::Int)
            ),
            8 => format!(
                "(dense_rank() OVER ({partition} ORDER BY {} DESC NULLS LAST))::integer",
                self.column_or(Ty::Int)
            ),
            9 => {
                let filter = self.filter_clause();
                format!("(count(*){filter} OVER ({partition}))::integer")
            }
            0 => format!("(count(*) OVER ({partition}))::integer"),
            1 => format!(
                "(rank() OVER ({partition} ORDER BY {}))::integer",
                self.column_or(Ty::Int)
            ),
            2 => format!("(max({}) OVER ({partition}))", self.column_or(Ty::Int)),
            _ => format!(
                "(sum({}) OVER ({partition} ORDER BY {} RANGE UNBOUNDED PRECEDING))::integer",
                self.column_or(Ty::Int),
                self.column_or(Ty::Int)
            ),
        }
    }
}
