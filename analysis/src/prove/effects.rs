//! What a write sets off: defaults and conditions of the table, and the actions of foreign keys.
//!
//! Triggers and rules are judged with the class of the table.

use super::state::{Context, Env, Info, Mode, Namespace, Prover, Table, Visible};
use crate::catalog::{Class, ColumnDefault, Command, ForeignKey, ReferentialAction, Relation};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Expr, Span};

/// How many tables a chain of foreign keys is followed through.
const CHAIN: usize = 64;

impl<'a> Prover<'a> {
    /// Whether the default of the tenant column is the tenant.
    pub(super) fn tenant_default(&self, relation: &Relation) -> bool {
        match relation.tenant().map(|column| &column.default) {
            Some(ColumnDefault::Expr(expr)) => self.is_setting(expr),
            _ => false,
        }
    }

    /// The defaults of the columns that an INSERT does not give.
    pub(super) fn defaults(&mut self, relation: &'a Relation, given: &[String], span: &Span) {
        for column in &relation.columns {
            // `DEFAULT` may be written for a given column as well, so that one is looked at too,
            // as long as it is understood.
            match &column.default {
                ColumnDefault::Expr(expr) => {
                    self.stored(
                        relation,
                        expr,
                        span,
                        &format!("the default of `{}`", column.name),
                        true,
                    );
                }
                ColumnDefault::Opaque if !given.contains(&column.name) => {
                    self.opaque_part(relation, &format!("the default of `{}`", column.name), span)
                }
                ColumnDefault::None
                | ColumnDefault::Generated(_)
                | ColumnDefault::Sequence
                | ColumnDefault::Opaque => {}
            }
        }
    }

    /// The default of a column that `SET` asks for.
    pub(super) fn default_of(&mut self, relation: &'a Relation, index: usize, span: &Span) {
        let Some(column) = relation.columns.get(index) else {
            return;
        };
        let what = format!("the default of `{}`", column.name);
        match &column.default {
            ColumnDefault::Expr(expr) => self.stored(relation, expr, span, &what, true),
            ColumnDefault::Opaque => self.opaque_part(relation, &what, span),
            ColumnDefault::None | ColumnDefault::Generated(_) | ColumnDefault::Sequence => {}
        }
    }

    /// Expressions that PostgreSQL evaluates on every new row: generated columns, conditions,
    /// expressions of indexes.
    pub(super) fn evaluated_on_write(&mut self, relation: &'a Relation, span: &Span) {
        for column in &relation.columns {
            if let ColumnDefault::Generated(expr) = &column.default {
                let what = format!("the generated column `{}`", column.name);
                self.stored(relation, expr, span, &what, false);
            }
        }
        for column in &relation.columns {
            if let Some(ty) = &column.ty
                && !self.checks_are_read(ty, span)
            {
                self.opaque_part(relation, &format!("the type of `{}`", column.name), span);
            }
        }
        for check in &relation.checks {
            let what = format!("the condition `{}`", check.name);
            match &check.expr {
                Some(expr) => self.stored(relation, expr, span, &what, false),
                None => self.opaque_part(relation, &what, span),
            }
        }
        for expr in &relation.index_expressions {
            match expr {
                Some(expr) => {
                    self.stored(relation, expr, span, "the expression of an index", false)
                }
                None => self.opaque_part(relation, "the expression of an index", span),
            }
        }
    }

    fn opaque_part(&mut self, relation: &Relation, what: &str, span: &Span) {
        self.problem(
            Diagnostic::error(
                Code::UNKNOWN_STATE,
                format!(
                    "{what} of `{}` is not understood, and every write evaluates it",
                    relation.display()
                ),
            )
            .at(span.clone())
            .help("in a migration, write it with PostgreSQL's own functions and operators, which are read"),
        );
    }

    /// Walks an expression that the catalog stores.
    fn stored(
        &mut self,
        relation: &'a Relation,
        expr: &'a Expr,
        span: &Span,
        what: &str,
        default_value: bool,
    ) {
        let context =
            Context {
                origin: Some(self.context.origin.clone().unwrap_or_else(|| {
                    (span.clone(), format!("{what} of `{}`", relation.display()))
                })),
                definer: self.context.definer,
                depth: self.context.depth + 1,
                arguments: None,
                default_value,
                policy: self.context.policy,
            };
        let columns: Vec<Visible> = relation
            .columns
            .iter()
            .map(|column| Visible {
                name: column.name.as_str().into(),
                info: Info::default().into(),
            })
            .collect();
        let namespace = Namespace {
            tables: vec![Table {
                name: relation.name.clone(),
                schema: Some(relation.schema.clone()),
                columns: Some(columns.clone().into()),
                scalar: false,
                rte: None,
                made: 0..0,
            }],
            columns,
            opaque: false,
        };
        self.within(context, |this| {
            let block = this.block(None, &super::state::Guard::from([]));
            let scope = this.push_scope(namespace, None);
            let env: Env = this.env(block, scope, false);
            this.expr(expr, &env);
        });
    }

    /// What removing rows of a table sets off.
    pub(super) fn deleted(&mut self, relation: &'a Relation, span: &Span) {
        self.sets_off(relation, Command::Delete, span);
        self.follow(relation, Command::Delete, &[], span, &mut Vec::new());
    }

    /// What changing columns of a table sets off.
    pub(super) fn updated(&mut self, relation: &'a Relation, assigned: &[String], span: &Span) {
        self.sets_off(relation, Command::Update, span);
        let assigned = self.with_triggers(relation, assigned);
        self.follow(relation, Command::Update, &assigned, span, &mut Vec::new());
    }

    /// The columns that an UPDATE sets, and those that triggers set before it is carried out.
    fn with_triggers(&self, relation: &Relation, assigned: &[String]) -> Vec<String> {
        let all = || relation.columns.iter().map(|column| column.name.clone());
        let more = crate::policy::trigger::assigned(self.catalog, relation, Command::Update)
            .unwrap_or_else(|| all().collect());
        // A generated column is computed anew, and may be a key as well.
        let generated = relation
            .columns
            .iter()
            .filter(|column| matches!(column.default, ColumnDefault::Generated(_)))
            .map(|column| column.name.clone());
        assigned
            .iter()
            .cloned()
            .chain(more)
            .chain(generated)
            .collect()
    }

    /// Follows the foreign keys that refer to a table. Their actions run without row-level
    /// security, so they reach whatever row refers.
    fn follow(
        &mut self,
        relation: &'a Relation,
        command: Command,
        assigned: &[String],
        span: &Span,
        seen: &mut Vec<(crate::catalog::RelationId, Command)>,
    ) {
        if seen.contains(&(relation.id, command)) || seen.len() > CHAIN {
            return;
        }
        seen.push((relation.id, command));
        // Rows of partitions and inheriting tables go with those of the parent, and keys may name
        // either.
        let mut tables: Vec<&'a Relation> = vec![relation];
        let mut next = 0;
        while let Some(table) = tables.get(next).copied() {
            next += 1;
            for child in table.children.iter().chain(&table.parents) {
                if let Some(child) = self.catalog.get(*child)
                    && tables.iter().all(|known| known.id != child.id)
                {
                    tables.push(child);
                }
            }
        }
        for table in tables {
            for (referring, index) in &table.referenced_by {
                let Some(child) = self.catalog.get(*referring) else {
                    continue;
                };
                let Some(key) = child.foreign_keys.get(*index) else {
                    continue;
                };
                let action = match command {
                    Command::Delete => key.on_delete,
                    _ => {
                        let touched = key.target_columns.is_empty()
                            || key
                                .target_columns
                                .iter()
                                .any(|column| assigned.contains(column));
                        if !touched {
                            continue;
                        }
                        key.on_update
                    }
                };
                self.action(table, child, key, action, command, span, seen);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // One edge of the graph of foreign keys.
    fn action(
        &mut self,
        parent: &'a Relation,
        child: &'a Relation,
        key: &'a ForeignKey,
        action: ReferentialAction,
        command: Command,
        span: &Span,
        seen: &mut Vec<(crate::catalog::RelationId, Command)>,
    ) {
        if matches!(
            action,
            ReferentialAction::NoAction | ReferentialAction::Restrict
        ) {
            return;
        }
        let word = match action {
            ReferentialAction::Cascade => "CASCADE",
            ReferentialAction::SetNull => "SET NULL",
            _ => "SET DEFAULT",
        };
        if let Mode::System(tables) = self.mode {
            if !self.named(tables, child) {
                self.problem(
                    Diagnostic::error(
                        Code::SYSTEM_TABLE,
                        format!(
                            "the system query reaches `{0}`, which it does not name: `ON {1} {word}` of its foreign key `{2}`",
                            child.display(),
                            command.sql(),
                            key.name
                        ),
                    )
                    .at(span.clone())
                    .help(format!("add it: tables({})", child.display())),
                );
            }
            let (changed, assigned) = match (action, command) {
                (ReferentialAction::Cascade, Command::Delete) => (Command::Delete, Vec::new()),
                _ => (Command::Update, self.with_triggers(child, &key.columns)),
            };
            self.sets_off(child, changed, span);
            return self.follow(child, changed, &assigned, span, seen);
        }
        let tenant_of = |relation: &Relation| relation.tenant().map(|column| column.name.clone());
        let (child_tenant, parent_tenant) = (tenant_of(child), tenant_of(parent));
        let carries = key
            .columns
            .iter()
            .zip(&key.target_columns)
            .any(|(own, target)| {
                Some(own) == child_tenant.as_ref() && Some(target) == parent_tenant.as_ref()
            });
        let refuse = |this: &mut Self, why: String, help: String| {
            this.problem(
                Diagnostic::error(Code::REFERENTIAL_ACTION, why)
                    .at(span.clone())
                    .note(format!(
                        "the foreign key is `{}` of `{}`; its actions run without row-level security",
                        key.name,
                        child.display()
                    ))
                    .help(help),
            );
        };
        if !carries {
            refuse(
                self,
                format!(
                    "`ON {} {word}` of `{}` follows a key without the tenant, and rows of other tenants may refer to the row",
                    command.sql(),
                    child.display()
                ),
                format!(
                    "make the key hold the tenant: FOREIGN KEY ({0}, …) REFERENCES {1} ({2}, …)",
                    child_tenant.as_deref().unwrap_or("tenant_id"),
                    parent.display(),
                    parent_tenant.as_deref().unwrap_or("tenant_id")
                ),
            );
            return;
        }
        let changed = match (action, command) {
            (ReferentialAction::Cascade, Command::Delete) => Command::Delete,
            _ => Command::Update,
        };
        // A column list goes with ON DELETE alone; without one every column of the key is set.
        let set = match command {
            Command::Delete if !key.set_columns.is_empty() => &key.set_columns,
            _ => &key.columns,
        };
        if action != ReferentialAction::Cascade {
            let computed = child
                .tenant()
                .is_some_and(|column| matches!(column.default, ColumnDefault::Generated(_)));
            if computed
                || set
                    .iter()
                    .any(|column| Some(column) == child_tenant.as_ref())
            {
                let others: Vec<&str> = key
                    .columns
                    .iter()
                    .filter(|column| Some(*column) != child_tenant.as_ref())
                    .map(String::as_str)
                    .collect();
                refuse(
                    self,
                    format!(
                        "`ON {} {word}` of `{}` takes the tenant from its rows",
                        command.sql(),
                        child.display()
                    ),
                    match command {
                        Command::Delete => format!(
                            "name the columns to set: ON DELETE {word} ({}), or use NO ACTION",
                            others.join(", ")
                        ),
                        _ => "use ON UPDATE CASCADE or NO ACTION".to_owned(),
                    },
                );
                return;
            }
            if action == ReferentialAction::SetDefault {
                for column in set {
                    let index = child.columns.iter().position(|own| own.name == *column);
                    if let Some(index) = index {
                        self.default_of(child, index, span);
                    }
                }
            }
        }
        if changed == Command::Update {
            self.evaluated_on_write(child, span);
        }
        // The action fires the triggers of the table it reaches, those before it with the rights of
        // the table's owner.
        let reason = match self.catalog.class(child, changed) {
            Class::Unknown { reason } | Class::Unprotected { reason }
                if !child.triggers.is_empty()
                    || !child.rules.is_empty()
                    || !child.children.is_empty()
                    || !child.parents.is_empty() =>
            {
                Some(reason)
            }
            _ => crate::policy::trigger::as_owner(self.catalog, child, changed, true),
        };
        if let Some(reason) = reason {
            refuse(
                self,
                format!(
                    "`ON {} {word}` reaches `{}`: {reason}",
                    command.sql(),
                    child.display()
                ),
                "use NO ACTION, and remove the rows in the statement".to_owned(),
            );
            return;
        }
        let assigned = if action == ReferentialAction::Cascade {
            &key.columns
        } else {
            set
        };
        let assigned = self.with_triggers(child, assigned);
        self.follow(child, changed, &assigned, span, seen);
    }
}
