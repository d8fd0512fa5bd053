//! The macros of watertight: a shim over `watertight-syntax`, where everything is decided.

use proc_macro::TokenStream;

/// Makes an async function a tool of an MCP server.
///
/// The function stays what it is and can be called; a type of the same name carries the tool, for
/// `tools![list_customers]`. The name is the function's, the description its doc comment, and the
/// arguments' schema comes from their types, doc comments and `#[tool(…)]` attributes.
///
/// Keys of `#[mcp_tool(…)]`: `name`, `title`, `requires = "scope"` or a list of scopes,
/// `read_only`, `destructive`, `idempotent`, `open_world`, and `crate = path` for a renamed crate.
///
/// Keys of `#[tool(…)]` on an argument: `rename`, `default`, `range(1..=100)`,
/// `length(1..=200)`, `pattern`, `not_tenant = "reason"` and `open = "reason"`.
///
/// An argument that names a tenant, or whose type is one, does not compile.
#[proc_macro_attribute]
pub fn mcp_tool(attr: TokenStream, item: TokenStream) -> TokenStream {
    watertight_syntax::tool::expand(attr.into(), item.into()).into()
}

/// Lets a type be an argument of a tool, or a part of one.
///
/// Every field's type must be an input too, and no field may be named like a tenant, under any of
/// the names that serde gives it. `#[tool(not_tenant = "reason")]` and `#[tool(open = "reason")]`
/// on a field waive a rule and are listed in reports.
#[proc_macro_derive(ToolInput, attributes(tool))]
pub fn derive_tool_input(item: TokenStream) -> TokenStream {
    watertight_syntax::input::derive_tool_input(item.into()).into()
}

/// Marks a type as naming a tenant, so that no argument of a tool can contain it.
#[proc_macro_derive(TenantIdentifier, attributes(tool))]
pub fn derive_tenant_identifier(item: TokenStream) -> TokenStream {
    watertight_syntax::input::derive_tenant_identifier(item.into()).into()
}
