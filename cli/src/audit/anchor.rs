//! Published heads, as `FileAnchor` writes them.
//!
//! Invariant: a line that can't be read hides none of the others.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::DateTime;
use serde_json::Value;
use watertight_audit::Head;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Several of one chain are all looked for.
    pub(super) heads: Vec<Head>,
    /// Lines that a crash or a full disk left without an end.
    pub(super) torn: Vec<String>,
    /// Lines that are something else.
    pub(super) unreadable: Vec<String>,
}

impl Published {
    pub(super) fn read(files: &[PathBuf]) -> Result<Self> {
        let mut published = Self::default();
        for file in files {
            let bytes = std::fs::read(file)
                .with_context(|| format!("`{}` can't be read", file.display()))?;
            published.add(file, &String::from_utf8_lossy(&bytes));
        }
        Ok(published)
    }

    fn add(&mut self, file: &Path, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let place = format!("{}:{}", file.display(), index + 1);
            match head(line) {
                Some(head) => self.heads.push(head),
                None if line.is_empty() => {}
                // Every whole line is an object.
                None if !line.ends_with('}') => self.torn.push(place),
                None => self.unreadable.push(place),
            }
        }
    }

    pub(super) fn of(&self, tenant: &str) -> Vec<&Head> {
        let mut heads = self.heads.iter();
        heads.by_ref().filter(|it| it.tenant == tenant).collect()
    }
}

/// A head. Where its anchor does not keep when the record was stored, the line's own time is good
/// enough: it is no earlier.
fn head(line: &str) -> Option<Head> {
    let value: Value = serde_json::from_str(line).ok()?;
    let at = value.get("at").and_then(Value::as_str);
    let at = at.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
    let mut head: Head = serde_json::from_value(value).ok()?;
    head.recorded_at = head.recorded_at.or(at.map(|at| at.timestamp_micros()));
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_told_and_hides_no_other() {
        let mac = "ab".repeat(32);
        let line = |seq: i64| {
            format!(
                r#"{{"at":"2026-11-23T10:00:00.5+00:00","tenant":"a","writer":"w","seq":{seq},"mac":"{mac}"}}"#
            )
        };
        let text = format!(
            "{}\n{{\"at\":\"2026\n{}\nnonsense}}\n{{\"at\":",
            line(1),
            line(2)
        );
        let mut published = Published::default();
        published.add(Path::new("heads"), &text);
        assert_eq!(published.torn, ["heads:2", "heads:5"]);
        assert_eq!(published.unreadable, ["heads:4"]);
        let heads = published.of("a");
        assert_eq!(heads.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(heads[0].recorded_at, Some(1_795_428_000_500_000));
        assert!(published.of("b").is_empty());
    }
}
