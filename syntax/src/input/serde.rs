//! What `#[serde(…)]` and `#[schemars(…)]` say about the form that a client sends or sees. Only one
//! side matters at a time; keys that don't touch names, nesting or code are passed over, because
//! serde judges them itself.

use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, LitStr, Meta};

use super::model::Name;
use super::rename::Case;
use crate::attributes::{entries, entries_of, key, string};
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
        matches!(
            key,
            "with" | "schema_with" | "remote" | "transform" | "extend"
        ) || match self {
            Self::In => matches!(key, "deserialize_with" | "from" | "try_from"),
            Self::Out => matches!(key, "serialize_with" | "into" | "getter"),
        }
    }
}

/// The entries that matter, of one container, variant or field.
#[derive(Default)]
pub(super) struct Attributes {
    side: Side,
    /// `rename`, under serde and under schemars where the latter differs.
    pub(super) renames: Vec<Name>,
    pub(super) aliases: Vec<Name>,
    pub(super) rename_all: Option<Case>,
    pub(super) rename_all_fields: Option<Case>,
    /// `tag` and `content`: further property names.
    pub(super) tags: Vec<Name>,
    pub(super) tagged: bool,
    pub(super) untagged: bool,
    /// Never read from input, or never written to output.
    pub(super) skipped: bool,
    /// Hand-written code decides: `with`, `deserialize_with`, `from`, `serialize_with`, …
    pub(super) custom: Option<Ident>,
}

impl Attributes {
    pub(super) fn read(attrs: &[Attribute], side: Side, errors: &mut Errors) -> Self {
        let mut found = Self {
            side,
            ..Self::default()
        };
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
                .extend(sided(meta, self.side, errors).map(Name::of)),
            "alias" if self.side == Side::In => self.aliases.extend(literal(meta).map(Name::of)),
            "rename_all" => {
                self.rename_all =
                    sided(meta, self.side, errors).map(|text| Case::from_name(&text.value()));
            }
            "rename_all_fields" => {
                self.rename_all_fields =
                    sided(meta, self.side, errors).map(|text| Case::from_name(&text.value()));
            }
            "tag" | "content" => {
                self.tagged = true;
                self.tags.extend(literal(meta).map(Name::of));
            }
            "untagged" => self.untagged = true,
            key if self.side.skips(key) => self.skipped = true,
            key if self.side.is_custom(key) => {
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

/// `key = "text"` or `key(serialize = "…", deserialize = "…")`, where one of the two counts.
fn sided(meta: &Meta, side: Side, errors: &mut Errors) -> Option<LitStr> {
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
            .find(|entry| entry.path().is_ident(side.key()))
            .and_then(literal),
        Meta::Path(_) => None,
    }
}
