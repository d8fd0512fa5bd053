//! What every command that reports shares: formats, colours, rules denied and allowed, suppressions,
//! baselines, the exit status.
//!
//! Invariant: what is not told has a reason that is, and a suppression that suppresses nothing, has
//! expired or gives no reason is itself a finding.

mod baseline;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Place, sort};
use watertight_analysis::words::reason_problem;

use crate::output::{Format, Report};
use crate::paint::Paint;
use crate::project;

/// The file of suppressions, beside the configuration.
pub(crate) const SUPPRESSIONS: &str = "watertight-suppressions.toml";

/// How a report is told, and what of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct Manners {
    /// What the output is
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Fail on this rule even where it only needs a low review; repeat it for several
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub(crate) deny: Vec<Code>,
    /// Leave this rule out; repeat it for several
    #[arg(long, value_name = "CODE", value_parser = allowed_rule)]
    pub(crate) allow: Vec<Allowed>,
    /// Tell only what is not in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write what is found now as a baseline, and succeed
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Suppressions, each with a reason [default: watertight-suppressions.toml beside the
    /// configuration]
    #[arg(long, value_name = "FILE")]
    pub(crate) suppressions: Option<PathBuf>,
}

/// What `--allow` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// A rule, which is left out.
    Rule(Code),
    /// For `scan` alone: a tool, which may be called.
    Tool(String),
}

fn code(text: &str) -> Result<Code, String> {
    Code::find(text)
        .ok_or_else(|| format!("there is no rule `{text}`; `cargo watertight explain` lists them"))
}

fn allowed_rule(text: &str) -> Result<Allowed, String> {
    code(text).map(Allowed::Rule)
}

/// A rule where there is one of that name; else a tool, which only the server can tell.
#[cfg(feature = "scan")]
pub(crate) fn rule_or_tool(text: &str) -> Result<Allowed, String> {
    Ok(match Code::find(text) {
        Some(code) => Allowed::Rule(code),
        None => Allowed::Tool(text.to_owned()),
    })
}

/// `watertight-suppressions.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppressions {
    #[serde(default)]
    suppress: Vec<Suppression>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppression {
    /// The rule.
    code: String,
    /// The name of the object or file, where `*` stands for any text.
    at: String,
    /// Why it is accepted.
    #[serde(default)]
    reason: String,
    /// The last day on which it counts, as `2027-06-30`; a date of TOML or a text.
    expires: Option<Day>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Day {
    Text(String),
    Date(toml::value::Datetime),
}

impl Day {
    /// The day as text that sorts as days do.
    fn text(&self) -> Result<String> {
        let text = match self {
            Day::Text(text) => text.clone(),
            Day::Date(date) => date.to_string(),
        };
        if !is_day(&text) {
            bail!("`{text}` is no day of the calendar; write it as \"2027-06-30\"");
        }
        Ok(text)
    }
}

impl Manners {
    /// Tells the report. `base` is the folder of the configuration.
    pub(crate) fn finish(&self, mut report: Report, base: &Path) -> Result<ExitCode> {
        report
            .findings
            .retain(|finding| !self.allow.contains(&Allowed::Rule(finding.code)));
        accept(&mut report, self.suppressions.as_deref(), base)?;
        if let Some(file) = &self.write_baseline {
            baseline::write(&report.findings, file)?;
            eprintln!("wrote {}", file.display());
        }
        if let Some(file) = &self.baseline {
            let gone = baseline::apply(&mut report, file)?;
            if gone > 0 && !report.partial {
                eprintln!(
                    "{gone} of `{}` {} gone; --write-baseline writes it without",
                    file.display(),
                    if gone == 1 { "is" } else { "are" }
                );
            }
        }
        sort(&mut report.findings);
        let mut out = std::io::stdout().lock();
        report.write(&mut out, self.format, Paint::stdout())?;
        out.flush()?;
        let fails = |finding: &Finding| finding.fails() || self.deny.contains(&finding.code);
        let fails = self.write_baseline.is_none() && report.findings.iter().any(fails);
        Ok(if fails {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Applies the suppressions of this file, else of the one in the folder of the configuration.
pub(crate) fn accept(report: &mut Report, file: Option<&Path>, base: &Path) -> Result<()> {
    let usual = base.join(SUPPRESSIONS);
    match file.or(Some(usual.as_path()).filter(|file| file.exists())) {
        Some(file) => suppress(report, file, today()),
        None => Ok(()),
    }
}

/// Takes out what is suppressed, and tells of suppressions that are not as they should be.
fn suppress(report: &mut Report, file: &Path, today: String) -> Result<()> {
    let text = project::read(file)?;
    let given: Suppressions =
        toml::from_str(&text).map_err(|error| anyhow::anyhow!("`{}`: {error}", file.display()))?;
    let shown = file.file_name().map_or_else(
        || file.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let mut problems = Vec::new();
    for one in &given.suppress {
        let Some(code) = Code::find(&one.code) else {
            bail!(
                "`{}`: there is no rule `{}`; `cargo watertight explain` lists them",
                file.display(),
                one.code
            );
        };
        let mut problem = |what: String| {
            let place = Place::source(shown.clone(), None);
            let message = format!("the suppression of {code} at `{}` {what}", one.at);
            problems.push(
                Finding::new(Code::SUPPRESSION, place, message)
                    .about(format!("{code} {}", one.at))
                    .review(),
            );
        };
        if let Some(why) = reason_problem(&one.reason) {
            problem(match why {
                "is empty" => "gives no reason, so it does not count".to_owned(),
                why => format!("gives a reason that {why}, so it does not count"),
            });
            continue;
        }
        if let Some(day) = &one.expires {
            let day = day
                .text()
                .with_context(|| format!("`{}`: `expires` of {code}", file.display()))?;
            if day < today {
                problem(format!("expired on {day}, so it does not count"));
                continue;
            }
        }
        let (gone, kept): (Vec<Finding>, Vec<Finding>) = std::mem::take(&mut report.findings)
            .into_iter()
            .partition(|finding| finding.code == code && matches(&one.at, finding.place.name()));
        report.findings = kept;
        if gone.is_empty() && !report.partial && concerns(report.command, code, &one.at) {
            problem("suppresses nothing: take it out".to_owned());
        }
        let reason = |finding| (finding, one.reason.clone());
        report.suppressed.extend(gone.into_iter().map(reason));
    }
    report.findings.extend(problems);
    Ok(())
}

/// Whether a command could have found this: one file of suppressions serves all of them, and what one
/// has no use for may be another's.
fn concerns(command: &str, code: Code, at: &str) -> bool {
    let of_source = at.contains('/')
        || [".rs", ".sql", ".ts", ".js", ".py", ".toml"]
            .iter()
            .any(|end| at.ends_with(end));
    match (command, code.number().get(..3).unwrap_or_default()) {
        ("attack", "W11") | ("scan", "W13") => true,
        ("check", "W12") => of_source || at.contains('*'),
        ("doctor", "W10") => !of_source,
        (_, "W11" | "W12" | "W13") => false,
        ("check", _) => of_source,
        ("doctor", _) => !of_source,
        _ => false,
    }
}

/// Whether `name` is what `pattern` says, where `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

fn is_day(text: &str) -> bool {
    let digits = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit())
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, date] = parts.as_slice() else {
        return false;
    };
    if !digits(year, 4) || !digits(month, 2) || !digits(date, 2) {
        return false;
    }
    let number = |part: &str| part.parse::<u64>().unwrap_or_default();
    let (year, month, date) = (number(year), number(month), number(date));
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&date)
}

/// Today in UTC, as `2027-06-30`.
pub(crate) fn today() -> String {
    now().0
}

/// Today in UTC, the second of the day, and the seconds since 1970.
pub(crate) fn now() -> (String, u64, u64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    (day(seconds / 86_400), seconds % 86_400, seconds)
}

/// The day of the civil calendar, `days` after 1970-01-01: years that begin in March.
fn day(days: u64) -> String {
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_819), "2027-01-01");
    }

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert!(is_day("2027-06-30") && is_day("2028-02-29") && is_day("2000-02-29"));
        for text in [
            "2027-02-29",
            "2027-06-31",
            "2027-13-01",
            "2027-00-10",
            "2027-6-30",
            "1900-02-29",
            "soon",
        ] {
            assert!(!is_day(text), "{text}");
        }
    }

    /// What the file says of one finding, on this day: how many are left, and what is told of the file.
    fn suppressed(text: &str, today: &str) -> Result<(usize, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SUPPRESSIONS);
        std::fs::write(&file, text).unwrap();
        let place = Place::object("table", "public.plans");
        let mut report = Report {
            command: "doctor",
            findings: vec![Finding::new(Code::RLS_OFF, place, "m")],
            ..Report::default()
        };
        suppress(&mut report, &file, today.to_owned())?;
        let (of_file, left): (Vec<_>, Vec<_>) = report
            .findings
            .into_iter()
            .partition(|it| it.code == Code::SUPPRESSION);
        Ok((
            left.len(),
            of_file.into_iter().map(|it| it.message).collect(),
        ))
    }

    #[test]
    fn a_suppression_counts_to_the_end_of_its_last_day() {
        for expires in ["\"2027-06-30\"", "2027-06-30"] {
            let text = format!(
                "[[suppress]]\ncode = \"W1010\"\nat = \"public.plans\"\nreason = \"the price list\"\nexpires = {expires}\n"
            );
            assert_eq!(suppressed(&text, "2027-06-29").unwrap(), (0, Vec::new()));
            assert_eq!(suppressed(&text, "2027-06-30").unwrap(), (0, Vec::new()));
            let (left, told) = suppressed(&text, "2027-07-01").unwrap();
            assert_eq!(left, 1);
            assert!(told[0].contains("expired on 2027-06-30"), "{told:?}");
        }
        let never = "[[suppress]]\ncode = \"W1010\"\nat = \"public.plans\"\nreason = \"the price list\"\nexpires = \"2027-02-30\"\n";
        let error = suppressed(never, "2027-01-01").unwrap_err();
        assert!(
            format!("{error:#}").contains("no day of the calendar"),
            "{error:#}"
        );
    }

    #[test]
    fn a_placeholder_is_no_reason() {
        for (reason, wanted) in [
            ("", "no reason"),
            ("…", "no reason"),
            ("TODO", "placeholder"),
            ("false positive", "placeholder"),
        ] {
            let text =
                format!("[[suppress]]\ncode = \"rls-off\"\nat = \"*\"\nreason = \"{reason}\"\n");
            let (left, told) = suppressed(&text, "2027-01-01").unwrap();
            assert_eq!(left, 1, "{reason}");
            assert!(told[0].contains(wanted), "{reason}: {told:?}");
        }
    }

    #[test]
    fn a_suppression_is_the_business_of_the_command_that_could_find_it() {
        assert!(concerns("check", Code::DYNAMIC_SQL, "src/db.rs"));
        assert!(concerns("check", Code::RLS_OFF, "migrations/1_a.sql"));
        assert!(!concerns("check", Code::RLS_OFF, "public.notes"));
        assert!(concerns("doctor", Code::RLS_OFF, "public.notes"));
        assert!(!concerns("doctor", Code::DYNAMIC_SQL, "src/db.rs"));
        assert!(!concerns("doctor", Code::UNDECLARED, "tests/a.sql"));
        assert!(concerns("doctor", Code::UNDECLARED, "public.*"));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("public.plans", "public.plans"));
        assert!(matches("public.*", "public.plans"));
        assert!(matches("*.pl*s", "public.plans"));
        assert!(!matches("public.plan", "public.plans"));
        assert!(!matches("public.*x", "public.plans"));
    }
}
