//! The guard on names: what a client may not be asked for. The words are data in `analysis`; this
//! stage only says where one was found and what to write instead.

use proc_macro2::Span;
use quote::ToTokens;
use syn::visit::Visit;
use syn::{GenericArgument, Ident, PathArguments, Type, TypePath};
use watertight_analysis::words::{Extra, Match, Tier, classify, classify_sql};
use watertight_analysis::{Catalog, Config};

use crate::errors::Errors;

/// What names a tenant in one project, beside the words that everyone uses.
#[derive(Clone, Debug)]
pub struct Names {
    extra: Extra,
    /// Names that the configuration allows everywhere.
    allowed: Vec<String>,
    /// Whether the tables are not known, for a reason that is told: what only they decide is left.
    unsure: bool,
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
            unsure: false,
        }
    }

    /// The same for migrations that can't be read. That is an error of its own, and names that the
    /// tables might explain would be false ones in front of it.
    #[must_use]
    pub fn without_tables(config: &Config) -> Self {
        Self {
            unsure: true,
            ..Self::from_config(config)
        }
    }

    /// What `name` names, unless the configuration allows it.
    pub(crate) fn classify(&self, name: &str) -> Option<Match> {
        if self.allowed.iter().any(|allowed| allowed == name) {
            return None;
        }
        classify(name, &self.extra).filter(|found| !self.unsure || found.tier == Tier::First)
    }

    fn first_tier(&self, name: &str) -> Option<Match> {
        self.classify(name)
            .filter(|found| found.tier == Tier::First)
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
    let Some(found) = names.first_tier(label) else {
        return;
    };
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

/// Records an error if a wrapper around one value is called a tenant.
pub(crate) fn refuse_tenant_type(ident: &Ident, names: &Names, errors: &mut Errors) {
    let Some(found) = names.first_tier(&ident.to_string()) else {
        return;
    };
    errors.push(
        ident,
        format!(
            "`{ident}` is a tenant identifier by its name, and would be an input\n\
             note: {reason}\n\
             help: derive `TenantIdentifier` instead of `ToolInput`: then no argument can contain it\n\
             help: if it means something else, say what, on the type: `#[tool(not_tenant = \"…\")]`",
            reason = found.reason
        ),
    );
}

/// Words that end the name of a type whose values name something.
const FORMS: &[&str] = &[
    "guid",
    "handle",
    "id",
    "ident",
    "identifier",
    "ids",
    "key",
    "ref",
    "slug",
    "uid",
    "uuid",
];

const TENANT_ID: &str = "`TenantId` names the session's tenant, and a model must not choose one\n\
    help: leave it out: `cx.read()` and `cx.write()` are bound to it, and `cx.session()` knows it";

/// Records an error if `TenantId` stands anywhere in `ty`: the type says more than the name beside
/// it, for which a reason would be asked that does not help.
pub(crate) fn refuse_tenant_id(ty: &Type, errors: &mut Errors) -> bool {
    let mut search = TenantIds(None);
    search.visit_type(ty);
    let found = search.0.is_some();
    if let Some(ident) = search.0 {
        errors.push(ident, TENANT_ID);
    }
    found
}

struct TenantIds(Option<Ident>);

impl<'ast> Visit<'ast> for TenantIds {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let last = path.path.segments.last();
        if let Some(last) = last.filter(|last| last.ident == "TenantId") {
            self.0.get_or_insert_with(|| last.ident.clone());
        }
        syn::visit::visit_type_path(self, path);
    }
}

/// Records an error if `ty` is spelled like a tenant identifier anywhere: `OrgId`, `Vec<TenantKey>`,
/// `Id<Workspace>`. Aliases of plain types are only seen by their name; what has no `ToolInput` is
/// refused by the type system, whatever it is called.
pub(crate) fn refuse_type_named_like_tenant(ty: &Type, names: &Names, errors: &mut Errors) {
    let mut search = TypeNames { names, found: None };
    search.visit_type(ty);
    let Some((ident, found)) = search.found else {
        return;
    };
    if ident == "TenantId" {
        // No reason would admit it, so none is asked for.
        errors.push(&ident, TENANT_ID);
        return;
    }
    errors.push(
        &ident,
        format!(
            "`{ident}` is a tenant identifier by its name, and a model must not choose a tenant\n\
             note: {reason}\n\
             help: leave it out: the tenant comes from the session, and `cx.read()` and `cx.write()` are bound to it\n\
             help: if it means something else, say what: `#[tool(not_tenant = \"…\")]`",
            reason = found.reason
        ),
    );
}

struct TypeNames<'n> {
    names: &'n Names,
    found: Option<(Ident, Match)>,
}

impl<'ast> Visit<'ast> for TypeNames<'_> {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let Some(last) = path.path.segments.last() else {
            return;
        };
        if self.found.is_none() && is_form(&last.ident) {
            let marker = marker(&last.arguments);
            // A value sealed to the caller. A type of another crate that bears the name is judged by
            // its type like any other.
            let own = (last.ident != "TenantHandle").then_some(&last.ident);
            self.found = [own, marker].into_iter().flatten().find_map(|ident| {
                Some((ident.clone(), self.names.first_tier(&ident.to_string())?))
            });
        }
        syn::visit::visit_type_path(self, path);
    }
}

/// `OrgId`, `Key`: a name that ends in a word for identifiers.
fn is_form(ident: &Ident) -> bool {
    let name = ident.to_string();
    let start = name.rfind(char::is_uppercase).unwrap_or(0);
    let start = name
        .get(..start)
        .and_then(|head| head.rfind(char::is_lowercase))
        .map_or(0, |lower| lower + 1);
    name.get(start..)
        .is_some_and(|last| FORMS.contains(&last.to_lowercase().as_str()))
}

/// `Workspace` in `Id<Workspace>`.
fn marker(arguments: &PathArguments) -> Option<&Ident> {
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(Type::Path(path))) => {
            path.path.segments.last().map(|last| &last.ident)
        }
        _ => None,
    }
}

/// Records an error if a reference stands anywhere in `ty`, and says so.
pub(crate) fn refuse_borrowed(ty: &Type, rule: &str, errors: &mut Errors) -> bool {
    let mut search = References(None);
    search.visit_type(ty);
    let Some((whole, inner)) = search.0 else {
        return false;
    };
    let owned = match &inner {
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Slice(slice) => format!("Vec<{}>", display(&slice.elem)),
        other => display(other),
    };
    errors.push(whole, format!("{rule}\nhelp: write `{owned}`"));
    true
}

struct References(Option<(Type, Type)>);

impl<'ast> Visit<'ast> for References {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        if self.0.is_none() {
            let whole = Type::Reference(reference.clone());
            self.0 = Some((whole, (*reference.elem).clone()));
        }
    }
}

/// Records an error if an `Rc` stands anywhere in `ty`: the compiler would say so where the function
/// is called, and in words of futures.
pub(crate) fn refuse_unsent(ty: &Type, errors: &mut Errors) {
    let mut search = Unsent(None);
    search.visit_type(ty);
    if let Some(path) = search.0 {
        errors.push(
            path,
            "an argument is sent between threads, and an `Rc` stays on one\n\
             help: write what is in it, or an `Arc` (with serde's feature `rc`)",
        );
    }
}

struct Unsent(Option<TypePath>);

impl<'ast> Visit<'ast> for Unsent {
    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let last = path.path.segments.last();
        if last.is_some_and(|last| last.ident == "Rc") {
            self.0.get_or_insert(path.clone());
        }
        syn::visit::visit_type_path(self, path);
    }
}

/// Records an error if a text of this name would be raw SQL.
pub(crate) fn refuse_raw_sql(name: &str, span: Span, ty: &Type, errors: &mut Errors) {
    let Some(found) = classify_sql(name) else {
        return;
    };
    let text = holds_text(ty);
    let message = match (found.tier, text) {
        (Tier::First, Text::Yes | Text::Unknown) => format!(
            "`{name}` takes raw SQL, which no proof covers\n\
             note: {reason}\n\
             help: take the values as arguments of their own and bind them: `WHERE plan = $plan`\n\
             help: a choice of filters or sort orders is an enum: see \"Bounded choices\" of `#[tenant_query]`\n\
             help: if it is never run as SQL, say what it is: `#[tool(open = \"…\")]`",
            reason = found.reason
        ),
        (Tier::Second, Text::Yes) => format!(
            "`{name}` may take raw SQL, which no proof covers\n\
             note: {reason}\n\
             help: if it does, take the values as arguments of their own and bind them: `WHERE plan = $plan`\n\
             help: if it does not, say what it is: `#[tool(open = \"…\")]`",
            reason = found.reason
        ),
        _ => return,
    };
    errors.push_at(span, message);
}

/// Whether a type holds a text, as far as its name tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Yes,
    No,
    /// A type of the user's own.
    Unknown,
}

/// Types that hold no text, whatever they are called in an argument.
const NO_TEXT: &[&str] = &[
    "bool",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "Uuid",
    "NaiveDate",
    "NaiveTime",
    "NaiveDateTime",
    "DateTime",
    "Decimal",
    "Duration",
];

fn holds_text(ty: &Type) -> Text {
    match ty {
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else {
                return Text::Unknown;
            };
            let name = last.ident.to_string();
            if matches!(name.as_str(), "String" | "str" | "char") {
                return Text::Yes;
            }
            if NO_TEXT.contains(&name.as_str()) {
                return Text::No;
            }
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return Text::Unknown;
            };
            let inner = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(holds_text(ty)),
                _ => None,
            });
            inner
                .max_by_key(|text| {
                    matches!(text, Text::Yes) as u8 * 2 + matches!(text, Text::Unknown) as u8
                })
                .unwrap_or(Text::Unknown)
        }
        Type::Array(array) => holds_text(&array.elem),
        Type::Slice(slice) => holds_text(&slice.elem),
        Type::Group(group) => holds_text(&group.elem),
        Type::Paren(paren) => holds_text(&paren.elem),
        _ => Text::Unknown,
    }
}

/// A type as people write it. Tokens print with a space around each of them.
pub(crate) fn display(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    ["< ", " >", " <", " :: ", " ,", "& "]
        .iter()
        .fold(text, |text, gap| text.replace(gap, gap.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(ty: &str) -> bool {
        let mut errors = Errors::default();
        let ty = syn::parse_str(ty).unwrap();
        refuse_type_named_like_tenant(&ty, &Names::default(), &mut errors);
        !errors.is_empty()
    }

    #[test]
    fn types_named_like_tenants() {
        for ty in [
            "TenantId",
            "OrgId",
            "OrgID",
            "my::TenantKey",
            "Option<Vec<WorkspaceSlug>>",
            "(u8, OrganizationUuid)",
            "Id<Tenant>",
            "Box<PublicId<models::Workspace>>",
            "[OrgRef; 3]",
        ] {
            assert!(refused(ty), "{ty}");
        }
        for ty in [
            "Uuid",
            "CustomerId",
            "Id<Customer>",
            "Workspace",
            "OrgFilter",
            "Vec<Organization>",
            "Organizer",
            "TenantReport",
            "org::Id",
            "Id",
            "IDE",
            "HashMap<Id, Org>",
        ] {
            assert!(!refused(ty), "{ty}");
        }
    }

    #[test]
    fn what_holds_a_text() {
        let text = |ty: &str| holds_text(&syn::parse_str(ty).unwrap());
        for ty in [
            "String",
            "Option<String>",
            "Vec<Cow<'static, str>>",
            "HashMap<u8, String>",
        ] {
            assert!(text(ty) == Text::Yes, "{ty}");
        }
        for ty in ["bool", "Option<u32>", "uuid::Uuid", "[u8; 4]"] {
            assert!(text(ty) == Text::No, "{ty}");
        }
        assert!(text("Statement") == Text::Unknown);
    }
}
