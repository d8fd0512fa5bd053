//! `audit verify`: one trail after the other, each told as soon as it is known.
//!
//! Invariant: what is wrong with one tenant's trail hides nothing of another's.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::DateTime;
use serde_json::{Value, json};
use watertight_audit::{ERASED, Finding, KeyId, KeyRing, Shown};

use super::access::Reader;
use super::anchor::Published;
use super::args::{VerifyArgs, VerifyFormat};
use super::keys::keys;
use super::trail::{self, TABLE, Verdict};

/// The exit status when something is not as it was written.
pub(super) const TAMPERED: u8 = 1;
/// The exit status when something could not be read.
const UNREADABLE: u8 = 2;
/// Lines of one sort that are printed of a tenant; all are counted.
const SHOWN: usize = 100;

pub(super) async fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let keys = keys(&args.key_file)?;
    let published = Published::read(&args.anchor)?;
    let mut reader = Reader::open(&args.database).await?;
    let tenants = tenants(&mut reader, args, &published).await?;
    let text = args.format == VerifyFormat::Text;
    let (mut document, mut tampered) = (Vec::new(), false);
    let (mut verified, mut missing) = (0, false);
    let mut unreadable = !published.unreadable.is_empty();
    if text && tenants.is_empty() {
        println!("no trail");
    }
    for tenant in tenants {
        // What fails is undone up to here; the snapshot stays the same.
        reader.run("SAVEPOINT trail".to_owned()).await?;
        let heads = published.of(&tenant);
        match trail::verify(&mut reader, TABLE, &keys, &tenant, &heads).await {
            Ok(verdict) => {
                tampered |= !verdict.is_right();
                unreadable |= !verdict.unknown.is_empty();
                verified += verdict.calls + verdict.writes;
                missing |= !verdict.is_clean();
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
    // Whatever somebody did to the table, it was not likely done to all of it.
    let wrong_key = missing && verified == 0;
    match text {
        true => {
            if wrong_key {
                println!("{}", wrong(&keys));
            }
            notes(&keys, &published, anchored);
        }
        false => {
            let ids = keys.ids().map(|(id, _)| id.to_string());
            let document = json!({
                "anchored": anchored,
                "keys": ids.collect::<Vec<_>>(),
                "note": wrong_key.then(|| wrong(&keys)),
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

/// Records that no given key is for.
fn unknown(key: Option<&KeyId>, records: u64) -> String {
    let under = match key {
        Some(key) => format!("under the key {key}, which is"),
        None => "of writes, under keys that are".to_owned(),
    };
    let records = number(records, "record");
    format!("{records} {under} not among those given: nothing can be said of them")
}

/// That nothing at all verified.
fn wrong(keys: &KeyRing) -> String {
    let ids: Vec<String> = keys.ids().map(|(id, _)| id.to_string()).collect();
    format!(
        "note: nothing at all verifies under the key given ({}): it is probably another trail's, or from before or \
         after another one came into use",
        ids.join(", ")
    )
}

fn erased(at: i64) -> String {
    let at = DateTime::from_timestamp_micros(at).map(|at| at.format("%Y-%m-%d %H:%M UTC"));
    let at = at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
    format!("the trail up to {at} was erased by a holder of the key")
}

/// The first of them; whoever writes to the table may have made millions.
fn few(lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(SHOWN);
    for line in lines.take(SHOWN) {
        println!("  {line}");
    }
    if more > 0 {
        println!("  … and {more} more");
    }
}

pub(super) fn print(verdict: &Verdict) {
    let nothing = verdict.calls == 0 && verdict.writes == 0;
    let word = match verdict.is_clean() {
        true if verdict.erased.is_some() && nothing => "erased  ",
        true => "ok      ",
        false if verdict.is_right() => "UNKNOWN ",
        false => "TAMPERED",
    };
    println!(
        "{word} tenant {}: {} in {}, and {}, as they were written",
        Shown(&verdict.tenant),
        number(verdict.calls, "call"),
        number(verdict.chains, "chain"),
        number(verdict.writes, "write"),
    );
    let unkeyed = verdict.unkeyed.iter().map(|(w, n)| unkeyed(w, *n));
    let unknown = verdict
        .unknown
        .iter()
        .map(|(key, n)| unknown(key.as_ref(), *n));
    few(unkeyed);
    few(unknown);
    few(verdict.findings.iter().map(Finding::to_string));
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

fn notes(keys: &KeyRing, published: &Published, anchored: bool) {
    for (id, _) in keys.ids().filter(|(_, ended)| !ended) {
        println!(
            "note: the earlier key {id} has no end: nothing would show that it was used after another one came into use; \
             write `until` and a time behind it"
        );
    }
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
        "unknown": verdict.unknown.iter().map(|(key, n)| unknown(key.as_ref(), *n)).collect::<Vec<_>>(),
    })
}
