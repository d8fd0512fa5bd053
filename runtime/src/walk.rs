//! The last look before a server starts: every published schema, in its final form, whoever wrote
//! the tool.
//!
//! The macros refuse most of this at compile time. The walk covers what they do not see: tools of
//! other crates, schemas written by hand, renaming by serde.
//!
//! Invariant: a finding is waived only by an exception that names its tool, its place and a reason.

use rmcp::model::Tool;
use serde_json::{Map, Value};
use watertight_analysis::schema_walk::{Finding, Rule, walk};
use watertight_analysis::words::Extra;

use crate::tool::{Exception, ExceptionKind};

/// A place of one tool's arguments where a rule is waived.
#[derive(Clone, Debug)]
pub(crate) struct Waiver {
    pub(crate) tool: String,
    pub(crate) place: Place,
    /// Listed in the log when the server starts.
    pub(crate) reason: String,
}

/// Which findings a waiver covers.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Everything at this path, as findings print it.
    Path(String),
    /// What an argument's own attribute waives.
    Attribute(Exception),
    /// Names that are a tenant's in some products: where the macro has judged them against the
    /// catalog, and no catalog is at hand here.
    Judged,
}

impl Waiver {
    fn covers(&self, tool: &str, finding: &Finding) -> bool {
        self.tool == tool
            && match &self.place {
                Place::Path(path) => *path == finding.path,
                Place::Judged => finding.rule == Rule::AmbiguousName,
                Place::Attribute(exception) => {
                    is_of_kind(exception.kind, finding.rule) && is_at(exception, finding)
                }
            }
    }
}

fn is_of_kind(kind: ExceptionKind, rule: Rule) -> bool {
    match kind {
        ExceptionKind::NotTenant => {
            matches!(rule, Rule::TenantName | Rule::AmbiguousName | Rule::Header)
        }
        ExceptionKind::Open => matches!(rule, Rule::OpenObject | Rule::FreeKeys | Rule::AnyValue),
    }
}

/// The finding lies in the argument, and at the field if the exception is about one. What is open
/// is open all the way down; a name is waived where it stands and nowhere else.
fn is_at(exception: &Exception, finding: &Finding) -> bool {
    let mut steps = finding
        .path
        .split('.')
        .map(|step| step.trim_end_matches("[]"));
    if steps.next() != Some(exception.argument) {
        return false;
    }
    match (exception.field, exception.kind) {
        (None, ExceptionKind::Open) => true,
        (Some(field), ExceptionKind::Open) => steps.any(|step| step == field),
        (None, _) => steps.next().is_none(),
        (Some(field), _) => steps.next_back() == Some(field),
    }
}

/// Every finding that no waiver covers, as a line each: the tool, the place, the rule and what to
/// do about it.
pub(crate) fn findings(tools: &[Tool], extra: &Extra, waivers: &[Waiver]) -> Vec<String> {
    tools
        .iter()
        .flat_map(|tool| findings_of(&tool.name, &tool.input_schema, extra, waivers))
        .collect()
}

/// The same for one thing that clients call, by the name of its records: a tool's is its own, a
/// resource's is `resource:ticket`.
pub(crate) fn findings_of(
    name: &str,
    schema: &Map<String, Value>,
    extra: &Extra,
    waivers: &[Waiver],
) -> Vec<String> {
    let covered = |finding: &Finding| waivers.iter().any(|waiver| waiver.covers(name, finding));
    walk(&Value::Object(schema.clone()), extra, &|_| false)
        .iter()
        .filter(|finding| !covered(finding))
        .map(|finding| line(name, finding))
        .collect()
}

fn line(tool: &str, finding: &Finding) -> String {
    let (place, path) = match finding.path.as_str() {
        "" => ("its arguments".to_owned(), ""),
        path => (format!("`{path}`"), path),
    };
    let Finding { rule, message, .. } = finding;
    let (kind, name) = tool.split_once(':').unwrap_or(("tool", tool));
    format!(
        "{kind} `{name}`, {place} ({rule}): {message}\n    help: take it out, or say \
         `.allow_argument(\"{tool}\", \"{path}\", \"why it names no tenant\")`"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &'static str, schema: &Value) -> Tool {
        Tool::new_with_raw(name, None, schema.as_object().unwrap().clone())
    }

    fn extra() -> Extra {
        Extra {
            tenant_column: "org_ref".into(),
            ..Extra::default()
        }
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "plan": { "type": "string" },
                "filter": { "$ref": "#/$defs/Filter" },
            },
            "additionalProperties": false,
            "$defs": { "Filter": {
                "type": "object",
                "properties": { "tenant_id": { "type": "string" }, "org_ref": { "type": "integer" } },
                "additionalProperties": false,
            } },
        })
    }

    #[test]
    fn a_finding_names_tool_path_and_rule() {
        let lines = findings(&[tool("list", &schema())], &extra(), &[]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("tool `list`, `filter.tenant_id` (tenant-name): "),
            "{lines:?}"
        );
        assert!(lines[1].contains("`filter.org_ref`"), "{lines:?}");
    }

    #[test]
    fn a_waiver_covers_its_own_place_alone() {
        let waiver = |tool: &str, path: &str| Waiver {
            tool: tool.into(),
            place: Place::Path(path.into()),
            reason: "x".into(),
        };
        let left =
            |waivers: &[Waiver]| findings(&[tool("list", &schema())], &extra(), waivers).len();
        assert_eq!(left(&[waiver("list", "filter.tenant_id")]), 1);
        assert_eq!(
            left(&[
                waiver("other", "filter.tenant_id"),
                waiver("list", "filter")
            ]),
            2
        );
        assert_eq!(
            left(&[
                waiver("list", "filter.tenant_id"),
                waiver("list", "filter.org_ref")
            ]),
            0
        );
    }

    #[test]
    fn an_open_argument_does_not_waive_a_name() {
        let exception = |field, kind| Waiver {
            tool: "list".into(),
            place: Place::Attribute(Exception {
                argument: "filter",
                field,
                kind,
                reason: "x",
            }),
            reason: "x".into(),
        };
        let left = |waiver| findings(&[tool("list", &schema())], &extra(), &[waiver]).len();
        assert_eq!(left(exception(None, ExceptionKind::Open)), 2);
        assert_eq!(left(exception(None, ExceptionKind::NotTenant)), 2);
        assert_eq!(
            left(exception(Some("tenant_id"), ExceptionKind::NotTenant)),
            1
        );
        assert_eq!(left(exception(Some("tenant_id"), ExceptionKind::Open)), 2);
    }

    #[test]
    fn open_doors_are_found() {
        let open = json!({ "type": "object", "properties": { "x": { "type": "object" } } });
        let lines = findings(&[tool("t", &open)], &extra(), &[]);
        assert!(
            lines
                .iter()
                .any(|line| line.contains("its arguments (open-object)")),
            "{lines:?}"
        );
        assert!(
            lines.iter().any(|line| line.contains("`x` (open-object)")),
            "{lines:?}"
        );
    }
}
