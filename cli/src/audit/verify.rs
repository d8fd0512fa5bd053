//! `audit verify`: one trail after the other, each told as soon as it is known.
//!
//! Invariant: what is wrong with one tenant's trail hides nothing of another's.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::DateTime;
use serde_json::{Value, json};
use watertight_audit::{ERASED, Finding, Shown};

use super::access::{Reader, key};
use super::anchor::Published;
use super::args::{VerifyArgs, VerifyFormat};
use super::trail::{self, TABLE, Verdict};

/// The exit status when something is not as it was written.
pub(super) const TAMPERED: u8 = 1;
/// The exit status when something could not be read.
const UNREADABLE: u8 = 2;
/// Findings of a tenant that are printed; all are counted.
const SHOWN: usize = 100;

pub(super) async fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let key = key(args.key_file.as_deref())?;
    let published = Published::read(&args.anchor)?;
    let mut reader = Reader::open(&args.database).await?;
    let tenants = tenants(&mut reader, args, &published).await?;
    let text = args.format == VerifyFormat::Text;
    let (mut document, mut tampered) = (Vec::new(), false);
    let mut unreadable = !published.unreadable.is_empty();
    if text && tenants.is_empty() {
        println!("no trail");
    }
    for tenant in tenants {
        // What fails is undone up to here; the snapshot stays the same.
        reader.run("SAVEPOINT trail".to_owned()).await?;
        let heads = published.of(&tenant);
        match trail::verify(&mut reader, TABLE, &key, &tenant, &heads).await {
            Ok(verdict) => {
                tampered |= !verdict.is_clean();
                match text {
                    true => print(&verdict),
                    false => document.push(of(&verdict)),
                }
            }
            Err(error) => {
                unreadable = true;
                let error = format!("{error:#}");
                match text {
                    true => println!("UNKNOWN  tenant {}: {}", Shown(&tenant), Line(&error)),
                    false => document.push(json!({ "tenant": tenant, "error": error })),
                }
                reader.run("ROLLBACK TO trail".to_owned()).await?;
            }
        }
    }
    let anchored = !args.anchor.is_empty();
    match text {
        true => notes(&published, anchored),
        false => {
            let document = json!({
                "anchored": anchored,
                "torn_lines_of_anchor": published.torn,
                "unreadable_lines_of_anchor": published.unreadable,
                "tenants": document,
            });
            println!("{document:#}");
        }
    }
    Ok(match (tampered, unreadable) {
        (true, _) => ExitCode::from(TAMPERED),
        (false, true) => ExitCode::from(UNREADABLE),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Whose trails are verified: the named ones, or all that the table or the anchor knows.
async fn tenants(
    reader: &mut Reader,
    args: &VerifyArgs,
    published: &Published,
) -> Result<BTreeSet<String>> {
    if !args.tenant.is_empty() {
        return Ok(args.tenant.iter().cloned().collect());
    }
    if !reader.reads_all {
        bail!(
            "this role reads one tenant's trail at a time: name it with --tenant, or log in as a role with BYPASSRLS"
        );
    }
    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT tenant_id FROM watertight.audit UNION SELECT tenant_id FROM watertight.audit_floor",
    )
    .fetch_all(&mut reader.connection)
    .await?;
    let published = published.heads.iter().map(|head| head.tenant.clone());
    let mut tenants: BTreeSet<String> = stored.into_iter().chain(published).collect();
    // What an erased trail left is looked for with its tenant.
    tenants.retain(|tenant| !tenant.starts_with(ERASED));
    Ok(tenants)
}

/// An error in one line: the server's own may quote what is in the table.
struct Line<'a>(&'a str);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut letters = self.0.chars().take(500);
        letters.try_for_each(|letter| match letter {
            '\'' | '"' => write!(f, "{letter}"),
            _ => write!(f, "{}", letter.escape_debug()),
        })
    }
}

fn number(of: u64, what: &str) -> String {
    match of {
        1 => format!("1 {what}"),
        _ => format!("{of} {what}s"),
    }
}

fn unkeyed(writer: &str, records: u64) -> String {
    let of = match writer {
        "" => "of writes, or of no writer".to_owned(),
        writer => format!("of writer {}", Shown(writer)),
    };
    format!(
        "without a MAC: {} {of}; written by a server without a key, or inserted",
        number(records, "record"),
    )
}

fn erased(at: i64) -> String {
    let at = DateTime::from_timestamp_micros(at).map(|at| at.format("%Y-%m-%d %H:%M UTC"));
    let at = at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
    format!("the trail up to {at} was erased by a holder of the key")
}

pub(super) fn print(verdict: &Verdict) {
    let nothing = verdict.calls == 0 && verdict.writes == 0;
    let word = match verdict.is_clean() {
        true if verdict.erased.is_some() && nothing => "erased  ",
        true => "ok      ",
        false => "TAMPERED",
    };
    println!(
        "{word} tenant {}: {} in {}, and {}, as they were written",
        Shown(&verdict.tenant),
        number(verdict.calls, "call"),
        number(verdict.chains, "chain"),
        number(verdict.writes, "write"),
    );
    for (writer, records) in &verdict.unkeyed {
        println!("  {}", unkeyed(writer, *records));
    }
    for finding in verdict.findings.iter().take(SHOWN) {
        println!("  {finding}");
    }
    if let Some(more @ 1..) = verdict.findings.len().checked_sub(SHOWN) {
        println!("  … and {more} more");
    }
    if let Some(at) = verdict.erased {
        println!("  note: {}", erased(at));
    }
    if verdict.unsealed > 0 {
        println!(
            "  note: {} without a record of the call: it is still under way, or its process ended first; \
             nothing would show that one of these was removed",
            number(verdict.unsealed, "write")
        );
    }
}

fn notes(published: &Published, anchored: bool) {
    for place in &published.torn {
        println!("note: {place} has no end: a crash or a full disk cut the line off");
    }
    for place in &published.unreadable {
        println!("UNREADABLE {place} is not a head of a chain");
    }
    if !anchored {
        println!(
            "note: without --anchor nothing can tell whether the newest records of a chain were cut off"
        );
    }
}

fn of(verdict: &Verdict) -> Value {
    let unkeyed = verdict.unkeyed.iter().map(|(w, n)| unkeyed(w, *n));
    let findings = verdict.findings.iter().map(Finding::to_string);
    json!({
        "tenant": verdict.tenant,
        "clean": verdict.is_clean(),
        "chains": verdict.chains,
        "calls": verdict.calls,
        "writes": verdict.writes,
        "writes_without_call": verdict.unsealed,
        "erased": verdict.erased.map(erased),
        "findings": findings.chain(unkeyed).collect::<Vec<_>>(),
    })
}
