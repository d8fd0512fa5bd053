//! Hygiene: a renamed crate, no prelude, and names in scope that an expansion could stumble over.
//! That this crate compiles is the test.

#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types)]

use ::std::convert::Into as _;

mod core {}
mod std {}
struct Result;
struct Option;
struct Vec;
struct Ok;
struct Tool;
struct Arguments;
fn argument() {}

#[derive(::serde::Deserialize, ::schemars::JsonSchema, ::renamed::ToolInput)]
// schemars and its derive are the user's, and its own paths need this and `Into`.
#[schemars(crate = "::schemars")]
#[tool(crate = ::renamed)]
struct Filter {
    plan: ::std::string::String,
}

#[derive(::renamed::TenantIdentifier)]
#[tool(crate = ::renamed)]
struct Clinic(u64);

/// List customers.
#[::renamed::mcp_tool(crate = ::renamed, read_only)]
async fn list_customers(
    cx: ::renamed::ToolContext,
    filter: Filter,
    #[tool(range(1..=100), default = 20)] limit: u32,
    #[tool(default = "open", length(1..))] state: ::std::string::String,
    arguments: ::std::option::Option<bool>,
) -> ::renamed::ToolResult<::std::vec::Vec<::std::string::String>> {
    let _ = (cx, limit, state, arguments);
    ::std::result::Result::Ok(::std::vec![filter.plan])
}

/// The tools, so that a test can look at them.
pub fn tools() -> ::renamed::Tools {
    ::renamed::tools![list_customers]
}
