//! Statements: each one before the prover, with what is bound by hand taken into account.
//!
//! Without a configuration a statement that filters by its tenant names it as a parameter, and tables
//! without a tenant column are nobody's: what is only unknown needs review then, and only what surely
//! reaches foreign rows is a finding.

use std::sync::Arc;

use watertight_analysis::finding::{Finding, Level, Place};
use watertight_analysis::prove::Grade;
use watertight_analysis::script::split;
use watertight_analysis::{Code, Diagnostic};

use super::super::facts::{
    Bind, Executor, FileFacts, Hook, Judged, Statement, Text, Verdict as Said,
};
use super::super::literal::is_sql;
use super::super::schema::Schema;
use super::ask::{Answers, Outcome, judge, likely, lists_tenants};
use super::origin::Callers;
use super::parameters::{Named, numbered};
use super::pool::Hooks;
use super::sent::Sent;
use super::setting::GAP;
use super::texts::{Candidate, Resolved};
use super::weigh::{described, merged, weighed};
use super::{Judge, finding};

impl Judge<'_> {
    pub(super) fn statements(&mut self) {
        let workspace = self.workspace;
        let callers = self.callers();
        let sent = self.sent();
        let packages = 0..workspace.packages.len();
        let hooks: Vec<Hooks> = packages.map(|package| self.hooks(package)).collect();
        let mut known: Answers = Answers::new();
        for file in &workspace.files {
            if self.is_foreign(file.package) {
                continue;
            }
            let hooks = hooks.get(file.package).copied().unwrap_or_default();
            for statement in file.statements.iter().filter(|it| !it.test && !it.ours) {
                for text in self.written(file, statement) {
                    self.settings(file, statement, &text, hooks);
                    if self.is_taken(file, statement, &sent) {
                        self.begun_by_hand(file, statement, &text);
                        self.emptied(file, statement, &text);
                    }
                }
                self.statement(file, statement, &callers, &sent, &mut known);
            }
            for judged in file.judged.iter().filter(|it| !it.test) {
                self.judged(file, judged);
            }
        }
        self.loose(&mut known);
    }

    fn statement(
        &mut self,
        file: &FileFacts,
        statement: &Statement,
        callers: &Callers,
        sent: &Sent,
        known: &mut Answers,
    ) {
        let taken = self.is_taken(file, statement, sent);
        let Some(schema) = self.schemas.get(file.package).cloned() else {
            return;
        };
        let beside = taken && self.is_watertight(file.package) && statement.hook.is_none();
        if let Text::File { .. } = &statement.text
            && let Resolved::Known(found) = self.resolve(file, &statement.text)
        {
            let texts = found.into_iter().filter_map(|it| it.elsewhere);
            self.verdicts.texts.extend(texts);
        }
        if let Text::Built { steps, .. } = &statement.text
            && let Some(ways) = self.ways(file, steps).filter(|_| !beside)
        {
            return self.built(file, statement, ways, callers, known);
        }
        match self.resolve(file, &statement.text) {
            Resolved::Known(found) => {
                let mut pieces = 0;
                for candidate in found {
                    for range in split(&candidate.literal.value) {
                        let Some(sql) = candidate.literal.value.get(range.clone()) else {
                            continue;
                        };
                        if !is_data(sql) {
                            continue;
                        }
                        pieces += 1;
                        let place = Placed {
                            file,
                            statement,
                            candidate: &candidate,
                            offset: range.start,
                            taken,
                        };
                        let outcome = self.outcome(&schema, sql, statement.binds.as_deref(), known);
                        match beside {
                            true => self.beside(&place, sql, &outcome),
                            false => self.told(&schema, &place, sql, outcome, callers),
                        }
                    }
                }
                if pieces == 0 && beside && !is_setting(statement) {
                    self.beside_text(file, statement);
                }
            }
            Resolved::Made { parts, gaps } => {
                if taken || parts.first().is_some_and(|it| is_sql(it)) {
                    self.made(file, statement, &parts, &gaps, taken, beside);
                }
            }
            // What is given to it is judged where it is given.
            Resolved::Unknown(_)
                if taken && statement.parameter.is_some() && self.is_given(file, statement) => {}
            Resolved::Unknown(why) if taken => {
                let told = match beside {
                    true => finding(
                        Code::BESIDE_SCOPE,
                        file,
                        &statement.span,
                        "a statement is sent beside the scope, and its text comes from elsewhere",
                    ),
                    false => finding(
                        Code::UNSEEN,
                        file,
                        &statement.text.span(),
                        "the text of this statement can't be seen",
                    )
                    .note(why)
                    .review(),
                };
                self.found(told.about(format!("{}", statement.span.start)));
            }
            Resolved::Unknown(_) => {}
        }
    }

    /// A statement in a package of watertight that no macro judges.
    fn beside(&mut self, place: &Placed<'_>, sql: &str, outcome: &Outcome) {
        let span = place.statement.text.span();
        let told = finding(
            Code::BESIDE_SCOPE,
            place.file,
            &span,
            "a statement is sent beside the scope: no macro proved it, and nothing set the tenant",
        )
        .about(key(sql))
        .help("declare it with `#[tenant_query(\"…\")]`, or put the attribute on the function around it");
        let told = match outcome {
            Outcome::Proved { .. } => told.note("the prover would accept its text"),
            Outcome::Refused(problems) => match problems.first() {
                Some(first) => told.note(format!(
                    "the prover would refuse it: {}: {}",
                    first.code, first.message
                )),
                None => told,
            },
        };
        self.found(told);
    }

    fn beside_text(&mut self, file: &FileFacts, statement: &Statement) {
        let told = finding(
            Code::BESIDE_SCOPE,
            file,
            &statement.text.span(),
            "SQL is sent beside the scope",
        )
        .help("migrations run through `watertight::migrate`; everything else in a scope")
        .about(format!("{:?}", statement.callee));
        self.found(told);
    }

    /// A text that is made at run time.
    fn made(
        &mut self,
        file: &FileFacts,
        statement: &Statement,
        parts: &[String],
        gaps: &[Vec<String>],
        taken: bool,
        beside: bool,
    ) {
        let whole = parts.join(&GAP.to_string());
        if !is_data(&whole) && !whole.trim_start().starts_with(GAP) {
            return;
        }
        if !super::setting::settings(&whole).is_empty() {
            return;
        }
        if beside {
            let told = finding(
                Code::BESIDE_SCOPE,
                file,
                &statement.text.span(),
                "a statement that is made at run time is sent beside the scope",
            )
            .help("`#[tenant_query]`, with `sort(…)` and `optional(…)` for what may differ")
            .about(key(&whole));
            return self.found(told);
        }
        // A value between quotes is written into the text.
        let pairs = parts.iter().zip(parts.iter().skip(1)).zip(gaps);
        let written: Option<&Vec<String>> = pairs
            .filter(|((before, after), _)| before.ends_with('\'') && after.starts_with('\''))
            .map(|(_, gap)| gap)
            .next();
        let told = match written {
            Some(gap) => finding(
                Code::DYNAMIC_SQL,
                file,
                &statement.text.span(),
                match gap.last() {
                    Some(name) => format!("`{name}` is written into the text of a statement"),
                    None => "a value is written into the text of a statement".to_owned(),
                },
            )
            .note("a value with a quote in it becomes SQL"),
            None => finding(
                Code::DYNAMIC_SQL,
                file,
                &statement.text.span(),
                "the text of this statement is made at run time, so nothing can be proved about it",
            )
            .review(),
        };
        let told = told
            .help("one literal for each case, with values bound; an optional filter is `($1::text IS NULL OR plan = $1)`")
            .about(key(&whole));
        let told = match taken {
            false => told.level(Level::Low).review(),
            true => told,
        };
        self.found(told);
    }

    pub(super) fn outcome(
        &self,
        schema: &Schema,
        sql: &str,
        binds: Option<&[Bind]>,
        known: &mut Answers,
    ) -> Outcome {
        let likely = likely(schema, binds);
        let key = (Arc::as_ptr(&schema.catalog), sql.to_owned(), likely.clone());
        if let Some(outcome) = known.get(&key) {
            return outcome.clone();
        }
        let outcome = judge(schema, sql, &likely);
        known.insert(key, outcome.clone());
        outcome
    }

    /// Tells what the prover says of a statement.
    pub(super) fn told(
        &mut self,
        schema: &Schema,
        place: &Placed<'_>,
        sql: &str,
        outcome: Outcome,
        callers: &Callers,
    ) {
        match outcome {
            Outcome::Proved {
                grade,
                tenant,
                by_setting,
            } => {
                if self.caller_chooses(place, sql, &tenant, callers) {
                    return;
                }
                let hooked = place.statement.hook.is_some() || self.sets_before(place.file.package);
                if by_setting && place.statement.executor == Executor::Pool && !hooked {
                    let told = place
                        .finding(Code::WITHOUT_SCOPE, None, "this statement rests on the tenant's setting, and is sent on the pool itself")
                        .note("it runs on any connection, and nothing set the tenant on that one")
                        .help("`let mut tx = pool.begin().await?`, set the tenant with `set_config(…, true)`, then `.fetch_all(&mut *tx)`")
                        .about(key(sql))
                        .review();
                    self.place(place, told);
                    return;
                }
                if let Some(name) = unnamed(schema, place.binds(), &tenant) {
                    let told = place
                        .finding(
                            Code::CALLER_TENANT,
                            None,
                            &format!("it filters by the tenant column, and whether `{name}` is the session's tenant can't be told"),
                        )
                        .help("take it from the verified token of the request, and call it what it is")
                        .about(key(sql))
                        .level(Level::Low)
                        .review();
                    self.place(place, told);
                    return;
                }
                let reason = match (tenant.as_slice(), by_setting, grade) {
                    ([], true, Grade::Rls) => {
                        "row-level security confines it to the tenant".to_owned()
                    }
                    ([], true, Grade::Predicate) => "it filters by the tenant's setting".to_owned(),
                    ([], false, _) => "no table in it has the tenant column".to_owned(),
                    (numbers, ..) => {
                        let shown: Vec<String> =
                            numbers.iter().map(|it| format!("`${it}`")).collect();
                        format!(
                            "it filters by the tenant, which is bound as {}",
                            shown.join(", ")
                        )
                    }
                };
                self.clear(place.place(None), reason);
            }
            // Prose that begins as a statement does.
            Outcome::Refused(problems)
                if !place.taken && problems.iter().any(|it| it.code == Code::SYNTAX) => {}
            Outcome::Refused(problems) => {
                for told in merged(problems.iter().map(|it| place.of(schema, it)).collect()) {
                    self.place(place, with_numbers(sql, told));
                }
            }
        }
    }

    /// Whether a pool of the package sets something before it lends a connection.
    fn sets_before(&self, package: usize) -> bool {
        let files = self
            .workspace
            .files
            .iter()
            .filter(|it| it.package == package);
        files
            .flat_map(|file| &file.statements)
            .any(|statement| statement.hook == Some(Hook::BeforeAcquire))
    }

    fn place(&mut self, place: &Placed<'_>, told: Finding) {
        if let Some((path, text)) = &place.candidate.elsewhere {
            self.verdicts.texts.push((path.clone(), text.clone()));
        }
        self.found(told);
    }

    /// What one of our macros said.
    fn judged(&mut self, file: &FileFacts, judged: &Judged) {
        match &judged.verdict {
            Said::Proved(by) => {
                self.clear(super::at(file, &judged.span), format!("proved, by {by}"));
                if judged.carries {
                    let told = finding(
                        Code::RETURNS_TENANT,
                        file,
                        &judged.span,
                        "`*` brings the tenant column along, in a row that no client is given",
                    )
                    .help("name the columns")
                    .level(Level::Low)
                    .about(judged.function.clone());
                    self.found(told.review());
                }
            }
            Said::Refused(text) => {
                let code = text
                    .strip_prefix('[')
                    .and_then(|rest| rest.split_once(']'))
                    .and_then(|(code, _)| Code::find(code));
                let first = text.lines().next().unwrap_or_default();
                let first = first.split_once("] ").map_or(first, |(_, rest)| rest);
                let told = finding(
                    code.unwrap_or(Code::INVALID),
                    file,
                    &judged.span,
                    first.to_owned(),
                )
                .about(format!("{} {first}", judged.function));
                let rest: Vec<&str> = text.lines().skip(1).collect();
                self.found(match rest.is_empty() {
                    true => told,
                    false => told.note(rest.join("\n")),
                });
            }
        }
    }
}

/// The mends of a statement that is sent with sqlx alone, which knows no `$tenant`.
fn with_numbers(sql: &str, mut told: Finding) -> Finding {
    let mut bound = None;
    for help in &mut told.help {
        if let Some((text, number, new)) = numbered(sql, help) {
            *help = text;
            bound = Some((number, new));
        }
    }
    match bound {
        Some((number, true)) => told.help(format!(
            "`${number}` is the tenant of the verified token of this request: bind it behind the others"
        )),
        Some((number, false)) => told.help(format!(
            "`${number}` is the tenant of the verified token of this request"
        )),
        None => told,
    }
}

/// What is bound as the tenant, where nothing in it is called like one.
fn unnamed(schema: &Schema, binds: Option<&[Bind]>, tenant: &[u32]) -> Option<String> {
    let binds = binds?;
    let [number] = tenant else {
        return None;
    };
    let likely = likely(schema, Some(binds));
    if likely.iter().any(|group| group.contains(number)) {
        return None;
    }
    let bind = binds.get(usize::try_from(*number).ok()?.checked_sub(1)?)?;
    bind.names.first().cloned()
}

/// A statement and where it stands.
pub(super) struct Placed<'a> {
    pub(super) file: &'a FileFacts,
    pub(super) statement: &'a Statement,
    pub(super) candidate: &'a Candidate,
    /// Where it begins within its text.
    pub(super) offset: usize,
    /// Whether something that takes statements is known to take it.
    pub(super) taken: bool,
}

impl Placed<'_> {
    /// What is bound in it.
    pub(super) fn binds(&self) -> Option<&[Bind]> {
        let own = self.candidate.binds.as_deref();
        own.or(self.statement.binds.as_deref())
    }

    /// Where a part of the statement stands in its file.
    fn range(&self, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let literal = &self.candidate.literal;
        literal.place(&(self.offset + span.start..self.offset + span.end))
    }

    fn place(&self, span: Option<std::ops::Range<usize>>) -> Place {
        let range = match span {
            Some(span) => self.range(&span),
            None => self.candidate.literal.span.clone(),
        };
        let path = match &self.candidate.elsewhere {
            Some((path, _)) => path.clone(),
            None => self.file.shown.clone(),
        };
        Place::source(path, Some(range))
    }

    fn finding(&self, code: Code, span: Option<std::ops::Range<usize>>, message: &str) -> Finding {
        Finding::new(code, self.place(span), message)
    }

    /// What the prover says of it.
    fn of(&self, schema: &Schema, problem: &Diagnostic) -> Finding {
        let told = self.finding(problem.code, problem.span.clone(), &problem.message);
        let text = self
            .candidate
            .literal
            .value
            .get(self.offset..)
            .unwrap_or_default();
        let mut told = described(told, problem).about(format!("{} {}", key(text), problem.message));
        for (span, label) in &problem.secondary {
            told = told.also(self.range(span), Named::in_numbers(label));
        }
        let told = match &self.candidate.elsewhere {
            Some(_) => told.note(format!("it is sent in {}", self.file.shown)),
            None => told,
        };
        let span = problem.span.clone().unwrap_or_default();
        let name = text.get(span).unwrap_or_default();
        if told.code == Code::UNDECLARED && !schema.configured && lists_tenants(schema, name) {
            return told
                .note("it lists the tenants themselves: whether this row is the session's own can't be told")
                .level(Level::Low)
                .review();
        }
        weighed(schema, told, self.taken)
    }
}

/// Whether a statement reads or changes rows.
pub(super) fn is_data(sql: &str) -> bool {
    let mut rest = sql.trim_start();
    while let Some(comment) = rest.strip_prefix("--") {
        rest = comment
            .split_once('\n')
            .map_or("", |(_, after)| after)
            .trim_start();
    }
    while let Some(comment) = rest.strip_prefix("/*") {
        rest = comment
            .split_once("*/")
            .map_or("", |(_, after)| after)
            .trim_start();
    }
    let rest = rest.trim_start_matches('(').trim_start();
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    let data = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE",
    ];
    data.contains(&word.to_ascii_uppercase().as_str()) && super::setting::settings(sql).is_empty()
}

fn is_setting(statement: &Statement) -> bool {
    match &statement.text {
        Text::Literal(literal) => !super::setting::settings(&literal.value).is_empty(),
        _ => false,
    }
}

/// What tells a statement apart from others of its file.
pub(super) fn key(sql: &str) -> String {
    one_line(sql)
}

pub(super) fn one_line(sql: &str) -> String {
    sql.replace(GAP, "…")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
