//! `cargo watertight audit`: verifies, exports, shortens and erases audit trails.
//!
//! Invariant: verifying and exporting only read, in one snapshot; giving up and erasing say what they
//! would do until they are told `--yes`. Keys and passwords are never shown.

mod access;
mod anchor;
mod args;
mod erase;
mod export;
mod following;
mod keys;
mod retain;
mod trail;
mod verify;

use std::process::ExitCode;

use anyhow::{Context, Result};

pub(crate) use args::AuditCommand;

pub(crate) fn run(command: &AuditCommand) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime can't be started")?;
    runtime.block_on(async {
        match command {
            AuditCommand::Verify(args) => verify::run(args).await,
            AuditCommand::Export(args) => export::run(args).await,
            AuditCommand::Retain(args) => retain::run(args).await,
            AuditCommand::Erase(args) => erase::run(args).await,
        }
    })
}
