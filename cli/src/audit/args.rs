//! What `cargo watertight audit --help` teaches.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Find what was changed, removed, inserted or reordered in the audit trail
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Write one tenant's trail as CSV or JSON Lines, for an access review
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Give up records that are older than so many months, and add partitions for months to come
    #[command(after_help = RETAIN_HELP)]
    Retain(RetainArgs),
    /// Erase one tenant's trail, when the tenant leaves
    #[command(after_help = ERASE_HELP)]
    Erase(EraseArgs),
}

const VERIFY_HELP: &str = "\
The key is in the environment variable AUDIT_KEY or in a file, never an argument. All trails are verified
by a role that bypasses row-level security; the application role verifies one, with --tenant.

After another key came into use, the file has both: the key in use in its first line, earlier ones below,
each with the time at which the last process under it had ended, such as `KEY until 2026-11-20T12:00:00Z`.
What was made under an earlier key after that is named. A chain names its key by eight digits, so that a
key that is missing here is told as that, and is no tampering.

Examples:
  AUDIT_KEY=… cargo watertight audit verify --anchor audit-heads.jsonl
  cargo watertight audit verify --key-file audit.key --tenant 0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07

Without --anchor nothing can tell whether the newest records of a chain were cut off; the output says so.
Writes without a record of their call are counted: it is still under way, or its process ended first.

Each trail is told as it is known; one that can't be read is UNKNOWN, and the others go on. A trail that
`audit erase` erased under the key is told as erased. Nothing can show that a write without a record of
its call was removed.

Exit status: 0 when everything is as it was written; 1 when something is not; 2 when something could not
be read, of a trail or of the anchor, or is under a key that is not here.";

const EXPORT_HELP: &str = "\
Examples:
  cargo watertight audit export --tenant 42 --since 2026-10-01 > review.csv
  cargo watertight audit export --tenant 42 --format jsonl --output review.jsonl

In CSV every field is quoted, what a spreadsheet would take for a formula (also behind a separator within
the text) is preceded by an apostrophe, and control characters are written as escapes; JSON Lines has every
text as it is. A file that --output makes is readable by its owner alone.";

const RETAIN_HELP: &str = "\
As the owner of the tables. Everything that goes is verified first, in the same transaction, with or without
--yes; what is wrong is named, and nothing is given up until it is accepted by the name of its tenant. What
is given up of each chain is noted under the key, so that `audit verify` goes on from there.

Only the months that go are locked meanwhile, and the table for a moment at the end; a lock that somebody
else holds is waited for five seconds.

Exit status: 0 when it was done, or would be; 1 when something that goes is not as it was written; 2 when it
could not be done.

Example, monthly:
  cargo watertight audit retain --keep-months 13 --yes";

const ERASE_HELP: &str = "\
As the owner of the tables. The trail is verified first, in the same snapshot. What stays are the numbers and
MACs that its chains ended with, under a pseudonym: by these and the key `audit verify` tells the erasure from
an attacker's. Nothing is locked but the rows.

Exit status: 0 when it was done, or would be; 1 when something is not as it was written, and nothing was
erased; 2 when it could not be done.";

/// The database.
#[derive(Args)]
pub(crate) struct Database {
    /// The database
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// The configuration [default: `watertight.toml` in this directory or above]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Without the URL, which holds a password.
impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) database: Database,
    /// A file with the key, 32 bytes in base64, and earlier ones in lines below it; repeat it for several
    /// files [default: the environment variable AUDIT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Vec<PathBuf>,
    /// Only this tenant's trail; repeat it for several
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Vec<String>,
    /// A file of published heads, as `FileAnchor` writes it; repeat it for several
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: Vec<PathBuf>,
    /// What the output is
    #[arg(long, value_enum, default_value_t = VerifyFormat::Text)]
    pub(crate) format: VerifyFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) database: Database,
    /// The tenant
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: String,
    /// Records from this time on, such as 2026-10-01 or 2026-10-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Records before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// What the output is
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
    /// The file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// RFC 4180, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct RetainArgs {
    #[command(flatten)]
    pub(crate) database: Database,
    /// A file with the key, 32 bytes in base64, and earlier ones in lines below it; repeat it for several
    /// files [default: the environment variable AUDIT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Vec<PathBuf>,
    /// How many whole months are kept beside the current one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1200))]
    pub(crate) keep_months: u16,
    /// Give up this tenant's records although something in them is not as it was written; repeat it for several
    #[arg(long, value_name = "ID")]
    pub(crate) despite_findings: Vec<String>,
    /// Give up records without a MAC, as a server without a key writes them
    #[arg(long)]
    pub(crate) accept_unkeyed: bool,
    /// Do it; without, it is only said what would be given up
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    pub(crate) database: Database,
    /// The tenant
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: String,
    /// A file with the key, 32 bytes in base64, and earlier ones in lines below it; repeat it for several
    /// files [default: the environment variable AUDIT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Vec<PathBuf>,
    /// Erase it although something in it is not as it was written
    #[arg(long)]
    pub(crate) despite_findings: bool,
    /// Do it; without, it is only said how much would be erased
    #[arg(long)]
    pub(crate) yes: bool,
}
