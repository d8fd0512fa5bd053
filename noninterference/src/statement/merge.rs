//! MERGE, branch by branch.

use super::Writer;
use super::from::From;
use super::items::bare;
use crate::schema::Ty;

impl Writer<'_> {
    /// A sub-query as the source, under one name.
    fn merge_query(&mut self) -> From {
        let scopes = std::mem::take(&mut self.scopes);
        let (text, columns) = self.query(1, Some(&[Ty::Int, Ty::Text, Ty::Tenant]));
        self.scopes = scopes;
        let alias = self.alias();
        self.scopes.push(vec![bare(&alias, columns)]);
        From {
            text: format!("({text}) AS {alias}"),
            conjuncts: Vec::new(),
            lockable: false,
        }
    }

    pub(super) fn merge(&mut self, depth: usize) -> String {
        let table = self.target();
        let (named, rel) = self.target_rel(&table, " AS");
        let from = match self.c.chance(25) {
            true => self.merge_query(),
            false => self.tables_of(depth.min(1), 1, false),
        };
        let source = self.scopes.pop().unwrap_or_default();
        let mut all = vec![rel.clone()];
        all.extend(source.clone());
        self.scopes.push(all.clone());
        let mut on = from.conjuncts;
        if let Some(predicate) = self.predicate(&rel, &all) {
            on.push(predicate);
        }
        if let (Some((s, n)), true) = (
            source.iter().find_map(|s| {
                s.columns
                    .iter()
                    .find(|(_, t)| *t == Ty::Int)
                    .map(|(n, _)| (s, n))
            }),
            rel.columns[0].1 == Ty::Int,
        ) {
            on.push(format!("{}.id = {}.{n}", rel.alias, s.alias));
        }
        let mut branches = Vec::new();
        let count = 1 + self.c.below(2);
        for branch in 0..count {
            let and = if branch + 1 < count || self.c.chance(40) {
                format!(" AND {}", self.bool(0))
            } else {
                String::new()
            };
            branches.push(match self.c.pick(&[50, 25, 25]) {
                0 => format!(
                    "WHEN MATCHED{and} THEN UPDATE SET {}",
                    self.assignments(&table, 0)
                ),
                1 => format!("WHEN MATCHED{and} THEN DELETE"),
                _ => format!("WHEN MATCHED{and} THEN DO NOTHING"),
            });
        }
        if self.c.chance(10) {
            branches.push("WHEN NOT MATCHED THEN DO NOTHING".to_owned());
        } else if self.c.chance(60) {
            let insertable: Vec<_> = table
                .columns
                .iter()
                .filter(|c| {
                    !c.generated
                        && (c.name == "id" || c.not_null || Some(c.name.as_str()) == table.tenant())
                })
                .cloned()
                .collect();
            let names: Vec<String> = insertable.iter().map(|c| c.name.clone()).collect();
            // Only the source is visible in this branch.
            self.scopes.pop();
            self.scopes.push(source);
            let and = match self.c.chance(15) {
                true => format!(" AND {}", self.bool(0)),
                false => String::new(),
            };
            let values: Vec<String> = insertable
                .iter()
                .map(|c| match (c.name.as_str(), c.ty) {
                    (name, _) if Some(name) == table.tenant() => match self.c.chance(25) {
                        true => self.inner_column(Ty::Tenant).unwrap_or_else(|| self.term()),
                        false => self.new_tenant(),
                    },
                    ("id", _) => self
                        .inner_column(Ty::Int)
                        .map_or_else(|| "9001".to_owned(), |i| format!("{i} + 9000")),
                    (_, ty) => self.literal(ty),
                })
                .collect();
            branches.push(format!(
                "WHEN NOT MATCHED{} THEN INSERT ({}) VALUES ({})",
                and,
                names.join(", "),
                values.join(", ")
            ));
        }
        self.scopes.pop();
        let only = if self.c.chance(4) { "ONLY " } else { "" };
        format!(
            "MERGE INTO {only}{named} USING {} ON {} {}",
            from.text,
            if on.is_empty() {
                "true".to_owned()
            } else {
                on.join(" AND ")
            },
            branches.join(" ")
        )
    }
}
