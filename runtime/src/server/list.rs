//! `tools/list` for an rmcp handler of the user's own, behind the guard.
//!
//! Invariant: a tool is listed only for a caller with the scopes that it needs, and no cache may
//! hand the list to another caller.

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{CacheScope, ErrorData, ListToolsResult};
use rmcp::service::{RequestContext, RoleServer};

use super::handler::caller;
use crate::tool::published_by_us;

/// Lists the tools of a router that this caller may call, by name, and marks the list as private
/// for caches. For `list_tools` of a handler of your own: what `#[tool_handler]` generates lists
/// everything for everyone, and as public.
///
/// ```
/// # use rmcp::{ErrorData, RoleServer, ServerHandler, handler::server::router::tool::ToolRouter};
/// # use rmcp::{model::{ListToolsResult, PaginatedRequestParams}, service::RequestContext};
/// # struct Desk { router: ToolRouter<Desk> }
/// # impl ServerHandler for Desk {
/// async fn list_tools(
///     &self,
///     _: Option<PaginatedRequestParams>,
///     context: RequestContext<RoleServer>,
/// ) -> Result<ListToolsResult, ErrorData> {
///     watertight::list_tools(&self.router, &context)
/// }
/// # }
/// ```
///
/// # Errors
/// If nothing verified the request: the guard's layer is not mounted in front.
pub fn list_tools<S: Send + Sync + 'static>(
    router: &ToolRouter<S>,
    context: &RequestContext<RoleServer>,
) -> Result<ListToolsResult, ErrorData> {
    let caller = caller(context)?;
    let session = caller.session();
    let mut tools = router.list_all();
    tools.retain(|tool| {
        published_by_us(tool).is_none_or(|own| own.callable.admits(session))
            && caller.state().may_call(&tool.name, session)
    });
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ListToolsResult::with_all_items(tools).with_cache_scope(CacheScope::Private))
}
