//! Sub-queries in expressions, correlated and not.

use super::Writer;
use crate::schema::Ty;

impl Writer<'_> {
    /// Exactly one row and one column.
    pub(super) fn scalar_subquery(&mut self, ty: Ty, depth: usize) -> String {
        let (from, filter) = self.inner(depth);
        let text = match self.c.pick(&[75, 25]) {
            0 => self.total(&from, &filter, Some(&[ty])).0,
            _ => {
                let value = self.inner_column(ty).unwrap_or_else(|| self.literal(ty));
                format!("SELECT {value} FROM {from}{filter} ORDER BY 1 LIMIT 1")
            }
        };
        self.scopes.pop();
        format!("({text})")
    }

    pub(super) fn exists(&mut self, depth: usize) -> String {
        let not = if self.c.chance(25) { "NOT " } else { "" };
        let (from, filter) = self.inner(depth);
        self.scopes.pop();
        let list = self.c.one(&["1", "*", "NULL"]);
        format!("{not}EXISTS (SELECT {list} FROM {from}{filter})")
    }

    pub(super) fn in_subquery(&mut self, depth: usize) -> String {
        let ty = [Ty::Int, Ty::Text, Ty::Tenant][self.c.pick(&[60, 25, 15])];
        let left = self.column(ty).unwrap_or_else(|| self.literal(ty));
        let how = self.c.one(&["IN", "NOT IN", "= ANY", "<> ALL"]);
        let right = if depth > 0 && self.c.chance(25) {
            self.query(depth - 1, Some(&[ty])).0
        } else {
            let (from, filter) = self.inner(depth);
            let value = self.inner_column(ty).unwrap_or_else(|| self.literal(ty));
            self.scopes.pop();
            format!("SELECT {value} FROM {from}{filter}")
        };
        format!("{left} {how} ({right})")
    }

    /// Rows compared with rows; the tenant may be one of the columns.
    pub(super) fn row_comparison(&mut self, depth: usize) -> String {
        let pair = |w: &mut Self| {
            let a = w.column(Ty::Int).unwrap_or_else(|| "1".to_owned());
            let b = w
                .column(Ty::Tenant)
                .unwrap_or_else(|| w.literal(Ty::Tenant));
            format!("{a}, {b}")
        };
        let left = pair(self);
        if self.c.chance(40) {
            let op = self.c.one(&["=", "<>", "<", ">="]);
            let right = if self.c.chance(50) {
                pair(self)
            } else {
                format!("{}, $tenant", self.literal(Ty::Int))
            };
            return format!("({left}) {op} ({right})");
        }
        let (from, filter) = self.inner(depth);
        let inner = (self.inner_column(Ty::Int), self.inner_column(Ty::Tenant));
        self.scopes.pop();
        match inner {
            (Some(a), Some(b)) => format!("({left}) IN (SELECT {a}, {b} FROM {from}{filter})"),
            _ => "true".to_owned(),
        }
    }

    /// Opens a block, with a condition that often looks at the block around it.
    pub(super) fn inner(&mut self, depth: usize) -> (String, String) {
        let count = 1 + self.c.pick(&[80, 20]);
        let from = self.tables_of(depth.min(1), count, true);
        let mut conjuncts = from.conjuncts;
        if self.c.chance(55) {
            let level = self.scopes.len();
            let outer: Vec<String> = level
                .checked_sub(2)
                .and_then(|outer| self.scopes.get(outer))
                .into_iter()
                .flatten()
                .flat_map(|r| {
                    r.columns
                        .iter()
                        .filter(|(_, t)| *t == Ty::Int)
                        .map(|(n, _)| format!("{}.{n}", r.alias))
                })
                .collect();
            if let (false, Some(column)) = (outer.is_empty(), self.inner_column(Ty::Int)) {
                conjuncts.push(format!("{column} = {}", outer[self.c.below(outer.len())]));
            }
        }
        if self.c.chance(30) {
            conjuncts.push(self.bool(0));
        }
        let filter = if conjuncts.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conjuncts.join(" AND "))
        };
        (from.text, filter)
    }
}
