//! `cargo watertight completions` and `cargo watertight man`: what a shell and `man` read.
//!
//! Invariant: both are made from the same definition as `--help`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::args::{Cli, CompletionsArgs, ManArgs};

/// The name of the program; cargo finds it by `cargo watertight`.
const PROGRAM: &str = "cargo-watertight";

/// The commands under the program's own name.
fn program() -> Command {
    Cli::command().name(PROGRAM).bin_name(PROGRAM)
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut program(), PROGRAM, &mut text);
    let mut text = String::from_utf8(text).context("the script is no text")?;
    if args.shell == Shell::Bash {
        // The generator takes the dash of the program's name for a sub-command in half of its labels.
        text = text.replace("cargo__subcmd__watertight", "cargo__watertight");
    }
    text.push_str(through_cargo(args.shell));
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// What makes the same completions work behind `cargo watertight`, where the shell lets one ask the
/// completion of another command.
fn through_cargo(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        // Their completers take one command each: complete `cargo-watertight` there.
        _ => "",
    }
}

/// rustup's and cargo's own completion goes on for everything else.
const BASH: &str = r#"
_cargo_through_watertight() {
    if [[ ${COMP_WORDS[1]} == watertight && $COMP_CWORD -gt 1 ]]; then
        local COMP_WORDS=(cargo-watertight "${COMP_WORDS[@]:2}") COMP_CWORD=$((COMP_CWORD - 1))
        _cargo__watertight cargo-watertight "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    elif declare -F "$__cargo_before_watertight" >/dev/null; then
        "$__cargo_before_watertight" "$@"
    fi
}
if [[ -z ${__cargo_before_watertight-} ]]; then
    __cargo_before_watertight=$(complete -p cargo 2>/dev/null | sed -n 's/.*-F \([^ ]*\).*/\1/p')
    complete -F _cargo_through_watertight -o bashdefault -o default cargo
fi
"#;

/// For a file that is sourced behind `compinit`; cargo's own completion goes on for everything else.
const ZSH: &str = r#"
_cargo_through_watertight() {
    if [[ ${words[2]} == watertight && $CURRENT -gt 2 ]]; then
        words=(cargo-watertight "${(@)words[3,-1]}")
        (( CURRENT-- ))
        _cargo-watertight "$@"
    elif [[ -n $__cargo_before_watertight ]]; then
        $__cargo_before_watertight "$@"
    fi
}
if [[ -z ${__cargo_before_watertight-} ]]; then
    typeset -g __cargo_before_watertight=${_comps[cargo]-_default}
    compdef _cargo_through_watertight cargo
fi
"#;

/// fish wraps one command in another by words.
const FISH: &str = r#"
complete -c cargo -n '__fish_seen_subcommand_from watertight' -f -a '(set -l words (commandline -opc) (commandline -ct); complete -C (string join -- " " cargo-watertight $words[3..]))'
complete -c cargo -n '__fish_use_subcommand' -f -a watertight -d 'multi-tenant safety'
"#;

pub(crate) fn man(args: &ManArgs) -> Result<ExitCode> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("`{}` can't be made", folder.display()))?;
    let mut whole = program();
    whole.build();
    let count = pages(&whole, PROGRAM, folder)?;
    eprintln!("wrote {count} pages to {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// A page for a command and for each below it, as `git` has them.
fn pages(command: &Command, name: &str, folder: &Path) -> Result<usize> {
    // The crate's builder wants a name that lives as long as the program.
    let page = clap_mangen::Man::new(command.clone().display_name(name.to_owned()))
        .title(name.to_uppercase())
        .manual("watertight");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, text)
        .with_context(|| format!("`{}` can't be written", path.display()))?;
    let mut count = 1;
    for below in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        count += pages(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(count)
}
