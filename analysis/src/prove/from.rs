//! Items of `FROM`: what they make visible, and which facts their joins give.

use std::rc::Rc;

use super::resolve::error;
use super::state::{
    BlockId, CteState, Fact, FunctionRows, Guard, Info, Namespace, Node, OutputId, Prover, Rte,
    RteColumn, RteId, RteKind, Table, Visible,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::Ty;
use crate::ir::{Alias, ExprKind, FromItem, FunctionItem, RelationRef, Span};

/// Where an item of `FROM` stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) block: BlockId,
    pub(super) guard: Guard,
    /// The scope of the enclosing query, which every sub-query sees.
    pub(super) outer: Option<usize>,
    /// Whether the query has grouping sets.
    pub(super) grouping: bool,
}

impl<'a> Prover<'a> {
    /// Collects the items of a `FROM`, separated by commas.
    pub(super) fn items(&mut self, items: &'a [FromItem], place: &Place) -> Namespace {
        let mut all = Namespace::default();
        for item in items {
            let namespace = self.item(item, place, &all);
            self.merge(&mut all, namespace, item.span());
        }
        all
    }

    /// Adds the names of `from` to `into`; a name that comes twice is an error.
    pub(super) fn merge(&mut self, into: &mut Namespace, from: Namespace, span: &Span) {
        for table in &from.tables {
            let clash = into.tables.iter().any(|known| {
                known.name == table.name
                    && (known.schema == table.schema
                        || known.schema.is_none()
                        || table.schema.is_none())
            });
            if clash {
                self.problem(*error(
                    Code::INVALID,
                    format!("two items of `FROM` are called `{}`", table.name),
                    span,
                ));
            }
        }
        into.tables.extend(from.tables);
        into.columns.extend(from.columns);
        into.opaque |= from.opaque;
    }

    /// Collects one item; `left` is what stands to its left, for lateral references.
    pub(super) fn item(
        &mut self,
        item: &'a FromItem,
        place: &Place,
        left: &Namespace,
    ) -> Namespace {
        if let FromItem::Join(join) = item {
            return self.join_item(join, place, left);
        }
        if self.stopped || self.too_many(place.block, item.span()) {
            return Namespace {
                opaque: true,
                ..Namespace::default()
            };
        }
        let before = self.rtes.len();
        let mut namespace = self.single(item, place, left);
        for table in &mut namespace.tables {
            table.made = before..self.rtes.len();
        }
        namespace
    }

    /// Counts an item of a level, and refuses one too many.
    fn too_many(&mut self, block: BlockId, span: &Span) -> bool {
        let Some(block) = self.blocks.get_mut(block) else {
            return false;
        };
        block.items += 1;
        let items = block.items;
        if items == super::query::ITEMS + 1 {
            self.problem(*error(
                Code::TOO_LARGE,
                format!(
                    "one `FROM` has more than {} items, and the analysis takes no more",
                    super::query::ITEMS
                ),
                span,
            ));
        }
        items > super::query::ITEMS
    }

    fn single(&mut self, item: &'a FromItem, place: &Place, left: &Namespace) -> Namespace {
        match item {
            FromItem::Relation(relation) => self.relation_item(relation, place),
            FromItem::Subquery {
                lateral,
                query,
                alias,
                span,
            } => {
                let outer = if *lateral {
                    Some(self.push_scope(left.clone(), place.outer))
                } else {
                    place.outer
                };
                let columns = self.derived(query, place, outer);
                // Without an alias the columns are visible without a qualifier only.
                self.renamed(alias.as_ref(), None, columns, None, span)
            }
            FromItem::Function {
                calls,
                ordinality,
                alias,
                span,
            } => {
                let scope = self.push_scope(left.clone(), place.outer);
                self.function_item(calls, *ordinality, alias.as_ref(), span, place, scope)
            }
            FromItem::Join(join) => self.join_item(join, place, left),
        }
    }

    /// A namespace of one item with its alias.
    pub(super) fn renamed(
        &mut self,
        alias: Option<&Alias>,
        name: Option<(&str, Option<&str>)>,
        columns: Option<Vec<Visible>>,
        rte: Option<RteId>,
        span: &Span,
    ) -> Namespace {
        let mut columns = columns;
        if let Some(alias) = alias
            && !alias.columns.is_empty()
        {
            match &mut columns {
                Some(columns) if alias.columns.len() > columns.len() => {
                    self.problem(*error(
                        Code::INVALID,
                        format!("`{}` has fewer columns than its alias names", alias.name),
                        span,
                    ));
                }
                Some(columns) => {
                    for (column, name) in columns.iter_mut().zip(&alias.columns) {
                        column.name = name.as_str().into();
                    }
                }
                None => {}
            }
        }
        let opaque = columns.is_none();
        let flat = columns.clone().unwrap_or_default();
        let shared: Option<Rc<[Visible]>> = columns.map(Into::into);
        let (name, schema) = match (alias, name) {
            (Some(alias), _) => (Some(alias.name.clone()), None),
            (None, Some((name, schema))) => (Some(name.to_owned()), schema.map(str::to_owned)),
            (None, None) => (None, None),
        };
        Namespace {
            tables: name
                .map(|name| Table {
                    name,
                    schema,
                    columns: shared,
                    scalar: false,
                    rte,
                    made: 0..0,
                })
                .into_iter()
                .collect(),
            columns: flat,
            opaque,
        }
    }

    fn relation_item(&mut self, relation: &'a RelationRef, place: &Place) -> Namespace {
        let span = &relation.name.span;
        if let [name] = relation.name.parts.as_slice()
            && let Some(state) = self.cte(name)
        {
            self.classify(span);
            if relation.sample.is_some() || relation.only {
                self.problem(*error(
                    Code::INVALID,
                    format!("`{name}` is no table, but a common table expression"),
                    span,
                ));
            }
            let columns = match state {
                CteState::Ready {
                    output,
                    columns,
                    fenced,
                } => Some(self.reference(name, output, columns, fenced, place)),
                CteState::Later => {
                    self.problem(*error(
                        Code::NOT_UNDERSTOOD,
                        format!(
                            "`{name}` is used before it is defined, which is not understood yet"
                        ),
                        span,
                    ));
                    None
                }
                CteState::Empty => {
                    self.problem(*error(
                        Code::INVALID,
                        format!("`{name}` returns nothing: it has no `RETURNING`"),
                        span,
                    ));
                    None
                }
            };
            let columns = columns.flatten();
            return self.renamed(
                relation.alias.as_ref(),
                Some((name, None)),
                columns,
                None,
                span,
            );
        }
        let (columns, rte, schema) = self.catalog_relation(relation, place);
        let name = relation.name.parts.last().map_or("", String::as_str);
        self.renamed(
            relation.alias.as_ref(),
            Some((name, schema.as_deref())),
            columns,
            rte,
            span,
        )
    }

    /// The common table expression that an unqualified name stands for.
    fn cte(&self, name: &str) -> Option<CteState> {
        self.with
            .iter()
            .rev()
            .flat_map(|level| level.iter().rev())
            .find(|entry| entry.name == name)
            .map(|entry| entry.state.clone())
    }

    /// Whether a name stands for a common table expression.
    pub(super) fn is_cte(&self, name: &str) -> bool {
        self.cte(name).is_some()
    }

    /// A reference to a common table expression or a sub-query that is not merged into the block.
    pub(super) fn reference(
        &mut self,
        name: &str,
        output: OutputId,
        columns: Option<Rc<[Visible]>>,
        fenced: bool,
        place: &Place,
    ) -> Option<Vec<Visible>> {
        let fails = self.outputs.get(output).and_then(|o| o.fails.clone());
        self.note_risk(place.block, fails.as_ref());
        self.note_fails(fails.as_ref());
        let columns = columns?;
        let replaced = self.is_replaced(output);
        // On the nullable side of a join, or below grouping sets, PostgreSQL may compute the select list where its rows are
        // read.
        if !fenced && (place.grouping || place.guard != self.block_guard(place.block)) {
            for column in columns.iter() {
                self.computed_early(&column.info);
            }
        }
        let rte = self.push_rte(
            place,
            Rte {
                name: name.to_owned(),
                columns: columns
                    .iter()
                    .map(|column| RteColumn {
                        name: column.name.to_string(),
                    })
                    .collect(),
                guard: place.guard.clone(),
                in_view: false,
                kind: RteKind::Derived(output),
            },
        );
        let visible = columns.iter().enumerate().map(|(index, column)| {
            let mut info = Info::clone(&column.info);
            info.node = Some(Node::Column(rte, index));
            info.text_of = None;
            info.converted = false;
            info.aggregate = false;
            info.constant = false;
            info.open = false;
            info.collation.of_column();
            info.fails = None;
            // Its value is read of a row, unless PostgreSQL puts what it is computed from in its place.
            info.reads |= !replaced;
            info.folds &= replaced;
            info.parts.clear();
            if fenced {
                info.exposed.clear();
                info.leak = None;
            }
            Visible {
                name: column.name.clone(),
                info: info.into(),
            }
        });
        Some(visible.collect())
    }

    pub(super) fn push_rte(&mut self, place: &Place, rte: Rte<'a>) -> RteId {
        let id = self.rtes.len();
        self.rtes.push(Rte {
            in_view: self.context.origin.is_some(),
            ..rte
        });
        if let Some(block) = self.blocks.get_mut(place.block) {
            block.rtes.push(id);
        }
        id
    }

    /// A sub-query in `FROM`: merged into the block when PostgreSQL could merge it as well and
    /// nothing is lost, else a block of its own.
    fn derived(
        &mut self,
        query: &'a crate::ir::Query,
        place: &Place,
        outer: Option<usize>,
    ) -> Option<Vec<Visible>> {
        if let Some(select) = super::select::mergeable(query, self.catalog) {
            return self.merged(select, place, outer);
        }
        let early = std::mem::replace(&mut self.early, true);
        let watermark = self.watch.len();
        self.begin_watch();
        let output = self.query(query, Some(place.block), &place.guard, outer);
        let watched = self.watch.pop();
        self.watch.truncate(watermark);
        self.early = early;
        // A lateral query is evaluated for each row beside it, before a join pins that row.
        if let Some(leak) = watched.as_ref().and_then(|watched| watched.leak.clone()) {
            let beside = self.block_rtes(place.block);
            let outer = watched.map(|watched| watched.outer).unwrap_or_default();
            let exposed: Vec<RteId> = outer
                .into_iter()
                .filter(|rte| beside.contains(rte))
                .collect();
            if !exposed.is_empty() {
                self.checks.push(super::check::Check::Lateral {
                    exposed,
                    leak,
                    key: false,
                    context: self.context.clone(),
                });
            }
        }
        let columns = self.visible(output)?;
        let fenced = self
            .outputs
            .get(output)
            .is_some_and(|output| output.limited);
        self.reference("", output, Some(columns), fenced, place)
    }

    fn function_item(
        &mut self,
        calls: &'a [FunctionItem],
        ordinality: bool,
        alias: Option<&'a Alias>,
        span: &Span,
        place: &Place,
        scope: usize,
    ) -> Namespace {
        let env = super::state::Env {
            scope,
            block: place.block,
            guard: place.guard.clone(),
            condition: false,
            rows: None,
            upsert: false,
        };
        let mut columns: Option<Vec<Visible>> = Some(Vec::new());
        let mut scalar = false;
        for call in calls {
            self.rows = FunctionRows::default();
            let (info, operands) = self.call_in_from(&call.expr, &env);
            let rows = std::mem::take(&mut self.rows);
            self.computed_early(&info);
            self.note_risk(place.block, info.fails.as_ref());
            for column in &call.columns {
                self.check_type(&column.ty);
            }
            let base = Info {
                node: None,
                ty: None,
                aggregate: false,
                leak: rows.leak,
                fails: None,
                reads: rows.read || self.stays_a_function(call),
                folds: false,
                constant: false,
                open: false,
                parts: Vec::new(),
                ..info
            };
            let alias_name = (calls.len() == 1)
                .then_some(alias)
                .flatten()
                .map(|a| a.name.as_str());
            match self.function_columns(call, alias_name, &operands, &base) {
                Some((found, is_scalar)) => {
                    scalar = is_scalar;
                    if let Some(columns) = &mut columns {
                        columns.extend(found);
                    }
                }
                None => columns = None,
            }
        }
        if ordinality && let Some(columns) = &mut columns {
            scalar = false;
            columns.push(Visible {
                name: "ordinality".into(),
                info: Info {
                    ty: Some(Ty::plain("int8")),
                    reads: true,
                    ..Info::default()
                }
                .into(),
            });
        }
        // Columns that can't be told are known once the alias names them and nothing is left open:
        // only a list of all of them would do, and how many there are is not known.
        let name = calls.first().and_then(|call| match &call.expr.kind {
            ExprKind::Call(call) => call.name.parts.last().map(String::as_str),
            _ => None,
        });
        let mut namespace = self.renamed(alias, name.map(|name| (name, None)), columns, None, span);
        if let [table] = namespace.tables.as_mut_slice() {
            table.scalar = scalar && calls.len() == 1;
        }
        namespace
    }

    /// Walks a call in `FROM`; what the whole depends on, and its arguments.
    fn call_in_from(
        &mut self,
        expr: &'a crate::ir::Expr,
        env: &super::state::Env,
    ) -> (Info, Vec<Info>) {
        let operands = match &expr.kind {
            // The types of the arguments tell what the columns are. What this walk reports is kept:
            // the body of a function is read once. One over a sub-query would count it twice.
            ExprKind::Call(call) => call
                .args
                .iter()
                .map(|arg| {
                    if super::walk::has_subquery(arg) {
                        Info::default()
                    } else {
                        self.expr(arg, env)
                    }
                })
                .collect(),
            _ => Vec::new(),
        };
        (self.expr(expr, env), operands)
    }

    pub(super) fn push_fact(&mut self, block: BlockId, fact: Fact) {
        if let Some(block) = self.blocks.get_mut(block) {
            block.facts.push(fact);
        }
    }

    /// A guard with one more condition that no other guard has.
    pub(super) fn guard_with_new(&mut self, guard: &Guard) -> Guard {
        let new = self.next_guard;
        self.next_guard += 1;
        guard.iter().copied().chain([new]).collect()
    }

    pub(super) fn unknown_relation(&self, relation: &RelationRef) -> Diagnostic {
        let (schema, name) = split(relation);
        let shown = relation.name.parts.join(".");
        let mut diagnostic = Diagnostic::error(
            Code::UNKNOWN_RELATION,
            format!("no migration creates the relation `{shown}`"),
        )
        .at(relation.name.span.clone());
        match self.catalog.did_you_mean_relation(schema, name) {
            Some(near) => diagnostic = diagnostic.help(format!("did you mean `{near}`?")),
            None => {
                diagnostic = diagnostic.help(format!(
                    "add a migration that creates `{shown}`, or name its folder under \
                     `migrations` in watertight.toml; `cargo watertight catalog` lists what is known"
                ));
            }
        }
        diagnostic
    }
}

/// The schema and the name of a reference.
pub(super) fn split(relation: &RelationRef) -> (Option<&str>, &str) {
    match relation.name.parts.as_slice() {
        [schema, name] => (Some(schema), name),
        [name] => (None, name),
        _ => (None, ""),
    }
}
