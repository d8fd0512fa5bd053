//! Creates tables and views: columns, inheritance, `LIKE`, `AS`.

use super::bind;
use super::build::{Builder, TEMPORARY};
use super::model::{
    Column, ColumnDefault, Key, Relation, RelationId, RelationKind, RowSecurity, Unknown,
    ViewDefinition,
};
use super::walk::{Mentions, query_mentions};
use crate::ddl::ir::{
    ColumnSpec, CreateTable, CreateTableAs, CreateView, DefaultSpec, Element, Maybe, Ref,
};
use crate::ir;

impl Builder {
    /// An empty relation.
    pub(super) fn empty(
        &self,
        id: RelationId,
        schema: &str,
        name: &str,
        kind: RelationKind,
    ) -> Relation {
        Relation {
            id,
            schema: schema.to_owned(),
            name: name.to_owned(),
            kind,
            columns: Vec::new(),
            tenant_column: None,
            keys: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            rls: RowSecurity::default(),
            policies: Vec::new(),
            view: None,
            triggers: Vec::new(),
            rules: Vec::new(),
            checks: Vec::new(),
            index_expressions: Vec::new(),
            partitioned: false,
            parents: Vec::new(),
            children: Vec::new(),
            directive: None,
            comment: None,
            owner: self.current_role.clone().filter(|role| role != "?"),
            told_by_triggers: Vec::new(),
            unknown: None,
            created_in: self.at.path.clone(),
        }
    }

    /// Makes room for a new relation. `None`: `IF NOT EXISTS` and something is there.
    fn place(
        &mut self,
        name: &Ref,
        temporary: bool,
        if_not_exists: bool,
    ) -> Option<(String, bool)> {
        let schema = if temporary {
            TEMPORARY.to_owned()
        } else {
            self.schema_for(name)
        };
        if !temporary && self.is_ambiguous(name) {
            self.ambiguous_names.insert(name.name.clone());
        }
        // One that went elsewhere, perhaps, may be what is here already.
        let ambiguous = !temporary && self.ambiguous_names.contains(&name.name);
        if let Some(old) = self.lookup(&schema, &name.name) {
            if if_not_exists {
                if ambiguous {
                    self.unknown(
                        old,
                        "whether it is created again in another schema is not known",
                    );
                }
                return None;
            }
            // The server would refuse it, so the history is not as it seems.
            self.unknown(old, "it is created twice");
            return None;
        }
        Some((schema, ambiguous))
    }

    /// A temporary table that ends with a transaction which the file does not open: it may be gone
    /// at once, or hide a table of its name until the tool commits.
    fn ends_at_once(&mut self, name: &Ref, drop_on_commit: bool) -> bool {
        let ends = drop_on_commit && !self.in_transaction;
        if ends {
            self.stale_temporary.insert(name.name.clone());
        }
        ends
    }

    fn placed(&mut self, id: RelationId, ambiguous: bool) {
        if ambiguous {
            self.unknown(
                id,
                "an earlier migration left `search_path` changed, so its schema is not known",
            );
        }
    }

    pub(super) fn create_table(&mut self, table: CreateTable) {
        if self.ends_at_once(&table.name, table.temporary && table.drop_on_commit) {
            return;
        }
        let Some((schema, ambiguous)) =
            self.place(&table.name, table.temporary, table.if_not_exists)
        else {
            return;
        };
        let kind = match (table.foreign, table.partition_of) {
            (true, _) => RelationKind::ForeignTable,
            (false, true) => RelationKind::Partition,
            (false, false) => RelationKind::Table,
        };
        let mut relation = self.empty(RelationId(usize::MAX), &schema, &table.name.name, kind);
        relation.partitioned = table.partitioned;
        let mut lost = None;
        for parent in &table.inherits {
            match self.target(parent) {
                Some(parent) => {
                    self.inherit_columns(&mut relation, parent, !table.partition_of);
                    relation.parents.push(parent);
                }
                None => lost = Some(format!("its parent `{}` is not known", parent.name)),
            }
        }
        if table.of_type {
            lost = Some("its columns come from a type".to_owned());
        }
        let mut constraints = Vec::new();
        for element in table.elements {
            match element {
                Element::Column(spec) => {
                    constraints.extend(spec.constraints.iter().cloned());
                    self.define_column(&mut relation, spec);
                }
                Element::Constraint(constraint) => constraints.push(constraint),
                Element::Like {
                    source,
                    defaults,
                    generated,
                    identity,
                    indexes,
                    constraints,
                } => match self.find(&source).and_then(|id| self.relation(id)) {
                    Some(source) => {
                        let source = source.clone();
                        copy_like(&mut relation, &source, defaults, generated, identity);
                        if constraints {
                            relation.checks.extend(source.checks.iter().cloned());
                        }
                        if indexes {
                            copy_keys(&mut relation, &source);
                        }
                        if let Some(unknown) = &source.unknown {
                            relation.unknown = Some(Unknown {
                                reason: format!(
                                    "`{}`, which it is like, is not known: {}",
                                    source.name, unknown.reason
                                ),
                                help: unknown.help.clone(),
                            });
                        }
                    }
                    None => {
                        lost = Some(format!("`{}`, which it is like, is not known", source.name))
                    }
                },
            }
        }
        let parents = relation.parents.clone();
        let id = self.add(|id| Relation { id, ..relation });
        for parent in parents {
            if let Some(parent) = self.relation_mut(parent) {
                parent.children.push(id);
            }
        }
        for constraint in constraints {
            self.add_constraint(id, constraint);
        }
        if let Some(reason) = lost {
            self.unknown(id, &reason);
        }
        self.placed(id, ambiguous);
        if table.temporary && table.drop_on_commit {
            self.drop_on_commit.push(table.name.name);
        }
    }

    /// Adds a column, or merges it into one that a parent gives.
    fn define_column(&mut self, relation: &mut Relation, spec: ColumnSpec) {
        let column = self.column(spec);
        match relation
            .columns
            .iter_mut()
            .find(|existing| existing.name == column.name)
        {
            Some(existing) => {
                existing.local = true;
                existing.not_null |= column.not_null;
                if !matches!(column.default, ColumnDefault::None) {
                    existing.default = column.default;
                }
            }
            None => relation.columns.push(column),
        }
    }

    pub(super) fn column(&self, spec: ColumnSpec) -> Column {
        let expr = |expr: Maybe<ir::Expr>| match expr {
            Ok(mut expr) => bind::expr(&mut expr, self).is_ok().then_some(expr),
            Err(_) => None,
        };
        Column {
            name: spec.name,
            ty: spec.ty,
            not_null: spec.not_null,
            default: match spec.default {
                DefaultSpec::None => ColumnDefault::None,
                DefaultSpec::Sequence => ColumnDefault::Sequence,
                DefaultSpec::Expr(default) => {
                    expr(default).map_or(ColumnDefault::Opaque, ColumnDefault::Expr)
                }
                DefaultSpec::Generated(value) => {
                    expr(value).map_or(ColumnDefault::Opaque, ColumnDefault::Generated)
                }
            },
            collation: spec.collation,
            local: true,
        }
    }

    /// Takes over the columns and checks of a parent; keys, policies and triggers stay with it.
    pub(super) fn inherit_columns(
        &mut self,
        relation: &mut Relation,
        parent: RelationId,
        checks: bool,
    ) {
        let Some(parent) = self.relation(parent) else {
            return;
        };
        let parent = parent.clone();
        for column in &parent.columns {
            if relation.column(&column.name).is_none() {
                relation.columns.push(Column {
                    local: false,
                    ..column.clone()
                });
            }
        }
        let _ = checks;
        relation.checks.extend(parent.checks.iter().cloned());
        if let Some(unknown) = &parent.unknown {
            relation.unknown.get_or_insert_with(|| Unknown {
                reason: format!("its parent is not known: {}", unknown.reason),
                help: unknown.help.clone(),
            });
        }
    }

    pub(super) fn create_table_as(&mut self, table: CreateTableAs) {
        if self.ends_at_once(&table.name, table.temporary && table.drop_on_commit) {
            return;
        }
        let Some((schema, ambiguous)) =
            self.place(&table.name, table.temporary, table.if_not_exists)
        else {
            return;
        };
        let kind = if table.materialized {
            RelationKind::MaterializedView
        } else {
            RelationKind::Table
        };
        let mut relation = self.empty(RelationId(usize::MAX), &schema, &table.name.name, kind);
        let (view, columns, unknown) = self.bind_view(table.query, &table.columns, false);
        relation.columns = columns;
        let mut lost = None;
        if table.materialized {
            relation.view = Some(view);
        } else if relation.columns.is_empty() {
            lost = Some(unknown.unwrap_or_else(|| "its columns are not known".to_owned()));
        }
        let id = self.add(|id| Relation { id, ..relation });
        self.readers.insert(id);
        if let Some(reason) = lost {
            self.unknown(id, &reason);
        }
        self.placed(id, ambiguous);
        if table.temporary && table.drop_on_commit {
            self.drop_on_commit.push(table.name.name);
        }
    }

    /// Binds the query of a view and works out its columns.
    fn bind_view(
        &mut self,
        query: Maybe<ir::Query>,
        names: &[String],
        security_invoker: bool,
    ) -> (ViewDefinition, Vec<Column>, Option<String>) {
        let bound = query.and_then(|mut query| {
            let reads = bind::query(&mut query, self)?;
            self.bound_here(&query_mentions(&query))?;
            Ok((query, reads))
        });
        match bound {
            Ok((query, reads)) => {
                let outputs = bind::outputs(&query, self).unwrap_or_default();
                let columns = bind::rename(outputs, names)
                    .into_iter()
                    .map(|output| Column {
                        name: output.name,
                        ty: output.ty.filter(|ty| !self.may_be_loose(ty)),
                        not_null: false,
                        default: ColumnDefault::None,
                        collation: None,
                        local: true,
                    })
                    .collect();
                (
                    ViewDefinition {
                        query: Some(query),
                        security_invoker,
                        reads,
                    },
                    columns,
                    None,
                )
            }
            Err(why) => (
                ViewDefinition {
                    query: None,
                    security_invoker,
                    reads: Vec::new(),
                },
                Vec::new(),
                Some(why),
            ),
        }
    }

    /// Whether a computed column of this type may carry a collation under which different texts
    /// are equal.
    fn may_be_loose(&self, ty: &ir::TypeName) -> bool {
        let exact = ["uuid", "int2", "int4", "int8"];
        let name = ty.name.parts.last().map_or("", String::as_str);
        !exact.contains(&name)
            && (self.catalog.ever.anything.is_some()
                || self.catalog.collations.iter().any(|c| !c.deterministic))
    }

    /// Whether what a stored query calls is looked up now as a session will look it up later.
    ///
    /// # Errors
    /// What would be found under another search path.
    pub(super) fn bound_here(&self, found: &Mentions) -> Result<(), String> {
        let usual = vec!["public".to_owned()];
        let session = self.catalog.config.search_path.as_ref().unwrap_or(&usual);
        let sure = self.path_left.is_none() && self.default_path.is_none();
        // With an empty path, what is not qualified is the server's own.
        if (self.path.is_empty() || self.path == *session) && sure {
            return Ok(());
        }
        let ever = &self.catalog.ever;
        let function = found
            .functions
            .iter()
            .find(|name| ever.functions.contains(*name));
        let ty = found.types.iter().find(|name| ever.types.contains(*name));
        let operator = found.operators.iter().find(|name| {
            ever.operators
                .iter()
                .any(|operator| operator.name == **name)
        });
        match function.or(ty).or(operator) {
            Some(name) => Err(format!(
                "it names `{name}` under another search path than that of the application"
            )),
            None => Ok(()),
        }
    }

    pub(super) fn create_view(&mut self, view: CreateView) {
        let schema = if view.temporary {
            TEMPORARY.to_owned()
        } else {
            self.schema_for(&view.name)
        };
        if !view.temporary && self.is_ambiguous(&view.name) {
            self.ambiguous_names.insert(view.name.name.clone());
        }
        let ambiguous = !view.temporary && self.ambiguous_names.contains(&view.name.name);
        let old = self.lookup(&schema, &view.name.name);
        let (invoker, doubt) = match view.security_invoker {
            Ok(invoker) => (invoker, None),
            Err(why) => (false, Some(why)),
        };
        let (mut definition, columns, why) = self.bind_view(view.query, &view.columns, invoker);
        if old.is_some_and(|old| definition.reads.contains(&old)) {
            // A view can't read itself; the name must have meant something else.
            definition.query = None;
        }
        let id = match old {
            Some(old) if view.replace => {
                if self
                    .relation(old)
                    .is_none_or(|relation| relation.kind != RelationKind::View)
                {
                    self.unknown(old, "it is replaced by a view");
                    return;
                }
                let mut added = Vec::new();
                if let Some(relation) = self.relation_mut(old) {
                    let new = columns
                        .iter()
                        .filter(|c| relation.column(&c.name).is_none());
                    added.extend(new.map(|column| column.name.clone()));
                    // Replacing resets the options to those of the statement; columns stay in place.
                    relation.view = Some(definition);
                    relation.columns = columns;
                }
                for column in added {
                    self.captures(&[old], &column);
                }
                old
            }
            Some(old) => {
                self.unknown(old, "it is created twice");
                return;
            }
            None => {
                let mut relation = self.empty(
                    RelationId(usize::MAX),
                    &schema,
                    &view.name.name,
                    RelationKind::View,
                );
                relation.view = Some(definition);
                relation.columns = columns;
                self.add(|id| Relation { id, ..relation })
            }
        };
        self.readers.insert(id);
        if let Some(why) = why.or(doubt) {
            self.unknown(id, &format!("its definition is not understood: {why}"));
        }
        self.placed(id, ambiguous);
    }

    pub(super) fn create_sequence(&mut self, name: &Ref) {
        if let Some((schema, _)) = self.place(name, false, true) {
            let relation = self.empty(
                RelationId(usize::MAX),
                &schema,
                &name.name,
                RelationKind::Sequence,
            );
            self.add(|id| Relation { id, ..relation });
        }
    }
}

fn copy_like(
    into: &mut Relation,
    source: &Relation,
    defaults: bool,
    generated: bool,
    identity: bool,
) {
    for column in &source.columns {
        if into.column(&column.name).is_some() {
            continue;
        }
        let keep = match column.default {
            ColumnDefault::None => true,
            // A serial's default is an expression; an identity is not. Keeping both is harmless.
            ColumnDefault::Sequence => identity || defaults,
            ColumnDefault::Generated(_) => generated,
            ColumnDefault::Expr(_) | ColumnDefault::Opaque => defaults,
        };
        into.columns.push(Column {
            default: if keep {
                column.default.clone()
            } else {
                ColumnDefault::None
            },
            local: true,
            ..column.clone()
        });
    }
}

fn copy_keys(into: &mut Relation, source: &Relation) {
    for key in &source.keys {
        // The copies get names of their own, chosen by the server.
        into.keys.push(Key {
            name: String::new(),
            ..key.clone()
        });
    }
    into.index_expressions
        .extend(source.index_expressions.iter().cloned());
}
