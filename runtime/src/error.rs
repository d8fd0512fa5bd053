//! What a client is told when something fails: a fixed text and a reference, never a cause.
//!
//! Invariant: no text that reaches a client depends on a database error, on a tenant, or on the
//! value of an argument. The reference joins the text to the log, where the cause is.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::db::{DbError, DbErrorKind, told, whole};
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData, MetaObject,
};

/// In the answer's `_meta`, or the data of a protocol error: milliseconds.
const RETRY_AFTER: &str = "retryAfterMs";

/// What a tool returns.
pub type ToolResult<T> = Result<T, ToolError>;

/// 128 random bits that name one call, or one refusal, in the answer and in the log.
///
/// It has nothing to do with the tenant, the user or the request's own id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference([u8; 16]);

impl Reference {
    /// A new one, from the operating system's random numbers.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        if let Err(error) = getrandom::fill(&mut bytes) {
            // A reference is a name, not a secret: losing the random source must not stop the
            // answer that says that something else went wrong. The hasher's keys are random too.
            tracing::error!(%error, "no random numbers from the operating system");
            let half = || {
                use std::hash::{BuildHasher, Hasher};
                std::hash::RandomState::new()
                    .build_hasher()
                    .finish()
                    .to_be_bytes()
            };
            let (first, second) = (half(), half());
            for (to, from) in bytes.iter_mut().zip(first.into_iter().chain(second)) {
                *to = from;
            }
        }
        Self(bytes)
    }

    /// The sixteen bytes, as the audit trail stores them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The sort of a [`ToolError`]; all that a client, a metric or an audit record learns about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolErrorKind {
    /// There is no such thing, or it belongs to someone else. The two are one.
    NotFound,
    /// An argument is missing, unknown or out of range.
    InvalidArgument,
    /// The request contradicts the present state.
    Conflict,
    /// The caller's scopes do not allow it.
    Denied,
    /// Too much at once; the same call may succeed later.
    Busy,
    /// Something the tool depends on is out of reach.
    Unavailable,
    /// Anything else.
    Internal,
}

impl ToolErrorKind {
    /// The name used in logs, metrics and audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::InvalidArgument => "invalid_argument",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ToolErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The only error that a tool returns.
///
/// The client sees a fixed text and a [`Reference`]; the cause goes to the log. Neither `Display`
/// nor `Debug` nor `source` shows the cause, so that formatting the error into an answer by hand
/// does not leak it.
///
/// There is deliberately no conversion from `sqlx::Error`: an error of the database reaches a tool
/// as [`DbError`](crate::DbError), and `?` turns that into the right variant.
///
/// ```compile_fail,E0277
/// fn convert(error: sqlx::Error) -> watertight::ToolError {
///     error.into()
/// }
/// ```
pub struct ToolError {
    kind: ToolErrorKind,
    /// Completes the kind's text: a name and an expectation, or what the conflict is. Static, or
    /// taken from the published schema; never a value of the request or of the database.
    detail: Option<Cow<'static, str>>,
    cause: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

impl ToolError {
    const fn of(kind: ToolErrorKind) -> Self {
        Self {
            kind,
            detail: None,
            cause: None,
            retry_after: None,
        }
    }

    /// There is no such thing, as far as this caller may know. Use it for what belongs to another
    /// tenant as well: text and shape are the same.
    #[must_use]
    pub const fn not_found() -> Self {
        Self::of(ToolErrorKind::NotFound)
    }

    /// The argument `name` is not what it should be; `expected` completes "expected …".
    #[must_use]
    pub fn invalid_argument(name: &'static str, expected: &'static str) -> Self {
        Self::invalid_at(name, expected)
    }

    /// As [`ToolError::invalid_argument`], for a path within the published schema. Neither text
    /// may contain anything that the client sent.
    pub(crate) fn invalid_at(path: &str, expected: &str) -> Self {
        let mut error = Self::of(ToolErrorKind::InvalidArgument);
        error.detail = Some(format!("`{path}`: expected {expected}").into());
        error
    }

    /// Arguments are wrong in a way that has no path, such as one that the schema does not know.
    pub(crate) fn invalid_arguments(what: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::of(ToolErrorKind::InvalidArgument);
        error.detail = Some(what.into());
        error
    }

    /// The request contradicts the present state; `what` says how, in words fixed at compile time.
    #[must_use]
    pub fn conflict(what: &'static str) -> Self {
        let mut error = Self::of(ToolErrorKind::Conflict);
        error.detail = Some(Cow::Borrowed(what));
        error
    }

    /// The caller's token does not allow this.
    #[must_use]
    pub const fn denied() -> Self {
        Self::of(ToolErrorKind::Denied)
    }

    /// Too much at once; the client may try again.
    #[must_use]
    pub const fn busy() -> Self {
        Self::of(ToolErrorKind::Busy)
    }

    /// Tells the client when to try again: in the text, and as `retryAfterMs` in the answer's `_meta`.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Another error of the same sort and text, for another call that it stands in the way of.
    #[cfg(feature = "cache")]
    pub(crate) fn alike(&self) -> Self {
        let mut other =
            Self::of(self.kind).because("it failed for the call that this one waited for");
        other.detail.clone_from(&self.detail);
        other.retry_after = self.retry_after;
        other
    }

    /// Rounded up, so that a client that waits exactly so long waits long enough.
    fn retry_after_ms(&self) -> Option<u64> {
        let wait = self.retry_after?;
        let millis = wait.as_nanos().div_ceil(1_000_000);
        Some(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// Something that the tool depends on is out of reach at the moment.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::of(ToolErrorKind::Unavailable)
    }

    /// Anything else. The cause is logged under the reference and goes nowhere else.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(ToolErrorKind::Internal).because(cause)
    }

    /// Adds what the log should say. The client's text stays what it is.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The sort of failure.
    #[must_use]
    pub const fn kind(&self) -> ToolErrorKind {
        self.kind
    }

    /// The text for the client.
    #[must_use]
    pub fn client_text(&self, reference: Reference) -> String {
        format!("{self} (reference {reference})")
    }

    /// Writes the cause to the log, under the reference: without values where the database said
    /// them. The whole goes to a target of its own, which [`observe`](crate::observe) withholds.
    pub(crate) fn log(&self, reference: Reference, tool: &str) {
        let cause = self.cause.as_deref().map(|cause| told(cause));
        let (kind, cause) = (self.kind.as_str(), cause.as_deref());
        match self.kind {
            ToolErrorKind::Internal | ToolErrorKind::Unavailable => {
                tracing::error!(%reference, tool, kind, cause, "tool call failed");
            }
            _ => tracing::info!(%reference, tool, kind, cause, "tool call refused"),
        }
        if let Some(cause) = self.cause.as_deref() {
            tracing::debug!(target: "watertight::cause", %reference, whole = whole(cause));
        }
    }

    /// The answer to a `tools/call`. It is a result with `isError`, which the model may read, and
    /// not a protocol error, which clients hide.
    pub(crate) fn into_result(self, reference: Reference, tool: &str) -> CallToolResult {
        self.log(reference, tool);
        let mut result =
            CallToolResult::error(vec![ContentBlock::text(self.client_text(reference))]);
        if let Some(millis) = self.retry_after_ms() {
            let mut meta = MetaObject::new();
            meta.insert(RETRY_AFTER.to_owned(), millis.into());
            result.meta = Some(meta);
        }
        result
    }
}

impl ToolError {
    /// The answer to a request whose method knows protocol errors alone, such as `resources/read`.
    pub(crate) fn into_protocol(self, reference: Reference, name: &str) -> ErrorData {
        self.log(reference, name);
        let code = match self.kind {
            ToolErrorKind::NotFound => ErrorCode::RESOURCE_NOT_FOUND,
            ToolErrorKind::InvalidArgument => ErrorCode::INVALID_PARAMS,
            ToolErrorKind::Denied | ToolErrorKind::Conflict => ErrorCode::INVALID_REQUEST,
            _ => ErrorCode::INTERNAL_ERROR,
        };
        let wait = self.retry_after_ms();
        let data = wait.map(|millis| serde_json::json!({ RETRY_AFTER: millis }));
        ErrorData::new(code, self.client_text(reference), data)
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ToolErrorKind::NotFound => "not found",
            ToolErrorKind::InvalidArgument => "invalid argument",
            ToolErrorKind::Conflict => "conflict",
            ToolErrorKind::Denied => "not permitted",
            ToolErrorKind::Busy => "busy, try again later",
            ToolErrorKind::Unavailable => "temporarily unavailable",
            ToolErrorKind::Internal => "internal error",
        })?;
        if let Some(millis) = self.retry_after_ms() {
            write!(f, ", in {millis} ms")?;
        }
        match (&self.detail, self.kind) {
            (Some(detail), ToolErrorKind::InvalidArgument) if detail.starts_with('`') => {
                write!(f, " {detail}")
            }
            (Some(detail), _) => write!(f, ": {detail}"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolError")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The text follows from the kind alone; the database's own words go to the log.
impl From<DbError> for ToolError {
    fn from(error: DbError) -> Self {
        let message = error.message();
        let mapped = match error.kind() {
            DbErrorKind::NotFound => Self::not_found(),
            DbErrorKind::Conflict => {
                Self::conflict(message.unwrap_or("it contradicts existing data"))
            }
            DbErrorKind::InvalidValue => Self::invalid_arguments(
                message.unwrap_or("a value is missing, malformed or out of range"),
            ),
            DbErrorKind::Denied | DbErrorKind::Expired => Self::denied(),
            DbErrorKind::Busy | DbErrorKind::Serialization => Self::busy(),
            DbErrorKind::Unavailable | DbErrorKind::Timeout => Self::unavailable(),
            DbErrorKind::CommitUnknown => {
                let mut unknown = Self::unavailable();
                unknown.detail = Some("the change may or may not have been stored".into());
                unknown
            }
            _ => Self::of(ToolErrorKind::Internal),
        };
        mapped.because(error.into_cause())
    }
}

// `source` stays empty: a chain of sources is what error reporters print.
impl Error for ToolError {}

/// For rmcp's own tools that return a `ToolError`: outside of a call of ours, the error makes its
/// own reference.
impl rmcp::handler::server::tool::IntoCallToolResult for ToolError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(self.into_result(Reference::random(), "").into())
    }
}

/// For handlers that can only answer with a protocol error.
impl From<ToolError> for ErrorData {
    fn from(error: ToolError) -> Self {
        error.into_protocol(Reference::random(), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_32_hex_digits_and_differ() {
        let (one, two) = (
            Reference::random().to_string(),
            Reference::random().to_string(),
        );
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }

    #[test]
    fn texts_are_fixed_and_end_in_the_reference() {
        let reference = Reference([0xab; 16]);
        let tail = format!(" (reference {})", "ab".repeat(16));
        for (error, text) in [
            (ToolError::not_found(), "not found"),
            (
                ToolError::invalid_argument("limit", "a number from 1 to 100"),
                "invalid argument `limit`: expected a number from 1 to 100",
            ),
            (
                ToolError::conflict("the ticket is closed"),
                "conflict: the ticket is closed",
            ),
            (ToolError::denied(), "not permitted"),
            (ToolError::busy(), "busy, try again later"),
            (
                ToolError::busy().retry_after(Duration::from_micros(350_001)),
                "busy, try again later, in 351 ms",
            ),
            (ToolError::unavailable(), "temporarily unavailable"),
            (ToolError::internal("disk on fire"), "internal error"),
        ] {
            assert_eq!(error.client_text(reference), format!("{text}{tail}"));
        }
    }

    #[test]
    fn an_error_of_the_database_keeps_its_words_for_the_log() {
        let words = "duplicate key value violates unique constraint \"k\"";
        let error = ToolError::from(DbError::with_cause(DbErrorKind::Conflict, words));
        assert_eq!(error.kind(), ToolErrorKind::Conflict);
        assert!(!error.client_text(Reference::random()).contains("key"));
        assert!(told(error.cause.as_deref().unwrap()).ends_with(words));
        let taken = DbError::with_cause(DbErrorKind::Conflict, words).saying(Some("it is taken"));
        assert_eq!(ToolError::from(taken).to_string(), "conflict: it is taken");
    }

    #[test]
    fn the_cause_shows_nowhere() {
        let error = ToolError::internal("canary-4711").because("canary-4712");
        let result = error.into_result(Reference::random(), "t");
        assert_eq!(result.is_error, Some(true));
        assert!(!serde_json::to_string(&result).unwrap().contains("canary"));
        let error = ToolError::internal("canary-4711");
        assert!(!format!("{error} {error:?} {error:#?}").contains("canary"));
        assert!(error.source().is_none());
        let protocol = ErrorData::from(error);
        assert!(!serde_json::to_string(&protocol).unwrap().contains("canary"));
    }
}
