//! What `#[serde(…)]` and `#[schemars(…)]` say about the form that a client sends or sees. Values go
//! one way at a time, and what is said for the other way is passed over.
//!
//! serde decides what is read or written, schemars what is published, and schemars' own attributes
//! win over serde's there. So both forms are kept, and a name counts under each. A key that is not
//! known here is refused: it might rename something.

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, LitStr, Meta, Type};

use super::codec;
use super::model::{Custom, Name, Reading};
use super::rename::Case;
use crate::attributes::{entries, entries_of, key, split, string};
use crate::errors::Errors;

/// Which way values go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Side {
    /// From the client: `Deserialize`.
    #[default]
    In,
    /// To the client: `Serialize`.
    Out,
}

impl Side {
    /// The key of `rename(serialize = "…", deserialize = "…")` that counts.
    const fn key(self) -> &'static str {
        match self {
            Self::In => "deserialize",
            Self::Out => "serialize",
        }
    }

    /// Keys that keep a value out on this side.
    fn skips(self, key: &str) -> bool {
        key == "skip"
            || match self {
                Self::In => key == "skip_deserializing",
                Self::Out => key == "skip_serializing",
            }
    }

    /// Keys that put hand-written code between the type and its form on this side.
    fn is_custom(self, key: &str) -> bool {
        matches!(key, "schema_with" | "transform" | "extend")
            || match self {
                Self::In => key == "deserialize_with",
                Self::Out => matches!(key, "serialize_with" | "into" | "getter"),
            }
    }
}

/// The entries that matter, of one container, variant or field.
#[derive(Default)]
pub(super) struct Attributes {
    side: Side,
    pub(super) read: Form,
    pub(super) published: Form,
    pub(super) aliases: Vec<Name>,
    /// Never read from input, or never written to output.
    pub(super) skipped: bool,
    pub(super) flattened: bool,
    pub(super) transparent: bool,
    /// The type of `from` or `try_from`.
    pub(super) proxy: Option<Type>,
    /// Hand-written code or schemas decide: `with`, `deserialize_with`, `schema_with`, …
    custom: Vec<Custom>,
    /// serde reads by a module that is known to read plain values.
    codec: bool,
    /// schemars' `with` and its type.
    published_as: Option<(Custom, Type)>,
}

/// Names and tagging, as serde reads or writes them, or as schemars publishes them.
#[derive(Default)]
pub(super) struct Form {
    pub(super) rename: Option<Name>,
    pub(super) rename_all: Option<Case>,
    pub(super) rename_all_fields: Option<Case>,
    pub(super) tags: Vec<Name>,
    pub(super) untagged: bool,
}

/// The case rules of both forms.
#[derive(Clone, Copy, Default)]
pub(super) struct Cases {
    pub(super) read: Case,
    pub(super) published: Case,
}

impl Cases {
    /// The rule of one form.
    pub(super) fn of(self, read: bool) -> Case {
        match read {
            true => self.read,
            false => self.published,
        }
    }
}

/// Keys that change neither names nor nesting nor what is read.
const HARMLESS: &[&str] = &[
    // serde
    "borrow",
    "bound",
    "crate",
    "default",
    "deny_unknown_fields",
    "expecting",
    "field_identifier",
    "other",
    "skip_serializing_if",
    "variant_identifier",
    // schemars
    "contains",
    "deprecated",
    "description",
    "email",
    "example",
    "examples",
    "extension",
    "inline",
    "inner",
    "ip",
    "ipv4",
    "ipv6",
    "length",
    "pattern",
    "range",
    "regex",
    "required",
    "title",
    "url",
];

/// Keys that count on one side only, seen from the other.
const OTHER_SIDE: &[&str] = &[
    "alias",
    "deserialize_with",
    "from",
    "getter",
    "into",
    "serialize_with",
    "skip_deserializing",
    "skip_serializing",
    "try_from",
];

impl Attributes {
    pub(super) fn read(attrs: &[Attribute], side: Side, errors: &mut Errors) -> Self {
        let mut found = Self {
            side,
            ..Self::default()
        };
        for meta in entries_of(attrs, "serde", errors) {
            found.entry(&meta, true, errors);
        }
        let (attrs, taken_back) = without_taken_back(attrs);
        for key in taken_back {
            errors.push(
                &key,
                format!(
                    "`!{key}` publishes another form than serde reads\nhelp: take it out, and take `{key}` out of `#[serde(…)]` if it is not wanted"
                ),
            );
        }
        for meta in entries_of(&attrs, "schemars", errors) {
            found.entry(&meta, false, errors);
        }
        found
    }

    /// The rules for the fields of a struct.
    pub(super) fn cases(&self) -> Cases {
        cases(self.read.rename_all, self.published.rename_all)
    }

    /// The rules for the fields of a variant, which may have its own.
    pub(super) fn cases_or(&self, others: Cases) -> Cases {
        match (self.read.rename_all, self.published.rename_all) {
            (None, None) => others,
            (read, published) => cases(read.or(Some(others.read)), published),
        }
    }

    /// The rules for the fields of every variant.
    pub(super) fn cases_of_fields(&self) -> Cases {
        cases(
            self.read.rename_all_fields,
            self.published.rename_all_fields,
        )
    }

    /// Whether a variant's name is a property: `{"Name": {…}}`.
    pub(super) fn is_external(&self) -> bool {
        self.read.tags.is_empty() && !self.read.untagged
    }

    /// The names after renaming, the published one first, then the aliases.
    pub(super) fn names(&self, own: impl Fn(bool) -> Name) -> Vec<Name> {
        let read = self.read.rename.clone().unwrap_or_else(|| own(true));
        let published = match (&self.published.rename, &self.read.rename) {
            (Some(name), _) | (None, Some(name)) => name.clone(),
            (None, None) => own(false),
        };
        let other = (read.text != published.text).then_some(read);
        let mut names = vec![published];
        names.extend(other);
        names.extend(self.aliases.iter().cloned());
        names
    }

    fn entry(&mut self, meta: &Meta, serde: bool, errors: &mut Errors) {
        let key = key(meta);
        let side = self.side;
        let form = match serde {
            true => &mut self.read,
            false => &mut self.published,
        };
        match key.as_str() {
            "rename" => form.rename = sided(meta, side, errors).as_ref().map(Name::of),
            "rename_all" => {
                form.rename_all =
                    sided(meta, side, errors).map(|text| Case::from_name(&text.value()));
            }
            "rename_all_fields" => {
                form.rename_all_fields =
                    sided(meta, side, errors).map(|text| Case::from_name(&text.value()));
            }
            "tag" | "content" => form.tags.extend(literal(meta, errors).as_ref().map(Name::of)),
            "untagged" => form.untagged = true,
            "alias" if side == Side::In => {
                self.aliases.extend(literal(meta, errors).as_ref().map(Name::of));
            }
            // What schemars alone leaves out is read and written all the same.
            key if side.skips(key) => self.skipped |= serde,
            "flatten" => self.flattened = true,
            "transparent" => self.transparent = true,
            "from" | "try_from" if side == Side::In => self.proxy = ty(meta, errors),
            "with" if serde => match literal(meta, errors) {
                Some(path) if codec::is_known(&path.value()) => {
                    self.codec = true;
                }
                _ => self.custom.extend(custom(meta, true)),
            },
            "with" => self.published_as = custom(meta, true).zip(ty(meta, errors)),
            key if side.is_custom(key) => self.custom.extend(custom(meta, true)),
            "remote" => self.custom.extend(custom(meta, false)),
            key if HARMLESS.contains(&key) || OTHER_SIDE.contains(&key) => {}
            key => errors.push(
                meta.path(),
                format!(
                    "`{key}` is not known to this check, and might rename what a client sends\nhelp: leave it out, or report it to watertight"
                ),
            ),
        }
    }

    /// How a field's value comes about.
    pub(super) fn reading(&mut self) -> Reading {
        let mut custom = std::mem::take(&mut self.custom).into_iter();
        match (custom.next(), self.published_as.take()) {
            (Some(first), _) => Reading::Custom(first),
            (None, published) if self.codec => Reading::Codec {
                published: published.map(|(_, ty)| Box::new(ty)),
            },
            (None, Some((with, _))) => Reading::Custom(with),
            (None, None) => Reading::Own,
        }
    }

    /// Every key that puts code or a schema by hand in the way, of a container or a variant.
    pub(super) fn by_hand(&mut self) -> Vec<Custom> {
        let mut found = std::mem::take(&mut self.custom);
        found.extend(self.published_as.take().map(|(with, _)| with));
        found
    }
}

fn custom(meta: &Meta, excusable: bool) -> Option<Custom> {
    let key = meta.path().segments.first()?.ident.clone();
    Some(Custom { key, excusable })
}

fn cases(read: Option<Case>, published: Option<Case>) -> Cases {
    let read = read.unwrap_or_default();
    Cases {
        read,
        published: published.unwrap_or(read),
    }
}

/// The attributes without schemars' `!key`, which takes back what serde says, and these keys.
fn without_taken_back(attrs: &[Attribute]) -> (Vec<Attribute>, Vec<Ident>) {
    let mut taken_back = Vec::new();
    let mut rest = attrs.to_vec();
    for attr in &mut rest {
        if !attr.path().is_ident("schemars") {
            continue;
        }
        let Meta::List(list) = &mut attr.meta else {
            continue;
        };
        let mut kept = Vec::new();
        for entry in split(list.tokens.clone()) {
            let mut tokens = entry.clone().into_iter();
            match (tokens.next(), tokens.next()) {
                (Some(TokenTree::Punct(mark)), Some(TokenTree::Ident(key)))
                    if mark.as_char() == '!' =>
                {
                    if !HARMLESS.contains(&key.to_string().as_str()) {
                        taken_back.push(key);
                    }
                }
                _ => kept.push(entry),
            }
        }
        list.tokens = quote::quote!(#(#kept),*);
    }
    (rest, taken_back)
}

/// The text of `key = "text"`; something else can't be checked.
fn literal(meta: &Meta, errors: &mut Errors) -> Option<LitStr> {
    let Meta::NameValue(pair) = meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(_) | Expr::Group(_) => string(&pair.value).cloned(),
        other => {
            errors.push_at(
                other.span(),
                format!(
                    "`{}` must be a string literal, or its name can't be checked",
                    key(meta)
                ),
            );
            None
        }
    }
}

/// `key = "text"` or `key(serialize = "…", deserialize = "…")`, where one of the two counts.
fn sided(meta: &Meta, side: Side, errors: &mut Errors) -> Option<LitStr> {
    match meta {
        Meta::NameValue(_) => literal(meta, errors),
        Meta::List(list) => entries(list.tokens.clone(), errors)
            .iter()
            .find(|entry| entry.path().is_ident(side.key()))
            .and_then(|entry| literal(entry, errors)),
        Meta::Path(_) => None,
    }
}

/// The type in `key = "Type"`, or written as it is. Its tokens carry the literal's place.
fn ty(meta: &Meta, errors: &mut Errors) -> Option<Type> {
    let Meta::NameValue(pair) = meta else {
        return None;
    };
    errors.absorb(match string(&pair.value) {
        Some(text) => text.parse(),
        None => syn::parse2(pair.value.to_token_stream()),
    })
}
