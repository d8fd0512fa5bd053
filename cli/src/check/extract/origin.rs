//! What is known of a value: who gave it, what it holds, and what a `let` makes known of its names.

use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Expr, Pat};

use super::super::facts::{Bind, Origin, Text};
use super::chain::{Builder, base};
use super::text::names_in;
use super::{Extractor, names_of};

/// Methods that leave a value what it is, for the question of who gave it.
const CONVERTS: [&str; 34] = [
    "as_array",
    "as_i64",
    "as_object",
    "as_u64",
    "get",
    "get_mut",
    "ok",
    "pointer",
    "remove",
    "swap_remove",
    "take",
    "to_string_lossy",
    "as_deref",
    "as_ref",
    "as_str",
    "borrow",
    "clone",
    "cloned",
    "copied",
    "expect",
    "into",
    "into_inner",
    "map_err",
    "ok_or",
    "ok_or_else",
    "parse",
    "to_owned",
    "to_string",
    "trim",
    "try_into",
    "unwrap",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
];
impl Extractor {
    /// Who gave a value.
    pub(super) fn origin(&self, expr: &Expr) -> Origin {
        match expr {
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => {
                    let name = name.unraw().to_string();
                    let known = self.locals.last().and_then(|it| it.origins.get(&name));
                    known.copied().unwrap_or(Origin::Other)
                }
                None => Origin::Other,
            },
            Expr::Field(field) => self.origin(&field.base),
            Expr::Reference(inner) => self.origin(&inner.expr),
            Expr::Paren(inner) => self.origin(&inner.expr),
            Expr::Group(inner) => self.origin(&inner.expr),
            Expr::Try(inner) => self.origin(&inner.expr),
            Expr::Unary(inner) => self.origin(&inner.expr),
            Expr::Cast(inner) => self.origin(&inner.expr),
            Expr::Index(inner) => self.origin(&inner.expr),
            Expr::Await(inner) => self.origin(&inner.base),
            // `.and_then(|it| it.as_str())`, `.and_then(Value::as_str)`
            Expr::MethodCall(call)
                if matches!(call.method.to_string().as_str(), "and_then" | "map")
                    && call.args.first().is_some_and(keeps) =>
            {
                self.origin(&call.receiver)
            }
            Expr::MethodCall(call) if CONVERTS.contains(&call.method.to_string().as_str()) => {
                self.origin(&call.receiver)
            }
            Expr::Call(call) => {
                let Expr::Path(callee) = &*call.func else {
                    return Origin::Other;
                };
                let last = callee.path.segments.last().map(|it| it.ident.to_string());
                let converts = [
                    "from",
                    "new",
                    "parse_str",
                    "try_from",
                    "from_str",
                    "Some",
                    "parse",
                    "TenantId",
                    "from_value",
                    "Object",
                ];
                match (last, call.args.first()) {
                    (Some(last), Some(only))
                        if call.args.len() == 1 && converts.contains(&last.as_str()) =>
                    {
                        self.origin(only)
                    }
                    _ => Origin::Other,
                }
            }
            _ => Origin::Other,
        }
    }

    pub(super) fn bind(&self, expr: &Expr) -> Bind {
        let mut names = names_in(expr);
        let locals = self.locals.last();
        let ty = names
            .first()
            .and_then(|name| locals?.types.get(name).cloned());
        names.extend(ty);
        Bind {
            names,
            origin: self.origin(expr),
            flag: match expr {
                Expr::Lit(lit) => match &lit.lit {
                    syn::Lit::Bool(value) => Some(value.value),
                    _ => None,
                },
                _ => None,
            },
            span: expr.span().byte_range(),
        }
    }

    /// What a `let` makes known of its names.
    pub(super) fn bind_local(&mut self, pat: &Pat, init: &Expr) {
        let names = names_of(pat);
        let origin = self.origin(init);
        let mutable = matches!(pat, Pat::Ident(it) if it.mutability.is_some());
        let text = match (self.text_of(init), mutable) {
            // What is pushed to it later is not seen.
            (Some(text), true) => match init {
                Expr::Lit(_) => Some(text),
                _ => Some(Text::Made {
                    parts: written(&text),
                    gaps: Vec::new(),
                    span: text.span(),
                }),
            },
            (text, _) => text,
        };
        let string = match (&text, mutable, init) {
            (Some(_), true, Expr::Lit(_)) => None,
            (Some(_), true, _) => self.text_of(init),
            _ => None,
        };
        let depth = self.path.len();
        let query = self.base_of(init).and_then(|start| {
            let found = self.facts.statements.iter();
            found.rev().position(|it| it.span.start == start)
        });
        let query = query.map(|back| self.facts.statements.len() - 1 - back);
        let bound = query.map(|statement| super::chain::Bound {
            statement,
            depth: self.path.len(),
            in_arm: None,
        });
        let builder = query
            .filter(|at| {
                self.facts.statements.get(*at).is_some_and(|statement| {
                    statement.callee.iter().any(|name| name == "QueryBuilder")
                })
            })
            .map(|statement| Builder {
                statement,
                depth: self.path.len(),
                between: None,
                built: false,
            });
        let separated = self.separated(init);
        // What a name was built of goes on in a builder's place.
        let builder = match query.is_some() && is_built(init) {
            true => None,
            false => separated.or(builder),
        };
        let is_pool = names_in(init)
            .iter()
            .any(|name| name == "PgPool" || name == "PgPoolOptions");
        let shown = self.shown_in(init);
        let ty = match pat {
            Pat::Type(typed) => super::last_of(&typed.ty),
            _ => None,
        };
        let Some(locals) = self.locals() else {
            return;
        };
        for name in names {
            locals.types.remove(&name);
            if let Some(ty) = &ty {
                locals.types.insert(name.clone(), ty.clone());
            }
            match shown.is_empty() {
                true => locals.shown.remove(&name),
                false => locals.shown.insert(name.clone(), shown.clone()),
            };
            locals.origins.insert(name.clone(), origin);
            locals.texts.remove(&name);
            locals.strings.remove(&name);
            if let Some(text) = &string {
                let steps = super::steps::steps_of(text.clone());
                locals.strings.insert(name.clone(), (steps, depth));
            }
            if let Some(text) = &text {
                locals.texts.insert(name.clone(), text.clone());
            }
            if is_pool {
                locals.pools.insert(name.clone());
            }
            match (&builder, &bound) {
                (Some(builder), _) => {
                    locals.builders.insert(name, builder.clone());
                }
                (None, Some(bound)) => {
                    locals.queries.insert(name, bound.clone());
                }
                (None, None) => {}
            }
        }
    }

    /// `let mut list = builder.separated(", ")`
    fn separated(&mut self, init: &Expr) -> Option<Builder> {
        let Expr::MethodCall(call) = init else {
            return None;
        };
        let Expr::Path(path) = super::chain::strip(&call.receiver) else {
            return None;
        };
        if call.method != "separated" {
            return None;
        }
        let name = path.path.get_ident()?.unraw().to_string();
        let builder = self.locals.last()?.builders.get(&name)?.clone();
        let between = self.between(call.args.first()?);
        Some(Builder {
            between: Some(between),
            // The builder itself is what is built.
            built: true,
            ..builder
        })
    }

    /// Where the first call of a chain begins.
    fn base_of(&self, expr: &Expr) -> Option<usize> {
        match base(expr) {
            Expr::Call(call) => Some(call.span().byte_range().start),
            Expr::Macro(call) => Some(call.span().byte_range().start),
            _ => None,
        }
    }
}

/// Whether a chain ends a builder.
fn is_built(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) => {
            call.method.to_string().starts_with("build") || is_built(&call.receiver)
        }
        Expr::Await(inner) => is_built(&inner.base),
        Expr::Try(inner) => is_built(&inner.expr),
        _ => false,
    }
}

/// Whether a function or closure hands on what it is given, in another form at most.
fn keeps(expr: &Expr) -> bool {
    let body = match expr {
        Expr::Path(path) => {
            let last = path.path.segments.last().map(|it| it.ident.to_string());
            return last.is_some_and(|it| CONVERTS.contains(&it.as_str()) || it == "from");
        }
        Expr::Closure(closure) => &closure.body,
        _ => return false,
    };
    let mut at = &**body;
    while let Expr::MethodCall(call) = at {
        if !CONVERTS.contains(&call.method.to_string().as_str()) {
            return false;
        }
        at = &call.receiver;
    }
    matches!(at, Expr::Path(path) if path.path.get_ident().is_some())
}

fn written(text: &Text) -> Vec<String> {
    match text {
        Text::Literal(literal) => vec![literal.value.clone(), String::new()],
        Text::Made { parts, .. } => parts.clone(),
        _ => vec![String::new(), String::new()],
    }
}
