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
    Erase(EraseArgs),
}

const VERIFY_HELP: &str = "\
The key is in the environment variable AUDIT_KEY or in a file, never an argument. All trails are verified
by a role that bypasses row-level security; the application role verifies one, with --tenant.

Examples:
  AUDIT_KEY=… cargo watertight audit verify --anchor audit-heads.jsonl
  cargo watertight audit verify --key-file audit.key --tenant 0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07

Without --anchor nothing can tell whether the newest records of a chain were cut off; the output says so.
Writes without a record of their call are counted: it is still under way, or its process ended first.

Exit status: 0 when everything is as it was written; 1 when something is not; 2 when the trail could not
be read.";

const EXPORT_HELP: &str = "\
Examples:
  cargo watertight audit export --tenant 42 --since 2026-10-01 > review.csv
  cargo watertight audit export --tenant 42 --format jsonl --output review.jsonl

In CSV a text that a spreadsheet would take for a formula is preceded by an apostrophe.";

const RETAIN_HELP: &str = "\
As the owner of the tables. What is given up of each chain is noted under the key, so that `audit verify`
goes on from there. Verify before: what was wrong in records that are gone can't be found any more.

Example, monthly:
  cargo watertight audit retain --keep-months 13 --yes";

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
    /// A file with the key: 32 bytes in base64 [default: the environment variable AUDIT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
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
    /// A file with the key: 32 bytes in base64 [default: the environment variable AUDIT_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How many whole months are kept beside the current one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1200))]
    pub(crate) keep_months: u16,
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
    /// Do it; without, it is only said how much would be erased
    #[arg(long)]
    pub(crate) yes: bool,
}
