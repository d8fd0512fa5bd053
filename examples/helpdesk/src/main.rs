//! The command line: the demo, a server to play with, or one organisation over standard streams.

use anyhow::Context;
use clap::Parser;
use helpdesk::desk::Desk;
use helpdesk::seed::{ORGANISATIONS, Organisation};
use serde_json::json;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Two organisations on one MCP server, and everything an attacker would try.
///
/// Without options: starts a throwaway PostgreSQL, fills it with two organisations, serves MCP over
/// HTTP, connects real clients for both, lets them work, attacks, and prints a table. The exit status
/// says whether everything held.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Options {
    /// Keep serving over HTTP, for any MCP client
    ///
    /// Prints one line of JSON: `url`, `metadata_url`, and for each organisation its `name`,
    /// `tenant_id` and a `token` that is valid for a day. Everything else goes to standard error.
    /// Ctrl-C ends it, and the database with it.
    #[arg(long, conflicts_with = "stdio")]
    serve: bool,

    /// Where to listen; port 0 takes any free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8080",
        requires = "serve"
    )]
    addr: String,

    /// Serve one organisation over standard input and output
    ///
    /// As MCP clients start local servers. Whoever starts the program chooses the organisation, and
    /// no client can change it.
    #[arg(long, requires = "org")]
    stdio: bool,

    /// The organisation to serve over standard streams, such as "Contoso Bank"
    #[arg(long, value_name = "NAME", requires = "stdio")]
    org: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  cargo demo                                    the whole demo, in about a minute
  cargo demo -- --serve --addr 127.0.0.1:8080   then, with the `token` of the printed line:
      npx @modelcontextprotocol/inspector --cli http://127.0.0.1:8080/mcp \\
          --header \"Authorization: Bearer $TOKEN\" --method tools/call --tool-name tickets_by_status
  cargo run -p helpdesk -- --stdio --org \"Contoso Bank\"

Environment:
  DATABASE_URL  use this PostgreSQL instead of starting one; its user must be allowed to create roles
                and databases, and what is created is dropped again
  RUST_LOG      what to log, such as `watertight=debug`
  NO_COLOR      no colours in the table, even on a terminal";

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<bool> {
    if options.serve {
        log_to_stderr();
        serve(&options.addr).await?;
    } else if options.stdio {
        log_to_stderr();
        let organisation = organisation(options.org.as_deref().unwrap_or_default())?;
        Desk::set_up().await?.serve_stdio(organisation).await?;
    } else {
        return helpdesk::demo::run().await;
    }
    Ok(true)
}

async fn serve(address: &str) -> anyhow::Result<()> {
    let desk = Desk::set_up().await?;
    let running = desk.serve(address).await?;
    let mut organisations = Vec::new();
    for organisation in &ORGANISATIONS {
        organisations.push(json!({
            "name": organisation.name,
            "tenant_id": organisation.tenant,
            "token": running.token(organisation)?,
        }));
    }
    let line = json!({
        "url": running.url, "metadata_url": running.metadata_url, "organisations": organisations
    });
    println!("{line}");
    running.until_interrupted().await
}

fn organisation(name: &str) -> anyhow::Result<&'static Organisation> {
    let names = ORGANISATIONS
        .map(|organisation| organisation.name)
        .join("\", \"");
    ORGANISATIONS
        .iter()
        .find(|organisation| organisation.name.eq_ignore_ascii_case(name))
        .with_context(|| format!("there is no organisation {name:?}; there are \"{names}\""))
}

/// Standard output belongs to the protocol or to the one line of JSON.
fn log_to_stderr() {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = std::io::stderr().is_terminal() && !plain;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colour)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(watertight::observe::Discretion::new())
        .with(filter)
        .with(lines)
        .init();
}
