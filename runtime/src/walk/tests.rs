//! What the walk finds, and what a waiver covers.

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
    let lines = findings(&[tool("list", &schema())], &extra(), &[], &[]);
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
        |waivers: &[Waiver]| findings(&[tool("list", &schema())], &extra(), &[], waivers).len();
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
    let left = |waiver| findings(&[tool("list", &schema())], &extra(), &[], &[waiver]).len();
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
    let lines = findings(&[tool("t", &open)], &extra(), &[], &[]);
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

#[test]
fn an_annotation_near_what_the_authenticator_reads() {
    let annotated = |header: &str| {
        let schema = json!({
            "type": "object",
            "properties": { "x": { "type": "string", "x-mcp-header": header } },
            "additionalProperties": false,
        });
        let waiver = Waiver {
            tool: "t".into(),
            place: Place::Path("x".into()),
            reason: "x".into(),
        };
        findings(
            &[tool("t", &schema)],
            &extra(),
            &["x-desk".into()],
            &[waiver],
        )
    };
    for header in [
        "Desk",
        "X-Desk",
        "desk-id",
        "Mcp-Param-X_DESK",
        "Authorization",
    ] {
        let lines = annotated(header);
        assert_eq!(lines.len(), 1, "{header}");
        assert!(
            lines[0].contains("tool `t`, `x` (reserved-header): "),
            "{lines:?}"
        );
    }
    for header in ["Region", "Des", "Help-Desk"] {
        assert!(annotated(header).is_empty(), "{header}");
    }
}

#[test]
fn prompts_and_addresses() {
    let walk = Walk::new().allow("resource:b", "id", "the organisation of a contact");
    let arguments = ["topic", "workspace"].map(rmcp::model::PromptArgument::new);
    let prompt = Prompt::new("p", None::<String>, Some(arguments.to_vec()));
    let found = walk.prompts([&prompt]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .to_string()
            .starts_with("prompt `p`, `workspace` (tenant-name): ")
    );
    let template = rmcp::model::ResourceTemplate::new;
    let found = walk.resource_templates([
        &template("crm://tickets/{id}{?page}", "fine"),
        &template("crm://orgs/{id}", "a"),
        &template("crm://orgs/{id}", "b"),
        &template("crm://x{?tenant_id}", "c"),
    ]);
    let places: Vec<_> = found
        .iter()
        .map(|it| (it.name.as_str(), it.path.as_str()))
        .collect();
    assert_eq!(places, [("a", "id"), ("c", "tenant_id")]);
}

#[test]
fn descriptions_that_ask_for_a_tenant_are_warnings() {
    let schema = json!({
        "type": "object",
        "properties": {
            "note": { "type": "string", "description": "Specify the workspace." },
            "plan": { "type": "string", "description": "The plan's name." },
        },
        "additionalProperties": false,
    });
    let walk = Walk::new();
    let tool = tool("t", &schema);
    assert_eq!(walk.tools([&tool]), []);
    let warnings = walk.warnings([&tool]);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings[0]
            .to_string()
            .starts_with("tool `t`, `note` (prose): ")
    );
}

#[test]
fn words_and_allowed_names_of_the_configuration_count_at_start_up_too() {
    let properties = json!({ "clinic_id": { "type": "string" }, "account": { "type": "string" } });
    let schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let extra = Extra {
        words: vec!["clinic".into()],
        allowed: vec!["account".into()],
        ..extra()
    };
    let lines = findings(&[tool("t", &schema)], &extra, &[], &[]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("tool `t`, `clinic_id` (tenant-name): "),
        "{lines:?}"
    );
}
