//! From a derive's item to the model: which fields are read, and under which names, after all of
//! serde's and schemars' renaming.

use proc_macro2::TokenStream;
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, Path, Variant};

use super::model::{Field, Input, Name};
use super::rename::Case;
use super::serde::{Attributes, Side};
use crate::attributes::{entries_of, key, path, text};
use crate::errors::Errors;

/// Reads the type, as values of it go this way.
pub(crate) fn input(item: DeriveInput, side: Side, errors: &mut Errors) -> Input {
    let container = Attributes::read(&item.attrs, side, errors);
    let ours = Ours::read(&item.attrs, Place::Container, errors);
    let mut input = Input {
        krate: ours.krate,
        ident: item.ident,
        generics: item.generics,
        names: container.tags.clone(),
        fields: Vec::new(),
        custom: container.custom.clone(),
        open: ours.open,
    };
    match item.data {
        Data::Struct(data) => {
            let case = container.rename_all.unwrap_or_default();
            input.fields = fields(data.fields, case, side, errors);
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

fn variant(
    variant: Variant,
    container: &Attributes,
    side: Side,
    input: &mut Input,
    errors: &mut Errors,
) {
    let attributes = Attributes::read(&variant.attrs, side, errors);
    let ours = Ours::read(&variant.attrs, Place::Variant, errors);
    if attributes.skipped {
        return;
    }
    // Only the external tagging makes a property of a variant's name: `{"Name": {…}}`. A unit
    // variant, and the value of a tag, is a word among listed ones and names nobody's data.
    let external = !container.tagged && !container.untagged && !attributes.untagged;
    if external && !matches!(variant.fields, Fields::Unit) {
        let name = || Name {
            text: container
                .rename_all
                .unwrap_or_default()
                .variant(&plain(&variant.ident)),
            span: variant.ident.span(),
        };
        let names = named(&attributes, name);
        match &ours.not_tenant {
            Some(_) => {}
            None => input.names.extend(names),
        }
    }
    let case = attributes
        .rename_all
        .or(container.rename_all_fields)
        .unwrap_or_default();
    if let Some(custom) = &attributes.custom {
        if ours.open.is_none() {
            input.custom.get_or_insert(custom.clone());
        }
        return;
    }
    input
        .fields
        .extend(fields(variant.fields, case, side, errors));
}

fn fields(fields: Fields, case: Case, side: Side, errors: &mut Errors) -> Vec<Field> {
    let mut found = Vec::new();
    for (position, field) in fields.into_iter().enumerate() {
        let attributes = Attributes::read(&field.attrs, side, errors);
        let ours = Ours::read(&field.attrs, Place::Field, errors);
        if attributes.skipped {
            continue;
        }
        // A flattened field has no name of its own: its type brings names, and its derive checks
        // them.
        let flattened = entries_of(&field.attrs, "serde", errors)
            .iter()
            .any(|meta| meta.path().is_ident("flatten"));
        let names = match &field.ident {
            Some(ident) if !flattened => named(&attributes, || Name {
                text: case.field(&plain(ident)),
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
            custom: attributes.custom,
            not_tenant: ours.not_tenant,
            open: ours.open,
        });
    }
    found
}

/// The name after renaming, then the aliases.
fn named(attributes: &Attributes, own: impl FnOnce() -> Name) -> Vec<Name> {
    let mut names = attributes.renames.clone();
    if names.is_empty() {
        names.push(own());
    }
    names.extend(attributes.aliases.iter().cloned());
    names
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
                "not_tenant" if place != Place::Container => {
                    ours.not_tenant = text(&meta, "not_tenant = \"renter of a flat\"", errors);
                }
                "open" => ours.open = text(&meta, "open = \"labels that users invent\"", errors),
                _ => errors.push(
                    meta.path(),
                    format!("unknown key `{key}`\nhelp: {}", known(place)),
                ),
            }
        }
        ours
    }
}

fn known(place: Place) -> &'static str {
    match place {
        Place::Container => "a type knows `open` and `crate`",
        Place::Variant | Place::Field => {
            "a field knows `not_tenant` and `open`; its name and default are serde's: `#[serde(rename = \"…\", default)]`"
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
