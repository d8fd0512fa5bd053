//! Tools that were written with rmcp alone, mounted beside ours.
//!
//! Invariant: a mounted tool runs behind the same guard, with the same walk over its schema at
//! start-up, and with its errors and panics answered in fixed words.

use std::sync::Arc;

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::CallToolRequestParams;

use super::handler::McpServer;

/// The routes of a router over another handler, for ours. Calls reach `handler`, as there.
pub(super) fn routes<T: Send + Sync + 'static>(
    handler: Arc<T>,
    router: ToolRouter<T>,
) -> impl Iterator<Item = ToolRoute<McpServer>> {
    router.into_iter().map(move |route| {
        let handler = Arc::clone(&handler);
        ToolRoute::new_dyn(
            route.attr,
            move |context: ToolCallContext<'_, McpServer>| {
                let (handler, call) = (Arc::clone(&handler), Arc::clone(&route.call));
                let mut request = CallToolRequestParams::new(context.name);
                request.arguments = context.arguments;
                request.input_responses = context.input_responses;
                request.request_state = context.request_state;
                let context = context.request_context;
                Box::pin(
                    async move { call(ToolCallContext::new(&*handler, request, context)).await },
                )
            },
        )
    })
}
