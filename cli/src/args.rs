//! The command line: what `--help` teaches.

use std::path::PathBuf;

use crate::paint::Color;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Finds what lets one tenant reach another's data: in source, migrations, databases and servers.
///
/// `check`, `prove`, `catalog` and `lock` read files alone; `doctor` and `attack` look at a live
/// database, `scan` at a running MCP server in any language. Where a project has a `watertight.toml`
/// or migrations, they are found from the current directory upward.
#[derive(Debug, Parser)]
#[command(name = "cargo watertight", bin_name = "cargo watertight", version)]
pub(crate) struct Cli {
    /// When there are colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Propose what an existing project needs: configuration, row-level security, roles, lints
    ///
    /// Reads the migrations, finds the column that names the tenant, and drafts a migration for every
    /// table that has it. Each draft is judged as the compiler would judge it; what the migrations
    /// can't tell is a decision, written as a comment.
    #[command(after_help = INIT_HELP)]
    Init(InitArgs),
    /// Prove statements, or say what keeps them from being proved
    ///
    /// Statements are separated by semicolons. `$tenant` is the session's tenant; every other
    /// `$name` or `$1` is a caller's value, which is never trusted.
    #[command(after_help = PROVE_EXAMPLES)]
    Prove(ProveArgs),
    /// Show what the migrations make of every relation and function, and why
    #[command(after_help = CATALOG_EXAMPLES)]
    Catalog(CatalogArgs),
    /// Write `watertight.lock`: every statement of the workspace and all that its proof rests on
    ///
    /// Commit the file. A change that weakens a proof then shows in review, and `--check` in CI
    /// names it: a statement that drops from row-level security to its own filter, a table that
    /// loses its policy, a new exception, a changed body of a function that was allowed.
    #[command(after_help = LOCK_HELP)]
    Lock(LockArgs),
    /// Look at the source of a workspace: tools, statements, connections, errors
    ///
    /// Works on any workspace with rmcp and sqlx, with or without a configuration, and runs none of its
    /// code. Migrations and the name of the tenant are inferred where nothing says them, and told.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Look at a live database: roles, grants, row-level security, policies, views, functions
    ///
    /// Reads the server's catalogs in one read-only transaction, and no table. Works on any
    /// PostgreSQL, with or without a configuration: what names the tenant is then inferred, and told.
    #[cfg(feature = "database")]
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Look at an MCP server in any language, and try what it answers to two identities
    ///
    /// Speaks the protocol, in its revision without sessions or with `initialize`, over HTTP or standard
    /// streams. What a server publishes is read; what two tenants are answered is compared.
    #[cfg(feature = "scan")]
    #[command(after_help = crate::scan::SCAN_HELP)]
    Scan(Box<crate::scan::ScanArgs>),
    /// Verify, export, shorten or erase audit trails
    #[cfg(feature = "database")]
    Audit {
        /// What to do
        #[command(subcommand)]
        command: crate::audit::AuditCommand,
    },
    /// Replay a catalogue of attacks with two synthetic tenants
    ///
    /// In a throwaway copy of the schema, which is made with pg_dump and dropped; or in place, in a
    /// transaction that is rolled back.
    #[cfg(feature = "database")]
    #[command(after_help = ATTACK_HELP)]
    Attack(AttackArgs),
    /// Write evidence for a reviewer: one page, or JSON, of tools, statements, tables and their proofs
    ///
    /// The page needs no network and runs no script. It shows what is not green first, then which tool
    /// reaches which statement and table and why each stays within the tenant, findings, exceptions with
    /// their reasons, and, with a database named, what `doctor` finds there.
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Print the page of a rule, such as W0101; without a rule, list all of them
    Explain(ExplainArgs),
    /// Print the completions of a shell, for `cargo watertight` and `cargo-watertight`
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Write the pages of the manual into a folder
    Man(ManArgs),
}

const REPORT_HELP: &str = "\
Examples:
  cargo watertight report --output report.html
  cargo watertight report --database-url postgres://reader@localhost/crm --output report.html
  cargo watertight report --format json

Which tool reaches which statement is told by the names in the source: it may list a statement that a
tool does not run, and leaves none out that it calls by name.

Exit status: 0 when nothing is wrong; 1 when something is; 2 when something could not be read.";

const COMPLETIONS_HELP: &str = "\
Examples:
  cargo watertight completions bash >> ~/.bashrc
  source <(cargo watertight completions zsh)    # in ~/.zshrc, behind compinit
  cargo watertight completions fish > ~/.config/fish/completions/cargo-watertight.fish";

const CHECK_HELP: &str = "\
Examples:
  cargo watertight check
  cargo watertight check --migrations db/migrations
  cargo watertight check --format sarif > check.sarif

Verdicts: a finding is certain; what needs review can't be told from the source; the rest is clear. What
can't be looked into (macros of one's own, types and dependencies of others) is listed as W1260 and W1262.
Code that is built for tests only is not judged.

Exit status: 0 when nothing was found, or only what needs a low review; 1 when something was; 2 when the
workspace could not be read.";

#[cfg(feature = "database")]
const DOCTOR_HELP: &str = "\
Examples:
  cargo watertight doctor postgres://reader@localhost/crm
  DATABASE_URL=… cargo watertight doctor --fix > migrations/0042_mend.sql
  cargo watertight doctor --format sarif > doctor.sarif

Verdicts: a finding is certain; what needs review can't be told from the catalogs; the rest is clear.
A suppression in watertight-suppressions.toml needs a reason, and may expire:
  [[suppress]]
  code = \"W0103\"
  at = \"public.plans\"
  reason = \"the price list, shared by all\"
  expires = \"2027-06-30\"

Exit status: 0 when nothing was found, or only what needs a low review; 1 when something was; 2 when the
database could not be read.";

const INIT_HELP: &str = "\
Examples:
  cargo watertight init
  cargo watertight init --tenant-column account_id --migrations db/migrations --write

Writes watertight.toml, the next migration (named as the others are), watertight-roles.sql,
watertight-checklist.md and clippy.toml, and no file that is there: clippy.toml alone is added to.

Exit status: 0 when there is a proposal; 2 when the migrations could not be read, or do not tell what
names the tenant.";

const PROVE_EXAMPLES: &str = "\
Examples:
  echo 'SELECT name FROM customers WHERE tenant_id = $tenant' | cargo watertight prove -
  cargo watertight prove --migrations db/migrations queries.sql
  cargo watertight prove --input jsonl --format jsonl - < statements.jsonl

Each line of JSON Lines is {\"id\": \"…\", \"sql\": \"…\"} on the way in and {\"id\", \"verdict\", \"grade\",
\"codes\", \"message\"} on the way out, in the same order.

Exit status: 0 when every statement was judged, whatever the verdicts; 2 when the migrations or
the configuration could not be read.";

const CATALOG_EXAMPLES: &str = "\
Classes:
  protected    row-level security confines the command to the session's tenant
  scoped       there is a tenant column, and each statement has to give the tenant
  denied       row-level security lets nothing through
  global       declared by COMMENT ON TABLE t IS '@global reason'; read only
  unprotected  none of these; a statement that uses it is refused
  unknown      the migrations do not tell; treated as unprotected";

const LOCK_HELP: &str = "\
Every package of the workspace is read, with all its targets, modules and conditional code, as the
compiler would: nothing is compiled and no database is needed. What can't be looked into, such as a
macro of one's own that writes statements, is listed under `unseen`.

One line in CODEOWNERS guards it:
  /watertight.lock  @your-org/security

Exit status: 0 when the lock was written or is up to date; 1 when `--check` finds it out of date or
a statement is refused; 2 when something could not be read.";

/// Where the migrations and the configuration are.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// A folder of migrations, or one file such as a dump; repeat it for several, in order
    #[arg(long, value_name = "DIR")]
    pub(crate) migrations: Vec<PathBuf>,
    /// The configuration [default: `watertight.toml` in this directory or above]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The column that names the tenant of a row [default: inferred]
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant_column: Option<String>,
    /// The role that the server logs in as
    #[arg(long, value_name = "ROLE", default_value = "app")]
    pub(crate) login_role: String,
    /// The role that a scope takes on, which can't log in
    #[arg(long, value_name = "ROLE", default_value = "app_tenant")]
    pub(crate) tenant_role: String,
    /// Print the proposal, as a difference; the default
    #[arg(long, conflicts_with = "write")]
    pub(crate) dry_run: bool,
    /// Write the files that are not there yet
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) source: Source,
    /// What the input is
    #[arg(long, value_enum, default_value_t = Input::Sql)]
    pub(crate) input: Input,
    /// What the output is
    #[arg(long, value_enum, default_value_t = ProveFormat::Text)]
    pub(crate) format: ProveFormat,
    /// The statements; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Input {
    /// SQL statements, separated by semicolons
    Sql,
    /// One JSON object a line
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProveFormat {
    /// For people
    Text,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CatalogArgs {
    #[command(subcommand)]
    pub(crate) command: Option<CatalogCommand>,
    #[command(flatten)]
    pub(crate) source: Source,
    /// What the output is
    #[arg(long, value_enum, default_value_t = CatalogFormat::Text)]
    pub(crate) format: CatalogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Write the catalog of a live database as a committed SQL file
    ///
    /// For migrations that are code or live in another repository: `snapshot = "…"` in
    /// watertight.toml takes the place of `migrations`. Reads only.
    #[cfg(feature = "database")]
    #[command(after_help = PULL_EXAMPLES)]
    Pull(PullArgs),
}

#[cfg(feature = "database")]
const PULL_EXAMPLES: &str = "\
Examples:
  cargo watertight catalog pull --database-url postgres://reader@localhost/crm
  DATABASE_URL=… cargo watertight catalog pull --check

Exit status of --check: 0 when the file is what the database is, 1 when it differs, 2 when one of
them could not be read.";

#[cfg(feature = "database")]
#[derive(Args)]
pub(crate) struct PullArgs {
    /// The database; it is only read
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// The file [default: `snapshot` of the configuration, else watertight.catalog.sql beside it]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write nothing; fail when the database differs from the file
    #[arg(long)]
    pub(crate) check: bool,
    /// The configuration [default: `watertight.toml` in this directory or above]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[cfg(feature = "database")]
impl std::fmt::Debug for PullArgs {
    /// Without the URL, which holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullArgs").finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The manifest of the workspace or of one of its packages [default: from the current
    /// directory upward]
    #[arg(long, value_name = "Cargo.toml")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Only this package of the workspace; repeat it for several
    #[arg(long, short = 'p', value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// Build the workspace too, into a target folder of its own: statements of watertight that come
    /// out of other macros are seen then. Build scripts and macros run, as in any build
    #[arg(long)]
    pub(crate) build: bool,
    /// Look at the expanded code of libraries and binaries as well: sqlx calls that come out of macros
    /// are seen then. Build scripts and macros run, as in any build
    #[arg(long)]
    pub(crate) expanded: bool,
    #[command(flatten)]
    pub(crate) manners: crate::manners::Manners,
}

/// A database, by its place or by the option that other commands have.
#[cfg(feature = "database")]
#[derive(Args)]
pub(crate) struct DatabaseUrl {
    /// The database: postgres://user:password@host:port/database
    #[arg(
        value_name = "DATABASE_URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "named"
    )]
    given: Option<String>,
    #[arg(long = "database-url", id = "named", value_name = "URL", hide = true)]
    named: Option<String>,
}

#[cfg(feature = "database")]
impl DatabaseUrl {
    /// What was said last counts: an option more than the environment.
    pub(crate) fn url(&self) -> &str {
        let url = self.named.as_ref().or(self.given.as_ref());
        url.map_or("", String::as_str)
    }
}

#[cfg(feature = "database")]
#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseUrl,
    #[command(flatten)]
    pub(crate) source: Source,
    /// The role that the application connects as [default: `application-role` of the configuration,
    /// else `app`, else the only role that can log in and has no special rights]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Print a migration that mends what was found; it is never run
    #[arg(long)]
    pub(crate) fix: bool,
    #[command(flatten)]
    pub(crate) manners: crate::manners::Manners,
}

#[cfg(feature = "database")]
const ATTACK_HELP: &str = "\
Examples:
  cargo watertight attack postgres://postgres@localhost/crm
  cargo watertight attack --in-place postgres://postgres@localhost/crm_test

Each attack is held, leaked (with the row, which is synthetic), or not applicable (and why). The login
has to be superuser, or a member of the application role that may fill the tables.

In place only attacks run that need no more than one transaction: no TRUNCATE, no DDL, no programs and
no network, with a lock timeout of 200 ms and a statement timeout of 2 s. The synthetic rows fire the
triggers of their tables, and numbers of sequences that they take are not given back.

Exit status: 0 when everything held; 1 when something leaked; 2 when it could not be tried.";

#[cfg(feature = "database")]
#[derive(Args)]
pub(crate) struct AttackArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseUrl,
    /// The configuration [default: `watertight.toml` in this directory or above]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The role that the application connects as [default: as for `doctor`]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Attack a throwaway copy of the schema (the default)
    #[arg(long, conflicts_with = "in_place")]
    pub(crate) create: bool,
    /// Attack the database itself, in a transaction that is rolled back
    #[arg(long)]
    pub(crate) in_place: bool,
    /// In place even where other clients are connected
    #[arg(long, requires = "in_place")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) manners: crate::manners::Manners,
}

#[cfg(feature = "database")]
impl std::fmt::Debug for AttackArgs {
    /// Without the URL, which holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttackArgs").finish_non_exhaustive()
    }
}

#[cfg(feature = "database")]
impl std::fmt::Debug for DoctorArgs {
    /// Without the URL, which holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoctorArgs").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CatalogFormat {
    /// For people
    Text,
    /// A JSON array
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The number or the short name of a rule
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Compare with the file instead of writing it
    #[arg(long)]
    pub(crate) check: bool,
    /// Build the workspace too, into a target folder of its own: statements that come out of other
    /// macros are seen then
    #[arg(long)]
    pub(crate) build: bool,
    /// The manifest of the workspace or of one of its packages [default: from the current
    /// directory upward]
    #[arg(long, value_name = "Cargo.toml")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Only this package of the workspace, with a lock in its own folder; repeat it for several,
    /// with `--file`
    #[arg(long, short = 'p', value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// The lock file [default: `watertight.lock` at the root of the workspace]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What the output is
    #[arg(long, value_enum, default_value_t = LockFormat::Text)]
    pub(crate) format: LockFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LockFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// What the output is
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    pub(crate) format: ReportFormat,
    /// The file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The manifest of the workspace or of one of its packages [default: from the current
    /// directory upward]
    #[arg(long, value_name = "Cargo.toml")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Only this package of the workspace; repeat it for several
    #[arg(long, short = 'p', value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// A database to look at as well; it is only read
    #[cfg(feature = "database")]
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// The role that the application connects as, for the database
    #[cfg(feature = "database")]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// The configuration [default: the only one of the workspace]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Suppressions, each with a reason [default: watertight-suppressions.toml at the root of the
    /// workspace]
    #[arg(long, value_name = "FILE")]
    pub(crate) suppressions: Option<PathBuf>,
}

impl std::fmt::Debug for ReportArgs {
    /// Without the URL, which holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportArgs").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page that needs nothing else
    Html,
    /// One JSON object
    Json,
}
