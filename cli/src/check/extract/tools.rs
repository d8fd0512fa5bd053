//! What clients call: tools and prompts of rmcp and of watertight, and schemas written by hand.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Signature, Type};

use super::super::facts::{Origin, Schema, Tool, TypeName};
use super::attributes::{entries, has, last, metas, string};
use super::{Extractor, Locals, names_of, shapes};

/// Attributes that make a function something that clients call.
const CALLED: [&str; 6] = [
    "tool",
    "mcp_tool",
    "prompt",
    "mcp_prompt",
    "mcp_resource",
    "mcp_completion",
];
/// Arguments that the server gives, by the last segment of their type.
const GIVEN: [&str; 12] = [
    "ToolContext",
    "RequestContext",
    "Extension",
    "Extensions",
    "Meta",
    "Peer",
    "RequestId",
    "CancellationToken",
    "Parts",
    "Session",
    "Progress",
    "State",
];
/// Functions that make a schema of a type.
const SCHEMA_OF: [&str; 5] = [
    "schema_for_type",
    "schema_for_input",
    "cached_schema_for_type",
    "schema_for",
    "into_root_schema_for",
];

impl Extractor {
    /// Reads a tool's arguments; whether the function is one.
    pub(super) fn tool(
        &mut self,
        attrs: &[Attribute],
        signature: &Signature,
        locals: &mut Locals,
    ) -> bool {
        let Some(made) = metas(attrs)
            .into_iter()
            .find(|meta| last(meta.path()).is_some_and(|it| CALLED.contains(&it.as_str())))
        else {
            return false;
        };
        let path = self.resolve(made.path());
        let attribute = path.last().cloned().unwrap_or_default();
        let ours =
            attribute.starts_with("mcp_") || path.first().is_some_and(|it| it == "watertight");
        let name = entries(attrs, &attribute)
            .iter()
            .find(|meta| meta.path().is_ident("name"))
            .and_then(string)
            .map_or_else(|| signature.ident.unraw().to_string(), |it| it.value());
        let mut tool = Tool {
            name,
            span: signature.ident.span().byte_range(),
            ours,
            arguments: Vec::new(),
            parameters: Vec::new(),
            test: self.test,
        };
        for input in &signature.inputs {
            let FnArg::Typed(argument) = input else {
                continue;
            };
            let Some(ty) = shapes::type_name(self, &argument.ty) else {
                continue;
            };
            let outer = ty.path.last().cloned().unwrap_or_default();
            let names = names_of(&argument.pat);
            if outer == "Parameters" {
                tool.parameters.extend(ty.arguments);
            } else if has(&argument.attrs, &["tool"])
                && entries(&argument.attrs, "tool")
                    .iter()
                    .any(|meta| meta.path().is_ident("aggr"))
            {
                tool.parameters.push(ty);
            } else if GIVEN.contains(&outer.as_str()) || matches!(&*argument.ty, Type::Reference(_))
            {
                continue;
            } else if ours || has(&argument.attrs, &["tool"]) {
                let name = names.first().cloned().unwrap_or_default();
                tool.arguments.push(shapes::argument(self, argument, name));
            } else {
                continue;
            }
            for name in names {
                locals.origins.insert(name, Origin::Caller);
            }
        }
        self.facts.tools.push(tool);
        true
    }

    /// A type that a schema is made of.
    pub(super) fn schema_type(
        &mut self,
        name: &str,
        ty: Option<TypeName>,
        span: super::super::facts::Span,
    ) {
        if !SCHEMA_OF.contains(&name) {
            return;
        }
        let Some(ty) = ty else {
            return;
        };
        let shown = ty.path.last().cloned().unwrap_or_default();
        self.facts.tools.push(Tool {
            name: shown,
            span,
            ours: false,
            arguments: Vec::new(),
            parameters: vec![ty],
            test: self.test,
        });
    }

    /// A schema as JSON.
    pub(super) fn json(&mut self, tokens: &TokenStream) {
        let text = tokens.to_string();
        if !text.contains("properties") {
            return;
        }
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else {
            return;
        };
        if value.get("properties").is_none_or(|it| !it.is_object()) {
            return;
        }
        let of_tool = self.facts.text.contains("Tool::new") || text.contains("inputSchema");
        self.facts.schemas.push(Schema {
            value,
            span: tokens.span().byte_range(),
            of_tool,
            test: self.test,
        });
    }
}
