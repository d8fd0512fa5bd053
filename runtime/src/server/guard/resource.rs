//! The address that this server is known under, and the metadata published for it (RFC 9728).
//!
//! Invariant: one parsed URL decides the accepted `Host`, the accepted `Origin`, the metadata's
//! address and the challenge, so that they can't disagree.

use axum::Router;
use axum::extract::{OriginalUri, Path};
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use url::Url;

use crate::id::{TenantId, TenantKind};

/// The protected resource: `https://mcp.example.com/mcp`; or one for each tenant,
/// `https://mcp.example.com/t/{tenant}/mcp`, where the tenant is chosen by the path.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    url: Url,
    /// As it was configured, which is what clients compare with what they were told.
    text: String,
    /// Its path, with `{tenant}` as it was configured.
    path: String,
    /// The path and the URL of its metadata document.
    metadata_path: String,
    metadata_url: String,
}

/// What stands for the tenant of a path, here and in a route.
const PLACE: &str = "{tenant}";
/// The same as it is within a parsed URL.
const ENCODED_PLACE: &str = "%7Btenant%7D";

impl Resource {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url: Url = text
            .parse()
            .map_err(|_| format!("the resource `{text}` is not a URL"))?;
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(format!("the resource `{text}` has no host")),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(format!("the resource `{text}` must begin with `https://`")),
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(format!(
                "the resource `{text}` must be scheme, host, port and path alone"
            ));
        }
        let path = url.path().replace(ENCODED_PLACE, PLACE);
        if text.replacen(PLACE, "", 1).contains(['{', '}']) {
            return Err(format!(
                "the resource `{text}` has a place for something else than `{PLACE}`"
            ));
        }
        // RFC 9728, 3.1: the well-known part goes between the host and the path.
        let metadata_path = format!(
            "/.well-known/oauth-protected-resource{}",
            path.trim_end_matches('/')
        );
        let metadata_url = url.origin().ascii_serialization() + &metadata_path;
        Ok(Self {
            url,
            text: text.to_owned(),
            path,
            metadata_path,
            metadata_url,
        })
    }

    /// Whether there is one for each tenant.
    pub(crate) fn is_per_tenant(&self) -> bool {
        self.path.contains(PLACE)
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The path that the MCP endpoint is mounted at.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    pub(crate) fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// Serves the metadata document: public, the same for everyone. Where there is a resource for
    /// each tenant there is a document for each, whether or not there is such a tenant: what is in
    /// it is what the client asked for.
    pub(crate) fn metadata_router<S: Clone + Send + Sync + 'static>(
        &self,
        document: &serde_json::Value,
        kind: Option<TenantKind>,
    ) -> Router<S> {
        let (document, text) = (document.clone(), self.text.clone());
        let per_tenant = self.is_per_tenant();
        let answer = move |uri: OriginalUri, tenant: Option<Path<String>>| {
            let mut document = document.clone();
            if per_tenant {
                let tenant = tenant.filter(|Path(tenant)| is_tenant(tenant, kind));
                // The path is compared as it was sent: a segment that had to be decoded is none.
                let Some(Path(tenant)) = tenant.filter(|Path(it)| uri.path().contains(it.as_str()))
                else {
                    return std::future::ready(StatusCode::NOT_FOUND.into_response());
                };
                if let Some(resource) = document.get_mut("resource") {
                    *resource = json!(text.replace(PLACE, &tenant));
                }
            }
            let body = document.to_string();
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=3600"),
                ),
                // Clients in browsers read it before they have any credentials.
                (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            ];
            std::future::ready((headers, body).into_response())
        };
        Router::new().route(self.metadata_path(), get(answer))
    }

    /// Where the metadata for this request is; nothing where its path is no tenant's.
    pub(crate) fn metadata_url_for(&self, tenant: Option<&TenantId>) -> Option<String> {
        match (self.is_per_tenant(), tenant) {
            (false, _) => Some(self.metadata_url.clone()),
            (true, Some(tenant)) => Some(self.metadata_url.replace(PLACE, &tenant.as_setting())),
            (true, None) => None,
        }
    }

    pub(crate) fn document(
        &self,
        authorization_servers: &[String],
        scopes: &[String],
        name: Option<&str>,
    ) -> serde_json::Value {
        let mut document = serde_json::Map::new();
        document.insert("resource".into(), json!(self.text));
        document.insert("authorization_servers".into(), json!(authorization_servers));
        document.insert("bearer_methods_supported".into(), json!(["header"]));
        if !scopes.is_empty() {
            document.insert("scopes_supported".into(), json!(scopes));
        }
        if let Some(name) = name {
            document.insert("resource_name".into(), json!(name));
        }
        document.into()
    }
}

fn is_tenant(text: &str, kind: Option<TenantKind>) -> bool {
    TenantId::parse(kind.unwrap_or(TenantKind::Text), text)
        .is_ok_and(|tenant| tenant.as_setting() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_goes_between_host_and_path() {
        for (resource, metadata) in [
            (
                "https://a.example/mcp",
                "https://a.example/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://a.example",
                "https://a.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/oauth-protected-resource",
            ),
            (
                "http://127.0.0.1:8080/t/mcp",
                "http://127.0.0.1:8080/.well-known/oauth-protected-resource/t/mcp",
            ),
        ] {
            assert_eq!(Resource::parse(resource).unwrap().metadata_url(), metadata);
        }
    }

    #[test]
    fn a_resource_for_each_tenant() {
        let resource = Resource::parse("https://a.example/t/{tenant}/mcp").unwrap();
        assert!(resource.is_per_tenant());
        assert_eq!(resource.path(), "/t/{tenant}/mcp");
        let acme = TenantId::text("acme").unwrap();
        assert_eq!(
            resource.metadata_url_for(Some(&acme)).as_deref(),
            Some("https://a.example/.well-known/oauth-protected-resource/t/acme/mcp")
        );
        assert_eq!(resource.metadata_url_for(None), None);
        for bad in [
            "https://a.example/{org}/mcp",
            "https://a.example/{tenant}/{tenant}",
        ] {
            assert!(Resource::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resource_is_https_or_loopback_and_nothing_but_an_address() {
        for bad in [
            "http://a.example/mcp",
            "ftp://a.example/",
            "a.example/mcp",
            "https://a.example/mcp?x=1",
            "https://a.example/mcp#x",
            "https://user@a.example/mcp",
            "",
        ] {
            assert!(Resource::parse(bad).is_err(), "{bad}");
        }
        for good in [
            "http://localhost:1/mcp",
            "http://[::1]:1/mcp",
            "https://a.example",
        ] {
            assert!(Resource::parse(good).is_ok(), "{good}");
        }
    }
}
