//! Types: fields under the names that serde reads and schemars publishes.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, Fields, GenericArgument, Meta, PathArguments, Type};
use watertight_syntax::input::Case;

use super::super::facts::{Constant, Field, Shape, TypeName};
use super::attributes::{entries, for_input, string};
use super::{Extractor, attributes};

/// What serde and schemars say of a container.
#[derive(Default)]
struct Container {
    cases: Vec<Case>,
    field_cases: Vec<Case>,
    tags: Vec<(String, super::super::facts::Span)>,
    external: bool,
    transparent: bool,
}

fn container(attrs: &[Attribute]) -> Container {
    let mut found = Container {
        external: true,
        ..Container::default()
    };
    for meta in entries(attrs, "serde")
        .into_iter()
        .chain(entries(attrs, "schemars"))
    {
        let key = attributes::last(meta.path()).unwrap_or_default();
        match key.as_str() {
            "rename_all" => {
                found
                    .cases
                    .extend(for_input(&meta).map(|it| Case::from_name(&it.value())));
            }
            "rename_all_fields" => {
                found
                    .field_cases
                    .extend(for_input(&meta).map(|it| Case::from_name(&it.value())));
            }
            "tag" | "content" => {
                found.external = false;
                found
                    .tags
                    .extend(string(&meta).map(|it| (it.value(), it.span().byte_range())));
            }
            "untagged" => found.external = false,
            "transparent" => found.transparent = true,
            _ => {}
        }
    }
    found
}

/// A field or a variant: its names, and what else is said of it.
struct Named {
    names: Vec<String>,
    skipped: bool,
    flattened: bool,
    excused: bool,
    open: bool,
}

fn named(attrs: &[Attribute], own: Option<String>, renamed: impl Fn(&str) -> Vec<String>) -> Named {
    let mut names: Vec<String> = Vec::new();
    let mut aliases = Vec::new();
    let (mut skipped, mut flattened) = (false, false);
    let read = entries(attrs, "serde").into_iter().map(|it| (it, true));
    let shown = entries(attrs, "schemars").into_iter().map(|it| (it, false));
    for (meta, read) in read.chain(shown) {
        let key = attributes::last(meta.path()).unwrap_or_default();
        match key.as_str() {
            // What only the schema leaves out is read all the same.
            "skip" | "skip_deserializing" if !read => {}
            "rename" => names.extend(for_input(&meta).map(|it| it.value())),
            "alias" => aliases.extend(string(&meta).map(|it| it.value())),
            "skip" | "skip_deserializing" => skipped = true,
            "flatten" => flattened = true,
            _ => {}
        }
    }
    let said = |key: &str| {
        entries(attrs, "tool")
            .iter()
            .any(|meta| meta.path().is_ident(key) && string(meta).is_some())
    };
    if let Some(rename) = entries(attrs, "tool")
        .iter()
        .find(|meta| meta.path().is_ident("rename"))
        .and_then(string)
    {
        names.push(rename.value());
    }
    if names.is_empty()
        && let Some(own) = own
    {
        names.extend(renamed(&own));
    }
    names.extend(aliases);
    names.dedup();
    Named {
        names,
        skipped,
        flattened,
        excused: said("not_tenant"),
        open: said("open"),
    }
}

/// The names of type parameters.
fn generics(generics: &syn::Generics) -> Vec<String> {
    let types = generics.type_params();
    types.map(|it| it.ident.unraw().to_string()).collect()
}

/// Whether a type derives what the arguments of a tool derive.
fn described(attrs: &[Attribute]) -> bool {
    let mut derived = Vec::new();
    for meta in attributes::metas(attrs) {
        if let Meta::List(list) = &meta
            && list.path.is_ident("derive")
        {
            let names = list.tokens.clone().into_iter().map(|it| it.to_string());
            derived.extend(names);
        }
    }
    let derives = |name: &str| derived.iter().any(|it| it == name);
    derives("Deserialize") && (derives("JsonSchema") || derives("ToolInput"))
}

/// A type by its names.
pub(super) fn type_name(extractor: &Extractor, ty: &Type) -> Option<TypeName> {
    match ty {
        Type::Path(path) => {
            let arguments = match &path.path.segments.last()?.arguments {
                PathArguments::AngleBracketed(list) => list
                    .args
                    .iter()
                    .filter_map(|argument| match argument {
                        GenericArgument::Type(ty) => type_name(extractor, ty),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            };
            Some(TypeName {
                path: extractor.resolve(&path.path),
                arguments,
                span: path.span().byte_range(),
            })
        }
        Type::Reference(reference) => type_name(extractor, &reference.elem),
        Type::Paren(inner) => type_name(extractor, &inner.elem),
        Type::Group(inner) => type_name(extractor, &inner.elem),
        Type::Slice(inner) => type_name(extractor, &inner.elem),
        Type::Array(inner) => type_name(extractor, &inner.elem),
        Type::Tuple(tuple) => Some(TypeName {
            path: vec!["(tuple)".to_owned()],
            arguments: tuple
                .elems
                .iter()
                .filter_map(|ty| type_name(extractor, ty))
                .collect(),
            span: tuple.span().byte_range(),
        }),
        _ => None,
    }
}

/// The field that an argument of a function is.
pub(super) fn argument(extractor: &Extractor, argument: &syn::PatType, name: String) -> Field {
    let named = named(&argument.attrs, Some(name), |own| vec![own.to_owned()]);
    Field {
        names: named.names,
        span: argument.pat.span().byte_range(),
        ty: type_name(extractor, &argument.ty),
        flattened: false,
        excused: named.excused,
        open: named.open,
    }
}

fn all(cases: &[Case], rename: impl Fn(Case) -> String) -> Vec<String> {
    match cases {
        [] => vec![rename(Case::Unchanged)],
        cases => cases.iter().map(|case| rename(*case)).collect(),
    }
}

impl Extractor {
    fn fields(&self, fields: &Fields, cases: &[Case]) -> Vec<Field> {
        let mut found = Vec::new();
        for field in fields {
            let own = field.ident.as_ref().map(|it| it.unraw().to_string());
            let place: Span = field
                .ident
                .as_ref()
                .map_or(field.ty.span(), syn::Ident::span);
            let named = named(&field.attrs, own, |own| all(cases, |case| case.field(own)));
            if named.skipped {
                continue;
            }
            found.push(Field {
                names: named.names,
                span: place.byte_range(),
                ty: type_name(self, &field.ty),
                flattened: named.flattened,
                excused: named.excused,
                open: named.open,
            });
        }
        found
    }

    pub(super) fn structure(&mut self, item: &syn::ItemStruct) {
        let container = container(&item.attrs);
        self.type_message(&item.attrs, &item.ident.to_string(), &item.fields);
        let fields = self.fields(&item.fields, &container.cases);
        let newtype = matches!(item.fields, Fields::Unnamed(_)) && fields.len() == 1;
        self.facts.shapes.push(Shape {
            name: item.ident.unraw().to_string(),
            generics: generics(&item.generics),
            described: described(&item.attrs),
            test: self.test,
            within: self.within.clone(),
            transparent: container.transparent || newtype,
            fields,
            tags: container.tags,
        });
    }

    pub(super) fn enumeration(&mut self, item: &syn::ItemEnum) {
        let container = container(&item.attrs);
        let mut fields = Vec::new();
        for variant in &item.variants {
            self.type_message(&variant.attrs, &item.ident.to_string(), &variant.fields);
            let own = variant.ident.unraw().to_string();
            let named = named(&variant.attrs, Some(own), |own| {
                all(&container.cases, |case| case.variant(own))
            });
            if named.skipped {
                continue;
            }
            let unit = matches!(variant.fields, Fields::Unit);
            if container.external && !unit {
                fields.push(Field {
                    names: named.names,
                    span: variant.ident.span().byte_range(),
                    ty: None,
                    flattened: false,
                    excused: named.excused,
                    open: named.open,
                });
            }
            let cases: Vec<Case> = entries(&variant.attrs, "serde")
                .iter()
                .filter(|meta| meta.path().is_ident("rename_all"))
                .filter_map(for_input)
                .map(|it| Case::from_name(&it.value()))
                .collect();
            let cases = match cases.is_empty() {
                true => &container.field_cases,
                false => &cases,
            };
            fields.extend(self.fields(&variant.fields, cases));
        }
        self.facts.shapes.push(Shape {
            name: item.ident.unraw().to_string(),
            generics: generics(&item.generics),
            described: described(&item.attrs),
            test: self.test,
            within: self.within.clone(),
            transparent: false,
            fields,
            tags: container.tags,
        });
    }

    /// `type A = B;` is a shape that holds B.
    pub(super) fn alias(&mut self, item: &syn::ItemType) {
        let Some(ty) = type_name(self, &item.ty) else {
            return;
        };
        self.facts.shapes.push(Shape {
            name: item.ident.unraw().to_string(),
            generics: generics(&item.generics),
            described: false,
            test: self.test,
            within: self.within.clone(),
            transparent: true,
            fields: vec![Field {
                names: Vec::new(),
                span: ty.span.clone(),
                ty: Some(ty),
                flattened: true,
                excused: false,
                open: false,
            }],
            tags: Vec::new(),
        });
    }

    pub(super) fn constant(&mut self, name: String, value: &Expr) {
        if let Some(text) = self.text_of(value) {
            self.facts.constants.push(Constant { name, text });
        }
    }

    /// `#[tool(not_tenant = "…")]` and `#[tool(open = "…")]`.
    pub(super) fn exceptions_of(&mut self, attrs: &[Attribute], name: &str) {
        for meta in entries(attrs, "tool") {
            let key = attributes::last(meta.path()).unwrap_or_default();
            if !matches!(key.as_str(), "not_tenant" | "open") || !matches!(meta, Meta::NameValue(_))
            {
                continue;
            }
            let Some(reason) = string(&meta) else {
                continue;
            };
            self.facts.exceptions.push(super::super::facts::Exception {
                rule: key,
                place: name.to_owned(),
                reason: reason.value(),
                span: reason.span().byte_range(),
                test: self.test,
            });
        }
    }
}
