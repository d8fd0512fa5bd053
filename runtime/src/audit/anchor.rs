//! Where the heads of chains go, out of the reach of whoever can write to the database.
//!
//! Invariant: publishing never fails a call. A head that could not be published is in the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::Utc;
use serde_json::json;
pub use watertight_audit::Head;

/// Takes the newest record of each chain that grew: a file on another disk, a bucket that keeps
/// what was written, a transparency log.
pub trait AuditAnchor: Send + Sync + 'static {
    /// Keeps these heads. It runs on a thread where it may wait.
    ///
    /// # Errors
    /// If they are not kept. They are in the log, and the next ones stand for them.
    fn publish(&self, heads: &[Head]) -> io::Result<()>;
}

/// A file that only grows: one JSON object a line, which `cargo watertight audit verify --anchor`
/// reads.
#[derive(Debug)]
pub struct FileAnchor(Mutex<File>);

impl FileAnchor {
    /// Appends to this file, which is created if it is not there. Several processes may share it.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }
}

impl AuditAnchor for FileAnchor {
    fn publish(&self, heads: &[Head]) -> io::Result<()> {
        let at = Utc::now().to_rfc3339();
        let mut lines = String::new();
        for head in heads {
            let line = json!({
                "at": at, "tenant": head.tenant, "writer": head.writer, "seq": head.seq, "mac": head.mac,
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        // A panic while holding it can't have left anything in it half done.
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One write, so that the lines of several processes don't mix.
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    }
}
