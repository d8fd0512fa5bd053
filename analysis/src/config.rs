//! Configuration: what `watertight.toml` says, with defaults for the common case.
//!
//! Unknown keys are errors, so that a misspelt exception is never silently without effect. Every
//! exception carries a reason, which reports list.

use serde::Deserialize;

use crate::diagnostic::{Code, Diagnostic};
use crate::words::reason_problem;

/// The whole configuration. `Config::default()` is right for the common case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Config {
    /// Folders of migrations, relative to the configuration file; applied one after the other.
    pub migrations: Vec<String>,
    /// A snapshot of the catalog, which `cargo watertight catalog pull` writes, in the place of
    /// migrations: for those that are code or live in another repository.
    pub snapshot: Option<String>,
    /// What a tenant is.
    pub tenant: Tenant,
    /// The role that tools run as; policies `TO` it and to roles granted to it apply.
    pub application_role: String,
    /// The schemas in which unqualified names are looked up, as the application role sees them.
    /// Absent: what the migrations set for the role or the database, else `"$user", public`.
    pub search_path: Option<Vec<String>>,
    /// Refuse statements whose proof rests on their own predicate (grade `predicate`).
    pub require_rls: bool,
    /// Count row-level security that is enabled but not forced. Only right where the application
    /// role is verified not to own the tables.
    pub relax_force: bool,
    /// Accept that changed migrations do not trigger a rebuild.
    pub allow_stale_catalog: bool,
    /// Refuse `unproved!`.
    pub forbid_unproved: bool,
    /// Functions that are allowed although the analysis can't see into them.
    pub functions: Vec<AllowedFunction>,
    /// Names of tool arguments that are allowed everywhere although they look like a tenant's.
    pub not_tenant: Vec<AllowedName>,
}

/// What a tenant is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Tenant {
    /// The column that names the tenant of a row.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: TenantKind,
    /// The setting that a scope sets.
    pub setting: String,
    /// Further words for a tenant, such as `clinic`.
    pub words: Vec<String>,
}

/// The type of a tenant's identifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantKind {
    /// `uuid`
    #[default]
    Uuid,
    /// `bigint`
    Bigint,
    /// `text`
    Text,
}

impl TenantKind {
    /// The type as SQL spells it.
    pub fn sql(self) -> &'static str {
        match self {
            TenantKind::Uuid => "uuid",
            TenantKind::Bigint => "bigint",
            TenantKind::Text => "text",
        }
    }
}

/// A function that the configuration allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AllowedFunction {
    /// Its name, possibly with the schema.
    pub name: String,
    /// Why it stays within the scope.
    pub reason: String,
}

impl AllowedFunction {
    /// A function, and why it stays within the scope.
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reason: reason.into(),
        }
    }
}

/// A name that the configuration allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AllowedName {
    /// The name as it stands in an input schema.
    pub name: String,
    /// Why it does not name a tenant.
    pub reason: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            migrations: vec!["migrations".to_owned()],
            snapshot: None,
            tenant: Tenant::default(),
            application_role: "app".to_owned(),
            search_path: None,
            require_rls: false,
            relax_force: false,
            allow_stale_catalog: false,
            forbid_unproved: false,
            functions: Vec::new(),
            not_tenant: Vec::new(),
        }
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            column: "tenant_id".to_owned(),
            kind: TenantKind::Uuid,
            setting: "app.tenant_id".to_owned(),
            words: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the text of a `watertight.toml`.
    ///
    /// # Errors
    /// Every key that is unknown, of the wrong type or without effect; spans are in `text`.
    pub fn parse(text: &str) -> Result<Config, Vec<Diagnostic>> {
        let config: Config = match toml::from_str(text) {
            Ok(config) => config,
            Err(error) => {
                let mut diagnostic = Diagnostic::error(Code::CONFIG, one_line(error.message()));
                diagnostic.span = error.span();
                return Err(vec![diagnostic.help(KEYS)]);
            }
        };
        let mut problems = config.validate();
        let given = toml::from_str::<toml::Table>(text).unwrap_or_default();
        if config.snapshot.is_some() && given.contains_key("migrations") {
            problems.push(
                Diagnostic::error(Code::CONFIG, "`snapshot` and `migrations` are both given")
                    .help("keep `snapshot` where a live database is the source, else `migrations`"),
            );
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    /// The expression that a policy compares the tenant column with, in the recommended spelling.
    pub fn tenant_expression(&self) -> String {
        let setting = self.tenant.setting.replace('\'', "''");
        match self.tenant.kind {
            TenantKind::Text => format!("(SELECT nullif(current_setting('{setting}', true), ''))"),
            kind => format!(
                "(SELECT nullif(current_setting('{setting}', true), '')::{})",
                kind.sql()
            ),
        }
    }

    fn validate(&self) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut refuse = |message: String| {
            problems.push(Diagnostic::error(Code::CONFIG, message));
        };
        if self.migrations.is_empty() {
            refuse("`migrations` names no folder".to_owned());
        }
        if !is_setting(&self.tenant.setting) {
            refuse(format!(
                "`tenant.setting` is `{}`: a setting of one's own has two parts, such as `app.tenant_id`",
                self.tenant.setting
            ));
        }
        for (key, value) in [
            ("tenant.column", &self.tenant.column),
            ("application-role", &self.application_role),
            (
                "snapshot",
                self.snapshot.as_ref().unwrap_or(&self.application_role),
            ),
        ] {
            if value.is_empty() {
                refuse(format!("`{key}` is empty"));
            } else if value.trim() != value {
                refuse(format!(
                    "`{key}` is `{value}`, with white space around the name"
                ));
            }
        }
        if self.application_role == "public" {
            refuse("`application-role` is `public`, which is every role".to_owned());
        }
        for function in &self.functions {
            if let Some(problem) = reason_problem(&function.reason) {
                refuse(format!(
                    "the reason why the function `{}` is allowed {problem}",
                    function.name
                ));
            }
        }
        for name in &self.not_tenant {
            if let Some(problem) = reason_problem(&name.reason) {
                refuse(format!(
                    "the reason why the name `{}` is allowed {problem}",
                    name.name
                ));
            }
        }
        problems
    }
}

/// Two or more identifiers with dots between them: what PostgreSQL accepts for a custom setting.
fn is_setting(name: &str) -> bool {
    let part = |part: &str| {
        let mut chars = part.chars();
        chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.contains('.') && name.split('.').all(part)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const KEYS: &str = "the keys are `migrations` or `snapshot`, `application-role`, `search-path`, `require-rls`, \
`relax-force`, `allow-stale-catalog`, `forbid-unproved`, `[tenant]` with `column`, `type` \
(\"uuid\", \"bigint\" or \"text\"), `setting` and `words`, `[[functions]]` with `name` and \
`reason`, and `[[not-tenant]]` with `name` and `reason`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn every_key_is_read() {
        let config = Config::parse(
            r#"
            migrations = ["db/one", "db/two"]
            application-role = "web"
            search-path = ["crm", "public"]
            require-rls = true
            relax-force = true
            allow-stale-catalog = true
            forbid-unproved = true
            functions = [{ name = "similarity", reason = "pg_trgm, pure" }]
            not-tenant = [{ name = "site", reason = "a building" }]
            [tenant]
            column = "org_id"
            type = "bigint"
            setting = "my.org"
            words = ["clinic"]
            "#,
        )
        .unwrap();
        assert_eq!(config.migrations, ["db/one", "db/two"]);
        assert_eq!(config.tenant.kind, TenantKind::Bigint);
        assert_eq!(config.functions[0].name, "similarity");
        assert!(config.require_rls && config.relax_force && config.forbid_unproved);
    }

    #[test]
    fn a_misspelt_key_is_an_error_at_its_place() {
        let text = "require_rls = true\n";
        let problems = Config::parse(text).unwrap_err();
        assert_eq!(problems[0].code, Code::CONFIG);
        assert_eq!(&text[problems[0].span.clone().unwrap()], "require_rls");
    }

    #[test]
    fn a_snapshot_takes_the_place_of_migrations() {
        let config = Config::parse("snapshot = \"watertight.catalog.sql\"").unwrap();
        assert_eq!(config.snapshot.as_deref(), Some("watertight.catalog.sql"));
        assert!(Config::parse("snapshot = \"a.sql\"\nmigrations = [\"b\"]").is_err());
        assert!(Config::parse("snapshot = \"\"").is_err());
    }

    #[test]
    fn exceptions_need_a_reason_and_settings_two_parts() {
        let text = "functions = [{ name = \"f\", reason = \" \" }]\n[tenant]\nsetting = \"tenant\"";
        assert_eq!(Config::parse(text).unwrap_err().len(), 2);
        assert!(Config::parse("not-tenant = [{ name = \"site\", reason = \"todo\" }]").is_err());
        assert!(Config::parse("[tenant]\nsetting = \"a.b'c\"").is_err());
    }
}
