//! Which of several tenants a request is for, where its credentials grant more than one: a managed
//! service provider, a support desk, an accountant's office.
//!
//! Invariant: the choice is made by whoever sends the HTTP request, never by a tool's arguments;
//! it is one value, spelled in one way; a missing, repeated or conflicting one is refused, and there
//! is no default. What it chooses among is the authenticator's to check.

use std::fmt;

use axum::extract::OriginalUri;
use http::request::Parts;
use http::{Extensions, HeaderName, Uri};

use super::{AuthError, AuthRequest};
use crate::id::{TenantId, TenantKind};

/// What stands for the tenant in a path.
const PLACE: &str = "{tenant}";

/// Headers that mean something else already.
const TAKEN: [&str; 10] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "last-event-id",
    "origin",
];

/// How a request says which of the caller's tenants it is for: in a header, in a segment of the
/// path, or in both, which must then agree.
///
/// [`JwtAuthenticator`](super::JwtAuthenticator) makes one of `tenant_from_header` and
/// `tenant_from_path`. An authenticator of your own reads it and checks it against what the
/// credentials grant, and tells the server of it:
///
/// ```
/// use watertight::auth::{AuthError, AuthRequest, Authenticator, TenantChoice};
/// use watertight::{Session, TenantId, TenantKind};
///
/// struct Keys { choice: TenantChoice }
///
/// impl Authenticator for Keys {
///     async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
///         let token = request.bearer().ok_or_else(AuthError::missing)?;
///         let granted: Vec<TenantId> = tenants_of(token)?;
///         let chosen = self.choice.among(&granted, &request, TenantKind::Text)?;
///         Ok(request.verified("https://example.com", "desk", chosen).into_session())
///     }
///
///     fn tenant_choice(&self) -> Option<TenantChoice> {
///         Some(self.choice.clone())
///     }
/// }
/// # fn tenants_of(_: &str) -> Result<Vec<TenantId>, AuthError> { Ok(Vec::new()) }
/// # let _ = Keys { choice: TenantChoice::from_header("X-Org").unwrap() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantChoice {
    header: Option<HeaderName>,
    path: Option<Template>,
}

/// A path with one place for the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    before: String,
    after: String,
}

/// A header or a path from which no tenant can be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidChoice(String);

impl TenantChoice {
    /// The tenant stands in this header.
    ///
    /// # Errors
    /// If it is no header's name, if it begins with `Mcp-`, or if it means something else already.
    pub fn from_header(name: &str) -> Result<Self, InvalidChoice> {
        let header = header(name)?;
        Ok(Self {
            header: Some(header),
            path: None,
        })
    }

    /// The tenant is the segment `{tenant}` of the path: `/t/{tenant}/mcp`. The server's resource
    /// has the same path.
    ///
    /// # Errors
    /// If the path does not begin with `/`, or has not exactly one segment `{tenant}`.
    pub fn from_path(template: &str) -> Result<Self, InvalidChoice> {
        let path = Template::parse(template)?;
        Ok(Self {
            header: None,
            path: Some(path),
        })
    }

    /// Takes it from this header as well; where both are given, they must agree.
    ///
    /// # Errors
    /// As [`from_header`](TenantChoice::from_header).
    pub fn or_header(mut self, name: &str) -> Result<Self, InvalidChoice> {
        self.header = Some(header(name)?);
        Ok(self)
    }

    /// The choice that the request makes, if it is one of these.
    ///
    /// # Errors
    /// [`AuthError::forbidden`] if there is none, if there are several, if it has another spelling
    /// than the identifier's own, or if it is not among `granted`. A client is told no more than
    /// that.
    pub fn among(
        &self,
        granted: &[TenantId],
        request: &AuthRequest<'_>,
        kind: TenantKind,
    ) -> Result<TenantId, AuthError> {
        let parts = request.http_parts().ok_or_else(|| {
            AuthError::forbidden("only a request over HTTP can say which tenant it is for")
        })?;
        let header = self.in_header(parts)?;
        let path = self
            .path
            .as_ref()
            .and_then(|template| in_path(template, &parts.uri, &parts.extensions));
        let text = match (header, path) {
            (None, None) => {
                return Err(AuthError::forbidden("the request names no tenant"));
            }
            (Some(header), Some(path)) if header != path => {
                return Err(AuthError::forbidden(
                    "the header and the path name different tenants",
                ));
            }
            (Some(text), _) | (None, Some(text)) => text,
        };
        let chosen = canonical(kind, text).ok_or_else(|| {
            AuthError::forbidden("the chosen tenant is not spelled as an identifier is")
        })?;
        // Compared as values, each of which compares in constant time.
        if granted.iter().filter(|tenant| **tenant == chosen).count() == 0 {
            return Err(AuthError::forbidden(
                "the credentials do not grant the chosen tenant",
            ));
        }
        Ok(chosen)
    }

    fn in_header<'p>(&self, parts: &'p Parts) -> Result<Option<&'p str>, AuthError> {
        let Some(name) = &self.header else {
            return Ok(None);
        };
        let mut values = parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => match value.to_str() {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(AuthError::forbidden("the tenant's header is not text")),
            },
            (Some(_), Some(_)) => Err(AuthError::forbidden("the tenant's header is repeated")),
        }
    }

    /// The tenant's text in the path of a request, whether or not anyone may use it.
    pub(crate) fn named_in_path(
        &self,
        uri: &Uri,
        extensions: &Extensions,
        kind: TenantKind,
    ) -> Option<TenantId> {
        canonical(kind, in_path(self.path.as_ref()?, uri, extensions)?)
    }

    /// Names that no argument may be copied into a header of.
    pub(crate) fn reserved(&self) -> Vec<String> {
        let path = self.path.as_ref().map(|_| "tenant".to_owned());
        let header = self.header.iter().map(ToString::to_string);
        header.chain(path).collect()
    }

    pub(crate) const fn header(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }

    /// The path that it was made of.
    pub(crate) fn path(&self) -> Option<String> {
        let Template { before, after } = self.path.as_ref()?;
        Some(format!("{before}{PLACE}{after}"))
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, InvalidChoice> {
        let refused = || {
            Err(InvalidChoice(format!(
                "`{text}` has not one segment `{PLACE}`; write `/t/{PLACE}/mcp`"
            )))
        };
        let Some((before, after)) = text.split_once(PLACE) else {
            return refused();
        };
        let whole_segment = before.ends_with('/') && (after.is_empty() || after.starts_with('/'));
        let plain = |part: &str| !part.contains(['{', '}', '?', '#', '*', '%']);
        if text.starts_with('/') && whole_segment && plain(before) && plain(after) {
            Ok(Self {
                before: before.to_owned(),
                after: after.to_owned(),
            })
        } else {
            refused()
        }
    }
}

fn header(name: &str) -> Result<HeaderName, InvalidChoice> {
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| InvalidChoice(format!("`{name}` is no name of a header")))?;
    if header.as_str().starts_with("mcp-") {
        return Err(InvalidChoice(format!(
            "a tenant can't be taken from `{name}`: clients copy arguments of tools into headers \
             that begin with `Mcp-`, so a model would choose it; name it `X-Org`, for example"
        )));
    }
    if TAKEN.contains(&header.as_str()) {
        return Err(InvalidChoice(format!(
            "a tenant can't be taken from `{name}`, which has a meaning of its own; name it \
             `X-Org`, for example"
        )));
    }
    Ok(header)
}

fn in_path<'p>(template: &Template, uri: &'p Uri, extensions: &'p Extensions) -> Option<&'p str> {
    // A router that is nested in another one cuts the front off the path that handlers see.
    let uri = match extensions.get::<OriginalUri>() {
        Some(OriginalUri(original)) => original,
        None => uri,
    };
    let rest = uri.path().strip_prefix(template.before.as_str())?;
    let segment = rest.strip_suffix(template.after.as_str())?;
    (!segment.is_empty() && !segment.contains('/')).then_some(segment)
}

/// The identifier, if this is how it spells itself: `+7`, `07`, braces around a uuid or capitals
/// in it are other texts, which a proxy in front might take for another tenant.
fn canonical(kind: TenantKind, text: &str) -> Option<TenantId> {
    let id = TenantId::parse(kind, text).ok()?;
    (id.as_setting() == text).then_some(id)
}

impl fmt::Display for TenantChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.header, self.path()) {
            (Some(header), Some(path)) => write!(f, "the header `{header}` and the path `{path}`"),
            (Some(header), None) => write!(f, "the header `{header}`"),
            (None, Some(path)) => write!(f, "the path `{path}`"),
            (None, None) => f.write_str("nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AuthErrorKind;

    const UUID: &str = "0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07";

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn chosen(
        choice: &TenantChoice,
        kind: TenantKind,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> bool {
        let granted = match kind {
            TenantKind::Uuid => vec![TenantId::parse(kind, UUID).unwrap()],
            TenantKind::Bigint => vec![TenantId::bigint(7)],
            TenantKind::Text => vec![TenantId::text("acme").unwrap()],
        };
        let parts = parts(uri, headers);
        match choice.among(&granted, &AuthRequest::http(None, &parts), kind) {
            Ok(tenant) => granted.contains(&tenant),
            Err(error) => {
                assert_eq!(error.kind(), AuthErrorKind::Forbidden);
                false
            }
        }
    }

    #[test]
    fn one_header_with_the_identifiers_own_spelling() {
        let choice = TenantChoice::from_header("X-Org").unwrap();
        let header = |kind, text: &str| chosen(&choice, kind, "/mcp", &[("x-org", text)]);
        assert!(header(TenantKind::Uuid, UUID));
        assert!(header(TenantKind::Bigint, "7"));
        assert!(header(TenantKind::Text, "acme"));
        let braced = format!("{{{UUID}}}");
        let plain = UUID.replace('-', "");
        for text in [
            &UUID.to_uppercase(),
            &braced,
            &plain,
            "",
            "urn:uuid:x",
            "acme",
        ] {
            assert!(!header(TenantKind::Uuid, text), "{text}");
        }
        for text in ["+7", "07", "7 ", "7, 7", "8", "7.0"] {
            assert!(!header(TenantKind::Bigint, text), "{text}");
        }
        for text in ["ACME", "acme,acme", "acm%65", "acme/", "beta"] {
            assert!(!header(TenantKind::Text, text), "{text}");
        }
    }

    #[test]
    fn missing_repeated_and_conflicting_choices() {
        let kind = TenantKind::Text;
        let both = TenantChoice::from_path("/t/{tenant}/mcp").unwrap();
        let both = both.or_header("x-org").unwrap();
        let read = |uri: &str, headers: &[(&str, &str)]| chosen(&both, kind, uri, headers);
        assert!(read("/t/acme/mcp", &[]));
        assert!(read("/t/acme/mcp?x=beta", &[("x-org", "acme")]));
        assert!(read("/mcp", &[("x-org", "acme")]));
        assert!(!read("/mcp", &[]));
        assert!(!read("/t/acme/mcp", &[("x-org", "beta")]));
        assert!(!read("/t/beta/mcp", &[("x-org", "acme")]));
        assert!(!read("/mcp", &[("x-org", "acme"), ("X-Org", "acme")]));
        for path in [
            "/t/acme/x/mcp",
            "/t//mcp",
            "/t/acme/mcp/",
            "/T/acme/mcp",
            "/t/%61cme/mcp",
        ] {
            assert!(!read(path, &[]), "{path}");
        }
        let token = AuthRequest::token("t");
        let granted = [TenantId::text("acme").unwrap()];
        assert!(both.among(&granted, &token, kind).is_err());
    }

    #[test]
    fn headers_that_a_model_could_fill_are_refused() {
        for name in [
            "Mcp-Org",
            "MCP-Param-Tenant",
            "mcp-",
            "Authorization",
            "host",
            "a b",
            "",
        ] {
            assert!(TenantChoice::from_header(name).is_err(), "{name}");
        }
        for name in ["X-Org", "x-tenant-id", "Mcporg"] {
            TenantChoice::from_header(name).unwrap();
        }
    }

    #[test]
    fn a_path_has_one_place() {
        for path in [
            "/mcp",
            "t/{tenant}",
            "/{tenant}/{tenant}",
            "/x{tenant}/mcp",
            "/{tenant}x",
            "/{org}/mcp",
            "/{tenant}/*",
        ] {
            assert!(TenantChoice::from_path(path).is_err(), "{path}");
        }
        let choice = TenantChoice::from_path("/{tenant}").unwrap();
        assert_eq!(choice.path().as_deref(), Some("/{tenant}"));
    }
}
