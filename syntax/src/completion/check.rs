//! What a completion must be: bound to one prompt or resource, and to one of its arguments.

use syn::Path;

use crate::errors::Errors;
use crate::tool::check::is_option;
use crate::tool::model::{Argument, Tool};
use crate::tool::text::is_string;

/// Whose argument is completed, and which.
pub(super) struct Target<'t> {
    pub(super) of: Of<'t>,
    pub(super) argument: &'t Argument,
}

/// The item that the attribute names.
pub(super) enum Of<'t> {
    Prompt(&'t Path),
    Resource(&'t Path),
}

/// Checks the completion; `None` if something that it is bound to is missing.
pub(super) fn check<'t>(tool: &'t Tool, errors: &mut Errors) -> Option<Target<'t>> {
    let of = match (&tool.options.prompt, &tool.options.resource) {
        (Some(prompt), None) => Some(Of::Prompt(prompt)),
        (None, Some(resource)) => Some(Of::Resource(resource)),
        (Some(_), Some(resource)) => {
            errors.push(
                resource,
                "a completion is for one prompt or for one resource\n\
                 help: write a second function for the other",
            );
            None
        }
        // What was meant to say it has been told of.
        (None, None) if tool.options.unknown => None,
        (None, None) => {
            errors.push(
                &tool.item.sig.ident,
                "a completion says whose argument it completes\n\
                 help: `#[mcp_completion(prompt = triage)]` or `#[mcp_completion(resource = ticket)]`",
            );
            None
        }
    };
    let mut arguments = tool.arguments();
    let Some(argument) = arguments.next() else {
        errors.push(
            &tool.item.sig.ident,
            "a completion is given what was typed so far\n\
             help: take the completed argument by its name: `status: String`",
        );
        return None;
    };
    if !is_string(&argument.ty) {
        errors.push(
            &argument.ty,
            "what was typed so far is any text\nhelp: write `String`",
        );
    }
    for known in arguments {
        if !is_option(&known.ty) {
            errors.push(
                &known.ty,
                "another argument may not be filled in yet\nhelp: put the type into an `Option`",
            );
        }
    }
    Some(Target { of: of?, argument })
}
