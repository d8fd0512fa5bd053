//! `cargo watertight`: the analysis for a terminal and for scripts.
//!
//! Works as `cargo watertight …` and as `cargo-watertight …`. Standard output holds results only;
//! everything else goes to standard error.

#[cfg(feature = "database")]
mod address;
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

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Cli, Command};

/// The exit status when the migrations or the configuration could not be read.
const UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    // cargo calls `cargo-watertight watertight …`.
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "watertight") {
        arguments.remove(1);
    }
    let cli = parse(&arguments);
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
            complain(&format!("{error:#}"));
            ExitCode::from(UNREADABLE)
        }
    }
}

/// What is wrong with the command line is told in the colours that it asks for.
fn parse(arguments: &[std::ffi::OsString]) -> Cli {
    let said = |word: &str| {
        let joined = format!("--color={word}");
        let apart = arguments
            .windows(2)
            .any(|two| matches!(two, [flag, value] if flag == "--color" && value == word));
        apart || arguments.iter().any(|it| it.to_str() == Some(&joined))
    };
    let color = match (said("always"), said("never")) {
        (true, _) => clap::ColorChoice::Always,
        (_, true) => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    };
    let matches = Cli::command().color(color).get_matches_from(arguments);
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Says on standard error why there is no result. A standard error that is closed is nobody's.
fn complain(text: &str) {
    // What the analysis says begins so by itself.
    let text = output::clean::clean(text.trim_end());
    let head = match text.starts_with("error") {
        true => String::new(),
        false => format!("{} ", paint::Paint::stderr().red("error:")),
    };
    let _ = writeln!(std::io::stderr(), "{head}{text}");
}
