//! Which part of the builder applies which statement.

use super::build::{Builder, TEMPORARY};
use crate::ddl::ir::{Ddl, Kind};
use crate::diagnostic::{Code, Severity};

/// Extensions of functions and types, which make no relation that a script could ask for.
const WITHOUT_RELATIONS: &[&str] = &[
    "plpgsql",
    "pgcrypto",
    "uuid-ossp",
    "citext",
    "pg_trgm",
    "btree_gin",
    "btree_gist",
    "hstore",
    "unaccent",
    "vector",
    "ltree",
    "intarray",
    "fuzzystrmatch",
    "cube",
    "earthdistance",
    "isn",
    "tablefunc",
    "pgjwt",
    "pg_uuidv7",
    "moddatetime",
];

impl Builder {
    pub(super) fn apply(&mut self, ddl: Ddl) {
        // An event trigger goes on calling a function that gets another name.
        if let Ddl::Rename {
            kind: Kind::Function,
            object,
            new_name,
            ..
        } = &ddl
            && self.event_functions.contains(&object.name.name)
        {
            self.event_functions.insert(new_name.clone());
        }
        match ddl {
            Ddl::Harmless | Ddl::Begin | Ddl::Commit | Ddl::Rollback => {}
            Ddl::CreateTable(table) => self.create_table(*table),
            Ddl::CreateTableAs(table) => {
                match &table.query {
                    Ok(query) => self.evaluates_query(query),
                    // What is not understood may call anything.
                    Err(why) => self.unreadable(&format!("CREATE TABLE AS: {why}")),
                }
                self.create_table_as(*table);
            }
            Ddl::CreateView(view) => self.create_view(*view),
            Ddl::AlterTable {
                target,
                missing_ok,
                only,
                actions,
            } => {
                self.alter_table(&target, missing_ok, only, actions);
            }
            Ddl::CreatePolicy(policy) => self.create_policy(*policy),
            Ddl::AlterPolicy(policy) => self.alter_policy(*policy),
            Ddl::Drop {
                kind,
                objects,
                cascade,
                missing_ok,
            } => {
                self.drop_objects(kind, objects, cascade, missing_ok);
            }
            Ddl::Rename {
                kind,
                object,
                new_name,
                missing_ok,
            } => {
                self.rename(kind, &object, &new_name, missing_ok);
            }
            Ddl::RenameColumn {
                table,
                column,
                new_name,
                missing_ok,
            } => {
                self.rename_column(&table, &column, &new_name, missing_ok);
            }
            Ddl::RenameConstraint {
                table,
                name,
                new_name,
            } => {
                self.rename_constraint(&table, &name, &new_name);
            }
            Ddl::SetSchema {
                kind,
                object,
                schema,
                missing_ok,
            } => {
                self.set_schema(kind, &object, &schema, missing_ok);
            }
            Ddl::Owner {
                kind,
                object,
                owner,
            } => self.owner(kind, &object, &owner),
            Ddl::CommentOnTable { table, text } => self.comment(&table, text),
            Ddl::CreateFunction(function) => self.create_function(*function),
            Ddl::AlterFunction { object, changes } => self.alter_function(&object, changes),
            Ddl::CreateOperator {
                name,
                left,
                right,
                function,
            } => {
                self.implicit.extend(function);
                self.create_operator(&name, left, right);
            }
            Ddl::CreateType {
                name,
                kind,
                collation,
            } => self.create_type(&name, kind, collation),
            Ddl::AlterDomain { name, check } => self.alter_domain(&name, check),
            Ddl::CreateCollation {
                name,
                deterministic,
            } => {
                self.create_collation(&name, deterministic);
            }
            Ddl::CreateCast {
                source,
                target,
                implicit,
                function,
            } => {
                self.implicit.extend(function);
                self.create_cast(source, target, implicit);
            }
            Ddl::CreateTrigger(trigger) => self.create_trigger(*trigger),
            Ddl::CreateRule(rule) => self.create_rule(*rule),
            Ddl::CreateIndex(index) => self.create_index(*index),
            Ddl::CreateSequence { name } => self.create_sequence(&name),
            Ddl::CreateSchema {
                name,
                owner,
                elements,
            } => self.create_schema(name, owner, elements),
            Ddl::GrantRoles {
                roles,
                members,
                grant,
            } => self.grant_roles(&roles, &members, grant),
            Ddl::Role {
                name,
                superuser,
                bypassrls,
                member_of,
                members,
            } => {
                let powers = self.powers.entry(name.clone()).or_default();
                powers.superuser = superuser.unwrap_or(powers.superuser);
                powers.bypassrls = bypassrls.unwrap_or(powers.bypassrls);
                self.named_roles.insert(name.clone());
                self.grant_roles(&member_of, std::slice::from_ref(&name), true);
                self.grant_roles(std::slice::from_ref(&name), &members, true);
            }
            Ddl::EventTrigger { function } => {
                self.event_functions.insert(function);
            }
            Ddl::Extension { name } => {
                self.catalog.ever.extensions.insert(name.clone());
                self.extensions |= !WITHOUT_RELATIONS.contains(&name.as_str());
            }
            Ddl::SearchPath { path, local } => self.set_path(path, local),
            Ddl::SetRole { role } => self.set_role(role),
            Ddl::Reassign { owner } => {
                for relation in self.relations_mut() {
                    relation.owner = Some(owner.clone());
                }
            }
            Ddl::Grants { roles } => self.granted.extend(roles),
            Ddl::RolePath {
                role,
                database,
                path,
            } => {
                let role = role.unwrap_or_default();
                // Whoever migrates may start with it from the next connection on.
                if role != self.catalog.config.application_role
                    && let Some(path) = &path
                {
                    let path = path.iter().filter(|s| *s != "$user" && *s != "pg_catalog");
                    self.default_path = Some(path.cloned().collect());
                }
                self.named_roles
                    .extend((!role.is_empty()).then(|| role.clone()));
                let key = (role, database);
                match path {
                    Some(path) => self.role_paths.insert(key, path),
                    None => self.role_paths.remove(&key),
                };
            }
            Ddl::Data { statement } => match statement {
                Ok(statement) => self.data(&statement),
                // What is not understood may call anything.
                Err(why) => {
                    self.unreadable(&format!("a data statement that is not understood: {why}"))
                }
            },
            Ddl::Reindex => {
                let with = |r: &&super::Relation| !r.index_expressions.is_empty();
                let ids: Vec<_> = self
                    .catalog
                    .relations()
                    .filter(with)
                    .map(|r| r.id)
                    .collect();
                let found: Vec<_> = ids.iter().flat_map(|id| self.stored(*id)).collect();
                self.evaluates_found(&found);
            }
            Ddl::Evaluates { relations } => {
                if let Some(name) = relations.iter().find(|name| self.is_of_the_server(name)) {
                    self.unreadable(&format!("a change of `{}`", name.name));
                    return;
                }
                let found = relations
                    .iter()
                    .filter_map(|name| self.find(name))
                    .collect();
                self.evaluates(found, Vec::new());
            }
            Ddl::Do { language, body } => self.do_block(&language, &body),
            Ddl::Unknown { what } => self.unreadable(&what),
        }
    }

    fn set_path(&mut self, path: Option<Vec<String>>, local: bool) {
        if local && self.path_before_local.is_none() {
            self.path_before_local = Some(self.path.clone());
        }
        if !local {
            self.path_before_local = None;
        }
        let path = path.unwrap_or_else(|| vec!["public".to_owned()]);
        if path.iter().any(|schema| schema == "?") {
            self.unreadable("SET search_path to what is no constant");
            return;
        }
        let first = path
            .iter()
            .find(|s| *s == TEMPORARY || self.catalog.schemas.contains(*s));
        if first.is_some_and(|schema| schema == TEMPORARY) {
            self.unreadable(
                "SET search_path with `pg_temp` first, where new objects are temporary",
            );
            return;
        }
        // Outside of a transaction, which only the tool may have opened, LOCAL has no effect.
        if local && !self.in_transaction && self.path_left_before_local.is_none() {
            self.path_left_before_local = Some(self.path_left.replace(self.path.clone()));
        }
        // `"$user"` is whoever migrates; a schema of that name is the tool's own affair.
        self.path = path
            .into_iter()
            .filter(|s| s != "$user" && s != "pg_catalog")
            .collect();
    }

    fn grant_roles(&mut self, roles: &[String], members: &[String], grant: bool) {
        for role in roles {
            for member in members {
                let edge = (member.clone(), role.clone());
                if grant {
                    self.members.insert(edge);
                } else {
                    self.members.remove(&edge);
                }
            }
        }
        if grant && members.iter().any(|member| member == "?") {
            self.diagnose(
                Code::MIGRATION_UNKNOWN,
                Severity::Warning,
                "a role is granted to whoever runs the migration".to_owned(),
                "name the role",
            );
        }
    }
}
