//! `cargo watertight`: the analysis for a terminal and for scripts.
//!
//! Works as `cargo watertight …` and as `cargo-watertight …`. Standard output holds results only;
//! everything else goes to standard error.

mod args;
#[cfg(feature = "database")]
mod attack;
#[cfg(feature = "database")]
mod audit;
mod catalog;
mod check;
#[cfg(feature = "database")]
mod doctor;
mod explain;
mod init;
mod lock;
mod manners;
mod output;
mod paint;
mod project;
mod prove;
#[cfg(feature = "database")]
mod pull;
mod report;
#[cfg(feature = "scan")]
mod scan;
mod shell;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// The exit status when the migrations or the configuration could not be read.
const UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    // cargo calls `cargo-watertight watertight …`.
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "watertight") {
        arguments.remove(1);
    }
    let cli = Cli::parse_from(arguments);
    paint::Paint::choose(cli.color);
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Prove(args) => prove::run(&args),
        Command::Catalog(args) => catalog::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "database")]
        Command::Doctor(args) => doctor::run(&args),
        #[cfg(feature = "database")]
        Command::Attack(args) => attack::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Report(args) => report::run(&args),
        #[cfg(feature = "scan")]
        Command::Scan(args) => scan::run(&args),
        Command::Explain(args) => explain::run(&args),
        #[cfg(feature = "database")]
        Command::Audit { command } => audit::run(&command),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // A reader that went away, such as `head`, is no error.
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && io.kind() == std::io::ErrorKind::BrokenPipe
            {
                return ExitCode::SUCCESS;
            }
            eprintln!("{error:#}");
            ExitCode::from(UNREADABLE)
        }
    }
}
