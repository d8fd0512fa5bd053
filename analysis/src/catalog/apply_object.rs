//! Drops objects, with what depends on them.

use super::apply_policy::policy_reads;
use super::build::{Builder, TEMPORARY};
use super::model::{ColumnDefault, PolicyExpr, RelationId, RelationKind};
use super::walk::{Mentions, mentions, query_mentions, statement_mentions};
use crate::ddl::ir::{Ddl, Kind, Object, Ref, Step};
use crate::diagnostic::{Code, Severity};

impl Builder {
    pub(super) fn drop_objects(
        &mut self,
        kind: Kind,
        objects: Vec<Object>,
        cascade: bool,
        missing_ok: bool,
    ) {
        // The objects of one DROP may depend on each other.
        for object in &objects {
            self.drop_object(kind, object, cascade, missing_ok);
        }
    }

    fn drop_object(&mut self, kind: Kind, object: &Object, cascade: bool, missing_ok: bool) {
        if cascade {
            self.restrictions_in_doubt();
        }
        match kind {
            Kind::Relation => match self.target(&object.name) {
                Some(id) => self.drop_relation(id, cascade),
                None if missing_ok => {}
                None => self.missing("relation", &object.name),
            },
            Kind::Policy | Kind::Trigger | Kind::Rule => {
                self.drop_on_table(kind, object, missing_ok)
            }
            Kind::Index => {
                let name = &object.name.name;
                for relation in self.relations_mut() {
                    relation
                        .keys
                        .retain(|key| key.constraint || key.name != *name);
                    relation.indexes.retain(|index| index.name != *name);
                }
            }
            Kind::Schema => self.drop_schema(&object.name.name, cascade),
            Kind::Function => self.drop_function(object, cascade, missing_ok),
            Kind::Operator => {
                let name = object.name.name.clone();
                self.catalog
                    .operators
                    .retain(|operator| operator.name != name);
                if cascade {
                    self.dependents(&format!("operator `{name}` is dropped"), &|m| {
                        m.operators.contains(&name)
                    });
                }
            }
            Kind::Type => self.drop_type(&object.name, cascade),
            Kind::Collation => {
                let name = object.name.name.clone();
                self.catalog
                    .collations
                    .retain(|collation| collation.name != name);
                if cascade {
                    self.unreadable("DROP COLLATION … CASCADE");
                }
            }
            Kind::Cast => {
                if cascade {
                    self.unreadable("DROP CAST … CASCADE");
                }
            }
            Kind::Role => {
                let name = &object.name.name;
                self.members
                    .retain(|(member, role)| member != name && role != name);
                self.powers.remove(name);
                self.role_paths.retain(|(role, _), _| role != name);
            }
            Kind::Extension => {
                if cascade {
                    self.unreadable("DROP EXTENSION … CASCADE");
                }
            }
            Kind::Other => {}
        }
    }

    pub(super) fn drop_relation(&mut self, id: RelationId, cascade: bool) {
        let Some(relation) = self.relation(id) else {
            return;
        };
        let key = vec![relation.schema.clone(), relation.name.clone()];
        let children: Vec<RelationId> = relation.children.clone();
        for child in children {
            let partition = self
                .relation(child)
                .is_some_and(|r| r.kind == RelationKind::Partition);
            if partition || cascade {
                self.drop_relation(child, true);
            }
        }
        let mut readers = Vec::new();
        let mut policies = Vec::new();
        for other in self.catalog.relations() {
            if other.id == id {
                continue;
            }
            if other
                .view
                .as_ref()
                .is_some_and(|view| view.reads.contains(&id))
            {
                readers.push(other.id);
            }
            if other
                .policies
                .iter()
                .any(|policy| policy_reads(policy, &key))
            {
                policies.push(other.id);
            }
        }
        for reader in readers {
            if cascade {
                self.drop_relation(reader, true);
            } else {
                self.unknown(reader, "what it reads is dropped");
            }
        }
        for table in policies {
            self.unknown(table, "a table that its policies read is dropped");
        }
        self.remove(id);
    }

    /// `DROP … CASCADE` takes along what depends on the object by its type or by a constant that names
    /// it. Where that may be a restrictive policy, the table is protected by one policy less.
    fn restrictions_in_doubt(&mut self) {
        let own = |ty: &str| ty.starts_with("reg") || self.catalog.ever.types.contains(ty);
        let doubtful = |relation: &&super::model::Relation| {
            relation
                .policies
                .iter()
                .filter(|policy| !policy.permissive)
                .flat_map(|policy| [&policy.using, &policy.check])
                .any(|side: &PolicyExpr| {
                    let PolicyExpr::Expr(expr) = side else {
                        return false;
                    };
                    let found = mentions(expr);
                    let of_type = |name: &String| {
                        let ty = relation
                            .column(name)
                            .and_then(|(_, column)| column.ty.as_ref());
                        ty.and_then(|ty| ty.name.parts.last())
                            .is_some_and(|ty| own(ty))
                    };
                    found.types.iter().any(|ty| own(ty)) || found.columns.iter().any(of_type)
                })
        };
        let ids: Vec<RelationId> = self
            .catalog
            .relations()
            .filter(doubtful)
            .map(|relation| relation.id)
            .collect();
        for id in ids {
            self.unknown(
                id,
                "a restrictive policy may have gone with what was dropped by CASCADE",
            );
        }
    }

    fn drop_on_table(&mut self, kind: Kind, object: &Object, missing_ok: bool) {
        let Some(table) = &object.table else { return };
        let Some(id) = self.target_if(table, missing_ok) else {
            if !missing_ok {
                self.missing("table", table);
            }
            return;
        };
        let name = &object.name.name;
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        match kind {
            Kind::Policy => {
                let before = relation.policies.len();
                relation.policies.retain(|policy| policy.name != *name);
                if relation.policies.len() == before && !missing_ok {
                    self.unknown(
                        id,
                        &format!("its policy `{name}` is dropped, but no migration creates it"),
                    );
                }
            }
            Kind::Trigger => relation.triggers.retain(|trigger| trigger.name != *name),
            _ => relation.rules.retain(|rule| rule.name != *name),
        }
    }

    fn drop_schema(&mut self, schema: &str, cascade: bool) {
        self.catalog.schemas.remove(schema);
        if !cascade {
            return;
        }
        let inside: Vec<RelationId> = self
            .catalog
            .relations()
            .filter(|relation| relation.schema == schema)
            .map(|relation| relation.id)
            .collect();
        for id in inside {
            self.drop_relation(id, true);
        }
        let names: Vec<String> = self
            .catalog
            .functions
            .iter()
            .filter(|function| function.schema == schema)
            .map(|function| function.name.clone())
            .collect();
        self.catalog
            .functions
            .retain(|function| function.schema != schema);
        self.reindex_functions();
        self.catalog
            .operators
            .retain(|operator| operator.schema != schema);
        let types: Vec<String> = self
            .catalog
            .types
            .iter()
            .filter(|ty| ty.schema == schema)
            .map(|ty| ty.name.clone())
            .collect();
        self.catalog.types.retain(|ty| ty.schema != schema);
        self.dependents(&format!("schema `{schema}` is dropped"), &|m| {
            m.functions.iter().any(|f| names.contains(f))
                || m.types.iter().any(|t| types.contains(t))
        });
        for name in types {
            self.columns_of_type(&name);
        }
    }

    fn drop_type(&mut self, name: &Ref, cascade: bool) {
        let path = self.path.clone();
        let first = |ty: &super::TypeDefinition| match &name.schema {
            Some(schema) => ty.schema == *schema,
            None => path.contains(&ty.schema),
        };
        self.catalog
            .types
            .retain(|ty| ty.name != name.name || !first(ty));
        if cascade {
            let dropped = name.name.clone();
            self.dependents(&format!("type `{dropped}` is dropped"), &|m| {
                m.types.contains(&dropped)
            });
            self.columns_of_type(&name.name);
        }
    }

    /// `DROP TYPE … CASCADE` drops the columns of that type.
    fn columns_of_type(&mut self, name: &str) {
        let mut columns = Vec::new();
        for relation in self.catalog.relations() {
            for column in &relation.columns {
                if column
                    .ty
                    .as_ref()
                    .is_some_and(|ty| ty.name.parts.last().is_some_and(|last| last == name))
                {
                    columns.push((relation.id, column.name.clone()));
                }
            }
        }
        for (id, column) in columns {
            self.drop_own_column(id, &column, true);
        }
    }

    /// Whatever stores an expression that mentions something which is dropped, renamed or moved is
    /// no longer understood.
    pub(super) fn dependents(&mut self, reason: &str, depends: &dyn Fn(&Mentions) -> bool) {
        let mut unclear = Vec::new();
        for relation in self.catalog.relations() {
            let of_policies = relation.policies.iter().any(|policy| {
                [&policy.using, &policy.check]
                    .into_iter()
                    .any(|expr| match expr {
                        PolicyExpr::Expr(expr) => depends(&mentions(expr)),
                        PolicyExpr::Opaque(_) => true,
                        PolicyExpr::None => false,
                    })
            });
            let of_view = relation.view.as_ref().is_some_and(|view| {
                view.query
                    .as_ref()
                    .is_none_or(|query| depends(&query_mentions(query)))
            });
            let defaults = relation.columns.iter().any(|column| match &column.default {
                ColumnDefault::Expr(expr) | ColumnDefault::Generated(expr) => {
                    depends(&mentions(expr))
                }
                _ => false,
            });
            let conditions = relation
                .triggers
                .iter()
                .filter_map(|trigger| trigger.condition.as_ref()?.as_ref());
            let stored = relation
                .checks
                .iter()
                .filter_map(|check| check.expr.as_ref())
                .chain(relation.index_expressions.iter().flatten())
                .chain(conditions)
                .any(|expr| depends(&mentions(expr)));
            if of_policies || of_view || defaults || stored {
                unclear.push(relation.id);
            }
        }
        for function in &mut self.catalog.functions {
            let body = match &function.body {
                super::Body::Sql {
                    statements,
                    string: false,
                    ..
                } => statements.iter().any(|s| depends(&statement_mentions(s))),
                _ => false,
            };
            let default = function
                .inputs()
                .filter_map(|argument| argument.default.as_ref())
                .any(|expr| depends(&mentions(expr)));
            if body || default {
                function
                    .unknown
                    .get_or_insert_with(|| format!("{reason}, and it depends on it"));
            }
        }
        for ty in &mut self.catalog.types {
            if let super::TypeKind::Domain { expressions, .. } = &mut ty.kind {
                for expr in expressions {
                    if expr.as_ref().is_some_and(|expr| depends(&mentions(expr))) {
                        *expr = None;
                    }
                }
            }
        }
        for id in unclear {
            self.unknown(
                id,
                &format!("{reason}, and a stored expression depends on it"),
            );
        }
    }

    pub(super) fn owner(&mut self, kind: Kind, object: &Object, owner: &str) {
        if kind == Kind::Relation
            && let Some(id) = self.target(&object.name)
            && let Some(relation) = self.relation_mut(id)
        {
            relation.owner = Some(owner.to_owned());
        }
        self.named_roles.insert(owner.to_owned());
    }

    pub(super) fn comment(&mut self, table: &Ref, text: Option<String>) {
        match self.target(table) {
            Some(id) => {
                if let Some(relation) = self.relation_mut(id) {
                    relation.comment = text;
                }
            }
            None => self.missing("table", table),
        }
    }

    pub(super) fn create_schema(
        &mut self,
        name: String,
        owner: Option<String>,
        mut elements: Vec<Step>,
    ) {
        if name == TEMPORARY || name.starts_with("pg_") {
            self.diagnose(
                Code::MIGRATION_UNKNOWN,
                Severity::Error,
                format!("the schema `{name}` has a name that is the server's own"),
                "choose another name",
            );
        }
        self.catalog.schemas.insert(name.clone());
        // Unqualified names of the elements go into the new schema, and belong to its owner. The
        // server brings them into this order first.
        elements.sort_by_key(|element| match element.ddl {
            Ddl::CreateSequence { .. } => 0,
            Ddl::CreateTable(_) => 1,
            Ddl::CreateView(_) => 2,
            Ddl::CreateIndex(_) => 3,
            Ddl::CreateTrigger(_) => 4,
            _ => 5,
        });
        let (path, role) = (self.path.clone(), self.current_role.clone());
        self.path.insert(0, name);
        self.named_roles.extend(owner.clone());
        self.current_role = owner.or(role.clone());
        for element in elements {
            self.apply(element.ddl);
        }
        (self.path, self.current_role) = (path, role);
    }
}
