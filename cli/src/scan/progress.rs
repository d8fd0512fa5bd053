//! One line on a terminal that says where the scan is. Elsewhere: nothing.

use std::io::{IsTerminal, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often the line changes at most.
const EACH: Duration = Duration::from_millis(100);

/// Where the scan is.
#[derive(Debug)]
pub(crate) struct Progress {
    shows: bool,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    stage: String,
    of: usize,
    at: usize,
    last: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            shows: std::io::stderr().is_terminal(),
            now: Mutex::new(Now {
                stage: String::new(),
                of: 0,
                at: 0,
                last: None,
            }),
        }
    }

    /// Begins a stage of so many steps.
    pub(crate) fn stage(&self, name: &str, of: usize) {
        if let Ok(mut now) = self.now.lock() {
            now.stage = name.to_owned();
            (now.of, now.at, now.last) = (of, 0, None);
        }
    }

    /// A step is done. `what` has been made fit to be shown.
    pub(crate) fn step(&self, what: &str, calls: u64) {
        let Ok(mut now) = self.now.lock() else { return };
        now.at += 1;
        if !self.shows || now.last.is_some_and(|it| it.elapsed() < EACH) {
            return;
        }
        now.last = Some(Instant::now());
        let what: String = what.chars().take(30).collect();
        let mut error = std::io::stderr().lock();
        let _ = write!(
            error,
            "\r\u{1b}[K{} {}/{} {what} ({calls} requests)",
            now.stage, now.at, now.of
        );
        let _ = error.flush();
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.shows {
            let mut error = std::io::stderr().lock();
            let _ = write!(error, "\r\u{1b}[K");
            let _ = error.flush();
        }
    }
}
