//! The command line of `scan`: which server, as whom, and how far to go.
//!
//! Invariant: nothing here that may be a secret has a `Debug` that shows it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) const SCAN_HELP: &str = "\
Examples:
  cargo watertight scan https://mcp.example.com/mcp --token-env ACME_TOKEN
  cargo watertight scan https://mcp.example.com/mcp --token-env ACME_TOKEN --other-token-env BOLT_TOKEN
  cargo watertight scan http://127.0.0.1:8080/mcp --header 'X-Api-Key: …' --other-header 'X-Api-Key: …'
  cargo watertight scan --env API_KEY=… --stdio npx -y some-mcp-server     (--stdio comes last)

With one identity the scan reads what the server publishes: tools, prompts, resource templates, their
schemas and descriptions. With two identities of two tenants it also probes: it calls the tools that are
marked `readOnlyHint`, reads resources and gets prompts as both, in turn and at the same time, asks as one
for what the answers of the other held, reuses sessions, cursors and tasks, and tries without a token.

What only one of them may see can be named with --canary and --other-canary. Without, an answer that is the
same for both can't be told from a shared one, and the report says so. Where a token is a JWT, the tenant,
subject and address in it are such texts already.

A tool that is not marked as read-only is never called, unless --allow names it. --allow takes a rule,
which is then left out, or a tool; where a tool is called as a rule is, --allow-tool names the tool.

Verdicts: a finding was seen, and seen again; what needs review can't be told from outside; the rest is
clear. What was not looked at is listed (W1320). Suppressions name the tool, prompt or resource, and its
argument: at = \"search.org_id\".

Exit status: 0 when nothing was found, or only what needs a low review; 1 when something was; 2 when the
server could not be reached.";

/// Which revision of the protocol to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EraChoice {
    /// 2026-07-28 where the server has it, else `initialize`
    Auto,
    /// 2026-07-28, without sessions
    Stateless,
    /// 2025-11-25 and before, with `initialize`
    Initialize,
}

#[derive(Args)]
#[command(mut_arg("allow", |it| it
    .value_parser(crate::manners::rule_or_tool)
    .value_name("CODE|TOOL")
    .help("Leave this rule out, or call this tool although it is not marked as read-only; repeat it for several")))]
pub(crate) struct ScanArgs {
    /// The server's MCP endpoint
    #[arg(value_name = "URL", required_unless_present = "stdio")]
    pub(crate) url: Option<String>,
    /// Start this program and speak over its standard streams; all that follows is its command line
    #[arg(long, value_name = "CMD", num_args = 1.., allow_hyphen_values = true, conflicts_with = "url")]
    pub(crate) stdio: Vec<String>,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Speak this revision of the protocol
    #[arg(long, value_enum, default_value_t = EraChoice::Auto)]
    pub(crate) era: EraChoice,
    /// Call this tool although it is not marked as read-only, as --allow does; repeat it for several
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_tool: Vec<String>,
    /// Never call this tool; repeat it for several
    #[arg(long, value_name = "NAME")]
    pub(crate) skip_tool: Vec<String>,
    /// Only read what the server publishes; call nothing
    #[arg(long)]
    pub(crate) no_probe: bool,
    /// Send tokens over plain HTTP to a host that is not this machine
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// The configuration, for its words for a tenant [default: `watertight.toml` in this directory or
    /// above]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keep what was done in this file, and go on from it
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manners: crate::manners::Manners,
}

/// The two identities.
#[derive(Args)]
#[command(next_help_heading = "Identities")]
pub(crate) struct Who {
    /// A bearer token; `--token-env` keeps it out of the list of processes
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "VARIABLE", conflicts_with = "token")]
    pub(crate) token_env: Option<String>,
    /// A header of every request; repeat it for several
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// A variable in the environment of `--stdio`; repeat it for several
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A text that only this identity may see; repeat it for several
    #[arg(long, value_name = "TEXT")]
    pub(crate) canary: Vec<String>,
    /// The bearer token of a second identity, of another tenant
    #[arg(long, value_name = "TOKEN")]
    pub(crate) other_token: Option<String>,
    /// The environment variable that holds it
    #[arg(long, value_name = "VARIABLE", conflicts_with = "other_token")]
    pub(crate) other_token_env: Option<String>,
    /// A header of the second identity; repeat it for several
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) other_header: Vec<String>,
    /// A variable of the second identity's `--stdio`; repeat it for several
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) other_env: Vec<String>,
    /// A text that only the second identity may see; repeat it for several
    #[arg(long, value_name = "TEXT")]
    pub(crate) other_canary: Vec<String>,
}

/// How far to go, and how fast.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Requests in all
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    pub(crate) max_calls: u64,
    /// Seconds in all
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) max_time: u64,
    /// Bytes of one answer; a longer one is not read
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20)]
    pub(crate) max_bytes: usize,
    /// Requests in a second
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) rate: u32,
    /// Requests at the same time, where that is what is tried
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub(crate) concurrency: usize,
    /// Seconds to wait for one answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) timeout: u64,
}

impl ScanArgs {
    /// The tools that may be called although they are not marked as read-only.
    pub(crate) fn allowed_tools(&self) -> Vec<String> {
        let allowed = self.manners.allow.iter().filter_map(|it| match it {
            crate::manners::Allowed::Tool(name) => Some(name),
            crate::manners::Allowed::Rule(_) => None,
        });
        self.allow_tool.iter().chain(allowed).cloned().collect()
    }
}

impl std::fmt::Debug for ScanArgs {
    /// Without URL, headers, tokens and command, which hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScanArgs").finish_non_exhaustive()
    }
}
