//! One run of background work: its context, its limit in time, its record.
//!
//! Invariant: a run that began has a record, also one that panics or whose future is dropped, and
//! its context is over when it ends.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use super::context::BackgroundContext;
use crate::audit::{Origin, Outcome};
use crate::error::{Reference, ToolError, ToolResult};
use crate::observe;
use crate::server::ServerState;
use crate::session::Session;
use crate::tool::Record;

/// Runs `work` for the session. `name` is what the records call it.
pub(super) async fn run<T, W: Future<Output = ToolResult<T>>>(
    state: &Arc<ServerState>,
    session: &Session,
    name: &str,
    reference: Reference,
    limit: Duration,
    work: impl FnOnce(BackgroundContext) -> W,
) -> ToolResult<T> {
    let (session, running) = session.for_call();
    let origin = Origin::new(reference).tool(name).on_behalf_of(&session);
    let mut record = Record::of_background(state, &session, origin.clone(), name);
    // It ends in front of the record, which then has every commit.
    let ends_before_the_record = running;
    let context = BackgroundContext::new(session, Arc::clone(state), origin);
    // What makes the future is the user's code as well.
    let work = observe::watch(async move { work(context).await }).instrument(record.span());
    let result = match tokio::time::timeout(limit, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => {
            record.settle(Outcome::Panicked);
            Err(ToolError::internal(panicked))
        }
        Err(_) => {
            record.settle(Outcome::Cancelled);
            Err(ToolError::unavailable().because("the work took longer than its time limit"))
        }
    };
    drop(ends_before_the_record);
    let (outcome, error) = match &result {
        Ok(_) => (Outcome::Ok, None),
        Err(error) => (Outcome::Failed, Some(error)),
    };
    let result = match record.close(outcome, error).await {
        Ok(()) => result,
        Err(unrecorded) => Err(unrecorded),
    };
    if let Err(error) = &result {
        error.log(reference, name);
    }
    result
}
