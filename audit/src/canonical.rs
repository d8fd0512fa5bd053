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
    /// The client's own name for itself.
    pub client: Option<String>,
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
                &self.arguments,
                &self.outcome,
                &self.error,
                &self.protocol,
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
            for text in [&self.tool, &self.issuer, &self.subject, &self.home_tenant] {
                optional(part, text.as_deref());
            }
        })
    }
}

fn number(part: Part<'_>, value: i64) {
    part(&value.to_be_bytes());
}

/// Nothing and an empty text are different bytes.
fn optional(part: Part<'_>, text: Option<&str>) {
    part(&[u8::from(text.is_some())]);
    part(text.unwrap_or_default().as_bytes());
}
