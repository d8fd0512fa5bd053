//! Colours: only on a terminal, and not where `NO_COLOR` is set. What counts, the first first: `--color`,
//! `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR=0`, `TERM=dumb`, whether there is a terminal.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;

/// What the command line said.
static CHOSEN: OnceLock<Color> = OnceLock::new();

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set; `CLICOLOR_FORCE` stands for a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Colours for one output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Says once, for the whole run, when there are colours.
    pub(crate) fn choose(color: Color) {
        // A second choice has no effect: there is one command line.
        let _ = CHOSEN.set(color);
    }

    /// For standard output, as the command line said.
    pub(crate) fn stdout() -> Self {
        Self::for_output(&std::io::stdout())
    }

    /// For standard error, as the command line said.
    pub(crate) fn stderr() -> Self {
        Self::for_output(&std::io::stderr())
    }

    fn for_output(output: &impl IsTerminal) -> Self {
        match CHOSEN.get().copied().unwrap_or_default() {
            Color::Auto => Self {
                on: automatic(|name| std::env::var_os(name), output.is_terminal()),
            },
            chosen => Self::chosen(chosen),
        }
    }

    /// As chosen; where nothing is, without.
    pub(crate) fn chosen(color: Color) -> Self {
        Self {
            on: color == Color::Always,
        }
    }

    /// Whether there are colours.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// The columns of the terminal; where there is none, as many as a wide one has.
    pub(crate) fn width(self) -> usize {
        let terminal = std::io::stdout().is_terminal();
        let known = terminal.then(terminal_size::terminal_size).flatten();
        known.map_or(140, |(width, _)| usize::from(width.0))
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What the environment says, where the command line says nothing.
fn automatic<V: AsRef<OsStr>>(variable: impl Fn(&str) -> Option<V>, terminal: bool) -> bool {
    let is = |name: &str, value: &str| {
        let found = variable(name);
        found.is_some_and(|found| found.as_ref() == value)
    };
    let given = |name: &str| variable(name).is_some_and(|found| !found.as_ref().is_empty());
    if given("NO_COLOR") {
        return false;
    }
    if given("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") {
        return true;
    }
    terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb")
}

#[cfg(test)]
mod tests {
    use super::automatic;

    fn on(variables: &[(&str, &'static str)], terminal: bool) -> bool {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        };
        automatic(find, terminal)
    }

    #[test]
    fn the_environment_says_when_there_are_colours() {
        assert!(on(&[], true) && !on(&[], false));
        assert!(!on(&[("NO_COLOR", "1")], true));
        // An empty one is none, as its convention has it.
        assert!(on(&[("NO_COLOR", "")], true));
        assert!(on(&[("CLICOLOR_FORCE", "1")], false));
        assert!(!on(&[("CLICOLOR_FORCE", "0")], false));
        assert!(!on(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(!on(&[("CLICOLOR", "0")], true));
        assert!(!on(&[("TERM", "dumb")], true));
    }
}
