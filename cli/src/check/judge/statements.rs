//! Statements: each one before the prover, with what is bound by hand taken into account.
//!
//! Without a configuration a statement that filters by its tenant names it as a parameter, and tables
//! without a tenant column are nobody's: what is only unknown needs review then, and only what surely
//! reaches foreign rows is a finding.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use watertight_analysis::finding::{Finding, Level, Place, Verdict, rule};
use watertight_analysis::prove::Grade;
use watertight_analysis::script::split;
use watertight_analysis::words::{Tier, classify};
use watertight_analysis::{
    Catalog, Code, Diagnostic, Proof, TenantBinding, on_kept_worker, prepare, prove,
};

use super::super::extract::TAKES_SQL;
use super::super::facts::{
    Bind, Executor, FileFacts, Hook, Judged, Origin, Statement, Text, Verdict as Said,
};
use super::super::literal::is_sql;
use super::super::schema::Schema;
use super::parameters::{Named, named, numbers};
use super::setting::GAP;
use super::texts::{Candidate, Resolved};
use super::{Judge, finding};

/// Codes that say for sure that foreign rows are reached.
const CERTAIN: [Code; 8] = [
    Code::UNPINNED,
    Code::OUTER_JOIN,
    Code::WRONG_PLACE,
    Code::FOREIGN_WRITE,
    Code::TENANT_ASSIGNED,
    Code::UPSERT,
    Code::MATERIALIZED,
    Code::DEFINER_VIEW,
];
/// Codes that say that something is not known, or that the text is no statement of PostgreSQL.
const UNSURE: [Code; 16] = [
    Code::SYNTAX,
    Code::TOO_LARGE,
    Code::NOT_ONE_STATEMENT,
    Code::NOT_UNDERSTOOD,
    Code::INVALID,
    Code::UNKNOWN_RELATION,
    Code::UNKNOWN_COLUMN,
    Code::AMBIGUOUS_COLUMN,
    Code::METADATA,
    Code::UNKNOWN_FUNCTION,
    Code::UNKNOWN_OPERATOR,
    Code::UNKNOWN_TYPE,
    Code::MIXED_PARAMETERS,
    Code::PARAMETER_GAP,
    Code::UNKNOWN_PARAMETER,
    Code::UNUSED_PARAMETER,
];
/// How many sets of parameters are tried as the tenant.
const TRIES: usize = 24;

/// What the prover says of a text.
#[derive(Clone, Debug)]
enum Outcome {
    Proved {
        grade: Grade,
        /// The parameters that carry the tenant.
        tenant: Vec<u32>,
        /// Whether nothing but a setting names the tenant.
        by_setting: bool,
    },
    Refused(Vec<Diagnostic>),
}

impl Judge<'_> {
    pub(super) fn statements(&mut self) {
        let workspace = self.workspace;
        let callers = self.callers();
        let mut known: HashMap<(*const Catalog, String, Vec<u32>), Outcome> = HashMap::new();
        for file in &workspace.files {
            let hooks = self.hooks(file.package);
            for statement in file.statements.iter().filter(|it| !it.test && !it.ours) {
                for text in self.written(file, statement) {
                    self.settings(file, statement, &text, hooks);
                }
                self.statement(file, statement, &callers, &mut known);
            }
            for judged in file.judged.iter().filter(|it| !it.test) {
                self.judged(file, judged);
            }
        }
        self.loose(&mut known);
    }

    /// Whether something that takes statements takes this one, as far as names tell.
    fn is_taken(&self, file: &FileFacts, statement: &Statement) -> bool {
        let last = statement
            .callee
            .last()
            .map(String::as_str)
            .unwrap_or_default();
        if statement.method {
            let drivers = [
                "sqlx",
                "tokio-postgres",
                "postgres",
                "deadpool-postgres",
                "bb8-postgres",
                "diesel",
                "sea-orm",
                "tokio_postgres",
            ];
            return self
                .workspace
                .package_of(file)
                .is_some_and(|package| drivers.iter().any(|it| package.depends_on(it)));
        }
        let absolute = self.names.absolute(file, &statement.callee);
        let last = absolute.last().map_or(last, String::as_str);
        (TAKES_SQL.contains(&last) || absolute.iter().any(|it| it == "QueryBuilder"))
            && (self.names.is_sqlx(file, &statement.callee)
                || absolute.iter().any(|it| it == "QueryBuilder"))
    }

    fn statement(
        &mut self,
        file: &FileFacts,
        statement: &Statement,
        callers: &HashMap<(usize, String), HashSet<usize>>,
        known: &mut HashMap<(*const Catalog, String, Vec<u32>), Outcome>,
    ) {
        let taken = self.is_taken(file, statement);
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
                        let outcome = self.outcome(&schema, sql, statement, known);
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

    fn outcome(
        &self,
        schema: &Schema,
        sql: &str,
        statement: &Statement,
        known: &mut HashMap<(*const Catalog, String, Vec<u32>), Outcome>,
    ) -> Outcome {
        let likely = likely(schema, statement.binds.as_deref());
        let key = (Arc::as_ptr(&schema.catalog), sql.to_owned(), likely.clone());
        if let Some(outcome) = known.get(&key) {
            return outcome.clone();
        }
        let outcome = judge(schema, sql, &likely);
        known.insert(key, outcome.clone());
        outcome
    }

    /// Tells what the prover says of a statement.
    fn told(
        &mut self,
        schema: &Schema,
        place: &Placed<'_>,
        sql: &str,
        outcome: Outcome,
        callers: &HashMap<(usize, String), HashSet<usize>>,
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
                let reason = match (tenant.as_slice(), by_setting, grade) {
                    ([], true, Grade::Rls) => {
                        "row-level security confines it to the tenant".to_owned()
                    }
                    ([], true, Grade::Predicate) => "it filters by the tenant's setting".to_owned(),
                    ([], false, _) => "it reaches no row of a tenant".to_owned(),
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
                    self.place(place, told);
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

    /// Tells where the tenant of a filter is an argument of a tool.
    fn caller_chooses(
        &mut self,
        place: &Placed<'_>,
        sql: &str,
        tenant: &[u32],
        callers: &HashMap<(usize, String), HashSet<usize>>,
    ) -> bool {
        let statement = place.statement;
        let Some(binds) = &statement.binds else {
            return false;
        };
        let function = statement
            .function
            .and_then(|at| place.file.functions.get(at));
        let chosen = tenant.iter().find_map(|number| {
            let bind = binds.get(usize::try_from(*number).ok()?.checked_sub(1)?)?;
            let by_caller = match bind.origin {
                Origin::Caller => true,
                Origin::Parameter(at) => function.is_some_and(|function| {
                    callers
                        .get(&(place.file.package, function.name.clone()))
                        .is_some_and(|positions| positions.contains(&at))
                }),
                Origin::Other => false,
            };
            by_caller.then(|| bind.clone())
        });
        let Some(bind) = chosen else {
            return false;
        };
        let told = finding(
            Code::CALLER_TENANT,
            place.file,
            &bind.span,
            "the tenant of this statement is an argument of a tool, so the caller chooses whose rows it reaches",
        )
        .note(format!("the statement: {}", one_line(sql)))
        .help("take the tenant from the verified token of this request")
        .about(key(sql));
        self.found(told);
        true
    }

    /// The parameters of functions that receive arguments of tools, by package and name.
    fn callers(&self) -> HashMap<(usize, String), HashSet<usize>> {
        let mut reached: HashMap<(usize, String), HashSet<usize>> = HashMap::new();
        loop {
            let before: usize = reached.values().map(HashSet::len).sum();
            for file in &self.workspace.files {
                for function in file.functions.iter().filter(|it| !it.test) {
                    let own = reached
                        .get(&(file.package, function.name.clone()))
                        .cloned()
                        .unwrap_or_default();
                    for call in &function.calls {
                        for (at, origin) in call.arguments.iter().enumerate() {
                            let by_caller = match origin {
                                Origin::Caller => true,
                                Origin::Parameter(position) => own.contains(position),
                                Origin::Other => false,
                            };
                            if by_caller {
                                let key = (file.package, call.name.clone());
                                reached.entry(key).or_default().insert(at);
                            }
                        }
                    }
                }
            }
            if reached.values().map(HashSet::len).sum::<usize>() == before {
                return reached;
            }
        }
    }

    /// What one of our macros said.
    fn judged(&mut self, file: &FileFacts, judged: &Judged) {
        match &judged.verdict {
            Said::Proved(by) => {
                self.clear(super::at(file, &judged.span), format!("proved, by {by}"));
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

    /// Files of statements that nothing names, migrations and seeds left out.
    fn loose(&mut self, known: &mut HashMap<(*const Catalog, String, Vec<u32>), Outcome>) {
        let workspace = self.workspace;
        for (path, text, package) in &workspace.loose {
            let shown = workspace.shown(path);
            let Some(schema) = self.schemas.get(*package).cloned() else {
                continue;
            };
            let lower = shown.to_lowercase();
            let apart = [
                "migration",
                "seed",
                "fixture",
                "test",
                "example",
                "dump",
                "demo",
            ];
            if self.verdicts.texts.iter().any(|(sent, _)| *sent == shown) {
                // It was judged where it is sent.
                continue;
            }
            let is_schema = schema.files.iter().any(|(_, file, _)| *file == shown)
                || text.to_ascii_uppercase().contains("CREATE ");
            if is_schema || apart.iter().any(|it| lower.contains(it)) {
                continue;
            }
            for range in split(text) {
                let Some(sql) = text.get(range.clone()) else {
                    continue;
                };
                if !is_data(sql) {
                    continue;
                }
                let key = (Arc::as_ptr(&schema.catalog), sql.to_owned(), Vec::new());
                let outcome = known
                    .entry(key)
                    .or_insert_with(|| judge(&schema, sql, &[]))
                    .clone();
                let place = |span: &std::ops::Range<usize>| {
                    Place::source(
                        shown.clone(),
                        Some(range.start + span.start..range.start + span.end),
                    )
                };
                self.verdicts.texts.push((shown.clone(), text.clone()));
                match outcome {
                    Outcome::Proved { .. } => {
                        self.clear(place(&(0..sql.len())), "it stays within the tenant");
                    }
                    Outcome::Refused(problems) => {
                        for problem in problems {
                            let span = problem.span.clone().unwrap_or(0..sql.len());
                            let told =
                                Finding::new(problem.code, place(&span), problem.message.clone());
                            let told = described(told, &problem).about(self::key(sql));
                            self.found(weighed(&schema, told, false));
                        }
                    }
                }
            }
        }
    }
}

/// A statement and where it stands.
struct Placed<'a> {
    file: &'a FileFacts,
    statement: &'a Statement,
    candidate: &'a Candidate,
    /// Where it begins within its text.
    offset: usize,
    /// Whether something that takes statements is known to take it.
    taken: bool,
}

impl Placed<'_> {
    fn place(&self, span: Option<std::ops::Range<usize>>) -> Place {
        let literal = &self.candidate.literal;
        let range = match span {
            Some(span) => literal.place(&(self.offset + span.start..self.offset + span.end)),
            None => literal.span.clone(),
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
        let told = described(told, problem).about(format!("{} {}", key(text), problem.message));
        let told = match &self.candidate.elsewhere {
            Some(_) => told.note(format!("it is sent in {}", self.file.shown)),
            None => told,
        };
        weighed(schema, told, self.taken)
    }
}

fn described(mut told: Finding, problem: &Diagnostic) -> Finding {
    let words = |text: &String| Named::in_numbers(text);
    told.message = Named::in_numbers(&told.message);
    told.notes = problem.notes.iter().map(words).collect();
    told.help = problem.help.iter().map(words).collect();
    told
}

/// How sure a refusal is, for a package that says what its tenant is and for one that does not.
fn weighed(schema: &Schema, told: Finding, taken: bool) -> Finding {
    let sure = CERTAIN.contains(&told.code);
    if !taken {
        // Whether it is sent at all is not known.
        return match sure {
            true => told
                .note("nothing that is known takes this statement")
                .review(),
            false => told.level(Level::Low).review(),
        };
    }
    match (sure, schema.configured) {
        (true, _) => told,
        (false, true) if !UNSURE.contains(&told.code) => told,
        _ if UNSURE.contains(&told.code) => told.level(Level::Low).review(),
        // What an error could tell, in a project that has other things to do first.
        (false, false) if told.code == Code::LEAKY_ERROR => told.level(Level::Low).review(),
        _ => {
            let level = rule(told.code).level.min(Level::Medium);
            told.level(level).review()
        }
    }
}

/// What is only unknown of one statement is one entry: what it is of first, the rest as notes.
fn merged(told: Vec<Finding>) -> Vec<Finding> {
    let (mut kept, unsure): (Vec<Finding>, Vec<Finding>) = told
        .into_iter()
        .partition(|it| it.verdict == Verdict::Finding);
    // A statement that reads the server's catalogs is about those.
    let first = unsure
        .iter()
        .position(|it| it.code == Code::METADATA)
        .or_else(|| {
            let worst = unsure.iter().map(|it| it.level).max();
            unsure.iter().position(|it| Some(it.level) == worst)
        });
    let mut unsure = unsure;
    if let Some(first) = first {
        let mut one = unsure.remove(first);
        for other in unsure.into_iter().take(4) {
            one.notes.push(format!("{}: {}", other.code, other.message));
        }
        kept.push(one);
    }
    kept
}

/// The parameters that are bound to something called like a tenant.
fn likely(schema: &Schema, binds: Option<&[Bind]>) -> Vec<u32> {
    let mut found = Vec::new();
    for (at, bind) in binds.unwrap_or_default().iter().enumerate() {
        let named = bind
            .names
            .iter()
            .any(|name| classify(name, &schema.extra).is_some_and(|it| it.tier == Tier::First));
        if named && let Ok(number) = u32::try_from(at + 1) {
            found.push(number);
        }
    }
    found
}

/// Asks the prover, first as the text is, then with parameters as the tenant.
fn judge(schema: &Schema, sql: &str, likely: &[u32]) -> Outcome {
    let numbers = numbers(sql);
    let mut sets: Vec<Vec<u32>> = vec![Vec::new()];
    let named: Vec<u32> = likely
        .iter()
        .filter(|it| numbers.contains(it))
        .copied()
        .collect();
    if !named.is_empty() {
        sets.push(named.clone());
    }
    sets.extend(
        numbers
            .iter()
            .map(|number| vec![*number])
            .filter(|it| *it != named),
    );
    let mut best: Option<Vec<Diagnostic>> = None;
    for tenant in sets.into_iter().take(TRIES) {
        match ask(schema, sql, &tenant) {
            Ok(proof) => {
                let protected = proof.occurrences.iter().any(|it| it.class == "protected");
                let setting = sql.to_lowercase().contains("current_setting");
                return Outcome::Proved {
                    grade: proof.grade,
                    by_setting: tenant.is_empty() && (protected || setting),
                    tenant,
                };
            }
            Err(problems) => {
                let problems = relevant(schema, sql, problems);
                if problems.is_empty() {
                    return Outcome::Proved {
                        grade: Grade::Predicate,
                        by_setting: false,
                        tenant,
                    };
                }
                // A filter that the tenant would satisfy leaves fewer problems, or others.
                if !named.is_empty() {
                    if tenant == named {
                        best = Some(problems);
                    }
                    continue;
                }
                let certain = |list: &[Diagnostic]| {
                    list.iter().filter(|it| CERTAIN.contains(&it.code)).count()
                };
                let better = best.as_ref().is_none_or(|best| {
                    (certain(&problems), problems.len()) < (certain(best), best.len())
                });
                if better {
                    best = Some(problems);
                }
            }
        }
    }
    Outcome::Refused(best.unwrap_or_default())
}

fn ask(schema: &Schema, sql: &str, tenant: &[u32]) -> Result<Proof, Vec<Diagnostic>> {
    // Where the parameters can't be read, the prover says why.
    let named = named(sql, tenant).unwrap_or_else(|| Named::plain(sql));
    let (catalog, text) = (Arc::clone(&schema.catalog), named.sql.clone());
    let judged = on_kept_worker(move || {
        prepare(&text, TenantBinding::LastParameter, catalog.config())
            .and_then(|prepared| prove(&catalog, &prepared))
    })
    .unwrap_or_else(|bug| Err(vec![*bug]));
    judged.map_err(|mut problems| {
        for problem in &mut problems {
            problem.span = problem.span.as_ref().map(|span| named.original(span));
        }
        problems
    })
}

/// Leaves out what is no fault where no configuration says what a tenant is.
fn relevant(schema: &Schema, sql: &str, problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if schema.configured {
        return problems;
    }
    let kept = problems.into_iter().filter(|problem| match problem.code {
        Code::UNDECLARED | Code::GLOBAL_WRITE => {
            let name = problem
                .span
                .clone()
                .and_then(|span| sql.get(span))
                .unwrap_or_default();
            belongs_to_tenants(&schema.catalog, name)
        }
        // Without migrations no table is known; that is told once.
        Code::UNKNOWN_RELATION | Code::UNKNOWN_COLUMN => schema.known,
        _ => true,
    });
    kept.collect()
}

/// Whether a table without a tenant column refers to one that has it.
fn belongs_to_tenants(catalog: &Catalog, name: &str) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    let bare = bare.split_whitespace().next().unwrap_or_default();
    let Some(relation) = catalog.relation(None, bare).found() else {
        return true;
    };
    let mut seen = HashSet::new();
    let mut pending = vec![relation.id];
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(relation) = catalog.get(id) else {
            continue;
        };
        for other in catalog.relations() {
            let refers = other.referenced_by.iter().any(|(by, _)| *by == relation.id);
            if refers {
                if other.tenant_column.is_some() {
                    return true;
                }
                pending.push(other.id);
            }
        }
    }
    false
}

/// Whether a statement reads or changes rows.
fn is_data(sql: &str) -> bool {
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
fn key(sql: &str) -> String {
    one_line(sql)
}

fn one_line(sql: &str) -> String {
    sql.replace(GAP, "…")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
