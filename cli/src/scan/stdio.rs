//! A server as a child process: one message on each line of its standard streams.
//!
//! Invariant: the process ends with its value, a line is never longer than the limit of one answer,
//! and what it writes to standard error is never printed as it is.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use super::wire::{Failure, MOST_ASIDES, RpcError, answer_to, aside};

type Pending = HashMap<u64, oneshot::Sender<Result<Result<Value, RpcError>, Failure>>>;

/// A running server.
pub(crate) struct Process {
    input: Arc<AsyncMutex<ChildStdin>>,
    pending: Arc<Mutex<Option<Pending>>>,
    errors: Arc<Mutex<Vec<u8>>>,
    /// What it said beside its answers, since that was last asked for.
    heard: Arc<Mutex<Vec<Value>>>,
    /// Killed when it is dropped.
    _child: Child,
}

impl Process {
    pub(crate) fn start(
        command: &[String],
        env: &[(String, String)],
        max_bytes: usize,
    ) -> Result<Self> {
        let (program, arguments) = command.split_first().context("--stdio names no program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("`{program}` can't be started"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut errors_of = child.stderr.take().context("no standard error")?;
        let process = Self {
            input: Arc::new(AsyncMutex::new(input)),
            pending: Arc::new(Mutex::new(Some(HashMap::new()))),
            errors: Arc::default(),
            heard: Arc::default(),
            _child: child,
        };
        let (input, pending) = (Arc::clone(&process.input), Arc::clone(&process.pending));
        let heard = Arc::clone(&process.heard);
        tokio::spawn(async move {
            let mut output = BufReader::new(output);
            let end = loop {
                match line(&mut output, max_bytes).await {
                    Ok(Some(line)) => take(&line, &pending, &input, &heard).await,
                    Ok(None) => break Failure::Closed("the process ended".to_owned()),
                    Err(failure) => break failure,
                }
            };
            let waiting = pending.lock().ok().and_then(|mut it| it.take());
            for (_, sender) in waiting.into_iter().flatten() {
                let _ = sender.send(Err(end.clone()));
            }
        });
        let errors = Arc::clone(&process.errors);
        tokio::spawn(async move {
            let mut piece = [0_u8; 1024];
            while let Ok(read @ 1..) = errors_of.read(&mut piece).await {
                if let (Ok(mut kept), Some(new)) = (errors.lock(), piece.get(..read)) {
                    kept.extend_from_slice(new);
                    let excess = kept.len().saturating_sub(600);
                    kept.drain(..excess);
                }
            }
        });
        Ok(process)
    }

    /// Sends a message; `id` is that of a request.
    pub(crate) async fn send(
        &self,
        mut message: Vec<u8>,
        id: Option<u64>,
        timeout: Duration,
    ) -> Result<Option<Result<Value, RpcError>>, Failure> {
        let (sender, receiver) = oneshot::channel();
        if let Some(id) = id {
            let mut pending = self
                .pending
                .lock()
                .map_err(|_| Failure::Malformed("a reader is gone"))?;
            match pending.as_mut() {
                Some(pending) => pending.insert(id, sender),
                None => return Err(self.ended()),
            };
        }
        message.push(b'\n');
        let written = async {
            let mut input = self.input.lock().await;
            input.write_all(&message).await?;
            input.flush().await
        };
        match tokio::time::timeout(timeout, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(self.ended()),
            Err(_) => return Err(Failure::Timeout),
        }
        let Some(id) = id else { return Ok(None) };
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(Ok(answer))) => Ok(Some(answer)),
            Ok(Ok(Err(Failure::Closed(_)))) | Ok(Err(_)) => Err(self.ended()),
            Ok(Ok(Err(failure))) => Err(failure),
            Err(_) => {
                if let Ok(mut pending) = self.pending.lock()
                    && let Some(pending) = pending.as_mut()
                {
                    pending.remove(&id);
                }
                Err(Failure::Timeout)
            }
        }
    }

    /// What it said beside its answers since this was last asked.
    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard
            .lock()
            .map(|mut it| std::mem::take(&mut *it))
            .unwrap_or_default()
    }

    fn ended(&self) -> Failure {
        let said = self.errors.lock().map(|it| it.clone()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let said = said.trim();
        Failure::Closed(if said.is_empty() {
            "the process ended".to_owned()
        } else {
            format!("the process ended and said: {said}")
        })
    }
}

/// One line, without its end.
async fn line(
    output: &mut BufReader<tokio::process::ChildStdout>,
    max_bytes: usize,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    loop {
        let piece = output
            .fill_buf()
            .await
            .map_err(|error| Failure::Closed(error.to_string()))?;
        if piece.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let (used, whole) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (piece.len(), false),
        };
        line.extend_from_slice(piece.get(..used).unwrap_or_default());
        output.consume(used);
        if line.len() > max_bytes {
            return Err(Failure::TooLarge);
        }
        if whole {
            return Ok(Some(line));
        }
    }
}

/// Hands an answer to who waits for it, and answers what the server asks: a ping, and nothing else.
async fn take(
    line: &[u8],
    pending: &Mutex<Option<Pending>>,
    input: &AsyncMutex<ChildStdin>,
    heard: &Mutex<Vec<Value>>,
) {
    let Ok(message) = serde_json::from_slice::<Value>(line) else {
        return;
    };
    if let Some(aside) = aside(&message)
        && let Ok(mut heard) = heard.lock()
        && heard.len() < MOST_ASIDES
    {
        heard.push(aside);
    }
    if let (Some(method), Some(id)) = (
        message.get("method").and_then(Value::as_str),
        message.get("id"),
    ) {
        let answer = if method == "ping" {
            json!({ "jsonrpc": "2.0", "id": id, "result": {} })
        } else {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "not supported" } })
        };
        let mut input = input.lock().await;
        let _ = input.write_all(format!("{answer}\n").as_bytes()).await;
        let _ = input.flush().await;
        return;
    }
    let id = match message.get("id") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    if let Some(id) = id
        && let Some(answer) = answer_to(id, &message)
        && let Ok(mut pending) = pending.lock()
        && let Some(sender) = pending.as_mut().and_then(|it| it.remove(&id))
    {
        let _ = sender.send(Ok(answer));
    }
}
