//! What the tripwire costs: calls with a large result over HTTP, with it and without it, side by
//! side in one run. Here and not among the benchmarks, because no release has a switch for it:
//!
//! `cargo test --release -p watertight --lib tripwire::cost -- --ignored --nocapture`

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, ReadHalf, WriteHalf};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use watertight_macros::{ToolOutput, mcp_tool};

use crate::auth::{AuthError, AuthRequest, Authenticator};
use crate::error::ToolResult;
use crate::session::{Grant, Session};
use crate::{Server, TenantId, tools};

const TENANT: &str = "6f1d2c3b-4a59-4b68-8d77-0e1f2a3b4c5d";
/// The structured content of the result.
const BYTES: usize = 64 * 1024;
const ROUNDS: usize = 400;
const CALLS: usize = 20;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[tool(crate = crate)]
struct Ticket {
    id: uuid::Uuid,
    subject: String,
    opened_at: chrono::DateTime<chrono::Utc>,
    amount: f64,
}

/// Lists tickets.
#[mcp_tool(crate = crate)]
async fn tickets() -> ToolResult<Vec<Ticket>> {
    let ticket = |number: u128| Ticket {
        // Ids that share their beginning with the tenant's, as time-ordered ones do.
        id: uuid::Uuid::from_u128(0x6f1d_2c3b_4a59_4b68_8d77_0000_0000_0000 + number * 7_919_317),
        subject: format!(
            "Ticket {number}: the printer on floor {} is out of paper",
            number % 9
        ),
        opened_at: chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(number as i64 * 977),
        amount: number as f64 * 1.17,
    };
    let one = serde_json::to_vec(&ticket(100)).unwrap().len();
    Ok((0..(BYTES / one) as u128).map(ticket).collect())
}

/// Admits everyone, so that the time of a signature does not make the share look smaller.
struct Anyone(Session);

impl Authenticator for Anyone {
    async fn authenticate(&self, _: AuthRequest<'_>) -> Result<Session, AuthError> {
        Ok(self.0.clone())
    }
}

/// One kept connection.
struct Client {
    from: BufReader<ReadHalf<TcpStream>>,
    to: WriteHalf<TcpStream>,
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Client {
    async fn call(&mut self) -> Duration {
        let begun = Instant::now();
        self.to.write_all(&self.request).await.unwrap();
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            self.from.read_line(&mut line).await.unwrap();
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        self.body.resize(length, 0);
        self.from.read_exact(&mut self.body).await.unwrap();
        begun.elapsed()
    }
}

#[ignore = "a measurement, for a quiet machine and a release build"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_call_with_a_large_result() {
    let session = Session::from_grant(Grant {
        issuer: "https://id.test".into(),
        subject: "alice".into(),
        tenant: TenantId::uuid(TENANT.parse().unwrap()),
        scopes: Vec::new().into_iter().collect(),
        home: None,
        client: None,
        expires_at: None,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = Server::builder()
        .name("cost")
        .tools(tools![tickets])
        .authenticator(Anyone(session))
        .resource(format!("http://{host}/mcp"))
        .build()
        .unwrap();
    let state = std::sync::Arc::clone(server.guard().state());
    tokio::spawn(server.serve_listener(listener));
    let stream = TcpStream::connect(&host).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (from, to) = tokio::io::split(stream);
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tickets","arguments":{}}}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer x\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    );
    let mut client = Client {
        from: BufReader::with_capacity(256 * 1024, from),
        to,
        request: request.into_bytes(),
        body: Vec::new(),
    };
    for _ in 0..200 {
        client.call().await;
    }
    let text = String::from_utf8(client.body.clone()).unwrap();
    assert!(text.contains("structuredContent"), "{text}");
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // In turn, and each first as often as the other.
        for with in [round % 2 == 0, round % 2 != 0] {
            state.tripwires().switch(with);
            for _ in 0..CALLS {
                times[usize::from(with)].push(client.call().await);
            }
        }
    }
    let [without, with] = times.map(|mut times| {
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e6;
        [at(10), at(50)]
    });
    println!(
        "{} bytes of body, {} calls each way",
        text.len(),
        ROUNDS * CALLS
    );
    for (name, index) in [("fastest tenth", 0), ("median", 1)] {
        let (without, with) = (without[index], with[index]);
        println!(
            "{name}: {without:.1} us without, {with:.1} us with: {:+.2} %",
            (with / without - 1.0) * 100.0
        );
    }
    let wire = super::Tripwire::new(&TenantId::uuid(TENANT.parse().unwrap()), "tenant_id");
    let begun = Instant::now();
    for _ in 0..1000 {
        assert!(!wire.finds(std::hint::black_box(text.as_bytes())));
    }
    let each = begun.elapsed().as_secs_f64() / 1000.0;
    println!(
        "one scan of the body: {:.1} us, {:.1} GB/s",
        each * 1e6,
        text.len() as f64 / each / 1e9
    );
}
