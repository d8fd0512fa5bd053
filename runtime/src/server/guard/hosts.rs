//! Is the request meant for this server, and does it come from a page that may ask?
//!
//! Against DNS rebinding: a page in a browser can make a name of its own point at this server, but
//! can't choose `Host` and `Origin`.
//!
//! Invariant: what is not on the lists is refused; a missing `Origin` is no browser and passes.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use url::Url;

use super::resource::Resource;

/// Host and port, in lower case; the port only if it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: String,
    port: Option<u16>,
}

/// The accepted values of `Host` and `Origin`.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    hosts: Vec<Authority>,
    origins: Vec<String>,
    /// What a `Host` without a port means.
    default_port: u16,
}

impl Hosts {
    pub(crate) fn new(
        resource: &Resource,
        further_hosts: &[String],
        further_origins: &[String],
    ) -> Result<Self, String> {
        let url = resource.url();
        let mut hosts = vec![Authority {
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            port: url.port_or_known_default(),
        }];
        for text in further_hosts {
            let authority = authority(text);
            hosts.push(authority.ok_or_else(|| format!("`{text}` is not a host or host:port"))?);
        }
        let mut origins = vec![url.origin().ascii_serialization()];
        for text in further_origins {
            origins.push(origin(text).ok_or_else(|| format!("`{text}` is not an origin"))?);
        }
        Ok(Self {
            hosts,
            origins,
            default_port: if url.scheme() == "https" { 443 } else { 80 },
        })
    }

    pub(crate) fn check(&self, parts: &Parts) -> Result<(), &'static str> {
        let mut given = parts.headers.get_all(HOST).iter();
        let host = match (given.next(), given.next()) {
            (Some(host), None) => host.to_str().ok().and_then(authority),
            (Some(_), Some(_)) => return Err("more than one `Host`"),
            // HTTP/2 has it in the request line, and some routers drop the header.
            (None, _) => parts
                .uri
                .authority()
                .and_then(|host| authority(host.as_str())),
        };
        let host = host.ok_or("`Host` is missing or malformed")?;
        if !self
            .hosts
            .iter()
            .any(|allowed| self.same_host(allowed, &host))
        {
            return Err("`Host` is not this server's");
        }
        let mut given = parts.headers.get_all(ORIGIN).iter();
        match (given.next(), given.next()) {
            (None, _) => Ok(()),
            (Some(value), None) => {
                let value = value
                    .to_str()
                    .ok()
                    .and_then(origin)
                    .ok_or("`Origin` is malformed")?;
                let allowed = self.origins.contains(&value);
                allowed.then_some(()).ok_or("`Origin` is not on the list")
            }
            (Some(_), Some(_)) => Err("more than one `Origin`"),
        }
    }

    /// An allowed host without a port allows every port; a request without one means the default.
    fn same_host(&self, allowed: &Authority, given: &Authority) -> bool {
        allowed.host == given.host
            && (allowed.port.is_none()
                || allowed.port == Some(given.port.unwrap_or(self.default_port)))
    }
}

fn authority(text: &str) -> Option<Authority> {
    let authority: http::uri::Authority = text.parse().ok()?;
    if text.contains('@') || authority.host().is_empty() {
        return None;
    }
    let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
    // `host:` and `host:99999` parse, with no port.
    let port = authority.port_u16();
    let rest = authority.as_str().get(authority.host().len()..)?;
    (rest.is_empty() || port.is_some()).then_some(Authority { host, port })
}

/// An origin in its one spelling; `null`, which sandboxed pages send, is none.
fn origin(text: &str) -> Option<String> {
    let url: Url = text.parse().ok()?;
    let origin = url.origin();
    (origin.is_tuple() && matches!(url.path(), "" | "/") && url.query().is_none())
        .then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(resource: &str, hosts: &[&str], origins: &[&str]) -> Hosts {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        Hosts::new(
            &Resource::parse(resource).unwrap(),
            &owned(hosts),
            &owned(origins),
        )
        .unwrap()
    }

    fn check(hosts: &Hosts, host: &str, origin: Option<&str>) -> bool {
        let mut request = http::Request::builder().header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        hosts
            .check(&request.body(()).unwrap().into_parts().0)
            .is_ok()
    }

    #[test]
    fn the_resource_decides_the_host() {
        let server = hosts(
            "https://mcp.example.com/mcp",
            &["10.0.0.7:8080", "inner"],
            &[],
        );
        for good in [
            "mcp.example.com",
            "MCP.Example.Com:443",
            "10.0.0.7:8080",
            "inner",
            "inner:9",
        ] {
            assert!(check(&server, good, None), "{good}");
        }
        for bad in [
            "evil.example",
            "mcp.example.com.evil.example",
            "mcp.example.com:8443",
            "10.0.0.7",
            "user@mcp.example.com",
            "mcp.example.com:",
            "",
        ] {
            assert!(!check(&server, bad, None), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_the_resources_own_or_listed() {
        let server = hosts(
            "https://mcp.example.com/mcp",
            &[],
            &["https://app.example.com"],
        );
        for good in ["https://mcp.example.com", "https://app.example.com:443"] {
            assert!(check(&server, "mcp.example.com", Some(good)), "{good}");
        }
        for bad in [
            "null",
            "http://mcp.example.com",
            "https://evil.example",
            "https://app.example.com:1",
            "x",
        ] {
            assert!(!check(&server, "mcp.example.com", Some(bad)), "{bad}");
        }
    }

    #[test]
    fn a_host_without_a_port_means_the_schemes_port() {
        let server = hosts("http://127.0.0.1:8080/mcp", &[], &[]);
        assert!(check(&server, "127.0.0.1:8080", None));
        assert!(!check(&server, "127.0.0.1", None));
        assert!(check(
            &hosts("http://localhost/mcp", &[], &[]),
            "localhost",
            None
        ));
    }

    #[test]
    fn a_repeated_header_is_refused() {
        let server = hosts("https://a.example/mcp", &[], &[]);
        let request = http::Request::builder()
            .header(HOST, "a.example")
            .header(HOST, "a.example");
        assert!(
            server
                .check(&request.body(()).unwrap().into_parts().0)
                .is_err()
        );
    }
}
