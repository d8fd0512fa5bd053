//! The types that need no derive.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet, VecDeque};
use watertight::{ToolResult, mcp_tool};

/// Takes everything.
#[mcp_tool]
#[allow(clippy::too_many_arguments)]
async fn everything(
    _flags: (bool, char),
    _small: [u8; 4],
    _float: f64,
    _text: Box<str>,
    _cow: Cow<'static, str>,
    _list: VecDeque<Option<Box<String>>>,
    _sets: (BTreeSet<i64>, HashSet<String>),
    _id: uuid::Uuid,
    _day: chrono::NaiveDate,
    _time: Option<chrono::DateTime<chrono::Utc>>,
    _port: std::num::NonZeroU16,
    _address: std::net::IpAddr,
) -> ToolResult<()> {
    Ok(())
}

pub fn main() {
    let tools = watertight::tools![everything];
    assert!(tools.exceptions().unwrap().is_empty());
}
