//! The issuer's published keys: fetched once, kept, and fetched again when they have rotated.
//!
//! Invariant: a client can't make this server call the issuer more often than the refetch
//! interval allows, can't choose the address, and never waits for a refetch if its key is known.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use tokio::sync::Mutex;

use super::keys::KeySet;
use crate::auth::AuthError;

/// Older keys are still used, and fetched again in the background.
const FRESH: Duration = Duration::from_secs(600);
/// Older keys are not used: an issuer that could not be reached for a day may have revoked them.
const USABLE: Duration = Duration::from_secs(24 * 3600);
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 512 * 1024;

/// Where the keys are.
pub(super) enum Source {
    Keys(Uri),
    /// The issuer's own documents name the address; the first that exists counts.
    Discovered {
        issuer: String,
        documents: [Uri; 2],
    },
}

impl Source {
    pub(super) fn keys(url: &str) -> Result<Self, String> {
        permitted(url).map(Self::Keys)
    }

    /// OpenID Connect Discovery 1.0, 4, and RFC 8414, 3.
    pub(super) fn discovered(issuer: &str) -> Result<Self, String> {
        let uri = permitted(issuer)?;
        if uri.query().is_some() || issuer.contains('#') {
            return Err(format!(
                "the issuer `{issuer}` has a query; discovery can't use it"
            ));
        }
        let base = issuer.trim_end_matches('/');
        let path = uri.path().trim_end_matches('/');
        let origin = base.strip_suffix(path).unwrap_or(base);
        Ok(Self::Discovered {
            issuer: issuer.to_owned(),
            documents: [
                permitted(&format!("{base}/.well-known/openid-configuration"))?,
                permitted(&format!(
                    "{origin}/.well-known/oauth-authorization-server{path}"
                ))?,
            ],
        })
    }

    /// The address that was configured.
    fn shown(&self) -> String {
        match self {
            Self::Keys(url) => url.to_string(),
            Self::Discovered { issuer, .. } => issuer.clone(),
        }
    }

    fn is_encrypted(&self) -> bool {
        let uri = match self {
            Self::Keys(url) => url,
            Self::Discovered {
                documents: [first, _],
                ..
            } => first,
        };
        uri.scheme_str() == Some("https")
    }
}

/// `https`, or `http` on a loopback address.
fn permitted(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    let loopback = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if loopback => Ok(uri),
        _ => Err(format!(
            "the key set's URL `{url}` must begin with `https://`"
        )),
    }
}

pub(super) struct Jwks {
    source: Source,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    algorithms: Vec<Algorithm>,
    refetch_interval: Duration,
    kept: RwLock<Option<Kept>>,
    /// When the last fetch began. Held while fetching, so that there is one at a time.
    last_attempt: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Kept {
    keys: Arc<KeySet>,
    at: Instant,
}

impl Jwks {
    pub(super) fn new(
        source: Source,
        refetch_interval: Duration,
        algorithms: Vec<Algorithm>,
    ) -> Result<Self, String> {
        let provider = rustls::crypto::ring::default_provider();
        let connector = if source.is_encrypted() {
            HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(provider)
                .map_err(|error| {
                    format!(
                        "no root certificates ({error}); install the system's `ca-certificates`, \
                     or name a file in SSL_CERT_FILE"
                    )
                })?
        } else {
            // Loopback without TLS: no certificate is ever looked at, so none is trusted.
            let tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(tls)
        };
        let connector = connector.https_or_http().enable_http1().build();
        Ok(Self {
            source,
            client: Client::builder(TokioExecutor::new()).build(connector),
            algorithms,
            refetch_interval,
            kept: RwLock::new(None),
            last_attempt: Mutex::new(None),
        })
    }

    /// The keys to look in for this key id. If none of them fits, they have just been fetched, or
    /// it is too early to fetch again.
    pub(super) async fn keys_for(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, AuthError> {
        let fits = |kept: &Kept| kept.keys.candidates(kid, algorithm).next().is_some();
        if let Some(kept) = self.kept()
            && fits(&kept)
        {
            if kept.at.elapsed() > FRESH {
                let this = Arc::clone(self);
                tokio::spawn(async move { this.refetch().await });
            }
            return Ok(kept.keys);
        }
        self.refetch().await;
        let kept = self
            .kept()
            .ok_or_else(|| AuthError::unavailable("the key set is unknown"))?;
        Ok(kept.keys)
    }

    fn kept(&self) -> Option<Kept> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|kept| kept.at.elapsed() <= USABLE)
            .cloned()
    }

    /// Fetches, unless that was tried a moment ago.
    async fn refetch(&self) {
        let mut last_attempt = self.last_attempt.lock().await;
        if last_attempt.is_some_and(|at| at.elapsed() < self.refetch_interval) {
            return;
        }
        *last_attempt = Some(Instant::now());
        let fetched = match tokio::time::timeout(TIMEOUT, self.fetch()).await {
            Ok(fetched) => fetched,
            Err(_) => Err("it took too long".to_owned()),
        };
        match fetched {
            Ok(keys) => {
                tracing::info!(from = self.source.shown(), "key set fetched");
                let kept = Kept {
                    keys: Arc::new(keys),
                    at: Instant::now(),
                };
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            }
            Err(reason) => {
                tracing::error!(from = self.source.shown(), reason, "key set not fetched");
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let keys = match &self.source {
            Source::Keys(url) => self.get(url).await,
            Source::Discovered { issuer, documents } => {
                let url = self.discover(issuer, documents).await?;
                self.get(&url).await
            }
        };
        KeySet::from_jwks(&keys?, &self.algorithms)
    }

    /// The address of the keys, as the issuer publishes it.
    async fn discover(&self, issuer: &str, documents: &[Uri; 2]) -> Result<Uri, String> {
        let [openid, oauth] = documents;
        let document = match self.get(openid).await {
            Ok(document) => document,
            Err(first) => {
                let second = self.get(oauth).await;
                second.map_err(|second| format!("{first}; and {second}"))?
            }
        };
        let document: Value = serde_json::from_slice(&document)
            .map_err(|_| "the issuer's document is not JSON".to_owned())?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        // Both specifications demand it: whoever answers must be whom the tokens name.
        if text("issuer") != Some(issuer) {
            return Err("the issuer's document names another issuer".to_owned());
        }
        let url = text("jwks_uri").ok_or("the issuer's document names no `jwks_uri`")?;
        let url = permitted(url)?;
        if self.source.is_encrypted() && url.scheme_str() != Some("https") {
            return Err("the issuer's document leads away from `https`".to_owned());
        }
        Ok(url)
    }

    async fn get(&self, url: &Uri) -> Result<Bytes, String> {
        let response = self.client.get(url.clone()).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", cause.unwrap_or_default())
        })?;
        // Redirects are not followed: the address was configured, or the issuer's document has it.
        if response.status() != http::StatusCode::OK {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        let body = body.map_err(|error| format!("the body could not be read: {error}"))?;
        Ok(body.to_bytes())
    }
}
