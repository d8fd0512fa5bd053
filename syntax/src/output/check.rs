//! What an output type must be: no tenant's name at any of its places, and no hand-written code
//! between the value and its published schema without a reason.
//!
//! Only names that nearly always mean a tenant are refused here. `owner`, `customer` or `account`
//! are what results are made of; an argument of that name chooses whose data is meant, a result
//! shows the caller's own.

use syn::GenericParam;
use watertight_analysis::words::Tier;

use crate::errors::Errors;
use crate::input::model::{Custom, Input, Name, Reading};
use crate::names::Names;

/// Checks the whole type.
pub(super) fn check(output: &Input, names: &Names, errors: &mut Errors) {
    for parameter in &output.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            errors.push(
                lifetime,
                "a result owns its data, because the database is left before it is sent\n\
                 help: write `String` or `&'static str` for `&str`, `Vec<T>` for `&[T]`",
            );
        }
    }
    for outside in &output.names {
        if outside.not_tenant.is_none() {
            refuse_tenant_name(&outside.name, names, errors);
        }
    }
    for custom in &output.custom {
        if output.open.is_empty() || !custom.excusable {
            refuse_custom(custom, errors);
        }
    }
    for field in &output.fields {
        if field.not_tenant.is_none() {
            for name in &field.names {
                refuse_tenant_name(name, names, errors);
            }
        }
        if let (Reading::Custom(custom), None) = (&field.reading, &field.open) {
            refuse_custom(custom, errors);
        }
    }
}

fn refuse_tenant_name(name: &Name, names: &Names, errors: &mut Errors) {
    let Some(found) = names
        .classify(&name.text)
        .filter(|found| matches!(found.tier, Tier::First))
    else {
        return;
    };
    errors.push_at(
        name.span,
        format!(
            "`{name}` names a tenant, and a tenant's identifier never leaves the server\n\
             note: {reason}\n\
             help: leave the column out of the struct, and out of the statement that fills it\n\
             help: where only the server reads it, keep it out of the result: `#[serde(skip_serializing)]`\n\
             help: if it means something else, say what: `#[tool(not_tenant = \"…\")]`",
            name = name.text,
            reason = found.reason
        ),
    );
}

fn refuse_custom(custom: &Custom, errors: &mut Errors) {
    let key = &custom.key;
    errors.push(
        key,
        format!(
            "`{key}` lets code decide what is written, which neither the schema nor this check sees\n\
             help: if it writes no tenant, say why: `#[tool(open = \"…\")]`"
        ),
    );
}
