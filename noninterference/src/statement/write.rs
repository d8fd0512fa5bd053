//! INSERT, UPDATE, DELETE and MERGE, alone and in WITH.
//!
//! Invariant: what is assigned does not depend on which of several matching rows the server takes,
//! except where the statement sets it from a joined row; such a difference the runner tells apart.

use super::{Rel, Writer};
use crate::schema::{Owner, Table, Ty};

type Columns = Vec<(String, Ty)>;

impl Writer<'_> {
    /// A statement, perhaps behind `WITH`.
    pub(super) fn with(
        &mut self,
        depth: usize,
        write: impl FnOnce(&mut Self, usize) -> String,
    ) -> String {
        let prefix = if depth > 0 && self.c.chance(22) {
            self.common_list(depth - 1, false)
        } else {
            String::new()
        };
        let text = write(self, depth);
        self.common.clear();
        format!("{prefix}{text}")
    }

    /// A query over statements that return rows.
    pub(super) fn data_modifying(&mut self, depth: usize) -> String {
        let prefix = self.common_list(depth.saturating_sub(1), true);
        let body = if self.c.chance(75) {
            self.body(depth.saturating_sub(1), None).0
        } else {
            self.update(depth.saturating_sub(1), true)
        };
        self.common.clear();
        format!("{prefix}{body}")
    }

    /// For a data-modifying common table expression.
    pub(super) fn returning_statement(&mut self, depth: usize) -> (String, Columns) {
        // Written in full: what is returned must be known.
        let mark = self.scopes.len();
        let text = match self.c.pick(&[40, 35, 25]) {
            0 => self.insert(depth, false),
            1 => self.update(depth, false),
            _ => self.delete(depth, false),
        };
        let columns = match self.scopes.get(mark).and_then(|s| s.first()) {
            Some(rel) => rel.columns.clone(),
            None => Vec::new(),
        };
        let list: Vec<String> = match self.scopes.get(mark).and_then(|s| s.first()) {
            Some(rel) => columns
                .iter()
                .map(|(n, _)| format!("{}.{n}", rel.alias))
                .collect(),
            None => Vec::new(),
        };
        self.scopes.truncate(mark);
        (format!("{text} RETURNING {}", list.join(", ")), columns)
    }

    pub(super) fn target(&mut self) -> Table {
        let mut table = self.schema.tables[self.c.below(self.schema.tables.len())].clone();
        // A view may be written as well: its columns are all that the model knows of it.
        if !self.schema.views.is_empty() && self.c.chance(5) {
            let view = self.schema.views[self.c.below(self.schema.views.len())].clone();
            self.intended = false;
            return view.as_table();
        }
        // Tables of tenants are the point; the others stay rare.
        for _ in 0..2 {
            if !matches!(table.owner, Owner::Tenant(_)) || table.name == "tenants" {
                table = self.schema.tables[self.c.below(self.schema.tables.len())].clone();
            }
        }
        table
    }

    pub(super) fn target_rel(&mut self, table: &Table, word: &str) -> (String, Rel) {
        self.intended &= table.declared && table.tenant().is_some();
        let alias = if self.c.chance(60) {
            self.alias()
        } else {
            table.name.clone()
        };
        let named = if alias == table.name {
            table.named()
        } else {
            format!("{}{word} {alias}", table.named())
        };
        let rel = Rel {
            alias,
            columns: table
                .columns
                .iter()
                .map(|c| (c.name.clone(), c.ty))
                .collect(),
            tenant: table.tenant().map(str::to_owned),
            guarded: table.guarded,
            sound: table.sound,
            unique: false,
        };
        (named, rel)
    }

    fn returning(&mut self, own: bool) -> String {
        if !own || self.c.chance(45) {
            return String::new();
        }
        match self.c.pick(&[40, 20, 40]) {
            0 => {
                let rels = self.scopes.last().cloned().unwrap_or_default();
                format!(" RETURNING {}.*", rels[self.c.below(rels.len())].alias)
            }
            1 if !self.several => " RETURNING *".to_owned(),
            _ => {
                let ty = self.type_of();
                let (a, b) = (self.expression(Ty::Int, 1), self.expression(ty, 2));
                format!(" RETURNING {a} AS a, {b} AS b")
            }
        }
    }

    /// The tenant of a new row.
    pub(super) fn new_tenant(&mut self) -> String {
        if self.c.below(100) < self.care as usize {
            return self.term();
        }
        self.intended = false;
        match self.c.below(6) {
            0 => format!("'{}'", self.schema.kind.ids()[1]),
            1 => self.parameter(Ty::Tenant),
            2 => "DEFAULT".to_owned(),
            3 => "NULL".to_owned(),
            4 => format!("coalesce({}, $tenant)", self.parameter(Ty::Tenant)),
            _ => {
                let tables: Vec<(String, String)> = self
                    .schema
                    .tables
                    .iter()
                    .filter_map(|t| t.tenant().map(|c| (t.name.clone(), c.to_owned())))
                    .collect();
                let (table, column) = tables[self.c.below(tables.len())].clone();
                format!(
                    "(SELECT max(y.{column}::text)::{} FROM {table} y)",
                    self.sql_type(Ty::Tenant)
                )
            }
        }
    }

    /// `own`: with RETURNING of its own, and the scope closed. Else the caller adds RETURNING.
    pub(super) fn insert(&mut self, depth: usize, own: bool) -> String {
        let table = self.target();
        let (named, rel) = self.target_rel(&table, " AS");
        let tenant = table.tenant().map(str::to_owned);
        let leave_out = self.c.chance(12)
            || (tenant
                .as_deref()
                .and_then(|t| table.column(t))
                .is_some_and(|c| c.default.is_some())
                && self.c.chance(60));
        self.intended &= !leave_out;
        let columns: Vec<(String, Ty)> = table
            .columns
            .iter()
            .filter(|c| !c.generated)
            .filter(|c| {
                if Some(&c.name) == tenant.as_ref() {
                    !leave_out
                } else {
                    c.name == "id" || c.not_null
                }
            })
            .map(|c| (c.name.clone(), c.ty))
            .collect();
        let mut columns = columns;
        for column in &table.columns {
            let known = columns.iter().any(|(n, _)| *n == column.name);
            if !known
                && !column.generated
                && Some(&column.name) != tenant.as_ref()
                && self.c.chance(50)
            {
                columns.push((column.name.clone(), column.ty));
            }
        }
        let source = if depth > 0 && self.c.chance(35) {
            self.insert_query(depth, &columns, tenant.as_deref())
        } else {
            self.insert_values(&columns, tenant.as_deref(), &table)
        };
        let names: Vec<&str> = columns.iter().map(|(n, _)| n.as_str()).collect();
        let all: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        // Without a list the values stand in the order of the table's columns.
        let list = match names == all[..names.len()] && self.c.chance(60) {
            true => String::new(),
            false => format!(" ({})", names.join(", ")),
        };
        let source = match self.c.pick(&[92, 4, 2, 2]) {
            1 => format!("OVERRIDING SYSTEM VALUE {source}"),
            2 => format!("OVERRIDING USER VALUE {source}"),
            3 => "DEFAULT VALUES".to_owned(),
            _ => source,
        };
        let list = if source == "DEFAULT VALUES" {
            ""
        } else {
            &list
        };
        self.scopes.push(vec![rel.clone()]);
        let conflict = if self.c.chance(30) {
            self.conflict(&table, &rel)
        } else {
            String::new()
        };
        self.several = false;
        let returning = self.returning(own);
        if own {
            self.scopes.pop();
        }
        format!("INSERT INTO {named}{list} {source}{conflict}{returning}")
    }

    fn insert_values(
        &mut self,
        columns: &[(String, Ty)],
        tenant: Option<&str>,
        table: &Table,
    ) -> String {
        let mut rows = Vec::new();
        for row in 0..1 + self.c.pick(&[65, 25, 10]) {
            let values: Vec<String> = columns
                .iter()
                .map(|(name, ty)| {
                    if Some(name.as_str()) == tenant {
                        return self.new_tenant();
                    }
                    self.new_value(name, *ty, row, table)
                })
                .collect();
            rows.push(format!("({})", values.join(", ")));
        }
        format!("VALUES {}", rows.join(", "))
    }

    fn new_value(&mut self, name: &str, ty: Ty, row: usize, table: &Table) -> String {
        match (name, ty) {
            ("id", Ty::Int) => match self.c.pick(&[70, 15, 15]) {
                0 => (9000 + row).to_string(),
                1 => self.c.one(&["1", "2", "101"]).to_owned(),
                _ => self.parameter(Ty::Int),
            },
            ("parent_id", _) => match self.c.pick(&[50, 30, 20]) {
                0 => "NULL".to_owned(),
                1 => self.c.one(&["1", "2", "101"]).to_owned(),
                _ => self.parameter(Ty::Int),
            },
            ("name", _)
                if table
                    .keys
                    .iter()
                    .any(|k| k.last().is_some_and(|l| l == "name")) =>
            {
                format!("'new{row}'")
            }
            (_, Ty::Int) => {
                if self.c.chance(10) {
                    let care = self.care;
                    self.care = care.max(70);
                    let value = self.scalar_subquery(Ty::Int, 0);
                    self.care = care;
                    return value;
                }
                self.literal(ty)
            }
            (_, Ty::Text) if self.c.chance(40) => self.parameter(Ty::Text),
            (_, ty) => self.literal(ty),
        }
    }

    fn insert_query(
        &mut self,
        depth: usize,
        columns: &[(String, Ty)],
        tenant: Option<&str>,
    ) -> String {
        let outer = std::mem::take(&mut self.scopes);
        let from = self.tables(depth - 1);
        let mut conjuncts = from.conjuncts;
        if self.c.chance(40) {
            conjuncts.push(self.bool(1));
        }
        let values: Vec<String> = columns
            .iter()
            .map(|(name, ty)| {
                if Some(name.as_str()) == tenant {
                    // From the source's own column now and then: right if that is pinned.
                    return match self.c.chance(25) {
                        true => self.inner_column(Ty::Tenant).unwrap_or_else(|| self.term()),
                        false => {
                            let value = self.new_tenant();
                            if value == "DEFAULT" {
                                "NULL".to_owned()
                            } else {
                                value
                            }
                        }
                    };
                }
                match (name.as_str(), ty) {
                    ("id", Ty::Int) => match self.inner_column(Ty::Int) {
                        Some(column) => format!("{column} + 9000"),
                        None => "9001".to_owned(),
                    },
                    ("parent_id", _) => "NULL".to_owned(),
                    (_, ty) => self.expression(*ty, 1),
                }
            })
            .collect();
        self.scopes = outer;
        let filter = if conjuncts.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conjuncts.join(" AND "))
        };
        format!("SELECT {} FROM {}{filter}", values.join(", "), from.text)
    }

    fn conflict(&mut self, table: &Table, rel: &Rel) -> String {
        let tenant = table.tenant();
        // DO NOTHING without a target is about every key.
        let lacking = table
            .keys
            .iter()
            .any(|key| !key.iter().any(|column| Some(column.as_str()) == tenant));
        let target = if table.keys.is_empty() || self.c.chance(15) {
            String::new()
        } else {
            let key = table.keys[self.c.below(table.keys.len())].clone();
            match (table.keys.iter().position(|k| *k == key), self.c.chance(12)) {
                (Some(0), true) if !table.name.starts_with('"') => {
                    format!(" ON CONSTRAINT {}_pkey", table.name)
                }
                _ => {
                    let filter = match self.c.chance(6) {
                        true => " WHERE id IS NOT NULL".to_owned(),
                        false => String::new(),
                    };
                    format!(" ({}){filter}", key.join(", "))
                }
            }
        };
        if target.is_empty() || self.c.chance(40) {
            self.keys.skipped |= lacking;
            return format!(" ON CONFLICT{target} DO NOTHING");
        }
        let bare = std::mem::replace(&mut self.bare, false);
        let mut sets = Vec::new();
        for column in &table.columns {
            if !column.generated
                && column.name != "id"
                && Some(column.name.as_str()) != table.tenant()
                && !table.keys.iter().flatten().any(|k| *k == column.name)
                && self.c.chance(60)
            {
                sets.push(format!("{0} = excluded.{0}", column.name));
            }
        }
        if let Some(tenant) = table.tenant()
            && self.c.chance(6)
        {
            sets.push(format!("{tenant} = excluded.{tenant}"));
        }
        if sets.is_empty() {
            sets.push("id = excluded.id".to_owned());
        }
        let kind = self.c.pick(&[55, 30, 15]);
        let filter = match kind {
            1 => self
                .predicate(rel, std::slice::from_ref(rel))
                .map_or_else(String::new, |p| format!(" WHERE {p}")),
            2 => format!(" WHERE {}", self.bool(1)),
            _ => String::new(),
        };
        self.intended &= !lacking;
        self.keys.hidden |= lacking && filter.is_empty();
        self.keys.guarded |= lacking && kind == 2;
        self.keys.skipped |= lacking && kind == 1 && !filter.is_empty();
        self.bare = bare;
        format!(
            " ON CONFLICT{target} DO UPDATE SET {}{filter}",
            sets.join(", ")
        )
    }

    pub(super) fn assignments(&mut self, table: &Table, depth: usize) -> String {
        let mut sets: Vec<String> = Vec::new();
        let candidates: Vec<_> = table
            .columns
            .iter()
            .filter(|c| !c.generated && c.name != "id" && Some(c.name.as_str()) != table.tenant())
            .cloned()
            .collect();
        for column in candidates {
            if !self.c.chance(35) {
                continue;
            }
            let value = match column.ty {
                Ty::Int if depth > 0 && self.c.chance(20) => self.scalar_subquery(Ty::Int, 0),
                Ty::Text if self.c.chance(50) => self.parameter(Ty::Text),
                ty if self.c.chance(60) => self.literal(ty),
                _ => format!(
                    "{}.{}",
                    self.scopes.last().map_or("", |s| s[0].alias.as_str()),
                    column.name
                ),
            };
            sets.push(format!("{} = {value}", column.name));
        }
        if table.column("data").is_some() && self.c.chance(10) {
            sets.retain(|s| !s.starts_with("data ="));
            let value = self.json(0);
            sets.push(format!("data['k'] = {value}"));
        }
        if table.column("qty").is_some() && table.column("status").is_some() && self.c.chance(8) {
            sets.retain(|s| !s.starts_with("qty =") && !s.starts_with("status ="));
            let (from, filter) = self.inner(0);
            let (a, b) = (self.aggregate(Ty::Int), self.aggregate(Ty::Text));
            self.scopes.pop();
            sets.push(format!(
                "(qty, status) = (SELECT {a}, {b} FROM {from}{filter})"
            ));
        }
        if let Some(tenant) = table.tenant()
            && self.c.chance(5)
        {
            let value = self.new_tenant();
            sets.push(format!("{tenant} = {value}"));
        }
        if table.column("qty").is_some() && self.c.chance(6) {
            sets.retain(|s| !s.starts_with("qty =") && !s.starts_with("(qty"));
            let value = self.scalar_subquery(Ty::Int, 0);
            sets.push(format!("(qty) = ROW({value})"));
        }
        if sets.is_empty() {
            let column = ["status", "qty", "name", "id"]
                .iter()
                .find(|n| table.column(n).is_some_and(|c| !c.generated))
                .unwrap_or(&"id");
            let value = if *column == "qty" {
                "3"
            } else if *column == "id" {
                "id"
            } else {
                "'paid'"
            };
            sets.push(format!("{column} = {value}"));
        }
        sets.join(", ")
    }

    /// Target, further tables, and the WHERE over both.
    fn targeted(&mut self, table: &Table, rel: Rel, depth: usize, word: &str) -> (String, String) {
        let mut conjuncts = Vec::new();
        let mut more = String::new();
        if self.c.chance(30) {
            // The target is not visible in the ON of the other tables, but in WHERE it is.
            let count = 1 + self.c.pick(&[80, 20]);
            let from = self.tables_of(depth.min(1), count, true);
            let rels = self.scopes.pop().unwrap_or_default();
            more = format!(" {word} {}", from.text);
            conjuncts.extend(from.conjuncts);
            let mut all = vec![rel];
            all.extend(rels);
            self.scopes.push(all);
        } else {
            self.scopes.push(vec![rel]);
        }
        let peers = self.scopes.last().cloned().unwrap_or_default();
        let mut single = peers.len() == 1;
        if let Some(predicate) = self.predicate(&peers[0], &peers) {
            conjuncts.push(predicate);
        }
        if peers.len() > 1 && self.c.chance(85) {
            let ids: Vec<String> = peers[1..]
                .iter()
                .flat_map(|r| {
                    r.columns
                        .iter()
                        .filter(|(_, t)| *t == Ty::Int)
                        .map(|(n, _)| format!("{}.{n}", r.alias))
                })
                .collect();
            if !ids.is_empty() && table.column("id").is_some_and(|c| c.ty == Ty::Int) {
                let id = &ids[self.c.below(ids.len())];
                conjuncts.push(format!("{}.id = {id}", peers[0].alias));
                single |=
                    peers.len() == 2 && peers[1].unique && *id == format!("{}.id", peers[1].alias);
            }
        }
        if self.c.chance(50) {
            conjuncts.push(self.bool(depth.min(2)));
        }
        let filter = if conjuncts.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conjuncts.join(" AND "))
        };
        // What is set and returned must not depend on which of several matches is taken.
        self.several = !single;
        if let (false, Some(scope)) = (single, self.scopes.last_mut()) {
            scope.truncate(1);
        }
        (more, filter)
    }

    pub(super) fn update(&mut self, depth: usize, own: bool) -> String {
        let table = self.target();
        let (named, rel) = self.target_rel(&table, "");
        let only = if self.c.chance(4) { "ONLY " } else { "" };
        let (more, filter) = self.targeted(&table, rel, depth, "FROM");
        let sets = self.assignments(&table, depth);
        let returning = self.returning(own);
        if own {
            self.scopes.pop();
        }
        format!("UPDATE {only}{named} SET {sets}{more}{filter}{returning}")
    }

    pub(super) fn delete(&mut self, depth: usize, own: bool) -> String {
        let table = self.target();
        let (named, rel) = self.target_rel(&table, " AS");
        let only = if self.c.chance(4) { "ONLY " } else { "" };
        let (more, filter) = self.targeted(&table, rel, depth, "USING");
        let returning = self.returning(own);
        if own {
            self.scopes.pop();
        }
        format!("DELETE FROM {only}{named}{more}{filter}{returning}")
    }
}
