//! Long lists in pages. The cursor of the next page is a handle: of this caller, for this list.
//!
//! Invariant: a list is in the order of names, so that a page begins after the last name of the one
//! before, whatever was added or hidden in between.

use std::time::Duration;

use rmcp::model::PaginatedRequestParams;

use super::caller::Caller;
use crate::error::ToolError;
use crate::sealed::Binding;

/// As long as a client may take to ask for the next page.
const VALID: Duration = Duration::from_secs(3600);

/// The page that a request asks for, and the cursor of the next one.
pub(super) fn page<T>(
    mut items: Vec<T>,
    most: usize,
    name: impl Fn(&T) -> &str,
    request: Option<PaginatedRequestParams>,
    (caller, list): (&Caller, &str),
) -> Result<(Vec<T>, Option<String>), ToolError> {
    let sealer = caller.state().sealer();
    let binding = Binding::new(caller.session(), list);
    if let Some(cursor) = request.and_then(|request| request.cursor) {
        let last = sealer
            .open(&binding, &cursor)
            .and_then(|last| String::from_utf8(last).ok())
            .ok_or_else(|| {
                ToolError::invalid_argument("cursor", "a cursor that this server gave you")
            })?;
        items.retain(|item| name(item) > last.as_str());
    }
    if items.len() <= most {
        return Ok((items, None));
    }
    items.truncate(most);
    let last = items.last().map_or("", &name);
    let next = sealer
        .seal(&binding, last.as_bytes(), VALID)
        .ok_or_else(|| ToolError::internal("a cursor could not be sealed"))?;
    Ok((items, Some(next)))
}
