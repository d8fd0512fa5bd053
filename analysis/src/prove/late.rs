//! When an expression is computed: by the planner, where a row is read, or when the first row asks
//! for it.
//!
//! PostgreSQL lets a condition pass in front of a policy's if nothing in it could leak a column. What
//! reads no column may then fail for a row of another tenant, and the error tells that there is one.
//! Invariant: what can fail and reads no column is refused in a condition, unless planning computes
//! it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::state::{BlockId, Info, Leak, OutputId, OutputSource, Prover, RteKind};
use super::subquery::bare;
use super::walk::{children, has_subquery};
use crate::catalog::{Body, Catalog, Volatility, type_text};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::operators;
use crate::functions::types::{Ty, is_own};
use crate::functions::{builtin, is_stable};
use crate::ir::{BoolTest, Call, Expr, ExprKind, FunctionItem, Literal, Statement};

/// When a part of a condition is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// To estimate how many rows there will be, always.
    Planned,
    /// For a row that asks for it.
    Late,
}

/// Casts of parameters, by number and type, that fail late if the client sends a text.
#[derive(Default)]
pub(super) struct Texts {
    late: BTreeSet<(u32, String)>,
    planned: BTreeSet<(u32, String)>,
}

impl Texts {
    /// The parameters that take no text: a cast that planning computes somewhere fails before any row.
    pub(super) fn refused(&self) -> Vec<u32> {
        let late = self.late.difference(&self.planned);
        let mut numbers: Vec<u32> = late.map(|(number, _)| *number).collect();
        numbers.dedup();
        numbers
    }
}

impl Prover<'_> {
    /// Notes of an expression of a condition whether it reads a column, or can fail without one.
    pub(super) fn note_late(&mut self, expr: &Expr, info: &Info) {
        let place = std::ptr::from_ref(expr);
        if info.reads {
            self.reading
                .insert(place, info.ty.as_ref().is_some_and(has_estimates));
        } else if let (Some(fails), false) = (&info.fails, info.folds) {
            self.late.insert(place, fails.clone());
        }
    }

    /// Refuses a condition with a part that reads no column, can fail, and is computed row by row.
    pub(super) fn refuse_late(&mut self, condition: &Expr) {
        if !self.tenant_mode() {
            return;
        }
        self.note_texts(condition);
        if let Some(late) = self.late_part(condition) {
            let diagnostic = Diagnostic::error(
                Code::LEAKY_ERROR,
                format!("{} could fail, and whether it is computed tells whether a row of any tenant met the conditions before it", late.what),
            )
            .at(late.span.clone())
            .help("compute it in the program and pass the value, or cast the parameter itself, as in `$at::timestamptz`: then its value has the type before the statement runs");
            self.problem(diagnostic);
        }
    }

    pub(super) fn late_part(&self, expr: &Expr) -> Option<&Leak> {
        let mut found = None;
        self.parts(expr, &mut |part, when| {
            if when == When::Late && found.is_none() {
                found = self.late_within(part);
            }
        });
        found
    }

    /// Tells the parts of a condition by when they are computed.
    fn parts<'e>(&self, expr: &'e Expr, tell: &mut dyn FnMut(&'e Expr, When)) {
        match &expr.kind {
            ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Not(_)
            | ExprKind::IsBool {
                test: BoolTest::True | BoolTest::NotTrue | BoolTest::False | BoolTest::NotFalse,
                ..
            } => {
                for part in children(expr) {
                    self.parts(part, tell);
                }
            }
            // What a column is compared with is computed to estimate how many rows there will be.
            ExprKind::Operator { .. }
            | ExprKind::InList { .. }
            | ExprKind::Between { .. }
            | ExprKind::Distinct { .. }
            | ExprKind::Quantified { .. }
                if is_estimated(expr) =>
            {
                let sides = children(expr);
                let reads = |side: &Expr| self.reading.get(&std::ptr::from_ref(side)).copied();
                let estimated = self.context.arguments.is_none()
                    && sides.iter().any(|side| reads(side) == Some(true));
                if !estimated {
                    return tell(expr, When::Late);
                }
                let runs = |side: &Expr| has_subquery(side) || calls_volatile(side, self.catalog);
                for side in sides {
                    let late = reads(side).is_some() || runs(side);
                    tell(side, if late { When::Late } else { When::Planned });
                }
            }
            _ => tell(expr, When::Late),
        }
    }

    /// Notes the parameters whose cast is computed row by row if the client sends a text for them: the
    /// cast of a text to a type whose input depends on the session is not computed by the planner.
    fn note_texts(&mut self, condition: &Expr) {
        let mut casts = Vec::new();
        self.parts(condition, &mut |part, when| {
            self.casts_within(part, when, &mut casts)
        });
        for (cast, when) in casts {
            match when {
                When::Late => self.texts.late.insert(cast),
                When::Planned => self.texts.planned.insert(cast),
            };
        }
    }

    fn casts_within(&self, expr: &Expr, when: When, casts: &mut Vec<((u32, String), When)>) {
        if let Some(cast) = self.text_cast(expr) {
            casts.push((cast, when));
        }
        if let ExprKind::Subquery { query, .. } = &expr.kind
            && let Some(inner) = bare(query)
        {
            self.casts_within(inner, When::Late, casts);
        }
        for part in children(expr) {
            self.casts_within(part, when, casts);
        }
    }

    /// The parameter and the type of a cast that depends on the session where a text is sent for it.
    fn text_cast(&self, expr: &Expr) -> Option<(u32, String)> {
        let ExprKind::Cast { expr: inner, ty } = &expr.kind else {
            return None;
        };
        let ExprKind::Parameter(number) = inner.kind else {
            return None;
        };
        let own = self.context.origin.is_none() && self.prepared.tenant != Some(number);
        (own && !is_immutable(Ty::of(ty).as_ref(), false)).then(|| (number, type_text(ty)))
    }

    /// The same for an expression of a sub-query that is merged into the query around it.
    pub(super) fn note_texts_below(&mut self, expr: &Expr) {
        let mut casts = Vec::new();
        self.casts_within(expr, When::Late, &mut casts);
        self.texts
            .late
            .extend(casts.into_iter().map(|(cast, _)| cast));
    }

    /// Notes a cast of a parameter below the outermost query, where it may be computed in a condition of
    /// the query around it. In the outermost it is for the rows that are returned or written.
    pub(super) fn note_text_below(&mut self, expr: &Expr) {
        let below = self.watch.len() > 1;
        if let (true, Some(cast)) = (below, self.text_cast(expr)) {
            self.texts.late.insert(cast);
        }
    }

    fn late_within(&self, expr: &Expr) -> Option<&Leak> {
        self.late.get(&std::ptr::from_ref(expr)).or_else(|| {
            children(expr)
                .into_iter()
                .find_map(|part| self.late_within(part))
        })
    }

    /// Whether a call computes the same from the same arguments whatever the session and the time.
    pub(super) fn is_immutable_call(&self, call: &Call, operands: &[Info]) -> bool {
        let (schema, name) = match call.name.parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return false,
        };
        let defined = match schema {
            Some("pg_catalog") => Vec::new(),
            schema => self.catalog.functions(schema, name),
        };
        if !defined.is_empty() {
            return defined
                .iter()
                .all(|function| function.volatility == Volatility::Immutable);
        }
        let ty = |position: usize| operands.get(position).and_then(|info| info.ty.as_ref());
        let is = |position: usize, names: &[&str]| {
            ty(position).is_some_and(|ty| !ty.array && names.contains(&&*ty.name))
        };
        match (builtin(name), name) {
            (Some(own), _) if own.aggregate || own.window || own.set => false,
            (Some(_), "timezone") => is(1, &["timestamp", "timestamptz"]),
            (Some(_), "date_trunc") => is(1, &["timestamp", "interval"]),
            (Some(_), "date_part" | "extract") => is(1, &["timestamp", "date", "time", "interval"]),
            (Some(_), "length") => ty(0).is_some_and(Ty::is_text),
            (Some(_), _) => !is_stable(name),
            (None, _) => false,
        }
    }

    /// Whether the columns of a function in `FROM` are read of its rows. The call of one that returns
    /// no set may be computed by the planner.
    pub(super) fn stays_a_function(&self, item: &FunctionItem) -> bool {
        match &item.expr.kind {
            ExprKind::Call(call) => call.name.parts.last().is_some_and(|name| {
                !item.columns.is_empty() || builtin(name).is_some_and(|own| own.set)
            }),
            _ => false,
        }
    }

    /// Whether PostgreSQL puts the expressions of a query in the place of its columns although it is
    /// no `SELECT` over rows: one without `FROM`, or a single row of `VALUES`.
    pub(super) fn is_replaced(&self, output: OutputId) -> bool {
        match self.outputs.get(output).map(|output| &output.source) {
            Some(OutputSource::Values(_)) => true,
            Some(OutputSource::Block { block, .. }) => self
                .blocks
                .get(*block)
                .is_none_or(|block| block.rtes.is_empty()),
            _ => false,
        }
    }

    /// Whether a block reads a table without row-level security.
    pub(super) fn reads_bare(&self, block: BlockId) -> bool {
        self.block_rtes(block).iter().any(|rte| {
            self.rtes.get(*rte).is_some_and(
                |rte| matches!(&rte.kind, RteKind::Base(base) if !base.protected && !base.global),
            )
        })
    }

    /// A part that can fail as it is told where the statement mentions it: inside of a view or a
    /// function the place is that of the name.
    pub(super) fn at_mention(&self, leak: &Leak) -> Leak {
        match &self.context.origin {
            None => leak.clone(),
            Some((span, _)) => Leak {
                span: span.clone(),
                what: leak.what.clone(),
            },
        }
    }

    /// Tells the sub-queries being read of something in a query below that can fail.
    pub(super) fn note_fails(&mut self, fails: Option<&Leak>) {
        for watch in &mut self.watch {
            if watch.fails.is_none() {
                watch.fails = fails.cloned();
            }
        }
    }

    /// Notes that something which can fail is computed while the rows of a block are found.
    pub(super) fn note_risk(&mut self, block: BlockId, fails: Option<&Leak>) {
        let context = self.context.clone();
        if let (Some(fails), Some(block)) = (fails, self.blocks.get_mut(block)) {
            block.risk.get_or_insert_with(|| (fails.clone(), context));
        }
    }

    /// Refuses what can fail beside a table whose foreign rows are still there when it is computed:
    /// one that is pinned by what it is joined with, and not where its rows are read.
    pub(super) fn check_risks(&mut self) {
        if !self.tenant_mode() {
            return;
        }
        let mut found = Vec::new();
        for block in &self.blocks {
            let Some((leak, context)) = &block.risk else {
                continue;
            };
            for rte in &block.rtes {
                let bare = self.rtes.get(*rte).and_then(|entry| match &entry.kind {
                    RteKind::Base(base) if !base.protected && !base.global => Some(base.relation),
                    _ => None,
                });
                if let Some(relation) = bare
                    && relation.tenant_column.is_some()
                    && !self.refused.contains(rte)
                    && !self.filtered_at_scan(*rte, true)
                {
                    found.push((*rte, relation, leak.clone(), Rc::clone(context)));
                }
            }
        }
        for (rte, relation, leak, context) in found {
            let name = self.rtes.get(rte).map_or("", |rte| &rte.name);
            let tenant = relation.tenant().map_or("", |column| &column.name);
            let condition = format!(
                "{}.{} = $tenant",
                crate::catalog::quote(name),
                crate::catalog::quote(tenant)
            );
            let diagnostic = Diagnostic::error(
                Code::LEAKY_ERROR,
                format!("{} could fail, and whether it is computed may depend on another tenant's row of `{name}`", leak.what),
            )
            .at(leak.span.clone())
            .note(format!(
                "the rows of `{name}` are the tenant's by what they are joined with, and PostgreSQL may join others first"
            ))
            .help(format!("filter them where they are read as well: `{condition}`"));
            let placed =
                context.origin.is_none() && self.insertions.iter().any(|(known, _)| *known == rte);
            let mended = placed.then(|| self.mended(rte, &leak.span, &condition));
            let diagnostic = match mended.flatten() {
                Some(mended) => diagnostic.help(format!("write: {mended}")),
                None => diagnostic,
            };
            self.problem_in(diagnostic, &context);
        }
    }
}

/// Whether an expression calls a volatile function of the migrations that is not replaced by its body:
/// an estimate does not run it.
fn calls_volatile(expr: &Expr, catalog: &Catalog) -> bool {
    let here = match &expr.kind {
        ExprKind::Call(call) => {
            let defined = match call.name.parts.as_slice() {
                [name] => catalog.functions(None, name),
                [schema, name] => catalog.functions(Some(schema), name),
                _ => Vec::new(),
            };
            defined.iter().any(|function| {
                let replaced = match &function.body {
                    Body::Sql { statements, .. } => matches!(statements.as_slice(),
                        [Statement::Query(query)] if bare(query).is_some()),
                    Body::Opaque { .. } => false,
                };
                function.volatility == Volatility::Volatile && !replaced
            })
        }
        _ => false,
    };
    here || children(expr)
        .into_iter()
        .any(|part| calls_volatile(part, catalog))
}

/// Whether PostgreSQL estimates how many rows a comparison lets through by computing its other side.
fn is_estimated(expr: &Expr) -> bool {
    let row = children(expr)
        .into_iter()
        .any(|side| matches!(side.kind, ExprKind::Row(_)));
    match &expr.kind {
        ExprKind::Operator { name, .. } | ExprKind::Quantified { name, .. } => {
            name.parts.last().is_some_and(|name| match name.as_str() {
                "=" => true,
                // Of rows only the first columns are looked at.
                "<>" | "<" | "<=" | ">" | ">=" => !row,
                "@@" | "@>" | "<@" | "&&" | "?" | "?|" | "?&" | "@?" | "<<" | ">>" | "<<="
                | ">>=" | "-|-" | "&<" | "&>" | "^@" => true,
                name => operators::is_like(name) || operators::is_regex(name),
            })
        }
        _ => !row,
    }
}

/// Whether the operators of a type estimate how many rows they let through from the value on their
/// other side (`oprrest`); those of geometric types take a constant.
fn has_estimates(ty: &Ty) -> bool {
    is_own(&ty.name)
        && !matches!(
            &*ty.name,
            "box" | "circle" | "line" | "lseg" | "path" | "point" | "polygon" | "json" | "xml"
        )
        || matches!(&*ty.name, "citext" | "hstore" | "ltree" | "enum")
}

/// Whether operations on values of these types give the same whatever the session.
pub(super) fn folds(operands: &[&Info]) -> bool {
    operands
        .iter()
        .all(|operand| is_immutable(operand.ty.as_ref(), operand.open))
        && operands.iter().any(|operand| operand.ty.is_some())
}

/// Whether a type is one whose casts and operators depend on nothing but their operands.
pub(super) fn is_immutable(ty: Option<&Ty>, open: bool) -> bool {
    ty.map_or(open, |ty| {
        matches!(
            &*ty.name,
            "bool"
                | "int2"
                | "int4"
                | "int8"
                | "numeric"
                | "float4"
                | "float8"
                | "text"
                | "varchar"
                | "bpchar"
                | "uuid"
                | "json"
                | "jsonb"
                | "jsonpath"
                | "bytea"
                | "inet"
                | "cidr"
        )
    })
}

/// The present time, or a time at a distance from it that the statement says: no such value is near
/// the ends of what there is.
pub(super) fn is_near_now(expr: &Expr) -> bool {
    let literal = |expr: &Expr| match &expr.kind {
        ExprKind::Cast { expr, .. } => matches!(expr.kind, ExprKind::Literal(Literal::String(_))),
        ExprKind::Literal(Literal::String(_) | Literal::Number(_)) => true,
        _ => false,
    };
    match &expr.kind {
        ExprKind::SqlValue(_) => true,
        ExprKind::Call(call) => match (call.name.parts.last().map(String::as_str), &*call.args) {
            (
                Some("now" | "statement_timestamp" | "transaction_timestamp" | "clock_timestamp"),
                [],
            ) => true,
            (Some("date_trunc"), [unit, moment]) => {
                let known = matches!(&unit.kind, ExprKind::Literal(Literal::String(unit))
                    if matches!(&*unit.to_ascii_lowercase(),
                        "second" | "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year"));
                known && is_near_now(moment)
            }
            _ => false,
        },
        ExprKind::Cast { expr, ty } => {
            let moment = Ty::of(ty).is_some_and(|ty| {
                !ty.array && matches!(&*ty.name, "date" | "timestamp" | "timestamptz")
            });
            moment && is_near_now(expr)
        }
        ExprKind::Operator {
            name,
            left: Some(left),
            right,
        } => {
            let shift = matches!(name.parts.as_slice(), [name] if name == "+" || name == "-");
            shift && is_near_now(left) && literal(right)
        }
        _ => false,
    }
}
