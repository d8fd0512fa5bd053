//! The guard on names: what a client may not be asked for. The words are data in `analysis`; this
//! stage only says where one was found and what to write instead.

use proc_macro2::Span;
use watertight_analysis::words::{Extra, Match, Tier, classify};
use watertight_analysis::{Catalog, Config};

use crate::errors::Errors;

/// What names a tenant in one project, beside the words that everyone uses.
#[derive(Clone, Debug)]
pub struct Names {
    extra: Extra,
    /// Names that the configuration allows everywhere.
    allowed: Vec<String>,
}

impl Names {
    /// What a configuration says: the tenant column, further words, allowed names.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self::new(Extra::from_config(config), config)
    }

    /// The same, and the tables of tenants: `customer_id` is honest where there is a table of
    /// customers.
    #[must_use]
    pub fn from_catalog(catalog: &Catalog) -> Self {
        Self::new(Extra::from_catalog(catalog), catalog.config())
    }

    fn new(extra: Extra, config: &Config) -> Self {
        let allowed = config.not_tenant.iter().map(|it| it.name.clone());
        Self {
            extra,
            allowed: allowed.collect(),
        }
    }
}

impl Names {
    /// What `name` names, unless the configuration allows it.
    pub(crate) fn classify(&self, name: &str) -> Option<Match> {
        if self.allowed.iter().any(|allowed| allowed == name) {
            return None;
        }
        classify(name, &self.extra)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::from_config(&Config::default())
    }
}

/// Records an error if `name` names a tenant. `excepted` says that a reason stands beside it.
pub(crate) fn refuse_tenant_name(
    name: &str,
    span: Span,
    excepted: bool,
    names: &Names,
    errors: &mut Errors,
) {
    if excepted {
        return;
    }
    let Some(found) = names.classify(name) else {
        return;
    };
    let message = match found.tier {
        Tier::First => format!(
            "`{name}` names a tenant, and a model must not choose one\n\
             note: {reason}\n\
             help: leave it out: the tenant comes from the session, and `cx.read()` and `cx.write()` are bound to it\n\
             help: if it means something else, say what: `#[tool(not_tenant = \"…\")]`",
            reason = found.reason
        ),
        Tier::Second => format!(
            "`{name}` may name a tenant\n\
             note: {reason}\n\
             help: if it does, leave it out: the tenant comes from the session\n\
             help: if it does not, say what it is: `#[tool(not_tenant = \"…\")]`",
            reason = found.reason
        ),
    };
    errors.push_at(span, message);
}

/// Records an error if a URI template calls the value of `variable` by a tenant's name, as
/// `crm://tenants/{id}` does. A label that is a tenant's in some products only is left alone: the
/// data of a resource stand in its path, so `customers/{id}` is what most templates look like.
pub(crate) fn refuse_tenant_label(
    label: &str,
    variable: &str,
    span: Span,
    names: &Names,
    errors: &mut Errors,
) {
    let Some(found) = classify(label, &names.extra) else {
        return;
    };
    if found.tier != Tier::First || names.allowed.iter().any(|allowed| allowed == label) {
        return;
    }
    errors.push_at(
        span,
        format!(
            "`{label}` in front of `{{{variable}}}` makes the variable name a tenant, and a client must not choose one\n\
             note: {reason}\n\
             help: leave the part out of the URI: the tenant comes from the session, and `cx.read()` and `cx.write()` are bound to it\n\
             help: if it means something else, say what: `#[tool(not_tenant = \"…\")] {variable}: …`",
            reason = found.reason
        ),
    );
}
