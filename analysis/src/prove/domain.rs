//! Types of the migrations: making a value of one runs the checks of its domains, in fields and
//! elements at any depth.
//!
//! Invariant: each of those checks is walked as any expression of a statement is, and a type with a
//! part that can't be read is refused.

use super::body::DEPTH;
use super::state::{Context, Guard, Info, Namespace, Prover, Visible};
use crate::catalog::{Lookup, TypeKind, type_text};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::{Ty, of_an_extension};
use crate::ir::{Expr, Span, TypeName};

/// A check or a default of a domain, and the type that its `VALUE` has.
struct Condition<'a> {
    domain: &'a str,
    base: &'a TypeName,
    expr: &'a Expr,
}

impl<'a> Prover<'a> {
    /// Refuses a type whose input or casts could do more than convert.
    pub(super) fn check_type(&mut self, ty: &TypeName) {
        if Ty::of(ty).is_some() {
            return;
        }
        let (schema, name) = match ty.name.parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => (None, ""),
        };
        if name.starts_with("reg") && matches!(schema, None | Some("pg_catalog")) {
            self.problem(
                Diagnostic::error(
                    Code::METADATA,
                    format!("a cast to `{name}` reads the catalogs of the server"),
                )
                .at(ty.name.span.clone())
                .help("keep the name as a `text`"),
            );
            return;
        }
        let extension =
            of_an_extension(name) && matches!(schema, None | Some("public" | "extensions"));
        let known = extension
            || self.catalog.type_definition(schema, name).is_some()
            || matches!(self.catalog.relation(schema, name), Lookup::Found(_));
        if !known {
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_TYPE,
                    format!(
                        "the type `{}` is neither PostgreSQL's own nor one of the migrations",
                        type_text(ty)
                    ),
                )
                .at(ty.name.span.clone()),
            );
        } else if !self.checks_are_read(ty, &ty.name.span) {
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_TYPE,
                    format!("what a cast to `{}` runs is not known", type_text(ty)),
                )
                .at(ty.name.span.clone()),
            );
        }
    }

    /// Walks what making a value of a type runs, mentioned at `span`; `false` when a part of it
    /// can't be read.
    pub(super) fn checks_are_read(&mut self, ty: &TypeName, span: &Span) -> bool {
        let mut conditions = Vec::new();
        if !self.conditions(ty, 0, &mut Vec::new(), &mut conditions) {
            return false;
        }
        for condition in conditions {
            self.check_of_domain(&condition, span);
        }
        true
    }

    /// Collects the checks of a type; `false` when one can't be read. A name is looked for in every
    /// schema, so that none is missed where the migrations had another search path.
    fn conditions(
        &self,
        ty: &TypeName,
        depth: usize,
        seen: &mut Vec<String>,
        found: &mut Vec<Condition<'a>>,
    ) -> bool {
        if Ty::of(ty).is_some() {
            return true;
        }
        let (Some(name), true) = (ty.name.parts.last(), depth <= DEPTH) else {
            return false;
        };
        if seen.contains(name) {
            return true;
        }
        seen.push(name.clone());
        let catalog = self.catalog;
        let mut known = of_an_extension(name);
        for definition in catalog.types().iter().filter(|ty| ty.name == *name) {
            known = true;
            let read = match &definition.kind {
                TypeKind::Enum => true,
                // Its functions are a migration's.
                TypeKind::Base => false,
                // Its bounds may be of any domain.
                TypeKind::Range => !self.has_checked_domain(),
                TypeKind::Domain { base, expressions } => {
                    let mut read = true;
                    for expr in expressions {
                        match expr {
                            Some(expr) => found.push(Condition {
                                domain: &definition.name,
                                base,
                                expr,
                            }),
                            None => read = false,
                        }
                    }
                    read && self.conditions(base, depth + 1, seen, found)
                }
                TypeKind::Composite(fields) => fields
                    .iter()
                    .all(|(_, ty)| self.conditions(ty, depth + 1, seen, found)),
            };
            if !read {
                return false;
            }
        }
        for relation in catalog.relations_named(name) {
            known = true;
            // Whatever type a column has that is not understood, its domain may be a check's.
            let read = relation.columns.iter().all(|column| match &column.ty {
                Some(ty) => self.conditions(ty, depth + 1, seen, found),
                None => false,
            });
            if !read {
                return false;
            }
        }
        // A type that no migration makes has no check of one; as a part of another it has to be known
        // all the same, for what its input reads.
        known || depth == 0
    }

    /// Whether any domain of the migrations has a check or a default.
    pub(super) fn has_checked_domain(&self) -> bool {
        self.catalog.types().iter().any(
            |ty| matches!(&ty.kind, TypeKind::Domain { expressions, .. } if !expressions.is_empty()),
        )
    }

    fn check_of_domain(&mut self, condition: &Condition<'a>, span: &Span) {
        let origin = self.context.origin.clone().unwrap_or_else(|| {
            (
                span.clone(),
                format!("the check of the domain `{}`", condition.domain),
            )
        });
        let context = Context {
            origin: Some(origin),
            definer: self.context.definer,
            depth: self.context.depth + 1,
            arguments: None,
            default_value: false,
            policy: self.context.policy,
        };
        let value = Visible {
            name: "value".into(),
            info: Info {
                ty: self.type_of(condition.base),
                ..Info::default()
            }
            .into(),
        };
        let namespace = Namespace {
            columns: vec![value],
            ..Namespace::default()
        };
        let expr = condition.expr;
        self.within(context, |this| {
            let block = this.block(None, &Guard::from([]));
            let scope = this.push_scope(namespace, None);
            let env = this.env(block, scope, false);
            this.expr(expr, &env);
        });
    }
}
