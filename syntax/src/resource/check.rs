//! What the URI of a resource and its function must agree on.

use super::parse::Uri;
use crate::errors::Errors;
use crate::names::{Names, refuse_tenant_label};
use crate::tool::check::is_option;
use crate::tool::model::Tool;

/// Checks the template against the function's arguments.
pub(super) fn check(tool: &Tool, uri: &Uri, names: &Names, errors: &mut Errors) {
    let template = &uri.template;
    for variable in template.variables() {
        let argument = tool.arguments().find(|argument| argument.name == variable);
        if argument.is_none() {
            errors.push(
                &uri.literal,
                format!(
                    "`{{{variable}}}` is no argument of the function\n\
                     help: take it: `{variable}: String`, or a type with fewer values"
                ),
            );
        }
        if argument.is_some_and(|argument| argument.not_tenant.is_some()) {
            continue;
        }
        if let Some(label) = template.label(variable) {
            refuse_tenant_label(label, variable, uri.literal.span(), names, errors);
        }
    }
    for argument in tool.arguments() {
        let name = &argument.name;
        if !template.variables().any(|variable| variable == name) {
            errors.push_at(
                argument.name_span,
                format!(
                    "`{name}` is not in the URI `{template}`, so no client can give it\n\
                     help: put `{{{name}}}` into the URI, or leave the argument out"
                ),
            );
            continue;
        }
        if is_option(&argument.ty) {
            errors.push(
                &argument.ty,
                "a variable of a URI is never absent\n\
                 help: leave out the `Option`; a URI without the part is a resource of its own",
            );
        } else if let Some(default) = &argument.default {
            errors.push(
                &default.key,
                "a variable of a URI is never absent and takes no default",
            );
        }
    }
}
