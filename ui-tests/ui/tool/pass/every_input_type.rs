//! The types that need no derive.

use std::borrow::Cow;
use std::collections::{BTreeSet, BinaryHeap, HashSet, LinkedList, VecDeque};
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
    _socket: std::net::SocketAddr,
    _large: (i128, u128, std::num::NonZeroU128),
    _wait: std::time::Duration,
    _between: std::ops::RangeInclusive<chrono::NaiveDate>,
    _files: Vec<std::path::PathBuf>,
    _either: Result<u8, String>,
    _many: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8),
    _more: (LinkedList<u8>, BinaryHeap<u8>),
    _borrowed: (Box<[String]>, Cow<'static, [u8]>),
    #[tool(range(1..=9))] _some: std::num::NonZeroU8,
) -> ToolResult<()> {
    Ok(())
}

pub fn main() {
    let tools = watertight::tools![everything];
    assert!(tools.exceptions().unwrap().is_empty());
}
