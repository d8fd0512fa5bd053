//! The long run: `cargo run --release -p watertight-noninterference -- --accepted 200000 --seed 1 --jobs 2`.
//!
//! Exit status 1 if an accepted statement showed a difference.

use anyhow::Result;
use clap::Parser;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use watertight_noninterference::judge::Judge;
use watertight_noninterference::run::{Options, run};

/// Runs what the prover accepts on two databases that differ only in other tenants' rows.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stop once so many accepted statements were run.
    #[arg(long, default_value_t = 10_000)]
    accepted: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Statements per schema.
    #[arg(long, default_value_t = 300)]
    per_schema: u64,
    /// How many of a hundred refused statements are run too, to measure how many are safe.
    #[arg(long, default_value_t = 3)]
    refused: u32,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Only this schema of the seed.
    #[arg(long)]
    schema: Option<u64>,
    /// Accept every statement: shows that the oracle finds leaks.
    #[arg(long)]
    accept_everything: bool,
    /// Use this server, as a superuser, instead of starting one; leaves two roles behind.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Print how often each construct was accepted.
    #[arg(long)]
    coverage: bool,
    /// Print every statement.
    #[arg(long)]
    verbose: bool,
    /// Write refused statements that showed nothing to this file.
    #[arg(long)]
    refusals: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = Options {
        seed: arguments.seed,
        accepted: arguments.accepted,
        jobs: arguments.jobs,
        judge: if arguments.accept_everything {
            Judge::Everything
        } else {
            Judge::Prover
        },
        per_schema: arguments.per_schema,
        refused: arguments.refused,
        limit: arguments.seconds.map(Duration::from_secs),
        schema: arguments.schema,
        verbose: arguments.verbose,
        server: arguments.server.clone(),
    };
    let summary = run(&options).await?;
    if let Some(path) = &arguments.refusals {
        let mut file = std::fs::File::create(path)?;
        for refusal in &summary.false_refusals {
            writeln!(
                file,
                "-- schema {} {}: {}\n{};\n{}\n",
                refusal.schema, refusal.code, refusal.headline, refusal.sql, refusal.text
            )?;
        }
    }
    println!("{summary}");
    if arguments.coverage {
        println!("{}", summary.coverage.table());
    }
    Ok(
        if summary.difference_count == 0 || arguments.accept_everything {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}
