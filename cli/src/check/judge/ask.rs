//! Asks the prover about a statement whose values are bound by hand.
//!
//! First as the text is, then with the parameters as the tenant that are bound to something called so,
//! else with each of them. Invariant: a proof is the prover's; what it proves with a parameter as the
//! tenant is told as such.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use watertight_analysis::prove::Grade;
use watertight_analysis::words::{Tier, classify};
use watertight_analysis::{
    Catalog, Code, Diagnostic, Proof, TenantBinding, on_kept_worker, prepare, prove,
};

use super::super::facts::Bind;
use super::super::schema::Schema;
use super::parameters::{Named, named, numbers};
use super::weigh::CERTAIN;

/// How many sets of parameters are tried as the tenant.
const TRIES: usize = 24;

/// What was answered: by the catalog, the text, and the parameters that are likely the tenant.
pub(super) type Answers = HashMap<(*const Catalog, String, Vec<Vec<u32>>), Outcome>;

/// What the prover says of a text.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Proved {
        grade: Grade,
        /// The parameters that carry the tenant.
        tenant: Vec<u32>,
        /// Whether nothing but a setting names the tenant.
        by_setting: bool,
    },
    Refused(Vec<Diagnostic>),
}

/// The parameters that are bound to something called like a tenant: those of one expression together,
/// because two expressions may be two tenants.
pub(super) fn likely(schema: &Schema, binds: Option<&[Bind]>) -> Vec<Vec<u32>> {
    let mut found: Vec<(&[String], Vec<u32>)> = Vec::new();
    for (at, bind) in binds.unwrap_or_default().iter().enumerate() {
        let named = bind
            .names
            .iter()
            .any(|name| classify(name, &schema.extra).is_some_and(|it| it.tier == Tier::First));
        let Some(number) = u32::try_from(at + 1).ok().filter(|_| named) else {
            continue;
        };
        match found.iter_mut().find(|(names, _)| *names == bind.names) {
            Some((_, numbers)) => numbers.push(number),
            None => found.push((&bind.names, vec![number])),
        }
    }
    found.into_iter().map(|(_, numbers)| numbers).collect()
}

/// Asks the prover, first as the text is, then with parameters as the tenant.
pub(super) fn judge(schema: &Schema, sql: &str, likely: &[Vec<u32>]) -> Outcome {
    let numbers = numbers(sql);
    let mut sets: Vec<Vec<u32>> = vec![Vec::new()];
    for group in likely {
        let named = group.iter().filter(|it| numbers.contains(it));
        sets.push(named.copied().collect());
    }
    let named = sets.get(1).cloned().unwrap_or_default();
    sets.extend(numbers.iter().map(|number| vec![*number]));
    let mut tried: HashSet<Vec<u32>> = HashSet::new();
    sets.retain(|set| tried.insert(set.clone()));
    let mut best: Option<Vec<Diagnostic>> = None;
    for tenant in sets.into_iter().take(TRIES) {
        match ask(schema, sql, &tenant) {
            Ok(proof) => {
                let protected = proof.occurrences.iter().any(|it| it.class == "protected");
                let setting = sql.to_lowercase().contains("current_setting");
                return Outcome::Proved {
                    grade: proof.grade,
                    by_setting: tenant.is_empty() && (protected || setting),
                    tenant,
                };
            }
            Err(problems) => {
                let problems = relevant(schema, sql, problems);
                if problems.is_empty() {
                    return Outcome::Proved {
                        grade: Grade::Predicate,
                        by_setting: false,
                        tenant,
                    };
                }
                // A filter that the tenant would satisfy leaves fewer problems, or others.
                if !named.is_empty() {
                    if tenant == named {
                        best = Some(problems);
                    }
                    continue;
                }
                let certain = |list: &[Diagnostic]| {
                    list.iter().filter(|it| CERTAIN.contains(&it.code)).count()
                };
                let better = best.as_ref().is_none_or(|best| {
                    (certain(&problems), problems.len()) < (certain(best), best.len())
                });
                if better {
                    best = Some(problems);
                }
            }
        }
    }
    Outcome::Refused(best.unwrap_or_default())
}

fn ask(schema: &Schema, sql: &str, tenant: &[u32]) -> Result<Proof, Vec<Diagnostic>> {
    // Where the parameters can't be read, the prover says why.
    let named = named(sql, tenant).unwrap_or_else(|| Named::plain(sql));
    let (catalog, text) = (Arc::clone(&schema.catalog), named.sql.clone());
    let judged = on_kept_worker(move || {
        prepare(&text, TenantBinding::LastParameter, catalog.config())
            .and_then(|prepared| prove(&catalog, &prepared))
    })
    .unwrap_or_else(|bug| Err(vec![*bug]));
    judged.map_err(|mut problems| {
        for problem in &mut problems {
            problem.span = problem.span.as_ref().map(|span| named.original(span));
        }
        problems
    })
}

/// Leaves out what is no fault where no configuration says what a tenant is.
fn relevant(schema: &Schema, sql: &str, problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if schema.configured {
        return problems;
    }
    let kept = problems.into_iter().filter(|problem| match problem.code {
        Code::UNDECLARED | Code::GLOBAL_WRITE => {
            // The table of the tenants themselves, or one that belongs to them.
            let name = problem
                .span
                .clone()
                .and_then(|span| sql.get(span))
                .unwrap_or_default();
            lists_tenants(schema, name) || belongs_to_tenants(&schema.catalog, name)
        }
        // Without migrations no table is known; that is told once.
        Code::UNKNOWN_RELATION | Code::UNKNOWN_COLUMN => schema.known,
        _ => true,
    });
    kept.collect()
}

/// Whether a table is called like what it would hold: the tenants.
pub(super) fn lists_tenants(schema: &Schema, name: &str) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let bare = bare.split_whitespace().next().unwrap_or_default();
    classify(bare.trim_matches('"'), &schema.extra).is_some_and(|it| it.tier == Tier::First)
}

/// Whether a table without a tenant column refers to one that has it.
fn belongs_to_tenants(catalog: &Catalog, name: &str) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    let bare = bare.split_whitespace().next().unwrap_or_default();
    let Some(relation) = catalog.relation(None, bare).found() else {
        return true;
    };
    let mut seen = HashSet::new();
    let mut pending = vec![relation.id];
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(relation) = catalog.get(id) else {
            continue;
        };
        for other in catalog.relations() {
            let refers = other.referenced_by.iter().any(|(by, _)| *by == relation.id);
            if refers {
                if other.tenant_column.is_some() {
                    return true;
                }
                pending.push(other.id);
            }
        }
    }
    false
}
