//! `unproved!("SQL", reason = "…")`: the loud way out.
//!
//! Invariant: only what is not understood about predicates is waived. It is still one parsed
//! statement on the function list, and the database itself protects every relation it names.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;
use watertight_analysis::diagnostic::Code;
use watertight_analysis::prepare::TenantBinding;

use super::attr::QueryAttr;
use super::expand::{self, Constant};
use super::judge::{Desk, Text, judge_alone};
use super::provenance;

pub(super) fn expand(attr: &QueryAttr, desk: &mut Desk<'_>) -> TokenStream {
    match check(attr, desk) {
        Some(expression) if desk.errors.is_empty() => expression,
        _ => {
            let krate = &attr.krate;
            let errors = desk.errors.compile_errors();
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

fn check(attr: &QueryAttr, desk: &mut Desk<'_>) -> Option<TokenStream> {
    let (sql, reason) = (attr.sql.as_ref()?, attr.reason.as_ref()?);
    let project = desk.project(attr.catalog.as_ref(), sql.span())?;
    if project.catalog.config().forbid_unproved {
        desk.errors.push(
            sql,
            format!(
                "[{}] the configuration forbids `unproved!` (`forbid-unproved = true`)\n\
                 help: write the statement so that it can be proved, in a `#[tenant_query(\"…\")]`",
                Code::UNPROVED_FORBIDDEN
            ),
        );
        return None;
    }
    let text = Text::literal(sql);
    let (prepared, proof) = judge_alone(
        desk,
        &project,
        &text,
        TenantBinding::LastParameter,
        &attr.question()?,
        ("unproved!", attr),
    );
    let (prepared, proof) = (prepared?, proof?);
    match (provenance::carried(&text, &proof), &attr.returns_tenant) {
        (Some(carried), None) => carried.refuse_unseen(None, &mut desk.errors),
        (None, Some(reason)) => provenance::refuse_unused(reason, &mut desk.errors),
        _ => {}
    }
    let krate = &attr.krate;
    let sent = LitStr::new(&prepared.sql, sql.span());
    let constant = Constant {
        krate,
        sql: sent.clone(),
        catalog: project.catalog.id(),
        name: "unproved!",
        parameters: prepared.parameters.len(),
        tenant: prepared.tenant.is_some(),
        // Every relation is protected by the database itself.
        uncast: &[],
        untexted: &proof.untexted,
        relations: &proof.relations,
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
            #krate::__private::query(#sent),
        )
    }))
}
