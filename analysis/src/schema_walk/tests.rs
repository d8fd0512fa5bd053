//! The walk finds tenant names wherever a schema can hide them, and nothing else.

use serde_json::json;

use super::*;

fn found(schema: Value) -> Vec<(String, Rule)> {
    let mut list: Vec<_> = walk(&schema, &Extra::default(), &|_| false)
        .into_iter()
        .map(|finding| (finding.path, finding.rule))
        .collect();
    list.sort();
    list
}

fn closed(properties: Value) -> Value {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn one(path: &str, rule: Rule) -> Vec<(String, Rule)> {
    vec![(path.to_owned(), rule)]
}

#[test]
fn a_closed_schema_of_honest_names_is_clean() {
    let schema = closed(json!({
        "plan": {"type": "string"},
        "limit": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}}
    }));
    assert_eq!(found(schema), []);
}

#[test]
fn texts_that_are_called_like_raw_sql() {
    for schema in [
        json!({"type": "string"}),
        json!({"type": ["string", "null"], "maxLength": 9}),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ] {
        let schema = closed(json!({"filter": closed(json!({"where_clause": schema}))}));
        assert_eq!(found(schema), one("filter.where_clause", Rule::RawSql));
    }
    for schema in [
        json!({"type": "boolean"}),
        json!({"type": "string", "enum": ["open", "closed"]}),
        json!({"type": "string", "format": "uuid"}),
    ] {
        assert_eq!(found(closed(json!({"sql": schema}))), []);
    }
    let honest = json!({"query": {"type": "string"}, "statement": {"type": "string"}});
    assert_eq!(found(closed(honest)), []);
}

#[test]
fn names_at_any_depth() {
    let tenant = || closed(json!({"orgId": {"type": "string"}}));
    let defined = |target: &str, defs: Value| json!({"type": "object", "properties": {"x": {"$ref": target}}, "additionalProperties": false, "$defs": defs});
    for (schema, path) in [
        (tenant(), "orgId"),
        (closed(json!({"filter": tenant()})), "filter.orgId"),
        (
            closed(json!({"rows": {"type": "array", "items": tenant()}})),
            "rows[].orgId",
        ),
        (
            closed(json!({"p": {"type": "array", "prefixItems": [tenant()], "items": false}})),
            "p[].orgId",
        ),
        (
            closed(json!({"any": {"anyOf": [{"type": "null"}, tenant()]}})),
            "any.orgId",
        ),
        (closed(json!({"one": {"oneOf": [tenant()]}})), "one.orgId"),
        (closed(json!({"all": {"allOf": [tenant()]}})), "all.orgId"),
        (
            closed(json!({"c": {"type": "string", "if": {"type": "string"}, "then": tenant()}})),
            "c.orgId",
        ),
        (
            closed(json!({"s": {"type": "string", "contentSchema": tenant()}})),
            "s.orgId",
        ),
        (defined("#/$defs/T", json!({"T": tenant()})), "x.orgId"),
        (
            defined("#t", json!({"T": {"$anchor": "t", "allOf": [tenant()]}})),
            "x.orgId",
        ),
        (
            defined("#/$defs/a~1b%20c", json!({"a/b c": tenant()})),
            "x.orgId",
        ),
    ] {
        assert_eq!(
            found(schema.clone()),
            one(path, Rule::TenantName),
            "{schema}"
        );
    }
}

#[test]
fn second_tier_is_a_rule_of_its_own() {
    assert_eq!(
        found(closed(json!({"owner": {"type": "string"}}))),
        one("owner", Rule::AmbiguousName)
    );
}

#[test]
fn names_without_a_property() {
    let required =
        json!({"type": "object", "required": ["tenant_id"], "additionalProperties": false});
    assert_eq!(found(required), one("tenant_id", Rule::TenantName));
    let header = closed(json!({"region": {"type": "string", "x-mcp-header": "X-Tenant-Id"}}));
    assert_eq!(found(header), one("region", Rule::Header));
}

#[test]
fn open_shapes() {
    let string = json!({"type": "string"});
    assert_eq!(found(json!({"type": "object"})), one("", Rule::OpenObject));
    assert_eq!(
        found(json!({"type": ["object", "null"], "properties": {}})),
        one("", Rule::OpenObject)
    );
    assert_eq!(
        found(json!({"type": "object", "additionalProperties": true})),
        one("", Rule::OpenObject)
    );
    assert_eq!(
        found(json!({"type": "object", "additionalProperties": string})),
        one("*", Rule::FreeKeys)
    );
    let pattern = json!({"type": "object", "patternProperties": {"^x": string}, "additionalProperties": false});
    assert_eq!(found(pattern), one("/^x/", Rule::FreeKeys));
    assert_eq!(
        found(closed(json!({"raw": true}))),
        one("raw", Rule::AnyValue)
    );
    assert_eq!(
        found(closed(json!({"raw": {"description": "x"}}))),
        one("raw", Rule::AnyValue)
    );
    assert_eq!(
        found(closed(json!({"list": {"type": "array"}}))),
        one("list[]", Rule::AnyValue)
    );
}

#[test]
fn unevaluated_properties_close_what_is_flattened() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "allOf": [{"$ref": "#/$defs/Rest"}],
        "unevaluatedProperties": false,
        "$defs": {"Rest": {"type": "object", "properties": {"b": {"type": "string"}}}}
    });
    assert_eq!(found(schema), []);
}

#[test]
fn cycles_end_and_references_elsewhere_are_findings() {
    let tree = json!({
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "additionalProperties": false, "properties": {
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            "workspace": {"type": "string"}
        }}}
    });
    assert_eq!(found(tree), one("workspace", Rule::TenantName));
    assert_eq!(found(json!({"$ref": "#"})), []);
    let far = closed(json!({"x": {"$ref": "https://example.com/s.json"}}));
    assert_eq!(found(far), one("x", Rule::Unresolved));
    assert_eq!(
        found(closed(json!({"x": {"$ref": "#/$defs/No"}}))),
        one("x", Rule::Unresolved)
    );
}

#[test]
fn many_references_do_not_multiply() {
    let mut defs = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
        defs.insert(format!("L{level}"), json!({"allOf": [next.clone(), next]}));
    }
    defs.insert(
        "L40".to_owned(),
        closed(json!({"realm": {"type": "string"}})),
    );
    let schema = json!({"$ref": "#/$defs/L0", "$defs": defs});
    assert_eq!(found(schema), one("realm", Rule::TenantName));
}

#[test]
fn references_that_nest_too_deep_are_told() {
    let mut defs = serde_json::Map::new();
    for level in 0..100_000 {
        let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
        defs.insert(format!("L{level}"), next);
    }
    let schema = json!({"$ref": "#/$defs/L0", "$defs": defs});
    assert_eq!(found(schema), one("", Rule::Unresolved));
}

#[test]
fn exceptions_are_by_path() {
    let inner = closed(json!({"site": {"type": "string"}}));
    let schema = closed(json!({"site": {"type": "string"}, "a": inner}));
    let findings = walk(&schema, &Extra::default(), &|path| path == "site");
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].path, "a.site");
}
