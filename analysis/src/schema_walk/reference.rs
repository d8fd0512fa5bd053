//! References within one schema document: JSON pointers, anchors, identifiers.

use serde_json::Value;

/// The schema that `target` refers to, within `root` alone.
pub(super) fn resolve<'a>(root: &'a Value, target: &str) -> Option<&'a Value> {
    let own = root.get("$id").and_then(Value::as_str).unwrap_or("");
    let (document, fragment) = target.split_once('#').unwrap_or((target, ""));
    if document.is_empty() || document == own {
        return within(root, fragment);
    }
    let inner = find(root, &|schema| {
        schema.get("$id").and_then(Value::as_str) == Some(document)
    })?;
    within(inner, fragment)
}

fn within<'a>(root: &'a Value, fragment: &str) -> Option<&'a Value> {
    let fragment = percent_decoded(fragment)?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&fragment);
    }
    find(root, &|schema| {
        ["$anchor", "$dynamicAnchor"]
            .iter()
            .any(|keyword| schema.get(*keyword).and_then(Value::as_str) == Some(&fragment))
    })
}

fn find<'a>(value: &'a Value, wanted: &dyn Fn(&Value) -> bool) -> Option<&'a Value> {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(_) if wanted(value) => return Some(value),
            Value::Object(object) => pending.extend(object.values()),
            Value::Array(list) => pending.extend(list),
            _ => {}
        }
    }
    None
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
