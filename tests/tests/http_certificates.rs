//! Client certificates as identities (mutual TLS): the listener verifies the certificate and hands it
//! on with the connection, and an authenticator knows whose it is. With a real handshake.
//!
//! What stands here before the tests is what a server of your own needs.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use uuid::Uuid;
use watertight::auth::{AuthError, AuthRequest, Authenticator};
use watertight::{Server, Session, TenantId, TenantKind, ToolContext, ToolResult, mcp_tool, tools};
use watertight_e2e::identity::ACME;

/// SHA-256 of a certificate.
type Fingerprint = [u8; 32];

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
struct Peer {
    address: SocketAddr,
    /// Of a certificate that one of our authorities has issued; the handshake has verified it.
    certificate: Option<Fingerprint>,
}

/// Connections whose handshake is done.
struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Peer)>,
}

impl TlsListener {
    fn new(listener: TcpListener, config: ServerConfig) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (done, ready) = mpsc::channel(64);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, address)) = listener.accept().await {
                let (acceptor, done) = (acceptor.clone(), done.clone());
                // Each on its own: a slow handshake holds up nobody else.
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let handshake = acceptor.accept(stream);
                    let shaken = tokio::time::timeout(Duration::from_secs(10), handshake).await;
                    if let Ok(Ok(stream)) = shaken {
                        let certificates = stream.get_ref().1.peer_certificates();
                        let certificate = certificates.and_then(|chain| chain.first());
                        let certificate = certificate.map(|it| Sha256::digest(it).into());
                        let _ = done
                            .send((
                                stream,
                                Peer {
                                    address,
                                    certificate,
                                },
                            ))
                            .await;
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer {
            address: self.address,
            certificate: None,
        })
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Whose certificate is whose.
struct Certificates(HashMap<Fingerprint, (String, TenantId)>);

impl Authenticator for Certificates {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        let parts = request.http_parts();
        let peer = parts.and_then(|parts| parts.extensions.get::<ConnectInfo<Peer>>());
        let certificate = peer.and_then(|ConnectInfo(peer)| peer.certificate);
        let certificate = certificate.ok_or_else(AuthError::missing)?;
        match self.0.get(&certificate) {
            Some((subject, tenant)) => Ok(request
                .verified("mtls", subject, tenant.clone())
                .into_session()),
            None => Err(AuthError::rejected("nobody's certificate")),
        }
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        Some(TenantKind::Uuid)
    }
}

/// Says who is calling.
#[mcp_tool]
async fn whoami(cx: ToolContext) -> ToolResult<String> {
    Ok(cx.user().to_owned())
}

struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    Identity {
        certificate: params.signed_by(&key, authority).unwrap().der().clone(),
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The status and the body of a call, or what became of the connection.
async fn call(
    address: SocketAddr,
    roots: &Arc<RootCertStore>,
    identity: Option<&Identity>,
) -> io::Result<(u16, Value)> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(Arc::clone(roots));
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(Identity { certificate, key }) => config
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
            .unwrap(),
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::from(address.ip());
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let body = watertight_e2e::endpoint::call("whoami", json!({})).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAccept: application/json, \
         text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    Ok((status, serde_json::from_str(body).unwrap()))
}

#[tokio::test]
async fn a_certificate_is_an_identity() {
    let (ours, theirs) = (authority(), authority());
    let mut roots = RootCertStore::empty();
    roots.add(ours.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let server = issue(&ours, "127.0.0.1");
    let (alice, nobody, stranger) = (
        issue(&ours, "alice"),
        issue(&ours, "nobody"),
        issue(&theirs, "alice"),
    );

    let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
    let clients = clients.allow_unauthenticated().build().unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![server.certificate], server.key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TlsListener::new(listener, config).unwrap();
    let address = listener.local_addr().unwrap().address;

    let tenant = TenantId::uuid(ACME.parse::<Uuid>().unwrap());
    let known = (
        Sha256::digest(&alice.certificate).into(),
        ("alice".to_owned(), tenant),
    );
    let router = Server::builder()
        .tools(tools![whoami])
        .authenticator(Certificates(HashMap::from([known])))
        .resource(format!("https://{address}/mcp"))
        .build()
        .unwrap()
        .into_router();
    let router = router.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });

    let (status, body) = call(address, &roots, Some(&alice)).await.unwrap();
    assert_eq!(
        (status, &body["result"]["structuredContent"]["result"]),
        (200, &json!("alice"))
    );
    let (status, body) = call(address, &roots, Some(&nobody)).await.unwrap();
    assert_eq!((status, &body["error"]), (401, &json!("invalid_token")));
    let (status, body) = call(address, &roots, None).await.unwrap();
    assert_eq!((status, &body["error"]), (401, &json!("unauthorized")));
    // Of another authority: the handshake fails, and nothing of ours is reached.
    assert!(call(address, &roots, Some(&stranger)).await.is_err());
}
