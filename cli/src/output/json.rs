//! One JSON object, for scripts: the same members whatever the command.

use std::io::Write;

use anyhow::Result;
use serde_json::{Map, Value, json};
use watertight_analysis::finding::{Clear, Finding, Place, rule};

use super::{Report, position};

/// Raised when a member changes its meaning or goes.
const VERSION: u32 = 1;

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    let about: Map<String, Value> = report
        .about
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    let findings: Vec<Value> = report.findings.iter().map(|f| finding(report, f)).collect();
    let suppressed: Vec<Value> = report
        .suppressed
        .iter()
        .map(|(found, reason)| {
            let mut value = finding(report, found);
            if let Some(object) = value.as_object_mut() {
                object.insert("reason".to_owned(), json!(reason));
            }
            value
        })
        .collect();
    let told = |list: &[Clear]| -> Vec<Value> {
        list.iter()
            .map(|clear| json!({ "place": place(report, &clear.place), "reason": clear.reason }))
            .collect()
    };
    let whole = json!({
        "version": VERSION,
        "command": report.command,
        "about": about,
        "summary": report.summary(),
        "findings": findings,
        "suppressed": suppressed,
        "clear": told(&report.clear),
        "not_applicable": told(&report.skipped),
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)?;
    Ok(())
}

fn finding(report: &Report, finding: &Finding) -> Value {
    let rule = rule(finding.code);
    json!({
        "code": finding.code.number(),
        "name": finding.code.name(),
        "verdict": finding.verdict.word(),
        "severity": finding.level.to_string(),
        "axis": finding.axis.to_string(),
        "message": finding.message,
        "place": place(report, &finding.place),
        "subject": finding.subject,
        "notes": finding.notes,
        "help": finding.help,
        "mend": finding.mend,
        "cwe": rule.cwe,
        "owasp": rule.owasp.id(),
        "fingerprint": finding.fingerprint(),
    })
}

fn place(report: &Report, place: &Place) -> Value {
    match place {
        Place::Object { kind, name } => json!({ "kind": kind, "name": name }),
        Place::Source { path, span } => {
            let text = report.sources.get(path).map_or("", String::as_str);
            let at = |offset: usize| {
                let (line, column) = position(text, offset);
                json!({ "line": line, "column": column })
            };
            json!({
                "kind": "file",
                "name": path,
                "start": span.map(|(start, _)| at(start)),
                "end": span.map(|(_, end)| at(end)),
            })
        }
    }
}
