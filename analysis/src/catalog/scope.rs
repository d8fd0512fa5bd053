//! Names while migrations are applied: which relation one means under the search path, and where
//! that is not certain.

use super::bind::Resolve;
use super::build::{Builder, TEMPORARY};
use super::model::{Column, Relation, RelationId};
use crate::ddl::ir::Ref;

impl Builder {
    /// The relation of this schema and name.
    pub(super) fn lookup(&self, schema: &str, name: &str) -> Option<RelationId> {
        self.catalog.by_name.get(schema)?.get(name).copied()
    }

    fn along(&self, path: &[String], name: &str) -> Option<RelationId> {
        path.iter().find_map(|schema| self.lookup(schema, name))
    }

    /// The relation that a name means here, without judging whether that is certain.
    pub(super) fn find(&self, name: &Ref) -> Option<RelationId> {
        match &name.schema {
            Some(schema) => self.lookup(schema, &name.name),
            None => self
                .lookup(TEMPORARY, &name.name)
                .or_else(|| self.along(&self.path, &name.name)),
        }
    }

    /// The relation that a statement changes. Where it is not certain which one is meant, all of
    /// them become unknown.
    pub(super) fn target(&mut self, name: &Ref) -> Option<RelationId> {
        let found = self.find(name);
        if name.schema.is_some() {
            return found;
        }
        self.skipped = None;
        if self.stale_temporary.contains(&name.name)
            && let Some(id) = found
        {
            let reason = format!(
                "`{}` was a temporary table in an earlier migration, and whether it still hides this one depends on the tool",
                name.name
            );
            self.unknown(id, &reason);
        }
        if let Some(path) = self.path_left.clone() {
            let other = self.along(&path, &name.name);
            if other != found {
                for id in [found, other].into_iter().flatten() {
                    let reason = format!(
                        "an earlier migration left `search_path` changed, and `{}` may mean another table",
                        name.name
                    );
                    self.unknown(id, &reason);
                }
            }
        }
        // `"$user"` comes first: the schema that is called like whoever migrates.
        let others: Vec<RelationId> = self
            .schemas_of_roles()
            .iter()
            .filter_map(|schema| self.lookup(schema, &name.name))
            .collect();
        if others.iter().any(|other| Some(*other) != found) {
            for id in found.into_iter().chain(others) {
                let reason = format!(
                    "there is a `{}` in a schema that is called like a role, where unqualified names of that role lead",
                    name.name
                );
                self.unknown(id, &reason);
            }
        }
        found
    }

    /// Schemas that are called like a role which may run the migrations.
    fn schemas_of_roles(&self) -> Vec<String> {
        if self.path != ["public"] || self.current_role.as_ref().is_some_and(|role| role != "?") {
            return Vec::new();
        }
        self.catalog
            .schemas
            .iter()
            .filter(|schema| {
                self.named_roles.contains(*schema)
                    && **schema != self.catalog.config.application_role
                    && *schema != "public"
            })
            .cloned()
            .collect()
    }

    /// Goes on as another role.
    pub(super) fn set_role(&mut self, role: Option<String>) {
        let own = |role: &Option<String>| {
            role.as_ref()
                .filter(|role| self.catalog.schemas.contains(*role))
                .cloned()
        };
        if let Some(schema) = own(&self.current_role)
            && self.path.first() == Some(&schema)
        {
            self.path.remove(0);
        }
        if let Some(schema) = own(&role)
            && self.path == ["public"]
        {
            self.path.insert(0, schema);
        }
        self.named_roles.extend(role.clone());
        self.current_role = role;
    }

    /// The schema that a new object of this name goes into.
    pub(super) fn schema_for(&self, name: &Ref) -> String {
        if let Some(schema) = &name.schema {
            return schema.clone();
        }
        let known = self
            .path
            .iter()
            .find(|schema| self.catalog.schemas.contains(*schema));
        known
            .or(self.path.first())
            .cloned()
            .unwrap_or_else(|| "public".to_owned())
    }

    /// The relation that a statement changes which may have IF EXISTS.
    pub(super) fn target_if(&mut self, name: &Ref, missing_ok: bool) -> Option<RelationId> {
        if !missing_ok || name.schema.is_some() {
            return self.target(name);
        }
        let mut skipped = self.skipped.take();
        let found = self.target(name);
        if let Some(skipped) = &mut skipped {
            skipped.extend(found);
        }
        self.skipped = skipped;
        found
    }

    /// Whether it is uncertain into which schema a new object of this name goes.
    pub(super) fn is_ambiguous(&self, name: &Ref) -> bool {
        name.schema.is_none()
            && self.path_left.as_ref().is_some_and(|left| {
                // The first schema that is there takes new objects.
                let first = |path: &[String]| {
                    let there = path.iter().find(|s| self.catalog.schemas.contains(*s));
                    there.or(path.first()).cloned()
                };
                first(left) != first(&self.path)
            })
    }

    pub(super) fn relation(&self, id: RelationId) -> Option<&Relation> {
        self.catalog.get(id)
    }

    pub(super) fn relation_mut(&mut self, id: RelationId) -> Option<&mut Relation> {
        self.catalog.relations.get_mut(id.0)?.as_mut()
    }

    pub(super) fn relations_mut(&mut self) -> impl Iterator<Item = &mut Relation> {
        self.catalog.relations.iter_mut().flatten()
    }

    pub(super) fn ids(&self) -> Vec<RelationId> {
        self.catalog
            .relations()
            .map(|relation| relation.id)
            .collect()
    }

    /// Adds a relation under its name.
    pub(super) fn add(&mut self, make: impl FnOnce(RelationId) -> Relation) -> RelationId {
        let id = RelationId(self.catalog.relations.len());
        let relation = make(id);
        // Each relation is a type of its own name as well.
        self.catalog.ever.types.insert(relation.name.clone());
        self.index(&relation.schema.clone(), &relation.name.clone(), id);
        self.catalog.relations.push(Some(relation));
        id
    }

    pub(super) fn index(&mut self, schema: &str, name: &str, id: RelationId) {
        self.catalog
            .by_name
            .entry(schema.to_owned())
            .or_default()
            .insert(name.to_owned(), id);
    }

    pub(super) fn unindex(&mut self, schema: &str, name: &str) {
        if let Some(names) = self.catalog.by_name.get_mut(schema) {
            names.remove(name);
        }
    }

    /// Removes a relation and what refers to it by identity.
    pub(super) fn remove(&mut self, id: RelationId) {
        let Some(relation) = self.catalog.relations.get_mut(id.0).and_then(Option::take) else {
            return;
        };
        self.unindex(&relation.schema, &relation.name);
        if !relation.checks.is_empty() || !relation.foreign_keys.is_empty() {
            self.constraint_names.retain(|_, first| *first != id);
        }
        for other in self.relations_mut() {
            other.parents.retain(|parent| *parent != id);
            other.children.retain(|child| *child != id);
            other.foreign_keys.retain(|key| key.target != id);
        }
    }
}

impl Resolve for Builder {
    fn resolve(&self, parts: &[String]) -> Option<(RelationId, String, Vec<Column>)> {
        let reference = match parts {
            [name] => Ref {
                schema: None,
                name: name.clone(),
            },
            [schema, name] | [_, schema, name] => Ref {
                schema: Some(schema.clone()),
                name: name.clone(),
            },
            _ => return None,
        };
        if self.is_ambiguous(&reference) {
            return None;
        }
        let relation = self.relation(self.find(&reference)?)?;
        Some((
            relation.id,
            relation.schema.clone(),
            relation.columns.clone(),
        ))
    }
}
