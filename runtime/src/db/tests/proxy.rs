//! A TCP proxy in front of PostgreSQL: it counts round trips, delays answers and cuts the line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    up: watch::Sender<bool>,
    target: watch::Sender<String>,
}

#[derive(Default)]
struct State {
    trips: AtomicU64,
    delay_us: AtomicU64,
}

impl Proxy {
    /// A proxy in front of the server that `url` names.
    pub(super) async fn before(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let (target, targets) = watch::channel(address_of(&url));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (up, watched) = watch::channel(true);
        tokio::spawn(accept(listener, targets, Arc::clone(&state), watched));
        Self {
            address,
            state,
            up,
            target,
        }
    }

    /// New connections go to the server that `url` names.
    pub(super) fn point_to(&self, url: &str) {
        let url = url::Url::parse(url).unwrap();
        self.target.send_replace(address_of(&url));
    }

    /// `url`, through the proxy.
    pub(super) fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// How often a client sent something after having been answered.
    pub(super) fn trips(&self) -> u64 {
        self.state.trips.load(Ordering::SeqCst)
    }

    /// Every answer takes this much longer from now on.
    pub(super) fn delay(&self, delay: Duration) {
        self.state
            .delay_us
            .store(delay.as_micros() as u64, Ordering::SeqCst);
    }

    /// Cuts all connections and refuses new ones.
    pub(super) fn cut(&self) {
        self.up.send_replace(false);
    }

    pub(super) fn mend(&self) {
        self.up.send_replace(true);
    }
}

fn address_of(url: &url::Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

async fn accept(
    listener: TcpListener,
    target: watch::Receiver<String>,
    state: Arc<State>,
    mut up: watch::Receiver<bool>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if !*up.borrow_and_update() {
            continue;
        }
        let target = target.borrow().clone();
        let server = TcpStream::connect(target).await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (state, mut cut) = (Arc::clone(&state), up.clone());
        tokio::spawn(async move {
            let answered = Arc::new(AtomicU64::new(1));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = ask(from_client, to_server, &state, &answered) => {}
                () = answer(from_server, to_client, &state, &answered) => {}
                _ = cut.wait_for(|up| !*up) => {}
            }
        });
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, answered: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        state
            .trips
            .fetch_add(answered.swap(0, Ordering::SeqCst), Ordering::SeqCst);
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    answered: &AtomicU64,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        answered.store(1, Ordering::SeqCst);
        let delay = state.delay_us.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_micros(delay)).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}
