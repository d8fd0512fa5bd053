//! From a derive's item to the model: which fields are read, and under which names, after all of
//! serde's and schemars' renaming.

use proc_macro2::TokenStream;
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, Path, Variant};

use super::model::{Field, InText, Input, Name, Outside};
use super::serde::{Attributes, Cases, Side};
use crate::attributes::{entries_of, key, path, reason};
use crate::errors::Errors;
use crate::spelling::meant;

/// Reads the type, as values of it go this way.
pub(crate) fn input(item: DeriveInput, side: Side, errors: &mut Errors) -> Input {
    let mut container = Attributes::read(&item.attrs, side, errors);
    let ours = Ours::read(&item.attrs, Place::Container, errors);
    let tags = container.read.tags.iter().chain(&container.published.tags);
    let mut input = Input {
        krate: ours.krate,
        ident: item.ident,
        generics: item.generics,
        newtype: is_newtype(&item.data, container.transparent),
        in_text: in_text(&item.data, &container),
        names: tags
            .map(|tag| Outside {
                name: tag.clone(),
                not_tenant: ours.not_tenant.clone(),
            })
            .collect(),
        fields: Vec::new(),
        custom: container.by_hand(),
        proxy: container.proxy.take(),
        not_tenant: ours.not_tenant,
        open: ours.open.into_iter().collect(),
    };
    if input.proxy.is_some() {
        // Another type is read: the fields are never filled from input.
        input.names.clear();
        return input;
    }
    match item.data {
        Data::Struct(data) => {
            let cases = container.cases();
            input.fields = fields(data.fields, cases, container.transparent, side, errors);
        }
        Data::Enum(data) => {
            for variant in data.variants {
                self::variant(variant, &container, side, &mut input, errors);
            }
        }
        Data::Union(data) => errors.push(
            data.union_token,
            "a union has no form in JSON: write a struct or an enum",
        ),
    }
    input
}

/// What of the form decides whether one text may stand for the whole.
fn in_text(data: &Data, container: &Attributes) -> InText {
    match data {
        _ if container.proxy.is_some() => InText::Unsure,
        _ if is_newtype(data, container.transparent) => InText::AsItsField,
        Data::Struct(_) => InText::No,
        Data::Enum(data) if container.is_external() => {
            let whole = |it: &Variant| !matches!(it.fields, Fields::Unit);
            match data.variants.iter().any(whole) {
                true => InText::No,
                false => InText::Unsure,
            }
        }
        _ => InText::Unsure,
    }
}

/// One value in a wrapper: `struct OrgId(Uuid)`.
fn is_newtype(data: &Data, transparent: bool) -> bool {
    match data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(fields) => fields.unnamed.len() == 1,
            Fields::Named(_) => transparent,
            Fields::Unit => false,
        },
        _ => false,
    }
}

fn variant(
    variant: Variant,
    container: &Attributes,
    side: Side,
    input: &mut Input,
    errors: &mut Errors,
) {
    let mut attributes = Attributes::read(&variant.attrs, side, errors);
    let ours = Ours::read(&variant.attrs, Place::Variant, errors);
    if attributes.skipped {
        return;
    }
    // Only the external tagging makes a property of a variant's name: `{"Name": {…}}`. A unit
    // variant, and the value of a tag, is a word among listed ones and names nobody's data.
    let external = container.is_external() && !attributes.read.untagged;
    if external && !matches!(variant.fields, Fields::Unit) {
        let cases = container.cases();
        let names = attributes.names(|read| Name {
            text: cases.of(read).variant(&plain(&variant.ident)),
            span: variant.ident.span(),
        });
        input.names.extend(names.into_iter().map(|name| Outside {
            name,
            not_tenant: ours.not_tenant.clone(),
        }));
    }
    let by_hand = attributes.by_hand();
    if !by_hand.is_empty() {
        match ours.open {
            Some(reason) => input.open.push(reason),
            None => input.custom.extend(by_hand),
        }
        return;
    }
    let cases = attributes.cases_or(container.cases_of_fields());
    input
        .fields
        .extend(fields(variant.fields, cases, false, side, errors));
}

fn fields(
    fields: Fields,
    cases: Cases,
    transparent: bool,
    side: Side,
    errors: &mut Errors,
) -> Vec<Field> {
    let mut found = Vec::new();
    for (position, field) in fields.into_iter().enumerate() {
        let mut attributes = Attributes::read(&field.attrs, side, errors);
        let ours = Ours::read(&field.attrs, Place::Field, errors);
        if attributes.skipped {
            continue;
        }
        // A flattened field has no name of its own: its type brings names, and its derive checks
        // them. A transparent type is its field.
        let nameless = attributes.flattened || transparent;
        let names = match &field.ident {
            Some(ident) if !nameless => attributes.names(|read| Name {
                text: cases.of(read).field(&plain(ident)),
                span: ident.span(),
            }),
            _ => Vec::new(),
        };
        let shown = match (&field.ident, names.first()) {
            (_, Some(name)) => name.text.clone(),
            (Some(ident), None) => plain(ident),
            (None, None) => position.to_string(),
        };
        found.push(Field {
            ty: field.ty,
            shown,
            names,
            reading: attributes.reading(),
            not_tenant: ours.not_tenant,
            open: ours.open,
        });
    }
    found
}

fn plain(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Container,
    Variant,
    Field,
}

/// What `#[tool(…)]` says.
#[derive(Default)]
struct Ours {
    krate: Option<Path>,
    not_tenant: Option<LitStr>,
    open: Option<LitStr>,
}

impl Ours {
    fn read(attrs: &[Attribute], place: Place, errors: &mut Errors) -> Self {
        let mut ours = Self::default();
        for meta in entries_of(attrs, "tool", errors) {
            let key = key(&meta);
            match key.as_str() {
                "crate" if place == Place::Container => ours.krate = path(&meta, errors),
                "not_tenant" => {
                    ours.not_tenant = reason(&meta, "not_tenant = \"renter of a flat\"", errors);
                }
                "open" => ours.open = reason(&meta, "open = \"labels that users invent\"", errors),
                _ => errors.push(
                    meta.path(),
                    format!(
                        "unknown key `{key}`{}\nhelp: {}",
                        meant(&key, None, KEYS),
                        known(place)
                    ),
                ),
            }
        }
        ours
    }
}

/// What stands in `#[tool(…)]` within a type.
const KEYS: &[&str] = &["not_tenant", "open"];

fn known(place: Place) -> &'static str {
    match place {
        Place::Container => "a type knows `not_tenant`, `open` and `crate`",
        Place::Variant | Place::Field => {
            "a field knows `not_tenant` and `open`; its name and default are serde's: \
             `#[serde(rename = \"…\", default)]`, its limits schemars': \
             `#[schemars(range(min = 1), length(max = 200), regex(pattern = \"…\"))]`"
        }
    }
}

/// The crate's path alone, for derives that read nothing else.
pub(super) fn krate(attrs: &[Attribute], errors: &mut Errors) -> Option<Path> {
    let mut krate = None;
    for meta in entries_of(attrs, "tool", errors) {
        match key(&meta).as_str() {
            "crate" => krate = path(&meta, errors),
            other => errors.push(
                meta.path(),
                format!("unknown key `{other}`\nhelp: a tenant identifier knows `crate`"),
            ),
        }
    }
    krate
}

/// Reads a derive's item.
pub(crate) fn item(tokens: TokenStream) -> syn::Result<DeriveInput> {
    syn::parse2(tokens)
}
