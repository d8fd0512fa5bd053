//! The SQL statements of a trigger function: which rows they read and write.
//!
//! Invariant: what is accepted is confined by row-level security, or writes only rows that carry
//! the tenant of the row that fired the trigger.

use super::content;
use super::secured;
use super::trigger::{self, Firing};
use super::trigger_body::Judge;
use super::trigger_names::offered;
use crate::catalog::walk::{self, Mentions, Visitor, statement_mentions};
use crate::catalog::{Catalog, Class, Command, ReferentialAction, Relation};
use crate::ddl;
use crate::ir::{
    Expr, ExprKind, FromItem, IndirectionStep, Query, QueryBody, RelationRef, Statement,
};

/// How much deeper than a view a trigger counts: triggers that fire each other end soon.
const STEP: usize = 6;

impl Judge<'_> {
    pub(super) fn sql(&self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().take(3).collect();
        let tenant = self.firing.tenant.unwrap_or("tenant_id");
        self.statement(text).map_err(|why| {
            format!(
                "runs `{} …`, which is not known to stay within the tenant: {why}; give the rows \
                 that it writes `NEW.{tenant}`, or allow the function in `watertight.toml`: \
                 `[[functions]]` with `name = \"{}\"` and a `reason`",
                words.join(" "),
                self.function.name
            )
        })
    }

    fn statement(&self, text: &str) -> Result<(), String> {
        let mut statements = ddl::statements(text)?;
        let Some(statement) = statements.pop().filter(|_| statements.is_empty()) else {
            return Err("it is not one statement".to_owned());
        };
        self.stays_within(&statement)
    }

    /// Whether a statement, or the sub-queries of an expression, stay within the tenant.
    pub(super) fn stays_within(&self, statement: &Statement) -> Result<(), String> {
        let found = statement_mentions(statement);
        let aside = Mentions {
            relations: Vec::new(),
            ..found.clone()
        };
        content::are_confined(self.catalog, &aside, 0)?;
        let (target, command, with) = match statement {
            Statement::Query(query) => (None, Command::Select, query.with.is_some()),
            Statement::Insert(insert) => {
                (Some(&insert.target), Command::Insert, insert.with.is_some())
            }
            Statement::Update(update) => {
                (Some(&update.target), Command::Update, update.with.is_some())
            }
            Statement::Delete(delete) => {
                (Some(&delete.target), Command::Delete, delete.with.is_some())
            }
            Statement::Merge(_) => return Err("it is a MERGE".to_owned()),
        };
        if with {
            return Err("it has a WITH".to_owned());
        }
        let reads: Vec<&Relation> = found
            .relations
            .iter()
            .map(|parts| self.path.relation(self.catalog, parts))
            .collect::<Result<_, _>>()?;
        let target = target
            .map(|target| self.path.relation(self.catalog, &target.name.parts))
            .transpose()?;
        if let Some(target) = target {
            acts_alone(self.catalog, target, command)?;
            self.sets_off(target, command)?;
            if let Statement::Insert(insert) = statement
                && insert.on_conflict.is_some()
            {
                self.sets_off(target, Command::Update)?;
            }
        }
        if self.is_confined_by_policies(&reads, target, command) {
            return Ok(());
        }
        let Some(target) = target else {
            return self.reads_the_tenants(statement, &reads);
        };
        // The target is mentioned once; anything else would be read.
        if reads.len() != 1 {
            return Err("it reads other tables".to_owned());
        }
        let class = self.class(target, command);
        if !matches!(class, Class::Protected | Class::Scoped) {
            return Err(stands(target, &class));
        }
        if self.carries_the_tenant(statement, target)? {
            return Ok(());
        }
        Err(self.not_its_tenant())
    }

    fn not_its_tenant(&self) -> String {
        if self.firing.new_counts {
            "the tenant of its rows is not that of the row which fired it".to_owned()
        } else {
            "a row of its own is not checked by policies before it runs, and triggers may drop or \
             change it; make the trigger an AFTER trigger"
                .to_owned()
        }
    }

    /// Whether every table is read alone, and only rows with the tenant of the row that fired the
    /// trigger.
    fn reads_the_tenants(&self, statement: &Statement, reads: &[&Relation]) -> Result<(), String> {
        let Statement::Query(query) = statement else {
            return Err("it reads tables".to_owned());
        };
        let mut all = Queries(vec![(**query).clone()]);
        walk::statement(&mut statement.clone(), &mut all);
        let mut looked_at = 0;
        let mut pending: Vec<&Query> = all.0.iter().collect();
        while let Some(query) = pending.pop() {
            if query.with.is_some() {
                return Err("it has a WITH".to_owned());
            }
            match &query.body {
                QueryBody::Values(_) => {}
                QueryBody::SetOperation { left, right, .. } => pending.extend([&**left, &**right]),
                QueryBody::Select(select) => match select.from.as_slice() {
                    [] => {}
                    [FromItem::Relation(from)] if from.sample.is_none() => {
                        let table = self.path.relation(self.catalog, &from.name.parts)?;
                        looked_at += 1;
                        match self.class(table, Command::Select) {
                            Class::Global => continue,
                            Class::Protected | Class::Scoped => {}
                            other => return Err(stands(table, &other)),
                        }
                        let tenant = table.tenant().ok_or("a table has no tenant")?;
                        if !self.pins(from, select.filter.as_ref(), &tenant.name)? {
                            return Err(self.not_its_tenant());
                        }
                    }
                    _ => return Err("it reads more than one table at once".to_owned()),
                },
            }
        }
        // Each mention of a table has been looked at, or none of this counts.
        if looked_at == reads.len() {
            Ok(())
        } else {
            Err("it reads tables".to_owned())
        }
    }

    /// The triggers of what it writes run with the same rights, and look names up along its path.
    fn sets_off(&self, target: &Relation, command: Command) -> Result<(), String> {
        let scoped = self.class(target, command) == Class::Scoped;
        // Triggers that are deferred run at the end, under the session's path again.
        let own = Some(&self.path).filter(|path| path.is_own());
        for path in own.map(Some).into_iter().chain([None]) {
            let firing = Firing {
                // Rows that an owner writes carry the tenant; those of a caller policies may check.
                new_counts: self.firing.as_owner || scoped,
                path,
                depth: self.firing.depth + STEP,
                ..self.firing
            };
            if let Some(reason) = trigger::set_off(self.catalog, target, command, firing) {
                return Err(reason);
            }
        }
        Ok(())
    }

    fn class(&self, relation: &Relation, command: Command) -> Class {
        secured(self.catalog, relation, command, self.firing.depth + STEP)
    }

    /// Row-level security confines whatever the statement does, because it runs as the caller.
    fn is_confined_by_policies(
        &self,
        reads: &[&Relation],
        target: Option<&Relation>,
        command: Command,
    ) -> bool {
        if self.firing.as_owner {
            return false;
        }
        let written = target.is_none_or(|target| {
            matches!(
                self.class(target, command),
                Class::Protected | Class::Denied
            ) && matches!(
                self.class(target, Command::Update),
                Class::Protected | Class::Denied
            )
        });
        written
            && reads.iter().all(|relation| {
                let global = target.is_none_or(|target| target.id != relation.id);
                match self.class(relation, Command::Select) {
                    Class::Protected | Class::Denied => true,
                    Class::Global => global,
                    _ => false,
                }
            })
    }

    /// Whether each row that is written has the tenant of the row that fired the trigger.
    fn carries_the_tenant(&self, statement: &Statement, target: &Relation) -> Result<bool, String> {
        let Some(tenant) = target.tenant() else {
            return Ok(false);
        };
        Ok(match statement {
            Statement::Insert(insert) => {
                let position = insert
                    .columns
                    .iter()
                    .position(|column| column.name == tenant.name && !column.partial);
                let (Some(position), Some(source)) = (position, &insert.source) else {
                    return Ok(false);
                };
                let plain =
                    insert.on_conflict.is_none() && !insert.overriding_user && tenant.not_null;
                let value = |row: &[&Expr]| -> Result<bool, String> {
                    // A star is as many values as there are columns.
                    if row.iter().any(|expr| is_star(expr)) {
                        return Err("it writes `*`; name the values".to_owned());
                    }
                    Ok(row.get(position).is_some_and(|expr| self.is_tenant(expr)))
                };
                plain
                    && match &source.body {
                        QueryBody::Values(rows) => {
                            let mut all = true;
                            for row in rows {
                                all &= value(&row.iter().collect::<Vec<_>>())?;
                            }
                            all
                        }
                        QueryBody::Select(select) => {
                            self.leave_the_row_visible(&select.from)?;
                            let targets = select.targets.iter().map(|target| &target.expr);
                            source.with.is_none() && value(&targets.collect::<Vec<_>>())?
                        }
                        QueryBody::SetOperation { .. } => false,
                    }
            }
            Statement::Update(update) => {
                let assigned = update.assignments.iter().flat_map(|a| &a.columns);
                update.from.is_empty()
                    && !assigned
                        .into_iter()
                        .any(|column| column.name == tenant.name)
                    && self.pins(&update.target, update.filter.as_ref(), &tenant.name)?
            }
            Statement::Delete(delete) => {
                delete.using.is_empty()
                    && self.pins(&delete.target, delete.filter.as_ref(), &tenant.name)?
            }
            _ => false,
        })
    }

    /// `NEW` and `OLD` are the row that fired the trigger, unless something in `FROM` is called so.
    fn leave_the_row_visible(&self, from: &[FromItem]) -> Result<(), String> {
        let mut names = Vec::new();
        from.iter().for_each(|item| offered(item, &mut names));
        match names.iter().find(|name| matches!(**name, "new" | "old")) {
            Some(name) => Err(format!(
                "it calls something else `{name}`; give that another name"
            )),
            None => Ok(()),
        }
    }

    /// A conjunction of plain comparisons, one of which gives the tenant: nothing in it can fail on
    /// a row of another tenant.
    fn pins(
        &self,
        target: &RelationRef,
        filter: Option<&Expr>,
        tenant: &str,
    ) -> Result<bool, String> {
        let Some(filter) = filter else {
            return Ok(false);
        };
        self.leave_the_row_visible(&[FromItem::Relation(target.clone())])?;
        let alias = target.alias.as_ref();
        if alias.is_some_and(|alias| !alias.columns.is_empty()) {
            return Err("it gives columns other names".to_owned());
        }
        let own = alias.map_or(target.name.parts.last(), |alias| Some(&alias.name));
        let conjuncts = match &filter.kind {
            ExprKind::And(list) => list.as_slice(),
            _ => std::slice::from_ref(filter),
        };
        let mut pinned = false;
        let mut plain = true;
        for conjunct in conjuncts {
            let mut tenants = false;
            if let ExprKind::Operator {
                name,
                left: Some(left),
                right,
            } = &conjunct.kind
                && name.parts == ["="]
            {
                for (column, value) in [(left, right), (right, left)] {
                    if self.is_tenant(value) && self.is_column(column, own, tenant)? {
                        tenants = true;
                    }
                }
            }
            pinned |= tenants;
            plain &= tenants || never_fails(conjunct);
        }
        if pinned && !plain {
            return Err(
                "its condition computes more than comparisons, which may fail on rows of another \
                 tenant; compute the values into variables before it"
                    .to_owned(),
            );
        }
        Ok(pinned)
    }

    /// Whether an expression is the tenant column of the target, and nothing of the function.
    fn is_column(&self, expr: &Expr, own: Option<&String>, tenant: &str) -> Result<bool, String> {
        let ExprKind::Column(parts) = &expr.kind else {
            return Ok(false);
        };
        let taken = |name: &str| {
            Err(format!(
                "`{}` may mean `{name}` of the function; give that another name",
                parts.join(".")
            ))
        };
        match parts.as_slice() {
            [column] if column == tenant => {
                if self.names.is_variable(column) {
                    return taken(column);
                }
                Ok(true)
            }
            [table, column] if Some(table) == own && column == tenant => {
                if self.names.may_qualify(table) {
                    return taken(table);
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// How a table stands, and why.
fn stands(relation: &Relation, class: &Class) -> String {
    let reason = class.reason().unwrap_or_default();
    let colon = if reason.is_empty() { "" } else { ": " };
    format!(
        "`{}` is {}{colon}{reason}",
        relation.display(),
        class.word()
    )
}

/// Comparisons of columns, variables and literals, with PostgreSQL's own operators.
fn never_fails(expr: &Expr) -> bool {
    let simple = |expr: &Expr| matches!(expr.kind, ExprKind::Column(_) | ExprKind::Literal(_));
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Literal(_) => true,
        ExprKind::Operator {
            name,
            left: Some(left),
            right,
        } => {
            let compares = |name: &String| ["=", "<>", "<", ">", "<=", ">="].contains(&&**name);
            matches!(name.parts.as_slice(), [name] if compares(name))
                && simple(left)
                && simple(right)
        }
        ExprKind::Distinct { left, right, .. } => simple(left) && simple(right),
        ExprKind::InList { left, list, .. } => simple(left) && list.iter().all(simple),
        ExprKind::IsNull { expr, .. } | ExprKind::IsBool { expr, .. } | ExprKind::Not(expr) => {
            never_fails(expr)
        }
        ExprKind::And(list) | ExprKind::Or(list) => list.iter().all(never_fails),
        _ => false,
    }
}

/// `r.*`, `(r).*`.
fn is_star(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Star(_) => true,
        ExprKind::Indirection { steps, .. } => matches!(steps.last(), Some(IndirectionStep::Star)),
        _ => false,
    }
}

/// Whether no foreign key acts on other rows when rows of `target` change. Keys may refer to what
/// it is a partition of, or to its partitions.
fn acts_alone(catalog: &Catalog, target: &Relation, command: Command) -> Result<(), String> {
    let rests = |action| {
        matches!(
            action,
            ReferentialAction::NoAction | ReferentialAction::Restrict
        )
    };
    let mut tables = vec![target];
    let mut next = 0;
    while let Some(table) = tables.get(next).copied() {
        next += 1;
        let around = table.children.iter().chain(&table.parents);
        for other in around.filter_map(|id| catalog.get(*id)) {
            if tables.iter().all(|known| known.id != other.id) {
                tables.push(other);
            }
        }
        for (id, index) in &table.referenced_by {
            let Some(key) = catalog
                .get(*id)
                .and_then(|from| from.foreign_keys.get(*index))
            else {
                return Err("a foreign key that is not known refers to it".to_owned());
            };
            let acts = match command {
                Command::Delete => !rests(key.on_delete),
                Command::Update => !rests(key.on_update),
                _ => false,
            };
            if acts {
                return Err(format!("the foreign key `{}` acts on other rows", key.name));
            }
        }
    }
    Ok(())
}

/// The sub-queries of expressions, at whatever depth.
struct Queries(Vec<Query>);

impl Visitor for Queries {
    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Subquery { query, .. } = &expr.kind {
            self.0.push((**query).clone());
        }
    }
}
