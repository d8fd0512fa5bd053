//! What the names in the body of a trigger function mean, by PL/pgSQL's rules.
//!
//! Invariant: a name counts as a column, or as the row that fired the trigger, only where nothing
//! else of the function or the statement bears it: then no setting decides what it means.

use std::collections::HashSet;

use crate::catalog::{Catalog, Function, Lookup, Relation};
use crate::ddl::plpgsql::{Block, Node};
use crate::ir::{Alias, ExprKind, FromItem, JoinConstraint};

/// Variables that every trigger function has.
const IMPLICIT: &[&str] = &["new", "old", "found", "sqlstate", "sqlerrm"];

/// The names that a function declares.
pub(super) struct Names {
    /// Variables, those of loops included.
    variables: HashSet<String>,
    /// What may qualify a variable: labels, and the name of the function.
    qualifiers: HashSet<String>,
}

impl Names {
    /// The names of a body.
    ///
    /// # Errors
    /// What hides the row that fired the trigger, or leaves open what a name means.
    pub(super) fn of(body: &Block, function: &str) -> Result<Names, String> {
        if body.conflict {
            return Err(
                "has `#variable_conflict`, which changes what its names mean; remove it, and give \
                 variables names that no column has"
                    .to_owned(),
            );
        }
        let mut names = Names {
            variables: HashSet::new(),
            qualifiers: body.labels.iter().cloned().collect(),
        };
        names.qualifiers.insert(function.to_owned());
        names.block(body);
        let all = names.variables.iter().chain(&names.qualifiers);
        if let Some(name) = all
            .into_iter()
            .find(|name| matches!(name.as_str(), "new" | "old") || name.starts_with("tg_"))
        {
            return Err(format!(
                "calls something else `{name}`, which hides the row that fired it; give it another \
                 name"
            ));
        }
        Ok(names)
    }

    fn block(&mut self, block: &Block) {
        let declared = block.variables.iter().map(|variable| variable.name.clone());
        self.variables.extend(declared);
        self.nodes(&block.body);
        for (_, body) in &block.handlers {
            self.nodes(body);
        }
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Block(block) => self.block(block),
                Node::If {
                    branches,
                    otherwise,
                } => {
                    for (_, body) in branches {
                        self.nodes(body);
                    }
                    self.nodes(otherwise);
                }
                Node::Loop { head, body } => {
                    // `FOR i IN 1..3` declares `i`; other loops name variables that are there.
                    let targets = head.targets().iter().filter_map(|target| target.first());
                    let row = |name: &&String| !matches!(name.as_str(), "new" | "old");
                    self.variables.extend(targets.filter(row).cloned());
                    self.nodes(body);
                }
                _ => {}
            }
        }
    }

    /// Whether a name may mean a variable.
    pub(super) fn is_variable(&self, name: &str) -> bool {
        IMPLICIT.contains(&name) || name.starts_with("tg_") || self.variables.contains(name)
    }

    /// Whether a name may qualify a variable, or be a record.
    pub(super) fn may_qualify(&self, name: &str) -> bool {
        self.is_variable(name) || self.qualifiers.contains(name)
    }
}

/// The names that an item of a `FROM` goes by.
pub(super) fn offered<'a>(item: &'a FromItem, into: &mut Vec<&'a str>) {
    let named = |alias: &'a Option<Alias>| alias.as_ref().map(|alias| alias.name.as_str());
    match item {
        FromItem::Relation(relation) => {
            let own = relation.name.parts.last().map(String::as_str);
            into.extend(named(&relation.alias).or(own));
        }
        FromItem::Subquery { alias, .. } => into.extend(named(alias)),
        FromItem::Function { alias, calls, .. } => {
            into.extend(named(alias));
            for call in calls {
                if let ExprKind::Call(call) = &call.expr.kind {
                    into.extend(call.name.parts.last().map(String::as_str));
                }
            }
        }
        FromItem::Join(join) => {
            into.extend(named(&join.alias));
            if let JoinConstraint::Using { alias, .. } = &join.constraint {
                into.extend(alias.as_deref());
            }
            offered(&join.left, into);
            offered(&join.right, into);
        }
    }
}

/// Where the unqualified names of a function's relations lead; nothing is the session's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Option<Vec<String>>);

impl Path {
    /// The path of a function: its own, where it sets one, or that of the function which fires it.
    ///
    /// # Errors
    /// The setting that leaves open what a name means.
    pub(super) fn of(
        catalog: &Catalog,
        function: &Function,
        outer: Option<&Path>,
    ) -> Result<Path, String> {
        let mut path = outer.and_then(|path| path.0.clone());
        for (setting, value) in &function.settings {
            let Some(value) = value.as_deref().filter(|_| setting == "search_path") else {
                return Err(format!("has a function that sets `{setting}`"));
            };
            let mut schemas = Vec::new();
            for part in value.split(',') {
                match part.trim().trim_matches(['"', '\'']) {
                    // The server's own names are looked up as such.
                    "" | "pg_catalog" | "pg_temp" => {}
                    "$user" if function.security_definer => {
                        return Err(
                            "has `\"$user\"` in the `search_path` of its function, which is the \
                             schema of its owner; name the schema"
                                .to_owned(),
                        );
                    }
                    "$user" => schemas.push(catalog.config().application_role.clone()),
                    schema => schemas.push(schema.to_owned()),
                }
            }
            path = Some(schemas);
        }
        Ok(Path(path))
    }

    /// Whether it may be another than the session's.
    pub(super) fn is_own(&self) -> bool {
        self.0.is_some()
    }

    /// The relation that a name means.
    pub(super) fn relation<'a>(
        &self,
        catalog: &'a Catalog,
        parts: &[String],
    ) -> Result<&'a Relation, String> {
        let unknown = || format!("`{}` is not known", parts.join("."));
        let found = match (parts, &self.0) {
            ([name], None) => catalog.relation(None, name),
            ([name], Some(_)) if name.starts_with("pg_") => Lookup::System,
            ([name], Some(path)) => path
                .iter()
                .map(|schema| catalog.relation(Some(schema), name))
                .find(|found| !matches!(found, Lookup::Missing))
                .unwrap_or(Lookup::Missing),
            ([schema, name], _) => catalog.relation(Some(schema), name),
            _ => return Err("it names another database".to_owned()),
        };
        found.found().ok_or_else(unknown)
    }
}
