//! Relations of the catalog: tables by their class, views by their definition.

use super::check::{Check, Purpose};
use super::digits;
use super::from::{Place, split};
use super::state::{
    Base, BlockId, Context, Info, Leak, Mode, Node, Prover, Rte, RteColumn, RteId, RteKind, Visible,
};
use crate::catalog::{Class, Command, Lookup, Relation, RelationKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Locking, RelationRef, Span};

/// What a reference makes visible: its columns, the entry and the schema.
type Found = (Option<Vec<Visible>>, Option<RteId>, Option<String>);

/// Whether a class is due to a trigger or a rule, which run with a write.
fn runs_with_writes(reason: &str) -> bool {
    reason.starts_with("the trigger") || reason.starts_with("the rule")
}

impl<'a> Prover<'a> {
    /// Reads a relation of the catalog.
    pub(super) fn catalog_relation(&mut self, reference: &'a RelationRef, place: &Place) -> Found {
        let span = &reference.name.span;
        self.classify(span);
        let (schema, name) = split(reference);
        let relation = match self.catalog.relation(schema, name) {
            Lookup::Found(relation) => relation,
            Lookup::System => {
                let diagnostic = self.system_relation(reference);
                self.problem(diagnostic);
                return (None, None, None);
            }
            Lookup::Missing => {
                let diagnostic = self.unknown_relation(reference);
                self.problem(diagnostic);
                return (None, None, None);
            }
        };
        self.relations.insert(relation.qualified(), ());
        if let Some(sample) = &reference.sample {
            self.sample(sample, relation, span, place);
        }
        let schema = Some(relation.schema.clone());
        match relation.kind {
            RelationKind::View => {
                let columns = self.view(relation, reference, place);
                (columns, None, schema)
            }
            RelationKind::MaterializedView if !relation.is_global() && self.tenant_mode() => {
                self.problem(
                    Diagnostic::error(
                        Code::MATERIALIZED,
                        format!(
                            "the materialised view `{}` holds the rows of every tenant",
                            relation.display()
                        ),
                    )
                    .at(span.clone())
                    .help("read the tables it is made from, with a condition on the tenant"),
                );
                (None, None, schema)
            }
            RelationKind::Sequence => {
                self.problem(
                    Diagnostic::error(
                        Code::METADATA,
                        format!(
                            "the sequence `{}` is a counter that all tenants share",
                            relation.display()
                        ),
                    )
                    .at(span.clone())
                    .help("leave the column out of the INSERT, so that its default draws the number, and read it by `RETURNING`"),
                );
                (None, None, schema)
            }
            _ => {
                let rte = self.base(relation, reference, place, Command::Select, Purpose::Read);
                (Some(self.base_columns(rte, relation)), Some(rte), schema)
            }
        }
    }

    fn system_relation(&self, reference: &RelationRef) -> Diagnostic {
        Diagnostic::error(
            Code::METADATA,
            format!(
                "`{}` is a catalog or a statistic of the server, which tells about every tenant",
                reference.name.parts.join(".")
            ),
        )
        .at(reference.name.span.clone())
        .help("write what is known of the schema into the code; for a number of rows use `count(*)` over the table")
    }

    fn sample(
        &mut self,
        sample: &'a crate::ir::Sample,
        relation: &Relation,
        span: &Span,
        place: &Place,
    ) {
        let scope = self.push_scope(super::state::Namespace::default(), place.outer);
        let env = self.env(place.block, scope, false);
        for arg in &sample.args {
            self.expr(arg, &env);
        }
        let known =
            matches!(sample.method.parts.as_slice(), [m] if m == "system" || m == "bernoulli");
        if !known || (!relation.is_global() && self.tenant_mode()) {
            self.problem(
                Diagnostic::error(
                    Code::METADATA,
                    format!(
                        "`TABLESAMPLE` draws from the storage that all tenants share, so what comes of `{}` depends on other tenants' rows",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .help("order the tenant's rows by `random()` and limit them"),
            );
        }
    }

    /// Whether relations are judged by tenant, as opposed to a list of tables.
    pub(super) fn tenant_mode(&self) -> bool {
        !matches!(self.mode, Mode::System(_))
    }

    /// A trigger or rule that is not understood may reach tables that a system query does not name.
    pub(super) fn sets_off(&mut self, relation: &'a Relation, command: Command, span: &Span) {
        if self.tenant_mode() {
            return;
        }
        let found = crate::policy::trigger::judge(self.catalog, relation, command, false, 0);
        if let Some(Class::Unknown { reason }) = found {
            self.problem(
                Diagnostic::error(
                    Code::SYSTEM_TABLE,
                    format!(
                        "what the system query sets off in `{}` is not known: {reason}",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .help("write the trigger or rule in a form that is read, or do in a migration what the statement does"),
            );
        }
    }

    /// Whether a list of tables names this one; without a schema it means what the search path finds.
    pub(super) fn named(&self, tables: &[String], relation: &Relation) -> bool {
        let found = || matches!(self.catalog.relation(None, &relation.name), Lookup::Found(found) if found.id == relation.id);
        tables.iter().any(|table| {
            *table == relation.qualified()
                || *table == format!("{}.{}", relation.schema, relation.name)
                || ((*table == relation.display() || *table == relation.name) && found())
        })
    }

    /// An occurrence of a table that a command reads or changes.
    pub(super) fn base(
        &mut self,
        relation: &'a Relation,
        reference: &'a RelationRef,
        place: &Place,
        command: Command,
        purpose: Purpose,
    ) -> RteId {
        let span = &reference.name.span;
        let class = self.class(relation, command);
        let name = reference
            .alias
            .as_ref()
            .map_or_else(|| relation.name.clone(), |alias| alias.name.clone());
        let protected = class == Class::Protected || class == Class::Denied;
        let global = class == Class::Global;
        let rte = self.push_rte(
            place,
            Rte {
                name: name.clone(),
                columns: relation
                    .columns
                    .iter()
                    .map(|column| RteColumn {
                        name: column.name.clone(),
                    })
                    .collect(),
                guard: place.guard.clone(),
                in_view: false,
                kind: RteKind::Base(Base {
                    relation,
                    protected,
                    global,
                }),
            },
        );
        self.note_reference(rte, reference, purpose);
        self.judge(relation, &class, span, rte, place.block, purpose);
        rte
    }

    /// The class of a relation for a command, as the rights of the reader are.
    pub(super) fn class(&self, relation: &Relation, command: Command) -> Class {
        let class = self.catalog.class(relation, command);
        // What a write sets off runs with the rights of the owner as well.
        if self.context.definer
            && let Some(reason) =
                crate::policy::trigger::as_owner(self.catalog, relation, command, false)
        {
            return Class::Unknown { reason };
        }
        if self.context.definer && matches!(class, Class::Protected | Class::Denied) {
            return if relation.tenant_column.is_some() {
                Class::Scoped
            } else {
                Class::Unprotected {
                    reason: "the owner of the view or function may bypass row-level security"
                        .to_owned(),
                }
            };
        }
        class
    }

    /// Notes what has to be checked of an occurrence, or refuses it at once.
    pub(super) fn judge(
        &mut self,
        relation: &'a Relation,
        class: &Class,
        span: &Span,
        rte: RteId,
        block: BlockId,
        purpose: Purpose,
    ) {
        let write = purpose != Purpose::Read;
        if let Mode::System(tables) = self.mode {
            let named = self.named(tables, relation);
            if named {
                self.occurrence(relation, span, "system", Vec::new());
            } else {
                self.problem(
                    Diagnostic::error(
                        Code::SYSTEM_TABLE,
                        format!(
                            "the system query reaches `{}`, which it does not name",
                            relation.display()
                        ),
                    )
                    .at(span.clone())
                    .help(format!("add it: tables({})", relation.display())),
                );
            }
            return;
        }
        if matches!(class, Class::Protected | Class::Scoped) && !self.context.definer {
            self.check_policies(relation, span);
        }
        match class {
            Class::Protected => {
                let reason = format!("row-level security of `{}` confines it", relation.display());
                self.occurrence(relation, span, "protected", vec![reason]);
            }
            Class::Global if !write => {
                self.occurrence(relation, span, "global", vec!["declared global".to_owned()]);
            }
            Class::Global => self.problem(
                Diagnostic::error(
                    Code::GLOBAL_WRITE,
                    format!("`{}` is declared global, and global tables are read only", relation.display()),
                )
                .at(span.clone())
                .help("write it in a system query or a migration"),
            ),
            Class::Scoped if matches!(self.mode, Mode::Unproved) => self.problem(
                Diagnostic::error(
                    Code::UNPROVED_TABLE,
                    format!("`unproved!` reaches `{}`, which row-level security does not protect for this command", relation.display()),
                )
                .at(span.clone())
                .help(format!(
                    "protect it: {}",
                    super::explain::policy_sql(relation, self.catalog.config())
                )),
            ),
            Class::Scoped => {
                self.checks.push(Check::Pinned {
                    rte,
                    relation,
                    block,
                    span: span.clone(),
                    purpose,
                    context: self.context.clone(),
                });
            }
            Class::Denied => self.problem(
                Diagnostic::error(
                    Code::UNPROTECTED,
                    format!("no policy of `{}` lets the command through, so the statement never does anything", relation.display()),
                )
                .at(span.clone())
                .help("add a policy for the command"),
            ),
            Class::Unprotected { reason } if reason == "undeclared" => {
                self.checks.push(Check::Undeclared {
                    rte,
                    relation,
                    block,
                    span: span.clone(),
                    context: self.context.clone(),
                });
            }
            Class::Unprotected { .. } | Class::Unknown { .. } => {
                let advice = crate::policy::advice::of(self.catalog, relation, class);
                let (shown, reason) = (relation.display(), advice.reason);
                let (code, text) = match class {
                    Class::Unknown { .. } if runs_with_writes(&reason) => (
                        Code::TRIGGER,
                        format!("what a write of `{shown}` does can't be told: {reason}"),
                    ),
                    Class::Unknown { .. } => (
                        Code::UNKNOWN_STATE,
                        format!("what `{shown}` is in the end can't be told: {reason}"),
                    ),
                    _ => (
                        match runs_with_writes(&reason) {
                            true => Code::TRIGGER,
                            false => Code::UNPROTECTED,
                        },
                        format!("`{shown}` is not confined to the tenant: {reason}"),
                    ),
                };
                let problem = Diagnostic::error(code, text).at(span.clone());
                self.problem(advice.help.into_iter().fold(problem, Diagnostic::help));
            }
        }
    }

    /// The columns of a table as its readers see them.
    pub(super) fn base_columns(&self, rte: RteId, relation: &Relation) -> Vec<Visible> {
        let exposed = self.rtes.get(rte).is_some_and(
            |rte| matches!(&rte.kind, RteKind::Base(base) if !base.protected && !base.global),
        );
        relation
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| Visible {
                name: column.name.as_str().into(),
                info: Info {
                    node: Some(Node::Column(rte, index)),
                    collation: self.collation_of(
                        column,
                        column.ty.as_ref().and_then(|ty| self.type_of(ty)).as_ref(),
                    ),
                    ty: column.ty.as_ref().and_then(|ty| self.type_of(ty)),
                    digits: column.ty.as_ref().and_then(digits::of_type),
                    loose: column
                        .collation
                        .as_ref()
                        .and_then(|collation| collation.parts.last())
                        .is_some_and(|name| self.catalog.shadows_collation(name)),
                    from_tenant: self.carries_tenant(relation, index),
                    reads: true,
                    exposed: if exposed { vec![rte] } else { Vec::new() },
                    ..Info::default()
                }
                .into(),
            })
            .collect()
    }

    /// A view is read by its definition.
    fn view(
        &mut self,
        relation: &'a Relation,
        reference: &RelationRef,
        place: &Place,
    ) -> Option<Vec<Visible>> {
        let span = &reference.name.span;
        if let (Mode::System(tables), Some(_)) = (self.mode, &relation.view)
            && !self.named(tables, relation)
        {
            self.problem(
                Diagnostic::error(
                    Code::SYSTEM_TABLE,
                    format!(
                        "the system query reaches `{}`, which it does not name",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .help(format!("add it: tables({})", relation.display())),
            );
        }
        let query = relation.view.as_ref().and_then(|view| view.query.as_ref());
        let (Some(view), Some(query)) = (&relation.view, query) else {
            self.problem(
                Diagnostic::error(
                    Code::VIEW_BODY,
                    format!(
                        "the definition of the view `{}` is not understood",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .note(format!("it is defined in {}", relation.created_in)),
            );
            return None;
        };
        if relation.unknown.is_some() || !relation.rules.is_empty() {
            let (why, help) = match &relation.unknown {
                Some(unknown) => (unknown.reason.as_str(), unknown.help.as_str()),
                None => (
                    "it has a rule",
                    "drop the rule, and write what it does into the view",
                ),
            };
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_STATE,
                    format!(
                        "what the view `{}` is in the end can't be told: {why}",
                        relation.display()
                    ),
                )
                .at(span.clone())
                .help(help),
            );
            return None;
        }
        if self.context.depth >= super::body::DEPTH {
            self.problem(
                Diagnostic::error(Code::TOO_LARGE, "views nest too deeply").at(span.clone()),
            );
            return None;
        }
        let context =
            Context {
                origin: Some(self.context.origin.clone().unwrap_or_else(|| {
                    (span.clone(), format!("the view `{}`", relation.display()))
                })),
                definer: self.context.definer || !view.security_invoker,
                depth: self.context.depth + 1,
                arguments: None,
                default_value: false,
                policy: self.context.policy,
            };
        let columns = self.inside(context, |this| {
            if let Some(select) = super::select::mergeable(query, self.catalog) {
                return this.merged(select, place, None);
            }
            let output = this.query(query, Some(place.block), &place.guard, None);
            let fenced = this
                .outputs
                .get(output)
                .is_some_and(|output| output.limited);
            let columns = this.visible(output);
            this.reference(&relation.name, output, columns, fenced, place)
        })?;
        // What fails in it is told where the statement names it.
        let mention = |leak: &mut Option<Leak>| {
            if let Some(leak) = leak {
                leak.span = span.clone();
            }
        };
        let columns: Vec<Visible> = columns
            .into_iter()
            .map(|mut column| {
                if column.info.leak.is_some() || column.info.fails.is_some() {
                    let info = std::rc::Rc::make_mut(&mut column.info);
                    mention(&mut info.leak);
                    mention(&mut info.fails);
                }
                column
            })
            .collect();
        // The names are those of the view, which its creation or a rename may have changed.
        if relation.columns.len() != columns.len() {
            return Some(columns);
        }
        Some(
            columns
                .into_iter()
                .zip(&relation.columns)
                .map(|(column, named)| Visible {
                    name: named.name.as_str().into(),
                    ..column
                })
                .collect(),
        )
    }

    /// A lock on a row that all tenants share stops the others.
    pub(super) fn lock_targets(&mut self, clause: &Locking, scope: usize) {
        if !self.tenant_mode() {
            return;
        }
        let Some(scope) = self.scopes.get(scope) else {
            return;
        };
        let mut found = Vec::new();
        for table in &scope.namespace.tables {
            let meant = clause.of.is_empty()
                || clause
                    .of
                    .iter()
                    .any(|name| name.parts.last() == Some(&table.name));
            let global = table
                .rte
                .and_then(|rte| self.rtes.get(rte))
                .is_some_and(|rte| matches!(&rte.kind, RteKind::Base(base) if base.global));
            // Of a view or a sub-query the lock reaches the tables below, whatever it selects.
            let below = table.rte.is_none()
                && table.made.clone().any(|rte| {
                    self.rtes
                        .get(rte)
                        .is_some_and(|rte| matches!(&rte.kind, RteKind::Base(base) if base.global))
                });
            if meant && (global || below) {
                found.push(table.name.clone());
            }
        }
        for name in found {
            let span = clause.of.first().map_or(0..0, |name| name.span.clone());
            let mut diagnostic = Diagnostic::error(
                Code::GLOBAL_WRITE,
                format!("the lock on `{name}`, which all tenants share, stops the others"),
            )
            .help("name the tenant's own tables: FOR UPDATE OF …");
            if span.end > 0 {
                diagnostic = diagnostic.at(span);
            }
            self.problem(diagnostic);
        }
    }
}
