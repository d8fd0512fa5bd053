//! Colours: only on a terminal, and not where `NO_COLOR` is set.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;

/// What the command line said.
static CHOSEN: OnceLock<Color> = OnceLock::new();

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
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
        Self::chosen(CHOSEN.get().copied().unwrap_or_default())
    }

    /// On a terminal, where nothing says otherwise.
    fn automatic() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            on: !plain && std::io::stdout().is_terminal(),
        }
    }

    /// As chosen.
    pub(crate) fn chosen(color: Color) -> Self {
        match color {
            Color::Auto => Self::automatic(),
            Color::Always => Self { on: true },
            Color::Never => Self { on: false },
        }
    }

    pub(crate) fn blue(self, text: &str) -> String {
        self.wrap("34", text)
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
