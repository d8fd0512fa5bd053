//! `unproved!("SQL", reason = "…")`: the loud way out.
//!
//! Invariant: only what is not understood about predicates is waived. It is still one parsed
//! statement on the function list, and the database itself protects every relation it names.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;
use watertight_analysis::diagnostic::Code;
use watertight_analysis::prepare::TenantBinding;

use super::attr::{Kind, QueryAttr};
use super::expand::{self, Constant};
use super::judge::{Question, judge};
use crate::errors::Errors;
use crate::project::Loader;

/// Expands `unproved!`. The value is a proved query whose rows are read by `query_as`,
/// `query_scalar` or `map`.
#[must_use]
pub fn unproved(tokens: TokenStream, load: Loader<'_>) -> TokenStream {
    let mut errors = Errors::default();
    let attr = QueryAttr::parse(tokens, Kind::Unproved, &mut errors);
    let expression = check(&attr, load, &mut errors);
    match expression {
        Some(expression) if errors.is_empty() => expression,
        _ => {
            let krate = &attr.krate;
            let errors = errors.into_compile_errors();
            // Of the right type, so that what follows it gives no further errors.
            quote!({
                #errors
                #krate::__private::Proved::read(
                    #krate::__private::Statement::new("", "", ""),
                    #krate::__private::query(""),
                )
            })
        }
    }
}

fn check(attr: &QueryAttr, load: Loader<'_>, errors: &mut Errors) -> Option<TokenStream> {
    let (sql, reason) = (attr.sql.as_ref()?, attr.reason.as_ref()?);
    let project = match load(attr.catalog.as_ref().map(LitStr::value).as_deref()) {
        Ok(project) => project,
        Err(message) => {
            errors.push(sql, message);
            return None;
        }
    };
    if project.catalog.config().forbid_unproved {
        errors.push(
            sql,
            format!(
                "[{}] the configuration forbids `unproved!` (`forbid-unproved = true`)\n\
                 help: write the statement so that it can be proved, in a `#[tenant_query(\"…\")]`",
                Code::UNPROVED_FORBIDDEN
            ),
        );
    }
    let judged = judge(
        &project,
        &sql.value(),
        sql.span(),
        TenantBinding::LastParameter,
        Question::Unproved,
        errors,
    )?;
    let proof = judged.proof.as_ref()?;
    let krate = &attr.krate;
    let text = LitStr::new(&judged.prepared.sql, sql.span());
    let constant = Constant {
        krate,
        sql: text.clone(),
        catalog: project.catalog.id(),
        name: "unproved!",
        parameters: judged.prepared.parameters.len(),
        tenant: judged.prepared.tenant.is_some(),
    };
    let statement = constant.tokens();
    let stamp = expand::stamp();
    let start = if proof.writes {
        quote!(write)
    } else {
        quote!(read)
    };
    Some(quote!({
        #stamp
        #krate::__private::Proved::#start(
            #statement.unproved(#reason),
            #krate::__private::query(#text),
        )
    }))
}
