//! Functions, operators, types, casts, collations, triggers and rules.

use super::bind;
use super::build::Builder;
use super::model::{Rule, Trigger};
use super::names::type_text;
use super::routine::{
    Body, Cast, Collation, Function, Operator, TypeDefinition, TypeKind, Volatility,
};
use crate::ddl::ir::{
    BodySpec, CreateFunction, CreateRule, CreateTrigger, FunctionChanges, Maybe, NewType, Object,
    Ref,
};
use crate::ddl::plpgsql::{self, Node};
use crate::{ddl, ir};

/// A type in one spelling, for comparing signatures.
fn canonical(ty: &ir::TypeName) -> String {
    let text = type_text(&ir::TypeName {
        modifiers: Vec::new(),
        ..ty.clone()
    });
    match text.as_str() {
        "int" => "integer".to_owned(),
        "character varying" => "varchar".to_owned(),
        _ => text,
    }
}

/// Whether two spellings may be of one type: a schema that only one of them names says nothing.
fn same_type(a: &ir::TypeName, b: &ir::TypeName) -> bool {
    let (a_parts, b_parts) = (&a.name.parts, &b.name.parts);
    let schema = a_parts.len() == b_parts.len() && a_parts.len() > 1;
    canonical(a) == canonical(b)
        || (a.dimensions == b.dimensions
            && a_parts.last() == b_parts.last()
            && (!schema || a_parts == b_parts))
        // `notes.id%TYPE`
        || [a_parts, b_parts].iter().any(|parts| parts.last().is_some_and(|last| last.contains('%')))
}

fn same_types(a: &[&ir::TypeName], b: &[&ir::TypeName]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_type(a, b))
}

impl Builder {
    pub(super) fn reindex_functions(&mut self) {
        let mut names: std::collections::HashMap<String, Vec<usize>> =
            std::collections::HashMap::new();
        for (index, function) in self.catalog.functions.iter().enumerate() {
            names.entry(function.name.clone()).or_default().push(index);
        }
        self.catalog.function_names = names;
    }

    pub(super) fn create_function(&mut self, create: CreateFunction) {
        self.not_of_the_server(&create.name);
        let ambiguous = self.is_ambiguous(&create.name);
        let schema = self.schema_for(&create.name);
        let body = match create.body {
            BodySpec::Text {
                text,
                sql: Some(Ok(statements)),
            } => Body::Sql {
                statements,
                string: true,
                text,
            },
            BodySpec::Text {
                text,
                sql: Some(Err(why)),
            } => Body::Opaque { text, why },
            BodySpec::Text { text, sql: None } => Body::Opaque {
                text,
                why: format!("the language {} is not read", create.language),
            },
            BodySpec::Standard(Ok(mut statements)) => {
                let bound: Result<Vec<_>, String> = statements
                    .iter_mut()
                    .map(|statement| {
                        let reads = bind::statement(statement, self)?;
                        self.bound_here(&super::walk::statement_mentions(statement))?;
                        Ok(reads)
                    })
                    .collect();
                match bound {
                    Ok(_) => Body::Sql {
                        statements,
                        string: false,
                        text: String::new(),
                    },
                    Err(why) => Body::Opaque {
                        text: String::new(),
                        why,
                    },
                }
            }
            BodySpec::Standard(Err(why)) => Body::Opaque {
                text: String::new(),
                why,
            },
            BodySpec::Native(language) => Body::Opaque {
                text: String::new(),
                why: format!("its body is native ({language})"),
            },
        };
        let returned = match &body {
            Body::Opaque { text, .. }
                if create.language == "plpgsql" && create.arguments.is_empty() =>
            {
                returned(text)
            }
            _ => None,
        };
        let mut function = Function {
            schema,
            returned,
            name: create.name.name,
            kind: create.kind,
            arguments: create.arguments,
            returns: create.returns,
            returns_set: create.returns_set,
            language: create.language,
            security_definer: false,
            volatility: Volatility::default(),
            strict: false,
            leakproof: false,
            body,
            settings: Vec::new(),
            unknown: ambiguous.then(|| "its schema is not known".to_owned()),
            written_in: self.at.path.clone(),
        };
        change(&mut function, create.changes);
        self.catalog.ever.functions.insert(function.name.clone());
        let wanted: Vec<_> = function.inputs().map(|a| &a.ty).collect();
        let namesakes = self
            .catalog
            .function_names
            .get(&function.name)
            .map_or(&[][..], Vec::as_slice);
        let same = namesakes.iter().copied().find(|index| {
            self.catalog.functions.get(*index).is_some_and(|existing| {
                let inputs: Vec<_> = existing.inputs().map(|a| &a.ty).collect();
                existing.schema == function.schema && same_types(&inputs, &wanted)
            })
        });
        match same.and_then(|index| self.catalog.functions.get_mut(index)) {
            Some(existing) => {
                let text = |f: &Function| f.inputs().map(|a| canonical(&a.ty)).collect::<Vec<_>>();
                if text(existing) != text(&function) {
                    function.unknown =
                        Some("whether it replaces its namesake is not known".to_owned());
                }
                if !create.replace {
                    function.unknown = Some("it is created twice".to_owned());
                }
                *existing = function;
            }
            None => {
                // All functions are not looked through again for each that is created.
                let index = self.catalog.functions.len();
                let names = &mut self.catalog.function_names;
                names.entry(function.name.clone()).or_default().push(index);
                self.catalog.functions.push(function);
            }
        }
    }

    /// A function is named by arguments that none of its namesakes has, as far as types are
    /// understood here: each of them may be the one.
    fn which_namesake(&mut self, object: &Object) {
        for function in &mut self.catalog.functions {
            if function.name == object.name.name {
                function.unknown.get_or_insert_with(|| {
                    "which of its namesakes is changed is not known".to_owned()
                });
            }
        }
    }

    /// The positions of the functions that an object names.
    fn matching(&self, object: &Object) -> Vec<usize> {
        let schemas: Vec<&String> = match &object.name.schema {
            Some(schema) => vec![schema],
            // Where the path is not certain, either may be meant.
            None => {
                let left = self.path_left.iter().flatten();
                self.path.iter().chain(left).collect()
            }
        };
        let matches = |function: &Function| {
            function.name == object.name.name
                && schemas.contains(&&function.schema)
                && object.arguments.as_ref().is_none_or(|types| {
                    let inputs: Vec<_> = function.inputs().map(|a| &a.ty).collect();
                    let all: Vec<_> = function.arguments.iter().map(|a| &a.ty).collect();
                    let given: Vec<_> = types.iter().collect();
                    same_types(&inputs, &given) || same_types(&all, &given)
                })
        };
        self.catalog
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| matches(function))
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn alter_function(&mut self, object: &Object, changes: FunctionChanges) {
        let matching = self.matching(object);
        if matching.is_empty() {
            self.missing("function", &object.name);
            self.which_namesake(object);
        }
        let sure = matching.len() == 1 && !self.is_ambiguous(&object.name);
        for index in matching {
            if let Some(function) = self.catalog.functions.get_mut(index) {
                change(function, changes.clone());
                if !sure {
                    function.unknown.get_or_insert_with(|| {
                        "which of its namesakes is changed is not known".to_owned()
                    });
                }
            }
        }
    }

    pub(super) fn drop_function(&mut self, object: &Object, cascade: bool, missing_ok: bool) {
        let matching = self.matching(object);
        if matching.is_empty() && !missing_ok {
            self.which_namesake(object);
        }
        let name = object.name.name.clone();
        let mut index = 0;
        let mut dropped = Vec::new();
        self.catalog.functions.retain(|function| {
            index += 1;
            let goes = matching.contains(&(index - 1));
            // Functions of triggers have no arguments.
            if goes && function.inputs().next().is_none() {
                dropped.push(vec![function.schema.clone(), function.name.clone()]);
            }
            !goes
        });
        self.reindex_functions();
        if cascade {
            for relation in self.relations_mut() {
                relation
                    .triggers
                    .retain(|trigger| !dropped.contains(&trigger.function.parts));
            }
        }
        self.dependents(&format!("function `{name}` is dropped"), &|m| {
            m.functions.contains(&name)
        });
    }

    pub(super) fn move_function(
        &mut self,
        object: &Object,
        schema: Option<&str>,
        new_name: Option<&str>,
    ) {
        let old = object.name.name.clone();
        let mut moved = Vec::new();
        let matching = self.matching(object);
        if matching.is_empty() {
            self.which_namesake(object);
        }
        for index in matching {
            if let Some(function) = self.catalog.functions.get_mut(index) {
                let before = vec![function.schema.clone(), function.name.clone()];
                if let Some(schema) = schema {
                    schema.clone_into(&mut function.schema);
                }
                if let Some(name) = new_name {
                    name.clone_into(&mut function.name);
                }
                let after = vec![function.schema.clone(), function.name.clone()];
                if function.inputs().next().is_none() {
                    moved.push((before, after));
                }
            }
        }
        if let Some(name) = new_name {
            self.catalog.ever.functions.insert(name.to_owned());
        }
        self.rebind_triggers(&moved);
        self.reindex_functions();
        self.dependents(&format!("function `{old}` is renamed or moved"), &|m| {
            m.functions.contains(&old)
        });
    }

    /// Triggers are bound to the function, not to its name.
    pub(super) fn rebind_triggers(&mut self, moved: &[(Vec<String>, Vec<String>)]) {
        for trigger in self
            .relations_mut()
            .flat_map(|relation| &mut relation.triggers)
        {
            let parts = &mut trigger.function.parts;
            if let Some((_, after)) = moved.iter().find(|(before, _)| before == parts) {
                parts.clone_from(after);
            }
        }
    }

    pub(super) fn create_operator(
        &mut self,
        name: &Ref,
        left: Option<ir::TypeName>,
        right: Option<ir::TypeName>,
    ) {
        self.not_of_the_server(name);
        let operator = Operator {
            schema: self.schema_for(name),
            name: name.name.clone(),
            left,
            right,
        };
        self.catalog.ever.operators.push(operator.clone());
        self.catalog.operators.push(operator);
    }

    /// What a migration puts among the server's own objects could stand in for any of them.
    pub(super) fn not_of_the_server(&mut self, name: &Ref) {
        if matches!(
            name.schema.as_deref(),
            Some("pg_catalog" | "information_schema")
        ) {
            self.unreadable(&format!("a new `{}` among the server's own", name.name));
        }
    }

    pub(super) fn create_type(&mut self, name: &Ref, kind: NewType, collation: Option<Ref>) {
        self.not_of_the_server(name);
        let schema = self.schema_for(name);
        self.catalog.ever.types.insert(name.name.clone());
        let kind = match kind {
            NewType::Domain {
                base,
                mut expressions,
            } => {
                for expr in expressions.iter().flatten() {
                    self.implicit.extend(super::walk::mentions(expr).functions);
                }
                if collation.is_some() {
                    expressions.push(None);
                }
                TypeKind::Domain { base, expressions }
            }
            NewType::Enum => TypeKind::Enum,
            NewType::Composite(fields) => TypeKind::Composite(fields),
            NewType::Range => TypeKind::Range,
            NewType::Base => TypeKind::Base,
        };
        // A base type is declared first and defined later.
        self.catalog
            .types
            .retain(|ty| !(ty.schema == schema && ty.name == name.name));
        self.catalog.types.push(TypeDefinition {
            schema,
            name: name.name.clone(),
            kind,
            written_in: self.at.path.clone(),
        });
    }

    pub(super) fn alter_domain(&mut self, name: &Ref, check: Option<Maybe<ir::Expr>>) {
        if let Some(Ok(expr)) = &check {
            self.implicit.extend(super::walk::mentions(expr).functions);
            // The values that are there are checked now.
            self.evaluates(Vec::new(), Vec::new());
        }
        for ty in self
            .catalog
            .types
            .iter_mut()
            .filter(|ty| ty.name == name.name)
        {
            if let (TypeKind::Domain { expressions, .. }, Some(check)) = (&mut ty.kind, &check) {
                expressions.push(check.clone().ok());
            }
        }
    }

    pub(super) fn create_collation(&mut self, name: &Ref, deterministic: bool) {
        let schema = self.schema_for(name);
        self.catalog.ever.collations.insert(name.name.clone());
        self.catalog.collations.push(Collation {
            schema,
            name: name.name.clone(),
            deterministic,
        });
    }

    pub(super) fn create_cast(
        &mut self,
        source: ir::TypeName,
        target: ir::TypeName,
        implicit: bool,
    ) {
        let cast = Cast {
            source,
            target,
            implicit,
        };
        self.catalog.ever.casts.push(cast.clone());
        self.catalog.casts.push(cast);
    }

    pub(super) fn create_trigger(&mut self, create: CreateTrigger) {
        let Some(id) = self.target(&create.table) else {
            self.missing("table", &create.table);
            return;
        };
        // Triggers are bound when they are created: keep the schema that the name has now.
        let mut function = create.function;
        if let [name] = function.parts.as_slice() {
            let reference = Ref {
                schema: None,
                name: name.clone(),
            };
            if self.is_ambiguous(&reference) {
                self.unknown(
                    id,
                    "a trigger of it was bound under a search path that is not known",
                );
            }
            let schema = self.path.iter().find(|schema| {
                self.catalog
                    .functions
                    .iter()
                    .any(|f| f.schema == **schema && f.name == *name)
            });
            if let Some(schema) = schema {
                function.parts = vec![schema.clone(), name.clone()];
            }
        }
        let trigger = Trigger {
            name: create.name,
            timing: create.timing,
            commands: create.commands,
            row: create.row,
            function,
            condition: create.condition.map(Result::ok),
            enabled: true,
        };
        let replace = create.replace;
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        if replace {
            relation
                .triggers
                .retain(|existing| existing.name != trigger.name);
        }
        relation.triggers.push(trigger);
    }

    pub(super) fn create_rule(&mut self, create: CreateRule) {
        let Some(id) = self.target(&create.table) else {
            self.missing("table", &create.table);
            return;
        };
        if create.command == super::model::Command::Select {
            // `ON SELECT DO INSTEAD` turns a table into a view.
            self.unknown(id, "a rule makes it a view");
            return;
        }
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        if create.replace {
            relation
                .rules
                .retain(|existing| existing.name != create.name);
        }
        relation.rules.push(Rule {
            name: create.name,
            command: create.command,
            instead: create.instead,
            nothing: create.nothing,
            enabled: true,
        });
    }
}

fn change(function: &mut Function, changes: FunctionChanges) {
    if let Some(definer) = changes.security_definer {
        function.security_definer = definer;
    }
    if let Some(volatility) = changes.volatility {
        function.volatility = volatility;
    }
    if let Some(strict) = changes.strict {
        function.strict = strict;
    }
    if let Some(leakproof) = changes.leakproof {
        function.leakproof = leakproof;
    }
    if changes.reset_all {
        function.settings.clear();
    }
    for name in &changes.reset {
        function.settings.retain(|(setting, _)| setting != name);
    }
    for (name, value) in changes.set {
        function.settings.retain(|(setting, _)| *setting != name);
        function.settings.push((name, value));
    }
    if changes.unknown {
        function
            .unknown
            .get_or_insert_with(|| "an attribute of it is not understood".to_owned());
    }
}

/// What a body in PL/pgSQL returns, if that is all of it: without variables a name in it means what it
/// means in SQL.
fn returned(text: &str) -> Option<Vec<ir::Statement>> {
    let block = plpgsql::tree(text).ok()?;
    let bare = block.variables.is_empty() && block.handlers.is_empty() && !block.conflict;
    match block.body.as_slice() {
        [Node::Return { expr, next: false }] if bare && !expr.is_empty() => {
            ddl::statements(&format!("SELECT {expr}")).ok()
        }
        _ => None,
    }
}
