//! One JSON object, for scripts: the same members whatever the command. `docs/findings.schema.json` is
//! its schema.

use std::io::Write;

use anyhow::Result;
use serde_json::{Map, Value, json};
use watertight_analysis::finding::{Clear, Finding, Place, rule};

use super::clean::escaped;
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
    writeln!(out, "{}", escaped(&serde_json::to_string_pretty(&whole)?))?;
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
        "label": finding.label,
        "related": related(report, finding),
        "notes": finding.notes,
        "help": finding.help,
        "mend": finding.mend,
        "cwe": rule.cwe,
        "owasp": rule.owasp.id(),
        "fingerprint": finding.fingerprint(),
    })
}

/// Further places of the same file.
fn related(report: &Report, finding: &Finding) -> Vec<Value> {
    let Place::Source { path, .. } = &finding.place else {
        return Vec::new();
    };
    let text = report.sources.get(path).map_or("", String::as_str);
    let also = finding.also.iter();
    also.map(|((start, end), label)| {
        json!({ "start": at(text, *start), "end": at(text, *end), "label": label })
    })
    .collect()
}

/// Line and column, from one.
fn at(text: &str, offset: usize) -> Value {
    let (line, column) = position(text, offset);
    json!({ "line": line, "column": column })
}

fn place(report: &Report, place: &Place) -> Value {
    match place {
        Place::Object { kind, name } => json!({ "kind": kind, "name": name }),
        Place::Source { path, span } => {
            let text = report.sources.get(path).map_or("", String::as_str);
            json!({
                "kind": "file",
                "name": path,
                "start": span.map(|(start, _)| at(text, start)),
                "end": span.map(|(_, end)| at(text, end)),
            })
        }
    }
}
