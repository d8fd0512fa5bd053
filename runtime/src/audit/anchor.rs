//! Where the heads of chains go, out of the reach of whoever can write to the database.
//!
//! Invariant: publishing never fails a call and never delays one. A head that could not be published
//! is in the log.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
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
    /// If they are not kept. They are in the log, and are handed over again with the next ones.
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
        let path = path.as_ref();
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        if is_torn(path)? {
            // What a crash or a full disk left must not take the next line with it.
            file.write_all(b"\n")?;
        }
        Ok(Self(Mutex::new(file)))
    }
}

/// Whether the last line has no end.
fn is_torn(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

impl AuditAnchor for FileAnchor {
    fn publish(&self, heads: &[Head]) -> io::Result<()> {
        let at = Utc::now().to_rfc3339();
        let mut lines = String::new();
        for head in heads {
            let line = json!({
                "at": at, "tenant": head.tenant, "writer": head.writer, "seq": head.seq, "mac": head.mac,
                "recorded_at": head.recorded_at,
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
