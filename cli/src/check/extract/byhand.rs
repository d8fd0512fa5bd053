//! Tools without a macro: functions that answer calls by hand, what they read out of the arguments, and
//! schemas that are written as JSON.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::{Map, Value};
use syn::spanned::Spanned as _;
use syn::{Expr, Lit, Pat};

use super::super::facts::{Origin, Read, Reading, Record, Schema, Span, TypeName};
use super::attributes::string_of;
use super::{Extractor, shapes};

/// Methods that read one name of a value.
const READS: [&str; 6] = ["get", "get_mut", "pointer", "remove", "swap_remove", "take"];
/// Types of what a client sends, by a part of their name.
const SENT: [&str; 3] = ["CallToolRequest", "ToolCallContext", "CallToolParams"];

/// Whether a parameter is what a client sends with a call.
pub(super) fn is_sent(ty: &str) -> bool {
    SENT.iter().any(|name| ty.contains(name))
}

impl Extractor {
    /// `arguments.get("name")`, of whatever it is.
    pub(super) fn reads(&mut self, call: &syn::ExprMethodCall) {
        let name = call.method.to_string();
        if READS.contains(&name.as_str())
            && let Some(Expr::Lit(key)) = call.args.first()
            && let Lit::Str(key) = &key.lit
        {
            let read = key.value().trim_start_matches('/').replace('/', ".");
            self.reading(
                Read::Key(read),
                self.origin(&call.receiver),
                key.span().byte_range(),
            );
        }
    }

    /// `arguments["name"]`
    pub(super) fn indexes(&mut self, item: &syn::ExprIndex) {
        if let Expr::Lit(key) = &*item.index
            && let Lit::Str(key) = &key.lit
        {
            let origin = self.origin(&item.expr);
            self.reading(Read::Key(key.value()), origin, key.span().byte_range());
        }
    }

    /// `let arguments: Type = …`, where what it is made of comes from a caller.
    pub(super) fn typed(&mut self, pat: &Pat, init: &Expr) {
        let Pat::Type(typed) = pat else {
            return;
        };
        if let Some(ty) = shapes::type_name(self, &typed.ty) {
            self.reading_of(ty, init);
        }
    }

    /// A value that is read into a type.
    pub(super) fn reading_of(&mut self, ty: TypeName, from: &Expr) {
        let origin = self.made_of(from);
        let span = ty.span.clone();
        self.reading(Read::Type(ty), origin, span);
    }

    fn reading(&mut self, of: Read, origin: Origin, span: Span) {
        if origin != Origin::Other {
            self.facts.readings.push(Reading {
                of,
                tool: self.arm.clone(),
                origin,
                function: self.function,
                span,
                test: self.test,
            });
        }
    }

    /// Who gave what a value is made of, through any call.
    fn made_of(&self, expr: &Expr) -> Origin {
        let direct = self.origin(expr);
        if direct != Origin::Other {
            return direct;
        }
        let of = |list: Vec<&Expr>| {
            list.into_iter()
                .map(|it| self.made_of(it))
                .find(|it| *it != Origin::Other)
                .unwrap_or(Origin::Other)
        };
        match expr {
            Expr::Try(inner) => self.made_of(&inner.expr),
            Expr::Await(inner) => self.made_of(&inner.base),
            Expr::Reference(inner) => self.made_of(&inner.expr),
            Expr::Paren(inner) => self.made_of(&inner.expr),
            Expr::MethodCall(call) => self.made_of(&call.receiver),
            Expr::Call(call) => of(call.args.iter().collect()),
            Expr::Match(item) => self.made_of(&item.expr),
            _ => Origin::Other,
        }
    }

    /// A call that is named like a record of what was done.
    pub(super) fn record(&mut self, path: &[String], span: Span, log: bool) {
        let named = |name: &String| {
            let mut words = String::new();
            for c in name.chars() {
                if c.is_uppercase() {
                    words.push('_');
                }
                words.extend(c.to_lowercase());
            }
            words
                .split('_')
                .any(|it| matches!(it, "audit" | "audits" | "auditor"))
        };
        if log || path.iter().any(named) {
            self.facts.records.push(Record {
                what: path.join("::"),
                log,
                span,
                test: self.test,
            });
        }
    }

    /// A schema as JSON.
    pub(super) fn json(&mut self, tokens: &TokenStream) {
        let mut names = Vec::new();
        let Some(value) = object(tokens, &mut names) else {
            return;
        };
        self.schemas_in(&value, tokens.span().byte_range(), &names);
    }

    /// A schema as a text of JSON.
    pub(super) fn json_text(&mut self, text: &syn::LitStr) {
        let written = text.value();
        if written.trim_start().starts_with('{')
            && written.contains("\"properties\"")
            && let Ok(value) = serde_json::from_str::<Value>(&written)
        {
            self.schemas_in(&value, text.span().byte_range(), &[]);
        }
    }

    fn schemas_in(&mut self, value: &Value, span: Span, names: &[(String, Span)]) {
        for schema in schemas(value) {
            self.facts.schemas.push(Schema {
                value: schema.clone(),
                span: span.clone(),
                names: names.to_vec(),
                test: self.test,
            });
        }
    }
}

/// The schemas in a value: itself, or those that tools in it name.
pub(crate) fn schemas(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(map) if map.get("properties").is_some_and(Value::is_object) => vec![value],
        Value::Object(map) => map
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "outputSchema" | "output_schema"))
            .flat_map(|(_, value)| schemas(value))
            .collect(),
        Value::Array(list) => list.iter().flat_map(schemas).collect(),
        _ => Vec::new(),
    }
}

/// What stands between the braces of `json!`; what is an expression is null.
fn object(tokens: &TokenStream, names: &mut Vec<(String, Span)>) -> Option<Value> {
    let list: Vec<TokenTree> = tokens.clone().into_iter().collect();
    match list.as_slice() {
        [TokenTree::Group(group)] => match group.delimiter() {
            Delimiter::Brace => Some(Value::Object(entries(group.stream(), names))),
            Delimiter::Bracket => Some(Value::Array(
                commas(group.stream())
                    .into_iter()
                    .map(|it| object(&it, names).unwrap_or_default())
                    .collect(),
            )),
            _ => None,
        },
        [TokenTree::Literal(literal)] => {
            let literal: syn::LitStr = syn::parse2(TokenTree::from(literal.clone()).into()).ok()?;
            Some(Value::String(literal.value()))
        }
        [TokenTree::Ident(ident)] if *ident == "true" || *ident == "false" => {
            Some(Value::Bool(*ident == "true"))
        }
        _ => None,
    }
}

fn entries(tokens: TokenStream, names: &mut Vec<(String, Span)>) -> Map<String, Value> {
    let mut map = Map::new();
    for entry in commas(tokens) {
        let mut rest = entry.into_iter();
        let Some(TokenTree::Literal(key)) = rest.next() else {
            continue;
        };
        let span = key.span().byte_range();
        let Some(key) = string_of(key) else {
            continue;
        };
        let value: TokenStream = rest.skip(1).collect();
        names.push((key.clone(), span));
        map.insert(key, object(&value, names).unwrap_or_default());
    }
    map
}

/// The parts of a list.
fn commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match (&token, parts.last_mut()) {
            (TokenTree::Punct(mark), _) if mark.as_char() == ',' => parts.push(TokenStream::new()),
            (_, Some(last)) => last.extend([token]),
            _ => {}
        }
    }
    parts.retain(|it| !it.is_empty());
    parts
}
