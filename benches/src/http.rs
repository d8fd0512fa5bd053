//! A client that costs next to nothing: one kept connection and one request, sent again and again.
//!
//! Whatever a client costs is in both ways that are compared and makes them look more alike.

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Client {
    /// A client that posts `message` to `/mcp` with these header lines beside the usual ones.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn connect(
        host: &str,
        headers: &[(&str, &str)],
        message: &str,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (from, to) = stream.into_split();
        let mut request = format!(
            "POST /mcp HTTP/1.1\r\nhost: {host}\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n",
            message.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(message);
        Ok(Self {
            from: BufReader::with_capacity(64 * 1024, from),
            to,
            request: request.into_bytes(),
            body: Vec::new(),
        })
    }

    /// Sends the request and returns the body of the answer.
    ///
    /// # Errors
    /// If the connection breaks, or the answer is not a 200 with a length.
    pub async fn call(&mut self) -> anyhow::Result<&[u8]> {
        self.to.write_all(&self.request).await?;
        let mut line = String::new();
        self.from.read_line(&mut line).await?;
        anyhow::ensure!(line.starts_with("HTTP/1.1 200 "), "answered {line:?}");
        let mut length = None;
        while line != "\r\n" {
            line.clear();
            anyhow::ensure!(self.from.read_line(&mut line).await? > 0, "closed");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
        }
        self.body
            .resize(length.context("an answer without a length")?, 0);
        self.from.read_exact(&mut self.body).await?;
        Ok(&self.body)
    }
}
