//! SARIF 2.1.0: rules with their pages as help, CWE and OWASP MCP as taxonomies, fingerprints that
//! stay. Code scanning shows only what has a file, so an object of a database is anchored in the
//! migration that makes it, and named as a logical location beside.
//!
//! GitHub shows every result as an open alert, whatever its `kind` or `suppressions` say, so what is
//! suppressed or not applicable is a notification of the run.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};
use watertight_analysis::Code;
use watertight_analysis::explain;
use watertight_analysis::finding::{Finding, Level, Owasp, Place, Verdict, rule};

use super::clean::{clean, escaped, one_line};
use super::repository::uri;
use super::{Report, position};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    let mut codes: Vec<Code> = report.findings.iter().map(|it| it.code).collect();
    codes.sort();
    codes.dedup();
    let mut cwes: Vec<u32> = codes
        .iter()
        .flat_map(|code| rule(*code).cwe)
        .copied()
        .collect();
    cwes.sort_unstable();
    cwes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| descriptor(*code)).collect();
    // The same finding twice in a file is told apart by its turn, as GitHub's own fingerprints do.
    let mut turns: HashMap<String, usize> = HashMap::new();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let turn = turns.entry(finding.fingerprint()).or_default();
            *turn += 1;
            result(report, finding, &codes, *turn)
        })
        .collect();
    let skipped = report.skipped.iter().map(|one| {
        let text = format!("{}: {}", one.place, one.reason);
        json!({ "level": "none", "message": { "text": one_line(&text) } })
    });
    let suppressed = report.suppressed.iter().map(|(finding, reason)| {
        let text = format!("{} {}: suppressed: {reason}", finding.code, finding.place);
        json!({
            "level": "none",
            "message": { "text": one_line(&text) },
            "properties": { "rule": finding.code.number(), "fingerprint": finding.fingerprint() },
        })
    });
    let notifications: Vec<Value> = skipped.chain(suppressed).collect();
    let whole = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "watertight",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
                "supportedTaxonomies": [{ "name": "CWE" }, { "name": "OWASP MCP Top 10" }],
            }},
            "automationDetails": { "id": format!("watertight/{}/", report.command) },
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notifications }],
            "taxonomies": [
                {
                    "name": "CWE",
                    "organization": "MITRE",
                    "shortDescription": { "text": "Common Weakness Enumeration" },
                    "taxa": cwes.iter().map(|id| json!({ "id": id.to_string() })).collect::<Vec<_>>(),
                },
                {
                    "name": "OWASP MCP Top 10",
                    "organization": "OWASP",
                    "version": "2025",
                    "shortDescription": { "text": "The ten risks of MCP servers" },
                    "taxa": Owasp::ALL.iter().map(|entry| json!({ "id": entry.id(), "name": entry.title() })).collect::<Vec<_>>(),
                },
            ],
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    });
    writeln!(out, "{}", escaped(&serde_json::to_string_pretty(&whole)?))?;
    Ok(())
}

fn level(level: Level) -> &'static str {
    match level {
        Level::High => "error",
        Level::Medium => "warning",
        Level::Low => "note",
    }
}

fn descriptor(code: Code) -> Value {
    let rule = rule(code);
    // What code scanning sorts by: its bounds are 9, 7 and 4.
    let severity = match rule.level {
        Level::High => "8.0",
        Level::Medium => "5.5",
        Level::Low => "2.0",
    };
    let page = explain::page(code);
    let mut tags = vec!["security".to_owned(), "multi-tenant".to_owned()];
    tags.extend(
        rule.cwe
            .iter()
            .map(|cwe| format!("external/cwe/cwe-{cwe:03}")),
    );
    tags.push(format!("owasp-mcp/{}", rule.owasp.id()));
    let relation = |id: String, name: &str| json!({ "target": { "id": id, "toolComponent": { "name": name } }, "kinds": ["superset"] });
    let mut relations: Vec<Value> = rule
        .cwe
        .iter()
        .map(|cwe| relation(cwe.to_string(), "CWE"))
        .collect();
    relations.push(relation(rule.owasp.id().to_owned(), "OWASP MCP Top 10"));
    json!({
        "id": code.number(),
        "name": code.name(),
        "shortDescription": { "text": code.summary() },
        "fullDescription": { "text": code.summary() },
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": level(rule.level) },
        "relationships": relations,
        "properties": {
            "tags": tags,
            "precision": "high",
            "security-severity": severity,
            "axis": rule.axis.to_string(),
        },
    })
}

fn result(report: &Report, finding: &Finding, codes: &[Code], turn: usize) -> Value {
    let mut text = vec![clean(&finding.message).into_owned()];
    text.extend(report.told(finding));
    let anchor = report.anchor(finding);
    let mut region = json!({ "startLine": anchor.line });
    if let Some((column, last, after)) = anchor.columns {
        region = json!({ "startLine": anchor.line, "startColumn": column, "endLine": last, "endColumn": after });
    }
    let mut location = json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(&anchor.file) }, "region": region }
    });
    if let Place::Object { kind, name } = &finding.place
        && let Some(object) = location.as_object_mut()
    {
        let logical = json!([{ "fullyQualifiedName": name, "kind": kind }]);
        object.insert("logicalLocations".to_owned(), logical);
    }
    let kind = match finding.verdict {
        Verdict::Finding => "fail",
        Verdict::NeedsReview => "review",
    };
    // A result that is not a failure has no level of its own in the format.
    let level = match finding.verdict {
        Verdict::Finding => level(finding.level),
        Verdict::NeedsReview => "none",
    };
    let print = finding.fingerprint();
    json!({
        "ruleId": finding.code.number(),
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "kind": kind,
        "level": level,
        "message": { "text": text.join("\n") },
        "locations": [location],
        "relatedLocations": related(report, finding, &anchor.file),
        // The second is the one that GitHub goes by; its own, of the line's text, would take two objects
        // that are made in one file for the same.
        "partialFingerprints": {
            "watertight/v1": print,
            "primaryLocationLineHash": format!("{print}:{turn}"),
        },
        "properties": { "severity": finding.level.to_string(), "axis": finding.axis.to_string() },
    })
}

/// Further places of the same file.
fn related(report: &Report, finding: &Finding, file: &str) -> Vec<Value> {
    let Place::Source { path, .. } = &finding.place else {
        return Vec::new();
    };
    let Some(source) = report.sources.get(path) else {
        return Vec::new();
    };
    let also = finding.also.iter().enumerate();
    also.map(|(number, ((start, end), label))| {
        let ((line, column), (last, after)) = (position(source, *start), position(source, *end));
        json!({
            "id": number,
            "message": { "text": clean(label) },
            "physicalLocation": {
                "artifactLocation": { "uri": uri(file) },
                "region": { "startLine": line, "startColumn": column, "endLine": last, "endColumn": after },
            },
        })
    })
    .collect()
}
