//! Records as bytes: the same for what a process is about to write and for what is read back.
//!
//! Invariant: every column that means something is in here, whole and in one form. What the
//! database assigns (the id) is not, because the writer doesn't know it.

use crate::key::{Mac, TenantKey};

/// The record of a call that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// What joins the records of a call.
    pub reference: String,
    /// When the call began, in microseconds since 1970.
    pub at: i64,
    /// When its writer stored it, in microseconds since 1970; never before the one in front of it.
    pub recorded_at: i64,
    /// The tool, resource or prompt.
    pub tool: Option<String>,
    /// Who issued the token.
    pub issuer: Option<String>,
    /// Whom the token names.
    pub subject: Option<String>,
    /// Where an operator belongs.
    pub home_tenant: Option<String>,
    /// The client that the token was issued to, or the API key: verified.
    pub client: Option<String>,
    /// What the caller calls itself: its own claim.
    pub agent: Option<String>,
    /// The arguments as the policy keeps them: a JSON text.
    pub arguments: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The class of the error.
    pub error: Option<String>,
    /// Rows read or changed.
    pub rows: Option<i64>,
    /// How long it took, in microseconds.
    pub duration_us: Option<i64>,
    /// The protocol version.
    pub protocol: Option<String>,
    /// Something that no honest client sends.
    pub probe: bool,
    /// Writes of this call that committed, each with a record of its own.
    pub effects: i32,
    /// Which ones: their ordinals, as [`ordinals`] writes them.
    pub ordinals: Option<String>,
    /// Writes of which nobody knows whether they committed: the connection broke on the answer.
    pub uncertain: i32,
}

/// The record of a write, which committed with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// What joins the records of a call.
    pub reference: String,
    /// Which write of the call it is, from 1.
    pub ordinal: i32,
    /// When the commit was sent, in microseconds since 1970.
    pub at: i64,
    /// The same, in the column by which the table is cut into months.
    pub recorded_at: i64,
    /// The tool, resource or prompt.
    pub tool: Option<String>,
    /// Who issued the token.
    pub issuer: Option<String>,
    /// Whom the token names.
    pub subject: Option<String>,
    /// Where an operator belongs.
    pub home_tenant: Option<String>,
}

type Part<'a> = &'a mut dyn FnMut(&[u8]);

impl Completion {
    /// The MAC of this record at a place of a chain.
    pub(crate) fn mac(&self, key: &TenantKey, writer: &str, seq: i64, before: &Mac) -> Mac {
        key.mac("watertight audit completion v1", |part| {
            part(writer.as_bytes());
            number(part, seq);
            part(before.as_bytes());
            part(self.reference.as_bytes());
            number(part, self.at);
            number(part, self.recorded_at);
            for text in [
                &self.tool,
                &self.issuer,
                &self.subject,
                &self.home_tenant,
                &self.client,
                &self.agent,
                &self.arguments,
                &self.outcome,
                &self.error,
                &self.protocol,
                &self.ordinals,
            ] {
                optional(part, text.as_deref());
            }
            for value in [self.rows, self.duration_us] {
                part(&[u8::from(value.is_some())]);
                number(part, value.unwrap_or_default());
            }
            part(&[u8::from(self.probe)]);
            number(part, self.effects.into());
            number(part, self.uncertain.into());
        })
    }
}

impl Effect {
    /// The MAC of this record, which stands by itself.
    #[must_use]
    pub fn mac(&self, key: &TenantKey) -> Mac {
        key.mac("watertight audit effect v1", |part| {
            part(self.reference.as_bytes());
            number(part, self.ordinal.into());
            number(part, self.at);
            number(part, self.recorded_at);
            for text in [&self.tool, &self.issuer, &self.subject, &self.home_tenant] {
                optional(part, text.as_deref());
            }
        })
    }
}

/// Ordinals of writes as text, ranges where they are neighbours: `1-3,5`. `None` for none.
#[must_use]
pub fn ordinals(mut of: Vec<i32>) -> Option<String> {
    of.sort_unstable();
    let mut ranges: Vec<(i32, i32)> = Vec::new();
    for ordinal in of {
        match ranges.last_mut() {
            Some((_, to)) if ordinal <= to.saturating_add(1) => *to = ordinal,
            _ => ranges.push((ordinal, ordinal)),
        }
    }
    let text = |(from, to): &(i32, i32)| match from == to {
        true => from.to_string(),
        false => format!("{from}-{to}"),
    };
    let texts: Vec<_> = ranges.iter().map(text).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

/// The ranges of such a text, never expanded: it may be anybody's. What is no range counts for none.
pub(crate) fn ranges(text: Option<&str>) -> Vec<(i32, i32)> {
    let parts = text.unwrap_or_default().split(',');
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (1 <= from && from <= to).then_some((from, to))
    };
    parts.filter_map(range).collect()
}

fn number(part: Part<'_>, value: i64) {
    part(&value.to_be_bytes());
}

/// Nothing and an empty text are different bytes.
fn optional(part: Part<'_>, text: Option<&str>) {
    part(&[u8::from(text.is_some())]);
    part(text.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_ranges() {
        assert_eq!(ordinals(vec![]), None);
        assert_eq!(ordinals(vec![3, 1, 2, 5, 9, 8]).unwrap(), "1-3,5,8-9");
        assert_eq!(ranges(Some("1-3,5")), [(1, 3), (5, 5)]);
        assert_eq!(ranges(None), []);
        assert_eq!(ranges(Some("x,3-1,-4,0,1-2147483647")), [(1, i32::MAX)]);
    }
}
