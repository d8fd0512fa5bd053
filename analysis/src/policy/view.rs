//! Views and functions, as far as the catalog alone can judge them.
//!
//! A view reads with its owner's rights unless it is `security_invoker`, and an owner is taken to
//! bypass row-level security. A filter inside the definition is for the prover to judge.

use super::trigger_names::Path;
use super::{class_within, content, platform, term};
use crate::catalog::walk::{Mentions, Visitor, query_mentions, statement_mentions};
use crate::catalog::{Body, Catalog, Class, Command, Function, Relation, RelationKind, Volatility};
use crate::ir::{Expr, ExprKind, Query, Statement};

/// The reason of what a filter inside may confine: the prover can tell.
pub(crate) const NEEDS_PROOF: &str = "only a proof of its definition tells whether it is confined";

pub(super) fn class(catalog: &Catalog, view: &Relation, command: Command, depth: usize) -> Class {
    let materialized = view.kind == RelationKind::MaterializedView;
    if command != Command::Select {
        return if materialized {
            Class::Denied
        } else {
            unknown("writes through a view are not analysed")
        };
    }
    let Some(definition) = &view.view else {
        return unknown("its definition is not known");
    };
    let Some(query) = &definition.query else {
        return unknown("its definition is not understood");
    };
    let found = query_mentions(query);
    let reads = match relations(catalog, &found) {
        Ok(reads) => reads,
        Err(why) => return unknown(&why),
    };
    let all_global = reads
        .iter()
        .all(|relation| reaches_only_global(catalog, relation, depth));
    if materialized {
        return if all_global {
            functions(catalog, &found)
        } else {
            unprotected("materialized")
        };
    }
    let filtered = mentions_term(catalog, query);
    if !definition.security_invoker {
        return match (all_global, filtered) {
            (true, _) => functions(catalog, &found),
            (false, true) => unknown(NEEDS_PROOF),
            (false, false) => unprotected("definer-view"),
        };
    }
    for relation in reads {
        match class_within(catalog, relation, Command::Select, depth + 1) {
            Class::Protected | Class::Global | Class::Denied => {}
            Class::Scoped if filtered => {
                return unknown(NEEDS_PROOF);
            }
            Class::Scoped => return unprotected("scoped-table"),
            other => return other,
        }
    }
    functions(catalog, &found)
}

/// The class of something that is confined as far as its tables go.
fn functions(catalog: &Catalog, found: &Mentions) -> Class {
    let tables_aside = Mentions {
        relations: Vec::new(),
        ..found.clone()
    };
    match content::are_confined(catalog, &tables_aside, 0) {
        Ok(()) => Class::Protected,
        Err(why) => unknown(&why),
    }
}

fn relations<'a>(catalog: &'a Catalog, found: &Mentions) -> Result<Vec<&'a Relation>, String> {
    found
        .relations
        .iter()
        .map(|parts| {
            let relation = match parts.as_slice() {
                [name] => catalog.relation(None, name),
                [schema, name] => catalog.relation(Some(schema), name),
                _ => return Err("it reads a relation of another database".to_owned()),
            };
            relation
                .found()
                .ok_or_else(|| format!("it reads `{}`, which is not known", parts.join(".")))
        })
        .collect()
}

/// Whether everything that a relation reads, through views, is global.
fn reaches_only_global(catalog: &Catalog, relation: &Relation, depth: usize) -> bool {
    if depth > super::DEPTH || relation.unknown.is_some() {
        return false;
    }
    match &relation.view {
        Some(definition) => definition.query.as_ref().is_some_and(|query| {
            relations(catalog, &query_mentions(query)).is_ok_and(|reads| {
                reads
                    .iter()
                    .all(|read| reaches_only_global(catalog, read, depth + 1))
            })
        }),
        None => relation.is_global(),
    }
}

struct FindTerm<'a> {
    catalog: &'a Catalog,
    found: bool,
}

impl Visitor for FindTerm<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        self.found = self.found
            || (matches!(expr.kind, ExprKind::Call(_)) && term::is_tenant_term(expr, self.catalog));
    }
}

fn mentions_term(catalog: &Catalog, query: &Query) -> bool {
    let mut find = FindTerm {
        catalog,
        found: false,
    };
    crate::catalog::walk::query(&mut query.clone(), &mut find);
    find.found
}

pub(super) fn call_class(catalog: &Catalog, function: &Function) -> Class {
    if let Some(reason) = &function.unknown {
        return unknown(reason);
    }
    if term::is_term_function(function, catalog) {
        return Class::Protected;
    }
    let definer = function.security_definer;
    let Body::Sql { statements, .. } = &function.body else {
        return if definer {
            unprotected("security-definer")
        } else {
            let Body::Opaque { why, .. } = &function.body else {
                return unknown("its body");
            };
            unknown(why)
        };
    };
    if !function.settings.is_empty() && !definer {
        return unknown("it changes settings while it runs");
    }
    for default in function
        .inputs()
        .filter_map(|argument| argument.default.as_ref())
    {
        if let Err(why) = content::is_confined(catalog, default, 0) {
            return unknown(&format!("the default of an argument: {why}"));
        }
    }
    if function
        .inputs()
        .any(|argument| argument.has_default && argument.default.is_none())
    {
        return unknown("the default of an argument is not understood");
    }
    if let Some(why) = computed_once(catalog, function) {
        return unknown(&why);
    }
    let path = match Path::of(catalog, function, None) {
        Ok(path) => path,
        Err(why) => return unknown(&why),
    };
    let mut filtered = false;
    for statement in statements {
        let found = statement_mentions(statement);
        let reads: Result<Vec<&Relation>, String> = found
            .relations
            .iter()
            .map(|parts| path.relation(catalog, parts))
            .collect();
        let reads = match reads {
            Ok(reads) => reads,
            Err(why) => return unknown(&why),
        };
        let mut find = FindTerm {
            catalog,
            found: false,
        };
        crate::catalog::walk::statement(&mut statement.clone(), &mut find);
        filtered = filtered || find.found;
        let Statement::Query(_) = statement else {
            return if definer {
                unprotected("security-definer")
            } else {
                unknown("it changes data")
            };
        };
        for relation in reads {
            if definer {
                if !reaches_only_global(catalog, relation, 0) {
                    return if filtered {
                        unknown(NEEDS_PROOF)
                    } else {
                        unprotected("security-definer")
                    };
                }
                continue;
            }
            match class_within(catalog, relation, Command::Select, 1) {
                Class::Protected | Class::Global | Class::Denied => {}
                Class::Scoped if !filtered => return unprotected("scoped-table"),
                Class::Scoped => {
                    return unknown(NEEDS_PROOF);
                }
                other => return other,
            }
        }
        if let class @ Class::Unknown { .. } = functions(catalog, &found) {
            return class;
        }
    }
    Class::Protected
}

/// An IMMUTABLE call is computed while a statement is planned, and the plan is kept for the connection:
/// what it read for one tenant is shown to the next. Tells what it reads.
pub(crate) fn computed_once(catalog: &Catalog, function: &Function) -> Option<String> {
    let Body::Sql { statements, .. } = &function.body else {
        return None;
    };
    if function.volatility != Volatility::Immutable || term::is_term_function(function, catalog) {
        return None;
    }
    let varies = |name: &String| {
        name == "current_setting"
            || platform::may_read_a_setting(name)
            || catalog
                .all_functions()
                .iter()
                .any(|other| other.name == *name && other.volatility != Volatility::Immutable)
    };
    for statement in statements {
        let found = statement_mentions(statement);
        let read = found.relations.first().map(|parts| parts.join("."));
        if let Some(read) = read.or(found.functions.into_iter().find(varies)) {
            return Some(format!(
                "it is IMMUTABLE and reads `{read}`, so PostgreSQL may keep the result of one tenant for another; \
                 declare it STABLE"
            ));
        }
    }
    None
}

fn unknown(reason: &str) -> Class {
    Class::Unknown {
        reason: reason.to_owned(),
    }
}

fn unprotected(reason: &str) -> Class {
    Class::Unprotected {
        reason: reason.to_owned(),
    }
}
