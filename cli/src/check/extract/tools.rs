//! What clients call: tools and prompts of rmcp and of watertight, and schemas written by hand.

use syn::ext::IdentExt as _;
use syn::{Attribute, FnArg, Signature, Type};

use super::super::facts::{Origin, Tool, TypeName};
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
/// Types of what a server knows of its caller.
const KNOWN: [&str; 9] = [
    "AuthContext",
    "AuthInfo",
    "Caller",
    "Claims",
    "CurrentUser",
    "Identity",
    "Principal",
    "TokenData",
    "User",
];

/// Whether the server gives a value of this type.
pub(super) fn is_given(ty: &str) -> bool {
    GIVEN.contains(&ty) || KNOWN.contains(&ty)
}

/// Functions that make a schema of a type.
const SCHEMA_OF: [&str; 5] = [
    "schema_for_type",
    "schema_for_input",
    "cached_schema_for_type",
    "schema_for",
    "into_root_schema_for",
];

/// Whether an argument is a value by itself: what a server gives is never one.
fn is_plain(ty: &TypeName) -> bool {
    let name = ty.path.last().map(String::as_str).unwrap_or_default();
    let plain = [
        "String", "bool", "char", "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64",
        "isize", "f32", "f64", "Uuid",
    ];
    plain.contains(&name) || matches!(name, "Option" | "Vec") && ty.arguments.iter().all(is_plain)
}

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
            sure: true,
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
            } else if ours || has(&argument.attrs, &["tool"]) || is_plain(&ty) {
                let name = names.first().cloned().unwrap_or_default();
                tool.arguments.push(shapes::argument(self, argument, name));
            } else {
                continue;
            }
            for name in names {
                locals.origins.insert(name, Origin::Caller);
            }
        }
        // A schema that the attribute names takes the place of the arguments' own.
        for meta in entries(attrs, &attribute) {
            if let syn::Meta::NameValue(pair) = &meta
                && pair.path.is_ident("input_schema")
            {
                tool.parameters.extend(self.schema_in(&pair.value));
            }
        }
        self.facts.tools.push(tool);
        true
    }

    /// The type that an expression makes a schema of.
    fn schema_in(&self, value: &syn::Expr) -> Option<TypeName> {
        let syn::Expr::Call(call) = value else {
            return match value {
                syn::Expr::MethodCall(call) => self.schema_in(&call.receiver),
                _ => None,
            };
        };
        let syn::Expr::Path(callee) = &*call.func else {
            return None;
        };
        let segment = callee.path.segments.last()?;
        if let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
            && let Some(syn::GenericArgument::Type(ty)) = arguments.args.first()
        {
            return shapes::type_name(self, ty);
        }
        call.args.iter().find_map(|it| self.schema_in(it))
    }

    /// A type that is a tool by itself, its fields the arguments.
    pub(super) fn tool_of_type(&mut self, attrs: &[Attribute], ident: &syn::Ident) {
        if !has(attrs, &["mcp_tool"]) {
            return;
        }
        let named = entries(attrs, "mcp_tool");
        let named = named.iter().find(|meta| meta.path().is_ident("name"));
        let own = ident.unraw().to_string();
        self.facts.tools.push(Tool {
            name: named
                .and_then(string)
                .map_or_else(|| own.clone(), |it| it.value()),
            span: ident.span().byte_range(),
            ours: false,
            arguments: Vec::new(),
            parameters: vec![TypeName {
                path: vec![own],
                arguments: Vec::new(),
                span: ident.span().byte_range(),
            }],
            sure: true,
            test: self.test,
        });
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
            // A schema may be of anything: of a configuration, of an answer.
            sure: self.facts.text.contains("Tool::new")
                || self.facts.text.contains("input_schema")
                || self.facts.text.contains("inputSchema"),
            test: self.test,
        });
    }
}
