//! What is checked once everything is collected, and how problems and occurrences are noted.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::pin::Memo;
use super::proof::{Grade, Occurrence};
use super::state::{
    Block, BlockId, Context, FactKind, Guard, Leak, Node, OutputId, Prover, Rte, RteId, RteKind,
};
use crate::catalog::Relation;
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Span;

/// How many problems of one statement are explained.
const PROBLEMS: usize = 40;

/// Why an occurrence has to be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its rows are read.
    Read,
    /// Its rows are changed or removed.
    Change,
    /// It is the target of a MERGE.
    Merge,
    /// It is the row that an upsert conflicts with.
    Upsert,
}

/// A condition of the proof.
#[derive(Clone, Debug)]
pub(super) enum Check<'a> {
    /// The tenant column of an occurrence equals the tenant.
    Pinned {
        rte: RteId,
        relation: &'a Relation,
        block: BlockId,
        span: Span,
        purpose: Purpose,
        context: Rc<Context>,
    },
    /// A column of the source of an INSERT holds the tenant in every row.
    InsertTenant {
        output: OutputId,
        index: usize,
        relation: &'a Relation,
        span: Span,
        context: Rc<Context>,
    },
    /// A table is neither declared nor protected; what is known of its columns tells which
    /// declaration is meant.
    Undeclared {
        rte: RteId,
        relation: &'a Relation,
        block: BlockId,
        span: Span,
        context: Rc<Context>,
    },
    /// A value that a branch of a MERGE gives for the tenant column is the tenant.
    MergeTenant {
        node: Node,
        block: BlockId,
        guard: Guard,
        /// What is said if it is not.
        otherwise: Box<Diagnostic>,
        context: Rc<Context>,
    },
    /// The arguments of a function in `FROM` raise an error on no foreign row.
    Lateral {
        exposed: Vec<RteId>,
        leak: Leak,
        /// Whether it is a key that rows are sorted or grouped by.
        key: bool,
        context: Rc<Context>,
    },
}

impl<'a> Prover<'a> {
    /// Notes a problem; inside of a view or a function at the place of its mention.
    pub(super) fn problem(&mut self, diagnostic: Diagnostic) {
        let context = self.context.clone();
        self.problem_in(diagnostic, &context);
    }

    pub(super) fn problem_in(&mut self, mut diagnostic: Diagnostic, context: &Context) {
        if let Some((span, what)) = &context.origin {
            diagnostic.message = format!("in {what}: {}", diagnostic.message);
            diagnostic.span = Some(span.clone());
            diagnostic.label = None;
            diagnostic.secondary.clear();
        }
        self.stopped |= diagnostic.code == Code::TOO_LARGE;
        let known = self.problems.iter().any(|problem| {
            problem.span == diagnostic.span && problem.message == diagnostic.message
        });
        if !known {
            self.problems.push(diagnostic);
        }
    }

    /// Notes that the name of a relation was classified.
    pub(super) fn classify(&mut self, span: &Span) {
        if self.context.origin.is_none() {
            self.classified.insert(span.start);
        }
    }

    pub(super) fn occurrence(
        &mut self,
        relation: &Relation,
        span: &Span,
        class: &'static str,
        reasons: Vec<String>,
    ) {
        let context = self.context.clone();
        self.occurrence_in(relation, span, class, reasons, &context);
    }

    fn occurrence_in(
        &mut self,
        relation: &Relation,
        span: &Span,
        class: &'static str,
        mut reasons: Vec<String>,
        context: &Context,
    ) {
        let span = match &context.origin {
            None => Some(span.clone()),
            Some((_, what)) => {
                reasons.push(format!("inside of {what}"));
                None
            }
        };
        self.occurrences.push(Occurrence {
            relation: relation.qualified(),
            span,
            class,
            reasons,
        });
    }

    /// Checks what collecting left to be checked.
    pub(super) fn run_checks(&mut self) {
        let checks = std::mem::take(&mut self.checks);
        let mut memo = Memo::default();
        for check in checks {
            // What is refused is refused; nobody reads the hundredth reason.
            if self.problems.len() >= PROBLEMS {
                return;
            }
            match check {
                Check::Pinned {
                    rte,
                    relation,
                    block,
                    span,
                    purpose,
                    context,
                } => self.check_pinned(rte, relation, block, &span, purpose, &context, &mut memo),
                Check::InsertTenant {
                    output,
                    index,
                    relation,
                    span,
                    context,
                } => {
                    let pinned = self
                        .outputs
                        .get(output)
                        .and_then(|output| output.pinned.get(index))
                        .copied()
                        .unwrap_or(false);
                    // Where the tenant column of a table is selected whose rows are refused, that
                    // is what to mend.
                    if !pinned && !self.selects_refused(output, index) {
                        let diagnostic = self.explain_insert(relation, &span, output, index);
                        self.problem_in(diagnostic, &context);
                    }
                }
                Check::Undeclared {
                    rte,
                    relation,
                    block,
                    span,
                    context,
                } => {
                    let guard = self
                        .rtes
                        .get(rte)
                        .map_or_else(|| Guard::from([]), |rte| rte.guard.clone());
                    let reached = self.reached(block, &guard, &mut memo);
                    let named = relation
                        .columns
                        .iter()
                        .enumerate()
                        .find(|(index, _)| reached.contains(Node::Column(rte, *index)))
                        .map(|(_, column)| column.name.as_str());
                    let diagnostic = self.explain_undeclared(relation, &span, named);
                    self.problem_in(diagnostic, &context);
                }
                Check::MergeTenant {
                    node,
                    block,
                    guard,
                    otherwise,
                    context,
                } => {
                    if !self.reached(block, &guard, &mut memo).contains(node) {
                        self.problem_in(*otherwise, &context);
                    }
                }
                Check::Lateral {
                    exposed,
                    leak,
                    key,
                    context,
                } => {
                    // Such a condition filters the scan below the function.
                    let direct = exposed.iter().all(|rte| self.filtered_at_scan(*rte, key));
                    if !direct {
                        let diagnostic = self.leak_diagnostic(&leak, &exposed, None);
                        self.problem_in(diagnostic, &context);
                    }
                }
            }
        }
        self.check_risks();
    }

    /// Whether a column of an output is that of a table whose rows were refused.
    fn selects_refused(&self, output: OutputId, index: usize) -> bool {
        let node = self
            .outputs
            .get(output)
            .and_then(|output| output.columns.as_ref()?.get(index)?.info.node);
        let Some(Node::Column(rte, column)) = node else {
            return false;
        };
        let tenant = match self.rtes.get(rte).map(|rte| &rte.kind) {
            Some(RteKind::Base(base)) => base.relation.tenant_column,
            _ => None,
        };
        tenant == Some(column) && self.refused.contains(&rte) && !self.problems.is_empty()
    }

    #[allow(clippy::too_many_arguments)] // One check, whose parts stand in one variant.
    fn check_pinned(
        &mut self,
        rte: RteId,
        relation: &'a Relation,
        block: BlockId,
        span: &Span,
        purpose: Purpose,
        context: &Context,
        memo: &mut Memo,
    ) {
        let Some(column) = relation.tenant_column else {
            self.problem(Diagnostic::bug("a scoped table without a tenant column"));
            return;
        };
        let guard = self
            .rtes
            .get(rte)
            .map_or_else(|| Guard::from([]), |rte| rte.guard.clone());
        let node = Node::Column(rte, column);
        let reached = self.reached(block, &guard, memo);
        if reached.contains(node) {
            // Pinned by conditions of the query around it, which may be evaluated later than this
            // block: then nothing in it may raise an error.
            let leak = self
                .blocks
                .get(block)
                .filter(|block| block.early)
                .and_then(|block| block.leak.clone());
            if let Some((leak, exposed)) = leak
                && !self.reached_by_itself(block, &guard, node, memo)
            {
                let diagnostic = self.leak_diagnostic(&leak, &exposed, None);
                self.problem_in(diagnostic, context);
            }
            let path: Vec<String> = reached.path(node).into_iter().map(str::to_owned).collect();
            let name = self.rtes.get(rte).map_or("", |rte| &rte.name);
            let path = path.join(", ");
            let reason = if *name == relation.name {
                path
            } else {
                format!("as `{name}`, by {path}")
            };
            self.weakest = Grade::Predicate;
            self.occurrence_in(relation, span, "pinned", vec![reason], context);
            if self.catalog.config().require_rls && self.tenant_mode() {
                self.problem_in(
                    Diagnostic::error(
                        Code::GRADE,
                        format!(
                            "`{}` has no row-level security for this command, and the configuration demands it",
                            relation.display()
                        ),
                    )
                    .at(span.clone())
                    .help(format!(
                        "protect it: {}",
                        super::explain::policy_sql(relation, self.catalog.config())
                    )),
                    context,
                );
            }
            return;
        }
        // An `=` of the migrations is why nothing is pinned, and is told already.
        let told = self
            .problems
            .iter()
            .any(|problem| problem.code == Code::SHADOWED);
        if self.equality_shadowed && told {
            return;
        }
        let diagnostic = self.explain_unpinned(rte, relation, block, span, purpose, context);
        self.refused.push(rte);
        self.problem_in(diagnostic, context);
    }

    /// Whether a condition on the entry's own tenant column filters its rows where they are read:
    /// one that equates it with the tenant, or if `derives` one that PostgreSQL derives. What is
    /// equal to a constant through equalities of columns, it compares with the constant at each
    /// scan.
    pub(super) fn filtered_at_scan(&self, rte: RteId, derives: bool) -> bool {
        let Some(entry) = self.rtes.get(rte) else {
            return false;
        };
        let RteKind::Base(base) = &entry.kind else {
            return false;
        };
        let Some(column) = base.relation.tenant_column else {
            return false;
        };
        let node = Node::Column(rte, column);
        // The facts of its own block: those of a sub-query do not filter it.
        self.blocks
            .iter()
            .filter(|block| block.rtes.contains(&rte))
            .any(|block| {
                directly_equal(block, entry, node)
                    || (derives && equal_by_derivation(block, &entry.guard, node))
            })
    }
}

fn within(inner: &Guard, outer: &Guard) -> bool {
    inner.iter().all(|number| outer.contains(number))
}

/// Whether a condition equates the node with the tenant that is in force where the rows of an entry
/// with this guard are read: not one of a join that the entry's row survives.
fn directly_equal(block: &Block, entry: &Rte<'_>, node: Node) -> bool {
    block.facts.iter().any(|fact| {
        // A barrier lets what is leakproof through: equality, but no conversion.
        (fact.kind == FactKind::Filter || (fact.kind == FactKind::Converted && !entry.in_view))
            && ((fact.a == node && fact.b == Node::Tenant)
                || (fact.b == node && fact.a == Node::Tenant))
            && within(&fact.guard, &entry.guard)
    })
}

/// The same through equalities of columns.
fn equal_by_derivation(block: &Block, guard: &Guard, node: Node) -> bool {
    // Columns of this level alone, compared as they are, at the top of the level or under the very
    // joins that the entry is under.
    let own = |node: Node| match node {
        Node::Tenant => true,
        Node::Column(rte, _) => block.rtes.contains(&rte),
    };
    let mut edges: HashMap<Node, Vec<Node>> = HashMap::new();
    for fact in &block.facts {
        let place = within(&fact.guard, &block.guard) || fact.guard == *guard;
        if fact.kind == FactKind::Filter && place && own(fact.a) && own(fact.b) {
            edges.entry(fact.a).or_default().push(fact.b);
            edges.entry(fact.b).or_default().push(fact.a);
        }
    }
    let mut reached = HashSet::from([Node::Tenant]);
    let mut pending = vec![Node::Tenant];
    while let Some(next) = pending.pop() {
        for other in edges.get(&next).into_iter().flatten() {
            if reached.insert(*other) {
                pending.push(*other);
            }
        }
    }
    reached.contains(&node)
}
