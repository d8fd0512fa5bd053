//! What an input type must be: no tenant's name at any of its places, and no hand-written code
//! between the published schema and the value without a reason.

use syn::{GenericParam, Ident};

use super::model::Input;
use crate::errors::Errors;
use crate::names::{Names, refuse_tenant_name};

/// Checks the whole type.
pub(super) fn check(input: &Input, names: &Names, errors: &mut Errors) {
    for parameter in &input.generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            errors.push(
                lifetime,
                "an input type owns its data\nhelp: write `String` for `&str`, `Vec<T>` for `&[T]`",
            );
        }
    }
    for name in &input.names {
        refuse_tenant_name(&name.text, name.span, false, names, errors);
    }
    if let (Some(custom), None) = (&input.custom, &input.open) {
        refuse_custom(custom, errors);
    }
    for field in &input.fields {
        for name in &field.names {
            refuse_tenant_name(
                &name.text,
                name.span,
                field.not_tenant.is_some(),
                names,
                errors,
            );
        }
        if let (Some(custom), None) = (&field.custom, &field.open) {
            refuse_custom(custom, errors);
        }
    }
}

fn refuse_custom(custom: &Ident, errors: &mut Errors) {
    errors.push(
        custom,
        format!(
            "`{custom}` lets code decide what is read, which neither the schema nor this check sees\n\
             help: if it reads no tenant, say why: `#[tool(open = \"…\")]`"
        ),
    );
}
