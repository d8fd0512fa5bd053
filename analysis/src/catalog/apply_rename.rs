//! Renames and moves objects; what is bound to them follows.

use super::build::Builder;
use super::model::{PolicyExpr, RelationId};
use super::walk::{self, Visitor};
use crate::ddl::ir::{Kind, Object, Ref};
use crate::ir::{ExprKind, RelationRef};

impl Builder {
    pub(super) fn rename(&mut self, kind: Kind, object: &Object, new_name: &str, missing_ok: bool) {
        match kind {
            Kind::Relation | Kind::Index => match self.target(&object.name) {
                Some(id) => self.move_relation(id, None, Some(new_name)),
                None => {
                    let old = &object.name.name;
                    let mut found = false;
                    for key in self.relations_mut().flat_map(|relation| &mut relation.keys) {
                        if key.name == *old {
                            new_name.clone_into(&mut key.name);
                            found = true;
                        }
                    }
                    let indexes = self
                        .relations_mut()
                        .flat_map(|relation| &mut relation.indexes);
                    for index in indexes.filter(|index| index.name == *old) {
                        new_name.clone_into(&mut index.name);
                    }
                    if !found && !missing_ok && kind == Kind::Relation {
                        self.missing("relation", &object.name);
                    }
                }
            },
            Kind::Policy | Kind::Trigger | Kind::Rule => {
                let Some(id) = object.table.as_ref().and_then(|table| self.target(table)) else {
                    return;
                };
                let old = &object.name.name;
                let Some(relation) = self.relation_mut(id) else {
                    return;
                };
                let names: Box<dyn Iterator<Item = &mut String>> = match kind {
                    Kind::Policy => Box::new(relation.policies.iter_mut().map(|p| &mut p.name)),
                    Kind::Trigger => Box::new(relation.triggers.iter_mut().map(|t| &mut t.name)),
                    _ => Box::new(relation.rules.iter_mut().map(|r| &mut r.name)),
                };
                let mut found = false;
                for name in names.filter(|name| *name == old) {
                    new_name.clone_into(name);
                    found = true;
                }
                if !found && kind == Kind::Policy {
                    self.unknown(
                        id,
                        &format!("its policy `{old}` is renamed, but no migration creates it"),
                    );
                }
            }
            Kind::Schema => self.rename_schema(&object.name.name, new_name),
            Kind::Function => self.move_function(object, None, Some(new_name)),
            Kind::Type => {
                self.catalog.ever.types.insert(new_name.to_owned());
                self.moved_type(&object.name.name, None, Some(new_name));
            }
            Kind::Operator | Kind::Collation | Kind::Cast => {
                self.unreadable("a renamed operator, collation or cast");
            }
            Kind::Role => self.rename_role(&object.name.name, new_name),
            Kind::Extension | Kind::Other => {}
        }
    }

    fn rename_role(&mut self, old: &str, new: &str) {
        let swap = |name: &str| {
            if name == old {
                new.to_owned()
            } else {
                name.to_owned()
            }
        };
        self.members = self
            .members
            .iter()
            .map(|(m, r)| (swap(m), swap(r)))
            .collect();
        if let Some(powers) = self.powers.remove(old) {
            self.powers.insert(new.to_owned(), powers);
        }
        self.role_paths = std::mem::take(&mut self.role_paths)
            .into_iter()
            .map(|((role, database), path)| ((swap(&role), database), path))
            .collect();
        if self.named_roles.contains(old) {
            self.named_roles.insert(new.to_owned());
        }
        self.current_role = self.current_role.as_deref().map(swap);
        for relation in self.relations_mut() {
            relation.owner = relation.owner.as_deref().map(swap);
            for policy in &mut relation.policies {
                for role in &mut policy.roles {
                    *role = swap(role);
                }
            }
        }
    }

    pub(super) fn rename_constraint(&mut self, table: &Ref, name: &str, new_name: &str) {
        let Some(relation) = self.target(table).and_then(|id| self.relation_mut(id)) else {
            return;
        };
        let names = relation
            .keys
            .iter_mut()
            .map(|key| &mut key.name)
            .chain(relation.foreign_keys.iter_mut().map(|key| &mut key.name))
            .chain(relation.checks.iter_mut().map(|check| &mut check.name));
        for found in names.filter(|found| *found == name) {
            new_name.clone_into(found);
        }
    }

    pub(super) fn set_schema(
        &mut self,
        kind: Kind,
        object: &Object,
        schema: &str,
        missing_ok: bool,
    ) {
        self.not_of_the_server(&Ref {
            schema: Some(schema.to_owned()),
            name: object.name.name.clone(),
        });
        match kind {
            Kind::Relation => match self.target(&object.name) {
                Some(id) => self.move_relation(id, Some(schema), None),
                None if missing_ok => {}
                None => self.missing("relation", &object.name),
            },
            Kind::Function => self.move_function(object, Some(schema), None),
            Kind::Type => self.moved_type(&object.name.name, Some(schema), None),
            Kind::Extension | Kind::Other => {}
            _ => self.unreadable("an operator, collation or cast that moves to another schema"),
        }
    }

    /// Gives a relation another schema or name; everything bound to it follows.
    fn move_relation(&mut self, id: RelationId, schema: Option<&str>, name: Option<&str>) {
        let Some(relation) = self.relation(id) else {
            return;
        };
        let old = vec![relation.schema.clone(), relation.name.clone()];
        let new_schema = schema.unwrap_or(&relation.schema).to_owned();
        let new_name = name.unwrap_or(&relation.name).to_owned();
        if self
            .lookup(&new_schema, &new_name)
            .is_some_and(|other| other != id)
        {
            self.unknown(id, "it gets the name of another relation");
            return;
        }
        self.unindex(
            &old.first().cloned().unwrap_or_default(),
            &old.last().cloned().unwrap_or_default(),
        );
        self.index(&new_schema, &new_name, id);
        self.catalog.ever.types.insert(new_name.clone());
        if let Some(relation) = self.relation_mut(id) {
            relation.schema.clone_from(&new_schema);
            relation.name.clone_from(&new_name);
        }
        self.rebind(&old, &[new_schema, new_name]);
    }

    /// Rewrites the qualified name of a relation in everything that is stored.
    fn rebind(&mut self, old: &[String], new: &[String]) {
        let mut rename = RenameRelation { old, new };
        for relation in self.relations_mut() {
            let table = relation.name.clone();
            if let Some(query) = relation.view.as_mut().and_then(|view| view.query.as_mut()) {
                walk::query(query, &mut rename);
            }
            for policy in &mut relation.policies {
                for slot in [&mut policy.using, &mut policy.check] {
                    if let PolicyExpr::Expr(expr) = slot {
                        // `notes.tenant_id` in the policy of `notes` is qualified by the table.
                        let own = new.last() == Some(&table);
                        walk::expr(expr, &mut rename);
                        if own {
                            walk::expr(expr, &mut RequalifyColumns { old, new });
                        }
                    }
                }
            }
        }
        for function in &mut self.catalog.functions {
            if let super::Body::Sql {
                statements,
                string: false,
                ..
            } = &mut function.body
            {
                for statement in statements {
                    walk::statement(statement, &mut rename);
                }
            }
        }
    }

    fn rename_schema(&mut self, old: &str, new: &str) {
        self.catalog.schemas.remove(old);
        self.catalog.schemas.insert(new.to_owned());
        let inside: Vec<RelationId> = self
            .catalog
            .relations()
            .filter(|r| r.schema == old)
            .map(|r| r.id)
            .collect();
        for id in inside {
            self.move_relation(id, Some(new), None);
        }
        let names: Vec<String> = self
            .catalog
            .functions
            .iter()
            .filter(|f| f.schema == old)
            .map(|f| f.name.clone())
            .collect();
        for function in &mut self.catalog.functions {
            if function.schema == old {
                new.clone_into(&mut function.schema);
            }
        }
        let moved: Vec<_> = names
            .iter()
            .map(|name| {
                let at = |schema: &str| vec![schema.to_owned(), name.clone()];
                (at(old), at(new))
            })
            .collect();
        self.rebind_triggers(&moved);
        for ty in &mut self.catalog.types {
            if ty.schema == old {
                new.clone_into(&mut ty.schema);
            }
        }
        for operator in &mut self.catalog.operators {
            if operator.schema == old {
                new.clone_into(&mut operator.schema);
            }
        }
        self.dependents(&format!("schema `{old}` is renamed"), &|m| {
            m.functions.iter().any(|function| names.contains(function))
        });
    }

    fn moved_type(&mut self, old: &str, schema: Option<&str>, name: Option<&str>) {
        for ty in self.catalog.types.iter_mut().filter(|ty| ty.name == old) {
            if let Some(schema) = schema {
                schema.clone_into(&mut ty.schema);
            }
            if let Some(name) = name {
                name.clone_into(&mut ty.name);
            }
        }
        let mut columns = Vec::new();
        for relation in self.catalog.relations() {
            let uses =
                |ty: &crate::ir::TypeName| ty.name.parts.last().is_some_and(|last| last == old);
            if relation
                .columns
                .iter()
                .any(|column| column.ty.as_ref().is_some_and(uses))
            {
                columns.push(relation.id);
            }
        }
        for id in columns {
            self.unknown(
                id,
                &format!("the type `{old}` of one of its columns is renamed or moved"),
            );
        }
        let old = old.to_owned();
        self.dependents(&format!("type `{old}` is renamed or moved"), &|m| {
            m.types.contains(&old)
        });
    }
}

struct RenameRelation<'a> {
    old: &'a [String],
    new: &'a [String],
}

impl Visitor for RenameRelation<'_> {
    fn relation(&mut self, relation: &mut RelationRef, cte: bool) {
        if !cte && relation.name.parts == self.old {
            relation.name.parts = self.new.to_vec();
        }
    }
}

struct RequalifyColumns<'a> {
    old: &'a [String],
    new: &'a [String],
}

impl Visitor for RequalifyColumns<'_> {
    fn expr(&mut self, expr: &mut crate::ir::Expr) {
        if let ExprKind::Column(parts) = &mut expr.kind
            && let [.., qualifier, _] = parts.as_mut_slice()
            && Some(&*qualifier) == self.old.last()
            && let Some(new) = self.new.last()
        {
            qualifier.clone_from(new);
        }
    }

    // Inside a sub-query the name may be an alias of something else.
    fn enters(&self) -> bool {
        false
    }
}
