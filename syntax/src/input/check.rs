//! What an input type must be: no tenant's name at any of its places, no raw SQL, and no
//! hand-written code between the published schema and the value without a reason.

use syn::GenericParam;

use super::model::{Custom, Field, Input, Reading};
use crate::errors::Errors;
use crate::names::{self, Names};

/// Checks the whole type.
pub(super) fn check(input: &Input, names: &Names, errors: &mut Errors) {
    own_name(input, names, errors);
    for outside in &input.names {
        let name = &outside.name;
        let excepted = outside.not_tenant.is_some();
        names::refuse_tenant_name(&name.text, name.span, excepted, names, errors);
    }
    for custom in &input.custom {
        if input.open.is_empty() || !custom.excusable {
            refuse_custom(custom, errors);
        }
    }
    for field in &input.fields {
        self::field(field, names, errors);
    }
    for parameter in &input.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter
            && let Some(bound) = lifetime.bounds.first()
        {
            errors.push(
                bound,
                "the lifetime of an input type has no bounds: what it reads is owned",
            );
        }
    }
}

/// A wrapper around one value that is itself called a tenant: `struct OrgId(Uuid)`.
fn own_name(input: &Input, names: &Names, errors: &mut Errors) {
    if !input.newtype || input.not_tenant.is_some() {
        return;
    }
    names::refuse_tenant_type(&input.ident, names, errors);
}

fn field(field: &Field, names: &Names, errors: &mut Errors) {
    let before = errors.len();
    if field.not_tenant.is_none() && names::refuse_tenant_id(&field.ty, errors) {
        return;
    }
    for name in &field.names {
        let excepted = field.not_tenant.is_some();
        // One field is one mistake, under however many names.
        if errors.len() == before {
            names::refuse_tenant_name(&name.text, name.span, excepted, names, errors);
        }
    }
    if names::refuse_borrowed(&field.ty, "an input type owns its data", errors) {
        return;
    }
    match &field.reading {
        Reading::Custom(custom) if field.open.is_none() || !custom.excusable => {
            refuse_custom(custom, errors);
        }
        Reading::Own if errors.len() == before && field.not_tenant.is_none() => {
            names::refuse_type_named_like_tenant(&field.ty, names, errors);
        }
        _ => {}
    }
    if field.open.is_none()
        && let Some(name) = field.names.first()
    {
        names::refuse_raw_sql(&name.text, name.span, &field.ty, errors);
    }
}

fn refuse_custom(custom: &Custom, errors: &mut Errors) {
    let key = &custom.key;
    let message = match (custom.excusable, key.to_string().as_str()) {
        (false, _) => format!(
            "`{key}` describes another crate's type, so this one is never read itself\n\
             help: take `ToolInput` off this type; the field that uses it says why: `#[tool(open = \"…\")]`"
        ),
        (true, "with" | "deserialize_with") => format!(
            "`{key}` lets code decide what is read, which neither the schema nor this check sees\n\
             help: a type with `#[serde(try_from = \"…\")]` is checked through the type that it names\n\
             help: if the code reads no tenant, say what it reads: `#[tool(open = \"…\")]`"
        ),
        (true, _) => format!(
            "`{key}` publishes a schema that this check does not see\n\
             help: if it admits no tenant, say what it is for: `#[tool(open = \"…\")]`"
        ),
    };
    errors.push(key, message);
}
