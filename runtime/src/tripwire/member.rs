//! A number or a short text: only as the value of a JSON member whose name is a tenant word.
//!
//! Works on the bytes, so that JSON inside of a JSON text, at any depth of quoting, is covered.
//! The value is looked for first, which settles nearly every result without looking at names.

use memchr::memmem::Finder;
use watertight_analysis::words::{Extra, Tier, classify};

/// The longest member name, and the longest run of list items, that is looked back over.
const MAX_NAME: usize = 128;
const MAX_LIST: usize = 4096;

pub(crate) struct MemberWire {
    id: Finder<'static>,
    extra: Extra,
}

impl MemberWire {
    pub(super) fn new(id: &str, tenant_column: &str) -> Self {
        let extra = Extra {
            tenant_column: tenant_column.to_owned(),
            ..Extra::default()
        };
        Self {
            id: Finder::new(id).into_owned(),
            extra,
        }
    }

    pub(super) fn finds(&self, bytes: &[u8]) -> bool {
        self.id.find_iter(bytes).any(|start| {
            let end = start + self.id.needle().len();
            is_end_of_value(bytes.get(end..).unwrap_or_default())
                && member_name(bytes.get(..start).unwrap_or_default())
                    .is_some_and(|name| self.is_tenant_word(name))
        })
    }

    fn is_tenant_word(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name)
            .ok()
            .and_then(|name| classify(name, &self.extra))
            .is_some_and(|found| matches!(found.tier, Tier::First))
    }
}

/// After the value comes a quote, possibly escaped, or the end of a number.
fn is_end_of_value(after: &[u8]) -> bool {
    !matches!(after.first(), Some(byte) if byte.is_ascii_alphanumeric() || b"._-:".contains(byte))
}

/// The name of the member whose value, or a list item of whose value, begins after `before`.
fn member_name(before: &[u8]) -> Option<&[u8]> {
    let before = before.trim_ascii_end();
    let before = strip_quote(before).unwrap_or(before).trim_ascii_end();
    let before = match before.split_last()? {
        (b':', rest) => rest,
        (b'[' | b',', _) => list_owner(before)?,
        _ => return None,
    };
    let name_end = strip_quote(before.trim_ascii_end())?;
    let window = name_end.get(name_end.len().saturating_sub(MAX_NAME)..)?;
    let start = memchr::memrchr(b'"', window)?;
    let name = window.get(start + 1..)?;
    // The closing quote of a name inside of quoted JSON leaves its backslashes behind.
    Some(name.trim_ascii())
}

/// `"names": [1, 2,` back to `"names"`, if there is nothing but scalars in the list so far.
fn list_owner(before: &[u8]) -> Option<&[u8]> {
    let window = before.get(before.len().saturating_sub(MAX_LIST)..)?;
    let open = memchr::memrchr(b'[', window)?;
    let items = window.get(open + 1..)?;
    if items.iter().any(|byte| b"{}:]".contains(byte)) {
        return None;
    }
    window.get(..open)?.trim_ascii_end().strip_suffix(b":")
}

/// Without a closing quote and the backslashes that escape it.
fn strip_quote(text: &[u8]) -> Option<&[u8]> {
    let mut text = text.strip_suffix(b"\"")?;
    while let Some(rest) = text.strip_suffix(b"\\") {
        text = rest;
    }
    Some(text)
}
