//! A proxy that makes a server look as if it were farther away.
//!
//! Each direction is a line of its own: a chunk leaves `delay` after it came in, whatever came
//! before it, so that what a client sends without waiting for an answer travels together. Threads
//! and not tasks, because the timer of the runtime counts in whole milliseconds.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Listens on a loopback port until the process ends.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
}

impl DelayProxy {
    /// A proxy in front of `target` that holds every chunk back for `delay`, each way.
    ///
    /// # Errors
    /// If no port can be listened on.
    pub fn before(target: SocketAddr, delay: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for client in listener.incoming() {
                // A client that can't be served sees its connection closed, and the run fails.
                let _ = client.and_then(|client| join(&client, target, delay));
            }
        });
        Ok(Self { address })
    }

    /// The URL of a loopback database, seen over this distance each way; itself where there is none.
    ///
    /// # Errors
    /// If it is no URL, or no port can be listened on.
    pub fn url(database: &str, delay: Duration) -> anyhow::Result<String> {
        let mut url = url::Url::parse(database)?;
        if !delay.is_zero() {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, url.port().unwrap_or(5432)));
            let proxy = Self::before(server, delay)?;
            // Of a URL with a host neither can fail.
            let _ = url.set_ip_host(proxy.address().ip());
            let _ = url.set_port(Some(proxy.address().port()));
        }
        Ok(url.into())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn join(client: &TcpStream, target: SocketAddr, delay: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    line(client.try_clone()?, server.try_clone()?, delay);
    line(server, client.try_clone()?, delay);
    Ok(())
}

/// One direction of a connection.
fn line(from: TcpStream, to: TcpStream, delay: Duration) {
    let (sender, receiver) = channel();
    thread::spawn(move || take(from, &sender, delay));
    thread::spawn(move || hand_on(to, &receiver));
}

fn take(mut from: TcpStream, line: &Sender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let chunk = buffer.get(..read).unwrap_or_default().to_vec();
        if line.send((Instant::now() + delay, chunk)).is_err() {
            break;
        }
    }
}

fn hand_on(mut to: TcpStream, line: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, chunk)) = line.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&chunk).is_err() {
            break;
        }
    }
    // The other side has closed; so does this one.
    let _ = to.shutdown(std::net::Shutdown::Both);
}
