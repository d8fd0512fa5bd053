//! What `#[serde(…)]` and `#[schemars(…)]` say about the form that a client sends. Only the
//! deserialising side matters; keys that don't touch names, nesting or code are passed over,
//! because serde judges them itself.

use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, LitStr, Meta};

use super::model::Name;
use super::rename::Case;
use crate::attributes::{entries, entries_of, key, string};
use crate::errors::Errors;

/// The entries that matter, of one container, variant or field.
#[derive(Default)]
pub(super) struct Attributes {
    /// `rename`, under serde and under schemars where the latter differs.
    pub(super) renames: Vec<Name>,
    pub(super) aliases: Vec<Name>,
    pub(super) rename_all: Option<Case>,
    pub(super) rename_all_fields: Option<Case>,
    /// `tag` and `content`: further property names.
    pub(super) tags: Vec<Name>,
    pub(super) tagged: bool,
    pub(super) untagged: bool,
    /// Never read from input.
    pub(super) skipped: bool,
    /// Hand-written code decides what is read: `with`, `deserialize_with`, `from`, …
    pub(super) custom: Option<Ident>,
}

impl Attributes {
    pub(super) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self::default();
        for meta in entries_of(attrs, "serde", errors) {
            found.entry(&meta, errors);
        }
        // schemars reads serde's attributes and its own, which win in the published schema.
        for meta in entries_of(attrs, "schemars", errors) {
            found.entry(&meta, errors);
        }
        found
    }

    fn entry(&mut self, meta: &Meta, errors: &mut Errors) {
        let key = key(meta);
        match key.as_str() {
            "rename" => self
                .renames
                .extend(deserialized(meta, errors).map(Name::of)),
            "alias" => self.aliases.extend(literal(meta).map(Name::of)),
            "rename_all" => {
                self.rename_all =
                    deserialized(meta, errors).map(|text| Case::from_name(&text.value()));
            }
            "rename_all_fields" => {
                self.rename_all_fields =
                    deserialized(meta, errors).map(|text| Case::from_name(&text.value()));
            }
            "tag" | "content" => {
                self.tagged = true;
                self.tags.extend(literal(meta).map(Name::of));
            }
            "untagged" => self.untagged = true,
            "skip" | "skip_deserializing" => self.skipped = true,
            "with" | "schema_with" | "deserialize_with" | "from" | "try_from" | "remote"
            | "transform" | "extend" => {
                self.custom = meta
                    .path()
                    .segments
                    .first()
                    .map(|first| first.ident.clone());
            }
            _ => {}
        }
    }
}

/// `key = "text"`.
fn literal(meta: &Meta) -> Option<LitStr> {
    match meta {
        Meta::NameValue(pair) => string(&pair.value).cloned(),
        _ => None,
    }
}

/// `key = "text"` or `key(serialize = "…", deserialize = "text")`.
fn deserialized(meta: &Meta, errors: &mut Errors) -> Option<LitStr> {
    match meta {
        Meta::NameValue(pair) => match &pair.value {
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
        },
        Meta::List(list) => entries(list.tokens.clone(), errors)
            .iter()
            .find(|entry| entry.path().is_ident("deserialize"))
            .and_then(literal),
        Meta::Path(_) => None,
    }
}
