//! The catalog: the database as the migrations leave it.
//!
//! Invariant: what the migrations do not tell for certain is unknown, and unknown is never
//! protected. Names that a migration *ever* defined count as shadowing, because stored expressions
//! keep the object they were bound to.

mod apply;
mod apply_alter;
mod apply_constraint;
mod apply_object;
mod apply_partition;
mod apply_policy;
mod apply_rename;
mod apply_routine;
mod apply_table;
mod bind;
mod build;
mod composite;
mod dynamic;
mod expand;
pub(crate) mod finish;
mod lookup;
mod model;
mod names;
mod remedy;
mod routine;
mod scope;
mod script;
pub(crate) mod walk;

pub use build::Location;
pub(crate) use lookup::nearest;
pub use lookup::{Lookup, distance};
pub use model::{
    Check, Class, Column, ColumnDefault, Command, Deferral, Directive, ForeignKey, Index, Key,
    KeyKind, Policy, PolicyExpr, ReferentialAction, Relation, RelationId, RelationKind,
    RowSecurity, Rule, Trigger, TriggerTiming, Unknown, ViewDefinition,
};
pub use names::{quote, type_text};
pub use routine::{
    Argument, ArgumentMode, Body, Cast, Collation, Function, FunctionKind, Operator,
    TypeDefinition, TypeKind, Volatility,
};

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::migrations::Migration;

/// The database as the migrations leave it.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) config: Config,
    pub(crate) id: String,
    pub(crate) relations: Vec<Option<Relation>>,
    pub(crate) by_name: HashMap<String, HashMap<String, RelationId>>,
    pub(crate) functions: Vec<Function>,
    pub(crate) function_names: HashMap<String, Vec<usize>>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) types: Vec<TypeDefinition>,
    pub(crate) collations: Vec<Collation>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) schemas: BTreeSet<String>,
    pub(crate) search_path: Vec<String>,
    /// Roles that the application role is a member of, itself included.
    pub(crate) roles: BTreeSet<String>,
    /// Why the membership of roles can't be told.
    pub(crate) roles_unknown: Option<String>,
    /// Why row-level security does not hold for the application role at all.
    pub(crate) bypasses_rls: Option<String>,
    /// Names that any migration ever defined, dropped ones included.
    pub(crate) ever: Defined,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Names that migrations define or once defined.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defined {
    pub(crate) functions: HashSet<String>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) types: HashSet<String>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) collations: HashSet<String>,
    pub(crate) extensions: HashSet<String>,
    /// Why any name at all could have been defined.
    pub(crate) anything: Option<String>,
}

impl Catalog {
    /// Builds the catalog from migrations in the order in which they are applied.
    ///
    /// Never fails: what can't be read makes what it may touch unknown, with a diagnostic.
    pub fn build(config: &Config, migrations: &[Migration]) -> Catalog {
        build::build(config, migrations)
    }

    /// What is wrong with the migrations; the notes name the file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Warnings about side channels of the schema: keys and foreign keys without the tenant column,
    /// which tell whether another tenant's row exists or act on it. The help holds the mend.
    pub fn side_channels(&self) -> impl Iterator<Item = &Diagnostic> {
        use crate::diagnostic::Code;
        let codes = [
            Code::KEY_WITHOUT_TENANT,
            Code::FOREIGN_KEY_WITHOUT_TENANT,
            Code::CASCADE_ACROSS_TENANTS,
            Code::SHARED_SEQUENCE,
        ];
        self.diagnostics
            .iter()
            .filter(move |diagnostic| codes.contains(&diagnostic.code))
    }

    /// The configuration that the catalog was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A stable identity of configuration and migrations, in hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The schemas that unqualified names of the application role are looked up in.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// Every relation, in the order of creation.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().flatten()
    }

    /// The relation with this identity.
    pub fn get(&self, id: RelationId) -> Option<&Relation> {
        self.relations.get(id.0)?.as_ref()
    }

    /// Every function, in the order of creation.
    pub fn all_functions(&self) -> &[Function] {
        &self.functions
    }

    /// Every operator that a migration defines.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// Every type that a migration defines.
    pub fn types(&self) -> &[TypeDefinition] {
        &self.types
    }

    /// Every collation that a migration defines.
    pub fn collations(&self) -> &[Collation] {
        &self.collations
    }

    /// Every cast that a migration defines.
    pub fn casts(&self) -> &[Cast] {
        &self.casts
    }

    /// How `relation` is confined to the tenant for `command`, its triggers and rules included.
    pub fn class(&self, relation: &Relation, command: Command) -> Class {
        let class = crate::policy::class(self, relation, command);
        self.proved(class, || format!("SELECT * FROM {}", relation.qualified()))
    }

    /// Whether a call of `function` stays within the tenant, as far as the catalog alone tells:
    /// `Protected` where it does.
    pub fn call_class(&self, function: &Function) -> Class {
        let class = crate::policy::call_class(self, function);
        self.proved(class, || {
            let args: Vec<String> = function
                .inputs()
                .enumerate()
                .map(|(index, argument)| format!("${}::{}", index + 1, type_text(&argument.ty)))
                .collect();
            format!(
                "SELECT * FROM {}.{}({})",
                quote(&function.schema),
                quote(&function.name),
                args.join(", ")
            )
        })
    }

    /// The class of what filters by the tenant itself: the prover reads its definition.
    fn proved(&self, class: Class, sql: impl Fn() -> String) -> Class {
        if class.reason() != Some(crate::policy::view::NEEDS_PROOF) {
            return class;
        }
        let binding = crate::TenantBinding::LastParameter;
        let proved = crate::prepare(&sql(), binding, &self.config)
            .is_ok_and(|prepared| crate::prove(self, &prepared).is_ok());
        if proved { Class::Protected } else { class }
    }
}
