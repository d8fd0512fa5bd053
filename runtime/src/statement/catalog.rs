//! What `catalog!()` embeds: the part of the migrations that proofs rely on.
//!
//! Invariant: everything here is a constant written by the macro from the same migrations, in the
//! same build, as the proofs; the pool compares it with the live database before the first scope.

pub use crate::id::TenantKind;

/// The catalog that the statements of this build were proved against.
///
/// Written by `catalog!()` and handed to the pool, which refuses to start when
/// the live database is weaker than what it says.
#[derive(Clone, Copy)]
pub struct Catalog {
    pub(crate) id: &'static str,
    pub(crate) settings: Settings,
    pub(crate) relations: &'static [Relation],
    pub(crate) migrations: &'static [Migration],
}

impl Catalog {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        id: &'static str,
        settings: Settings,
        relations: &'static [Relation],
        migrations: &'static [Migration],
    ) -> Self {
        Self {
            id,
            settings,
            relations,
            migrations,
        }
    }

    /// Stands beside a compile error where `catalog!()` was called. No statement has its id.
    #[doc(hidden)]
    #[must_use]
    pub const fn refused() -> Self {
        let settings = Settings {
            tenant_column: "",
            tenant_kind: TenantKind::Uuid,
            setting: "",
            search_path: &[],
            application_role: "",
            require_rls: true,
            relax_force: false,
            words: &[],
            not_tenant: &[],
            functions: &[],
        };
        Self::new("", settings, &[], &[])
    }

    /// A stable identifier of the configuration and the migrations, in hexadecimal.
    ///
    /// Every proved statement carries it, and a scope refuses a statement with another.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// How the tenant reaches the database.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// The relations that the migrations define.
    #[must_use]
    pub const fn relations(&self) -> &'static [Relation] {
        self.relations
    }

    /// The migrations in the order in which they were read.
    #[must_use]
    pub const fn migrations(&self) -> &'static [Migration] {
        self.migrations
    }
}

impl core::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Catalog")
            .field("id", &self.id)
            .field("relations", &self.relations.len())
            .field("migrations", &self.migrations.len())
            .finish_non_exhaustive()
    }
}

/// How the tenant reaches the database, from `watertight.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The column that holds the tenant, `tenant_id` unless configured.
    pub tenant_column: &'static str,
    /// The type of that column.
    pub tenant_kind: TenantKind,
    /// The setting that policies read, `app.tenant_id` unless configured.
    pub setting: &'static str,
    /// The schemas that the proofs resolved unqualified names in; a scope sets exactly these, then
    /// `pg_temp`.
    pub search_path: &'static [&'static str],
    /// The role that tools' connections use, `app` unless configured.
    pub application_role: &'static str,
    /// Refuse a tenant's table that row-level security does not protect.
    pub require_rls: bool,
    /// Accept row-level security that is enabled but not forced.
    pub relax_force: bool,
    /// Further words for a tenant.
    pub words: &'static [&'static str],
    /// Names of arguments that are allowed everywhere although they look like a tenant's.
    pub not_tenant: &'static [&'static str],
    /// Functions that the configuration allows although nothing sees into them.
    pub functions: &'static [&'static str],
}

/// A relation of the migrations, as far as a proof relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: RelationKind,
    /// `ENABLE ROW LEVEL SECURITY`
    pub rls_enabled: bool,
    /// `FORCE ROW LEVEL SECURITY`
    pub rls_forced: bool,
    /// The column that holds the tenant.
    pub tenant_column: Option<&'static str>,
    /// Declared to be shared by all tenants (`@global`).
    pub global: bool,
    /// Its policies.
    pub policies: &'static [Policy],
    /// What the proofs rely on for `SELECT`, `INSERT`, `UPDATE` and `DELETE`, a letter each: `p` that
    /// row-level security confines the command, `s` that a filter by the tenant column does, `-`
    /// nothing.
    pub relied: &'static str,
}

impl Relation {
    /// A relation without row-level security, tenant column and policies.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(schema: &'static str, name: &'static str, kind: RelationKind) -> Self {
        Self {
            schema,
            name,
            kind,
            rls_enabled: false,
            rls_forced: false,
            tenant_column: None,
            global: false,
            policies: &[],
            relied: "----",
        }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn relied(mut self, relied: &'static str) -> Self {
        self.relied = relied;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn tenant(mut self, column: &'static str) -> Self {
        self.tenant_column = Some(column);
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn global(mut self) -> Self {
        self.global = true;
        self
    }

    /// Row-level security is enabled; `forced` says whether for the owner too.
    #[doc(hidden)]
    #[must_use]
    pub const fn rls(mut self, forced: bool, policies: &'static [Policy]) -> Self {
        self.rls_enabled = true;
        self.rls_forced = forced;
        self.policies = policies;
        self
    }
}

/// What a relation is, in the letters of `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelationKind {
    /// An ordinary or partitioned table (`r`, `p`), a partition among them.
    Table,
    /// A view (`v`).
    View,
    /// A materialised view (`m`).
    MaterializedView,
    /// A foreign table (`f`).
    Foreign,
}

/// A policy of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: &'static str,
    /// `AS PERMISSIVE` or `AS RESTRICTIVE`.
    pub permissive: bool,
    /// `ALL`, `SELECT`, `INSERT`, `UPDATE` or `DELETE`.
    pub command: &'static str,
    /// The roles of its `TO`; `public` when it names none.
    pub roles: &'static [&'static str],
    /// It has a `USING` expression.
    pub using: bool,
    /// It has a `WITH CHECK` expression.
    pub check: bool,
    /// The proofs took it to apply to the application role.
    pub applies: bool,
}

/// One migration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its path below the folder of the configuration.
    pub path: &'static str,
    /// Its version as its name gives it, if the name has one.
    pub version: &'static str,
    /// SHA-384 of the file in hexadecimal, as sqlx records it.
    pub checksum: &'static str,
}
