//! Templates of addresses: their variables as arguments, and the address with values in it (RFC 6570,
//! as far as servers use it).

use serde_json::{Map, Value, json};
use watertight_analysis::uri_template::variables;

/// The variables of a template as a schema.
pub(super) fn template_schema(uri: &str) -> Value {
    let names: Vec<String> = variables(uri).into_iter().map(|it| it.name).collect();
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!({ "type": "string" })))
        .collect();
    json!({ "properties": properties, "required": names })
}

/// The URI of a template; values are percent-encoded.
pub(super) fn expand(template: &str, arguments: &Value) -> String {
    let mut uri = String::new();
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('{') {
        uri.push_str(literal);
        let (expression, tail) = tail.split_once('}').unwrap_or((tail, ""));
        let named = variables(&format!("{{{expression}}}"));
        let query = expression.starts_with(['?', '&']);
        for (at, variable) in named.iter().enumerate() {
            let value = match arguments.get(&variable.name) {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => continue,
            };
            if query {
                uri.push(if at == 0 && expression.starts_with('?') {
                    '?'
                } else {
                    '&'
                });
                uri.push_str(&variable.name);
                uri.push('=');
            } else if at > 0 {
                uri.push(',');
            } else if let Some(mark @ ('/' | '.' | ';' | '#')) = expression.chars().next() {
                uri.push(mark);
            }
            let reserved = expression.starts_with(['+', '#']);
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric()
                    || b"-._~".contains(&byte)
                    || (reserved && byte.is_ascii_graphic())
                {
                    uri.push(char::from(byte));
                } else {
                    uri.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        rest = tail;
    }
    uri + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_expanded() {
        let values = json!({"id": "a b/c", "q": "x", "n": 3});
        assert_eq!(expand("crm://t/{id}/n", &values), "crm://t/a%20b%2Fc/n");
        assert_eq!(expand("f:///{+id}", &values), "f:///a%20b/c");
        assert_eq!(expand("s://x{?q,n}", &values), "s://x?q=x&n=3");
    }
}
