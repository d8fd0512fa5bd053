//! What people type and read: `--help` of every command, completions that a shell takes, the manual.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::process::{Command, Stdio};

use common::{Folder, run, stderr, stdout};

/// What is typed, and what a shell makes of it: commands, commands below others, options and their values, by
/// the program's own name and behind cargo.
const TYPED: &[(&str, &str)] = &[
    ("cargo-watertight doct", "doctor"),
    ("cargo-watertight doctor --fi", "--fix"),
    ("cargo watertight doct", "doctor"),
    ("cargo watertight catalog pu", "pull"),
    ("cargo watertight check --format sar", "sarif"),
];

/// Every command, below others too, by what `--help` lists.
fn commands(folder: &Folder, path: &[&str], found: &mut Vec<String>) {
    let arguments: Vec<&str> = path.iter().copied().chain(["--help"]).collect();
    let help = stdout(&run(&folder.0, &arguments, ""));
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<String> = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .filter(|name| name != "help")
        .collect();
    for name in names {
        let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        found.push(path.join(" "));
        commands(folder, &path, found);
    }
}

#[test]
fn help_says_what_each_command_does_and_how_it_ends() {
    let folder = Folder::new("shell-help");
    let mut found = vec![String::new()];
    commands(&folder, &[], &mut found);
    for wanted in [
        "doctor",
        "init",
        "lock",
        "report",
        "catalog pull",
        "audit verify",
    ] {
        // Commands of other features may be left out of a build.
        if cfg!(feature = "database")
            || !["doctor", "catalog pull", "audit verify"].contains(&wanted)
        {
            assert!(found.iter().any(|it| it == wanted), "{wanted}: {found:?}");
        }
    }
    for command in found {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = run(&folder.0, &arguments, "");
        let help = stdout(&output);
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        assert!(
            help.contains(&format!(
                "Usage: cargo watertight{}{command}",
                if command.is_empty() { "" } else { " " }
            )),
            "{help}"
        );
        let name = match command.as_str() {
            "" => "help".to_owned(),
            command => format!("help_{}", command.replace([' ', '-'], "_")),
        };
        insta::assert_snapshot!(name, help);
    }
}

#[test]
fn a_command_that_is_misspelt_is_told_what_was_meant() {
    let folder = Folder::new("shell-typo");
    let output = run(&folder.0, &["docter"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("tip"), "{}", stderr(&output));
    let behind = run(&folder.0, &["watertight", "--version"], "");
    assert!(
        stdout(&behind).starts_with("cargo watertight "),
        "{}",
        stdout(&behind)
    );
}

/// Whether a shell can read the script, where the shell is installed.
fn reads(shell: &str, arguments: &[&str], script: &str) {
    let child = Command::new(shell)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: {shell} is not installed");
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{shell}: {}", stderr(&output));
}

#[test]
fn completions_are_for_both_spellings() {
    let folder = Folder::new("shell-completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&folder.0, &["completions", shell], "");
        assert!(output.status.success(), "{shell}: {}", stderr(&output));
        let script = stdout(&output);
        assert!(
            script.contains("cargo-watertight") && script.contains("doctor"),
            "{shell}"
        );
        match shell {
            "bash" => reads("bash", &["-n"], &script),
            "zsh" => reads("zsh", &["-n"], &script),
            "fish" => reads("fish", &["--no-execute"], &script),
            _ => {}
        }
    }
    // Behind cargo and by itself, in a shell.
    let script = stdout(&run(&folder.0, &["completions", "bash"], ""));
    for (words, count, wanted) in [
        ("cargo-watertight doc", 1, "doctor"),
        ("cargo watertight doc", 2, "doctor"),
        ("cargo watertight catalog pu", 3, "pull"),
    ] {
        let first = words.split(' ').next().unwrap();
        let ask = format!(
            "_theirs() {{ COMPREPLY=(other); }}; complete -F _theirs cargo\n{script}\n\
             COMP_WORDS=({words}); COMP_CWORD={count}; COMP_LINE='{words}'; COMP_POINT=${{#COMP_LINE}}\n\
             function=$(complete -p {first} | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p')\n\
             $function {first} \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             echo \"${{COMPREPLY[@]}}\"\n\
             COMP_WORDS=(cargo bui); COMP_CWORD=1; _cargo_through_watertight cargo bui cargo; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").arg("-c").arg(&ask).output().unwrap();
        let text = stdout(&output);
        let mut lines = text.lines();
        assert!(
            lines
                .next()
                .unwrap_or_default()
                .split(' ')
                .any(|it| it == wanted),
            "{words}: {text}{}",
            stderr(&output)
        );
        assert_eq!(
            lines.next(),
            Some("other"),
            "{words}: cargo's own completion is gone"
        );
    }
}

fn installed(shell: &str) -> bool {
    let there = Command::new(shell).arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: {shell} is not installed");
    }
    there
}

#[test]
fn zsh_completes_what_is_typed() {
    if !installed("zsh") {
        return;
    }
    let folder = Folder::new("shell-zsh");
    let script = stdout(&run(&folder.0, &["completions", "zsh"], ""));
    std::fs::write(folder.0.join("_cargo-watertight"), script).unwrap();
    // As a file of `fpath`, where the part behind cargo comes with the first completion, and sourced.
    for sourced in ["", "yes"] {
        let out = folder.0.join(format!("out{sourced}"));
        let ask = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shell/ask.zsh");
        let output = Command::new("zsh")
            .args(["-f", ask])
            .args([&folder.0, &out])
            .args(TYPED.iter().map(|(typed, _)| typed))
            .env("SOURCED", sourced)
            .env("ZDOTDIR", &folder.0)
            .env("TERM", "xterm")
            .output()
            .unwrap();
        let told = std::fs::read_to_string(&out).unwrap_or_default();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), TYPED.len(), "{told}{}", stderr(&output));
        for ((typed, wanted), line) in TYPED.iter().zip(lines) {
            let last = line.split_whitespace().last();
            assert_eq!(last, Some(*wanted), "{sourced} {typed}: {line}");
        }
    }
}

#[test]
fn fish_completes_what_is_typed() {
    if !installed("fish") {
        return;
    }
    let folder = Folder::new("shell-fish").with("config/empty", "");
    let script = stdout(&run(&folder.0, &["completions", "fish"], ""));
    std::fs::write(folder.0.join("c.fish"), script).unwrap();
    for (typed, wanted) in TYPED.iter().chain(&[("cargo waterti", "watertight")]) {
        let output = Command::new("fish")
            .args([
                "--no-config",
                "-c",
                &format!("source c.fish; complete -C '{typed}'"),
            ])
            .current_dir(&folder.0)
            .env("HOME", &folder.0)
            .output()
            .unwrap();
        let told = stdout(&output);
        let first = told.split_whitespace().next();
        assert_eq!(first, Some(*wanted), "{typed}: {told}{}", stderr(&output));
    }
}

/// PowerShell is on few machines: without it, its script is looked at as far as its text goes.
#[test]
fn powershell_can_read_its_script() {
    let folder = Folder::new("shell-powershell");
    let script = stdout(&run(&folder.0, &["completions", "powershell"], ""));
    assert!(script.contains("Register-ArgumentCompleter -Native -CommandName 'cargo-watertight'"));
    // Outside of quotes, in which a quote is written twice, every bracket has its other half.
    let mut open = Vec::new();
    let mut quoted = false;
    for c in script.chars() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => open.push(c),
            ')' => assert_eq!(open.pop(), Some('(')),
            ']' => assert_eq!(open.pop(), Some('[')),
            '}' => assert_eq!(open.pop(), Some('{')),
            _ => {}
        }
    }
    assert!(!quoted && open.is_empty(), "{open:?}");
    if installed("pwsh") {
        let file = folder.0.join("c.ps1");
        std::fs::write(&file, script).unwrap();
        let ask = format!(
            ". '{}'; (TabExpansion2 'cargo-watertight doct' 21).CompletionMatches.CompletionText",
            file.display()
        );
        let output = Command::new("pwsh")
            .args(["-NoProfile", "-Command", &ask])
            .output()
            .unwrap();
        assert_eq!(stdout(&output).trim(), "doctor", "{}", stderr(&output));
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = Folder::new("shell-man");
    let output = run(&folder.0, &["man", "man1"], "");
    assert!(output.status.success(), "{}", stderr(&output));
    for page in [
        "cargo-watertight",
        "cargo-watertight-init",
        "cargo-watertight-explain",
    ] {
        let text = std::fs::read_to_string(folder.0.join(format!("man1/{page}.1"))).unwrap();
        assert!(
            text.contains(".TH") && text.contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
}
