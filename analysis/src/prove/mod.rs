//! The prover: a statement and a catalog to a proof or a refusal.
//!
//! Stages: parse and lower; collect blocks, entries and facts while names, functions and operators
//! are checked; settle which outputs hold the tenant; check every occurrence; account for every
//! relation of the tree. Invariant: what is not understood is refused.

mod accounting;
mod assign;
mod block;
mod body;
mod builtin;
mod calls;
mod cast;
mod check;
mod collation;
mod digits;
mod domain;
mod effects;
mod equality;
mod explain;
mod expr;
mod from;
mod implied;
mod insert;
mod join;
mod late;
mod leaky;
mod mend;
mod merge;
mod operator;
mod pin;
mod policies;
mod proof;
mod provenance;
mod query;
mod references;
mod relation;
mod resolve;
mod select;
mod setting;
mod shadow;
mod state;
mod subquery;
mod table_function;
mod targets;
mod upsert;
mod value;
mod walk;
mod with;
mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

pub use proof::{Grade, Occurrence, OutputColumn, Proof, StatementKind};

use crate::catalog::Catalog;
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Statement;
use crate::lower::{Lower, Seen};
use crate::parse::{Limits, statements};
use crate::prepare::Prepared;
use crate::worker;
use state::{Context, Guard, Mode, Prover};

/// Proves that the statement reads only the tenant's rows and global tables, and writes only the
/// tenant's rows.
///
/// # Errors
/// Everything that keeps it from being proved; spans are in `prepared.source`.
pub fn prove(catalog: &Catalog, prepared: &Prepared) -> Result<Proof, Vec<Diagnostic>> {
    on_worker(catalog, prepared, Mode::Tenant)
}

/// For `unproved!`: one statement on the function list whose relations are all protected or
/// global. Only what is not understood about its predicates is waived.
///
/// # Errors
/// As [`prove`], and where the configuration forbids it.
pub fn prove_unproved(catalog: &Catalog, prepared: &Prepared) -> Result<Proof, Vec<Diagnostic>> {
    if catalog.config().forbid_unproved {
        return Err(vec![
            Diagnostic::error(
                Code::UNPROVED_FORBIDDEN,
                "the configuration forbids `unproved!`",
            )
            .help("write a statement that can be proved, or drop `forbid-unproved` from `watertight.toml`"),
        ]);
    }
    on_worker(catalog, prepared, Mode::Unproved)
}

/// For queries before there is a tenant: one statement on the function list whose relations are
/// among `tables`.
///
/// # Errors
/// As [`prove`].
pub fn prove_system(
    catalog: &Catalog,
    prepared: &Prepared,
    tables: &[String],
) -> Result<Proof, Vec<Diagnostic>> {
    if prepared.tenant.is_some() {
        return Err(vec![
            Diagnostic::error(
                Code::UNKNOWN_PARAMETER,
                "a system query has no tenant, so nothing binds `$tenant`",
            )
            .help("take the tenant as an argument of the function"),
        ]);
    }
    on_worker(catalog, prepared, Mode::System(tables))
}

fn on_worker(
    catalog: &Catalog,
    prepared: &Prepared,
    mode: Mode<'_>,
) -> Result<Proof, Vec<Diagnostic>> {
    let judged =
        worker::run(|| judge(catalog, prepared, mode)).unwrap_or_else(|bug| Err(vec![*bug]));
    // Everything so far speaks of the text that is sent.
    let map = |span: &std::ops::Range<usize>| prepared.source_span(span);
    match judged {
        Ok(mut proof) => {
            for occurrence in &mut proof.occurrences {
                occurrence.span = occurrence.span.as_ref().map(map);
            }
            for column in proof.columns.iter_mut().flatten() {
                column.span = column.span.as_ref().map(map);
            }
            Ok(proof)
        }
        Err(mut problems) => {
            for problem in &mut problems {
                problem.span = problem.span.as_ref().map(map);
                for (span, _) in &mut problem.secondary {
                    *span = map(span);
                }
            }
            problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
            Err(problems)
        }
    }
}

impl<'a> Prover<'a> {
    /// A proof of which nothing was read yet.
    fn new(
        catalog: &'a Catalog,
        prepared: &'a Prepared,
        mode: Mode<'a>,
        tokens: crate::lower::tokens::Tokens,
    ) -> Self {
        Self {
            catalog,
            prepared,
            mode,
            tokens,
            rtes: Vec::new(),
            blocks: Vec::new(),
            scopes: Vec::new(),
            outputs: Vec::new(),
            with: Vec::new(),
            context: Rc::new(Context {
                origin: None,
                definer: false,
                depth: 0,
                arguments: None,
                default_value: false,
                policy: false,
            }),
            next_guard: 0,
            checks: Vec::new(),
            classified: HashSet::new(),
            relations: BTreeMap::new(),
            problems: Vec::new(),
            writes: false,
            functions: HashMap::new(),
            occurrences: Vec::new(),
            weakest: Grade::Rls,
            joins: 0,
            equality_shadowed: false,
            watch: Vec::new(),
            stopped: false,
            uncast: BTreeSet::new(),
            texts: late::Texts::default(),
            aggregates: std::cell::RefCell::default(),
            early: false,
            reading: HashMap::new(),
            late: HashMap::new(),
            top_exists: None,
            rows: state::FunctionRows::default(),
            sub_queries: HashMap::new(),
            misses: Vec::new(),
            insertions: Vec::new(),
            references: Vec::new(),
            policies_read: HashSet::new(),
            refused: Vec::new(),
            given: Vec::new(),
        }
    }
}

fn judge(catalog: &Catalog, prepared: &Prepared, mode: Mode<'_>) -> Result<Proof, Vec<Diagnostic>> {
    let mut parsed = statements(&prepared.sql, Limits::STATEMENT)?;
    let statement = match (parsed.statements.pop(), parsed.statements.pop()) {
        (Some(statement), None) => statement,
        (None, _) => {
            return Err(vec![Diagnostic::error(
                Code::NOT_ONE_STATEMENT,
                "there is no statement",
            )]);
        }
        (Some(second), Some(_)) => {
            return Err(vec![
                Diagnostic::error(Code::NOT_ONE_STATEMENT, "there is more than one statement")
                    .at(second.span)
                    .label("a further statement")
                    .help("send each statement by itself"),
            ]);
        }
    };
    let lower = Lower::new(&parsed.tokens);
    let lowered = lower
        .statement(&statement.node, &statement.span)
        .map_err(|problem| vec![*problem])?;
    let seen = lower.seen();
    let tree = statement.node.to_text();
    let mut prover = Prover::new(catalog, prepared, mode, parsed.tokens);
    prover.equality_shadowed = prover.shadowed("=");
    prover.implicit_casts();
    let output = prover.write(&lowered, None, &Guard::from([]), None);
    if prover.stopped {
        // What was not read any more gives reasons that are none.
        prover
            .problems
            .retain(|problem| problem.code == Code::TOO_LARGE);
        return Err(prover.problems);
    }
    prover.settle();
    prover.run_checks();
    if !prover.problems.is_empty() {
        return Err(prover.problems);
    }
    account(&tree, &seen, &prover)?;
    let columns = output.and_then(|output| {
        let output = prover.outputs.get(output)?;
        let columns = output.columns.as_ref()?.iter().enumerate();
        Some(
            columns
                .map(|(index, column)| OutputColumn {
                    name: column.name.clone().filter(|name| name != "?column?"),
                    // A column that the statement itself makes equal to the tenant is the tenant.
                    from_tenant: column.info.from_tenant
                        || output.pinned.get(index).copied().unwrap_or_default(),
                    span: column.span.clone(),
                    star: column.star,
                })
                .collect(),
        )
    });
    let casts_numerics = prover.reads_numerics();
    let mut occurrences = prover.occurrences;
    occurrences.sort_by_key(|occurrence| occurrence.span.as_ref().map_or(usize::MAX, |s| s.start));
    Ok(Proof {
        kind: match lowered {
            Statement::Query(_) => StatementKind::Query,
            Statement::Insert(_) => StatementKind::Insert,
            Statement::Update(_) => StatementKind::Update,
            Statement::Delete(_) => StatementKind::Delete,
            Statement::Merge(_) => StatementKind::Merge,
        },
        writes: prover.writes,
        grade: prover.weakest,
        returns_rows: output.is_some(),
        occurrences,
        columns,
        relations: prover.relations.into_keys().collect(),
        uncast: if casts_numerics {
            prover.uncast.into_iter().collect()
        } else {
            Vec::new()
        },
        untexted: prover.texts.refused(),
        parameters: prepared.parameters.len() + usize::from(prepared.tenant.is_some()),
    })
}

/// Every relation, column and parameter that the printed tree names has been seen.
fn account(tree: &str, seen: &Seen, prover: &Prover<'_>) -> Result<(), Vec<Diagnostic>> {
    let named = accounting::places(tree, "RANGEVAR");
    let classified: BTreeSet<usize> = prover.classified.iter().copied().collect();
    if named != classified {
        return Err(vec![Diagnostic::error(
            Code::ACCOUNTING,
            format!(
                "bug in watertight, please report: the statement names {} relations, and {} were classified",
                named.len(),
                classified.len()
            ),
        )]);
    }
    let parameters = accounting::places(tree, "PARAMREF");
    let lexed: BTreeSet<usize> = prover
        .prepared
        .lexed_parameters()
        .map_err(|problem| vec![*problem])?
        .into_iter()
        .map(|(at, _)| at)
        .collect();
    if parameters != lexed {
        return Err(vec![Diagnostic::error(
            Code::ACCOUNTING,
            "bug in watertight, please report: the tree has other parameters than the text",
        )]);
    }
    let columns = accounting::places(tree, "COLUMNREF");
    if parameters != seen.parameters || columns != seen.columns {
        return Err(vec![Diagnostic::error(
            Code::ACCOUNTING,
            "bug in watertight, please report: the analysis overlooked a column or a parameter of the statement",
        )]);
    }
    Ok(())
}

impl Prover<'_> {
    /// Whether a table without row-level security is read that has a column of unbounded numbers, or
    /// of a type that is not known: such a number may not fit a float that it meets.
    fn reads_numerics(&self) -> bool {
        self.rtes.iter().any(|rte| match &rte.kind {
            state::RteKind::Base(base) if !base.protected && !base.global => {
                base.relation.columns.iter().any(|column| {
                    let ty = column.ty.as_ref().and_then(|ty| self.type_of(ty));
                    ty.is_none_or(|ty| &*ty.name == "numeric")
                })
            }
            _ => false,
        })
    }

    /// A cast that PostgreSQL applies without being told runs a function of the migrations in
    /// places that nothing shows.
    fn implicit_casts(&mut self) {
        if self.catalog.casts().iter().any(|cast| cast.implicit) {
            self.problem(Diagnostic::error(
                Code::SHADOWED,
                "a migration defines an implicit cast, so what a comparison runs can't be told",
            ));
        }
    }
}
