//! What a report tells, as data: the same for the page and for JSON.
//!
//! Invariant: each thing has one state, and a thing that could not be looked into is never good.

use serde::Serialize;

/// Raised when a member changes its meaning or goes.
pub(super) const VERSION: u32 = 1;

/// How something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It holds.
    #[default]
    Good,
    /// A person has to look, or has looked and said why.
    Look,
    /// It is wrong.
    Bad,
}

/// Whether calls leave a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Recorded {
    /// Each of them.
    Always,
    /// Those that come through a mounted or guarded handler.
    WhereMounted,
    /// Nothing in the sources says so.
    #[default]
    NotSeen,
}

/// The whole report.
#[derive(Debug, Default, Serialize)]
pub(super) struct Document {
    pub(super) version: u32,
    pub(super) title: String,
    /// The day, in UTC.
    pub(super) made: String,
    pub(super) state: State,
    pub(super) tools: Vec<Tool>,
    pub(super) statements: Vec<Statement>,
    pub(super) tables: Vec<Table>,
    pub(super) findings: Vec<Told>,
    pub(super) exceptions: Vec<Exception>,
    /// Of a live database, where one was named.
    pub(super) database: Option<Database>,
    pub(super) audit: Vec<Fact>,
    pub(super) unseen: Vec<Unseen>,
    pub(super) versions: Vec<Fact>,
}

/// What a client can call.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tool {
    pub(super) name: String,
    /// `tool`, `resource`, `prompt`, `completion`.
    pub(super) kind: &'static str,
    pub(super) state: State,
    pub(super) description: String,
    pub(super) file: String,
    pub(super) line: usize,
    /// The scopes that it requires.
    pub(super) requires: Vec<String>,
    pub(super) read_only: bool,
    /// Whether watertight's checks and records are around it.
    pub(super) guarded: bool,
    /// Whether its calls leave a record.
    pub(super) recorded: Recorded,
    /// Positions of the statements that its function reaches, by the names in the source.
    pub(super) statements: Vec<usize>,
    /// What is not good about it.
    pub(super) remarks: Vec<String>,
}

/// One statement with its proof.
#[derive(Debug, Default, Serialize)]
pub(super) struct Statement {
    pub(super) function: String,
    /// Which of several.
    pub(super) which: String,
    pub(super) file: String,
    pub(super) state: State,
    /// `rls`, `predicate`, `unproved`, `system`, `refused`.
    pub(super) grade: String,
    pub(super) writes: bool,
    pub(super) sql: String,
    /// Why every occurrence stays within the tenant.
    pub(super) proof: Vec<String>,
    /// Why it is an exception.
    pub(super) reason: String,
    /// Positions of its tables.
    pub(super) tables: Vec<usize>,
}

/// A relation of the migrations.
#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    /// With the schema.
    pub(super) name: String,
    pub(super) catalog: String,
    pub(super) kind: String,
    pub(super) state: State,
    /// `protected`, `scoped`, … for all commands, or by command.
    pub(super) class: String,
    /// `forced`, `enabled`, `off`.
    pub(super) rls: String,
    pub(super) policies: Vec<String>,
    pub(super) directive: String,
    /// How many statements use it.
    pub(super) used: usize,
}

/// A finding, from whatever looked.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told {
    /// `check`, `lock`, `migrations`, `doctor`.
    pub(super) source: &'static str,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) severity: String,
    pub(super) verdict: String,
    pub(super) place: String,
    pub(super) message: String,
    /// Lines that explain, with excerpts.
    pub(super) text: String,
    pub(super) notes: Vec<String>,
    pub(super) help: Vec<String>,
    pub(super) mend: Vec<String>,
}

/// Something that somebody allowed, and why.
#[derive(Debug, Default, Serialize)]
pub(super) struct Exception {
    /// What is allowed, in a few words.
    pub(super) what: String,
    pub(super) place: String,
    pub(super) reason: String,
}

/// A live database.
#[derive(Debug, Default, Serialize)]
pub(super) struct Database {
    pub(super) state: State,
    pub(super) about: Vec<Fact>,
    /// Findings are among the others, from `doctor`.
    pub(super) findings: usize,
    pub(super) clear: Vec<Fact>,
}

/// A name and what is said of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fact {
    pub(super) state: State,
    pub(super) name: String,
    pub(super) value: String,
}

/// What could not be looked into.
#[derive(Debug, Default, Serialize)]
pub(super) struct Unseen {
    pub(super) file: String,
    pub(super) what: String,
}

impl Document {
    /// Sets the state of the whole: that of the worst.
    pub(super) fn settle(&mut self) {
        let states = [
            self.tools.iter().map(|it| it.state).max(),
            self.statements.iter().map(|it| it.state).max(),
            self.findings.iter().map(|it| it.state).max(),
            self.audit.iter().map(|it| it.state).max(),
            self.database.as_ref().map(|it| it.state),
            (!self.unseen.is_empty()).then_some(State::Look),
        ];
        self.state = states.into_iter().flatten().max().unwrap_or_default();
    }
}
