//! The macros of watertight: a shim over `watertight-syntax`, where everything is decided.

mod collect;
mod files;

use proc_macro::TokenStream;
use watertight_syntax::Names;

/// Proves SQL statements when the crate is compiled, and runs them in a scope of one tenant.
///
/// **Declared**, with the statement in the attribute and no body:
///
/// ```ignore
/// #[tenant_query("SELECT id, name FROM customers WHERE plan = $plan ORDER BY name")]
/// async fn customers_on_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>>;
/// ```
///
/// The first argument is the scope: `&mut Scope<'_>` for a statement that reads, and
/// `&mut WriteScope<'_>` for one that writes. `$plan` is the argument `plan`, `$tenant` is the
/// session's tenant, which nothing but the executor can bind. The return type chooses the fetch:
/// `Vec<T>` all rows, `Option<T>` at most one, `T` exactly one, `impl Stream<Item = DbResult<T>>`
/// row by row, `u64` the number of rows changed, `()` nothing. A second row where at most one was
/// asked for is an error.
///
/// **Around a body**, without arguments: every literal handed to `sqlx::query`, `query_as`,
/// `query_scalar`, their `_with` forms and the macros of these names is proved, and the call gives
/// a query that runs in a scope only.
///
/// ```ignore
/// #[tenant_query]
/// async fn rename(db: &mut WriteScope<'_>, id: i64, name: &str) -> DbResult<()> {
///     sqlx::query("UPDATE customers SET name = $1 WHERE id = $2").bind(name).bind(id).execute(db).await?;
///     Ok(())
/// }
/// ```
///
/// The macros that read a file (`query_file!`, `query_file_as!`, `query_file_scalar!`) work as well.
///
/// **Bounded choices**, for searches that sort and filter. A placeholder `{name}` in the statement
/// is replaced by one of the fragments beside it; every statement that can come of it is proved:
///
/// ```ignore
/// #[derive(Deserialize, JsonSchema, ToolInput)]
/// enum Sort { Name, Newest }
///
/// #[tenant_query(
///     "SELECT id, name FROM customers WHERE plan = $plan {status} ORDER BY {sort} LIMIT 50",
///     sort(name = "name", newest = "created_at DESC"),
///     optional(status = "AND status = $status"),
/// )]
/// async fn search(
///     db: &mut Scope<'_>,
///     plan: &str,
///     status: Option<&str>,
///     sort: Sort,
/// ) -> DbResult<Vec<Customer>>;
/// ```
///
/// - `sort(name = "…", newest = "…")`: the argument `sort` is an enum whose variants are exactly
///   these, `newest_first` being `NewestFirst`. One too many or too few does not compile.
/// - `archived(true = "…", false = "…")`: the argument is a `bool`.
/// - `optional(status = "…")`: the fragment is there if the argument, an `Option`, is `Some`, or if
///   it is a `bool` and true. `$status` is bound only in the statements that use it.
///
/// With choices the parameters have names. One function stands for at most 64 statements. A brace
/// in a string, a comment or a quoted name is no placeholder.
///
/// **Floats.** In a table without row-level security an `f32` or `f64` needs a cast in the
/// statement, `$limit::numeric` or `$limit::float8`: beside a `numeric` column the server would
/// turn the column into a float, and an error about a value out of range prints it, whoever's it
/// is. A float that is spelled in the signature does not compile; one behind an alias, or bound in
/// a body, is an error when the statement is run. The `_with` functions, the `_unchecked` macros and
/// `value as _` hide their types, so there every such parameter needs a cast.
///
/// **Rows that tell the tenant**, its column or something computed of it, may not fill a type that a
/// tool can return (`ToolOutput`); `SELECT *` and `RETURNING *` bring that column along. Name the
/// columns, or say why a client has to be told: `returns_tenant = "…"`. Reports list the reason.
/// Around a body the row's type must be written out, `query_as::<_, Row>`, where its statement
/// tells the tenant.
///
/// Further arguments: `file = "queries/list.sql"` instead of the statement reads it from a file,
/// relative to the folder of `Cargo.toml`; `catalog = "other.toml"` names another configuration,
/// `crate = path` a renamed crate.
#[proc_macro_attribute]
pub fn tenant_query(attr: TokenStream, item: TokenStream) -> TokenStream {
    collected("tenant", attr, item, |attr, item| {
        watertight_syntax::query::tenant(attr, item, &files::Compiler)
    })
}

/// Declares a statement that runs before there is a tenant: login, API keys, sign-up.
///
/// ```ignore
/// #[system_query(
///     "SELECT tenant_id FROM api_keys WHERE hash = $hash",
///     role = "auth",
///     tables(api_keys),
///     reason = "a key names its tenant",
/// )]
/// async fn tenant_of_key(db: &mut SystemScope<'_>, hash: &[u8]) -> DbResult<Option<Uuid>>;
/// ```
///
/// The statement may touch the named tables only, runs in a system scope whose pool logs in as
/// `role`, and is listed in every report.
#[proc_macro_attribute]
pub fn system_query(attr: TokenStream, item: TokenStream) -> TokenStream {
    collected("system", attr, item, |attr, item| {
        watertight_syntax::query::system(attr, item, &files::Compiler)
    })
}

/// A statement whose predicates are not understood, over relations that the database itself
/// protects: `unproved!("SELECT …", reason = "…")`.
///
/// What reads its rows can't be seen from the macro, so a statement whose rows tell the tenant needs
/// `returns_tenant = "…"` too.
///
/// It is still one statement on the list of allowed functions, and every relation in it is
/// protected by row-level security or global. Bind its values, then choose `rows_as::<T>()`,
/// `scalars::<T>()` or `map(…)`, then fetch. `forbid-unproved = true` in the configuration refuses
/// it.
#[proc_macro]
pub fn unproved(tokens: TokenStream) -> TokenStream {
    collected("unproved", tokens, TokenStream::new(), |tokens, _| {
        watertight_syntax::query::unproved(tokens, &files::Compiler)
    })
}

/// What the migrations say, for the pool to compare with the live database: `catalog!()`.
///
/// A constant with the settings, the relations with their policies, and the checksum of each
/// migration.
#[proc_macro]
pub fn catalog(tokens: TokenStream) -> TokenStream {
    watertight_syntax::query::catalog(tokens.into(), &files::Compiler).into()
}

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
    with_names(|names| watertight_syntax::tool::expand_with(attr.into(), item.into(), names))
}

/// Makes an async function a resource, which clients read by its URI.
///
/// ```ignore
/// /// A ticket with its messages.
/// #[mcp_resource("ticket://{id}", requires = "tickets:read")]
/// async fn ticket(cx: ToolContext, id: Uuid) -> ToolResult<Ticket> { /* … */ }
/// ```
///
/// The URI comes first: one URI, or a template with simple variables (RFC 6570, level 1). Every
/// variable is an argument of the function and the other way round. A variable matches one
/// segment, is decoded once and read as the argument's type; `#[tool(…)]` limits it as it limits an
/// argument of a tool. A URI that no template matches, a value of another form, and a row of
/// another tenant are all "not found".
///
/// Keys after the URI: `name`, `title`, `mime_type`, `requires`, and `crate = path`. The function
/// returns a value, which becomes JSON, or `Contents`. Register it with `resources![ticket]`.
#[proc_macro_attribute]
pub fn mcp_resource(attr: TokenStream, item: TokenStream) -> TokenStream {
    with_names(|names| watertight_syntax::resource::expand_with(attr.into(), item.into(), names))
}

/// Makes an async function a prompt, which people pick from a list.
///
/// ```ignore
/// /// Write a first answer to a ticket.
/// #[mcp_prompt(requires = "tickets:read")]
/// async fn first_answer(cx: ToolContext, ticket: Uuid, tone: Option<Tone>) -> ToolResult<Prompt> { /* … */ }
/// ```
///
/// Arguments come as texts and are read as their types; `#[tool(…)]` limits them as it limits
/// arguments of a tool. The function returns a `Prompt`, or a `String` for one message of the user.
///
/// Keys: `name`, `title`, `requires`, and `crate = path`. Register it with `prompts![first_answer]`.
#[proc_macro_attribute]
pub fn mcp_prompt(attr: TokenStream, item: TokenStream) -> TokenStream {
    with_names(|names| watertight_syntax::prompt::expand_with(attr.into(), item.into(), names))
}

/// Makes an async function complete an argument of a prompt, or a variable of a resource.
///
/// ```ignore
/// #[mcp_completion(prompt = first_answer)]
/// async fn complete_ticket(cx: ToolContext, ticket: String) -> ToolResult<Vec<String>> { /* … */ }
/// ```
///
/// The first argument bears the name of the one that is completed, and is what was typed so far.
/// Further ones are other arguments of the same prompt or resource, in an `Option`, because they
/// may not be filled in yet. At most a hundred suggestions leave, the first ones.
///
/// Keys: `prompt` or `resource`, `requires`, and `crate = path`. Register it with
/// `completions![complete_ticket]`.
#[proc_macro_attribute]
pub fn mcp_completion(attr: TokenStream, item: TokenStream) -> TokenStream {
    with_names(|names| watertight_syntax::completion::expand_with(attr.into(), item.into(), names))
}

/// Makes a method a tool, inside the `impl` that rmcp's `#[tool_router]` reads.
///
/// ```ignore
/// #[rmcp::tool_router]
/// impl Desk {
///     /// List customers on a plan.
///     #[watertight::tool(requires = "customers:read", read_only)]
///     async fn list_customers(&self, cx: ToolContext, plan: String) -> ToolResult<Vec<Customer>> {
///         let mut db = cx.read().await?;
///         Ok(customers_on_plan(&mut db, &plan).await?)
///     }
///
///     /// Counts, as rmcp has it.
///     #[rmcp::tool]
///     async fn count(&self, Parameters(Count { to }): Parameters<Count>) -> String {
///         to.to_string()
///     }
/// }
/// ```
///
/// It takes what [`macro@mcp_tool`] takes, with the same keys and the same checks: arguments by
/// name with `#[tool(…)]`, and a `ToolContext`. Or all arguments at once, as
/// `Parameters(args): Parameters<T>`; then `T` derives `ToolInput`, and its schema is closed. It
/// mixes with rmcp's own `#[tool]` in the same `impl`.
///
/// rmcp takes the method's name for its route. The method itself is `list_customers_tool_fn` then,
/// for callers of your own.
#[proc_macro_attribute]
pub fn tool(attr: TokenStream, item: TokenStream) -> TokenStream {
    with_names(|names| watertight_syntax::method::expand_with(attr.into(), item.into(), names))
}

/// Lets a type be an argument of a tool, or a part of one.
///
/// Every field's type must be an input too, and no field may be named like a tenant, under any of
/// the names that serde gives it. `#[tool(not_tenant = "reason")]` and `#[tool(open = "reason")]`
/// on a field, a variant or the type waive a rule and are listed in reports; a placeholder is no
/// reason.
///
/// - Structs, enums in all of serde's taggings, generics, lifetimes (`Cow<'a, str>` owns what it
///   reads; `&'a str` does not).
/// - `#[serde(from = "T")]` and `try_from`: `T` is what is read, so `T` is what must be an input.
/// - `#[serde(with = "…")]` and `deserialize_with` are code that nothing here sees, and need
///   `#[tool(open = "reason")]`, except for well-known modules such as `time::serde::rfc3339`:
///   write the published form beside it, `#[schemars(with = "String")]`.
/// - Texts that are called like raw SQL (`where_clause`), maps with free keys and raw JSON need
///   `#[tool(open = "reason")]`.
#[proc_macro_derive(ToolInput, attributes(tool))]
pub fn derive_tool_input(item: TokenStream) -> TokenStream {
    with_names(|names| watertight_syntax::input::derive_tool_input_with(item.into(), names))
}

/// Lets a type be the result of a tool, or a part of one.
///
/// Every field's type must be an output too, and no field may be named like a tenant, under any of
/// the names that serde writes. Words that may mean a tenant in an argument, such as `owner` or
/// `customer`, are honest in a result. `#[tool(not_tenant = "reason")]` and
/// `#[tool(open = "reason")]` on a field waive a rule and are listed in reports.
#[proc_macro_derive(ToolOutput, attributes(tool))]
pub fn derive_tool_output(item: TokenStream) -> TokenStream {
    with_names(|names| watertight_syntax::output::derive_tool_output_with(item.into(), names))
}

/// Marks a type as naming a tenant, so that no argument and no result of a tool can contain it.
#[proc_macro_derive(TenantIdentifier, attributes(tool))]
pub fn derive_tenant_identifier(item: TokenStream) -> TokenStream {
    watertight_syntax::input::derive_tenant_identifier(item.into()).into()
}

/// Expands with the words of this project; if they can't be read, with the usual ones and an error.
fn with_names(expand: impl FnOnce(&Names) -> proc_macro2::TokenStream) -> TokenStream {
    let (names, problem) = files::names();
    let mut tokens = expand(&names);
    if let Some(message) = problem {
        let error = syn::Error::new(proc_macro2::Span::call_site(), message);
        tokens.extend(error.to_compile_error());
    }
    tokens.into()
}

/// Expands, and writes the call down where the command line asks for it.
fn collected(
    kind: &str,
    attr: TokenStream,
    item: TokenStream,
    expand: impl FnOnce(proc_macro2::TokenStream, proc_macro2::TokenStream) -> proc_macro2::TokenStream,
) -> TokenStream {
    let written = collect::record(kind, &attr, &item);
    let mut tokens = expand(attr.into(), item.into());
    if let Err(message) = written {
        let error = syn::Error::new(proc_macro2::Span::call_site(), message);
        tokens.extend(error.to_compile_error());
    }
    tokens.into()
}
