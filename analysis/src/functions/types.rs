//! PostgreSQL's own types by name: what a statement may cast to, and what a cast can raise.

use crate::ir::TypeName;

/// Types of PostgreSQL's own that hold values, not names of the server's objects. Casts to
/// `regclass` and its kin read the catalogs and are left out.
const TYPES: &[&str] = &[
    "bit",
    "bool",
    "box",
    "bpchar",
    "bytea",
    "char",
    "cidr",
    "circle",
    "date",
    "datemultirange",
    "daterange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int4multirange",
    "int4range",
    "int8",
    "int8multirange",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "nummultirange",
    "numrange",
    "oid",
    "path",
    "point",
    "polygon",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varbit",
    "varchar",
    "xml",
    "record",
    "void",
];

/// Whether a type is PostgreSQL's own; rows and enums are of the migrations.
pub(crate) fn is_own(name: &str) -> bool {
    name != "record" && TYPES.contains(&name)
}

/// Types of well-known extensions that hold values, and whose input, output and comparison touch
/// nothing else.
pub(crate) fn of_an_extension(name: &str) -> bool {
    matches!(
        name,
        "citext"
            | "hstore"
            | "ltree"
            | "lquery"
            | "ltxtquery"
            | "vector"
            | "halfvec"
            | "sparsevec"
            | "cube"
            | "isbn"
            | "geometry"
            | "geography"
    )
}

/// A type, as far as the prover needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ty {
    /// The name, without a schema.
    pub(crate) name: String,
    /// Whether it is an array.
    pub(crate) array: bool,
    /// Whether it is a domain over the type: its values are compared as the type's are, but a
    /// migration can define an operator for it.
    pub(crate) domain: bool,
}

impl Ty {
    /// A plain type.
    pub(crate) fn plain(name: &str) -> Ty {
        Ty {
            name: name.to_owned(),
            array: false,
            domain: false,
        }
    }

    /// A type as it is written; `None` when it is none of PostgreSQL's own.
    pub(crate) fn of(ty: &TypeName) -> Option<Ty> {
        let name = match ty.name.parts.as_slice() {
            [name] => name,
            [schema, name] if schema == "pg_catalog" => name,
            _ => return None,
        };
        TYPES.contains(&name.as_str()).then(|| Ty {
            name: name.clone(),
            array: ty.dimensions > 0,
            domain: false,
        })
    }

    /// Values of one family are equal only if they are the same; equality across families does not
    /// exist or goes through a cast.
    pub(crate) fn family(&self) -> Option<Family> {
        if self.array || self.domain {
            return None;
        }
        match self.name.as_str() {
            "uuid" => Some(Family::Uuid),
            "int2" | "int4" | "int8" => Some(Family::Integer),
            // `bpchar` ignores trailing blanks, `name` cuts.
            "text" | "varchar" => Some(Family::Text),
            _ => None,
        }
    }

    /// Whether it is `text` or `varchar`.
    pub(crate) fn is_text(&self) -> bool {
        !self.array && matches!(self.name.as_str(), "text" | "varchar")
    }
}

/// A family of types whose equality is identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `uuid`
    Uuid,
    /// `bigint` and the smaller ones.
    Integer,
    /// `text`, `varchar`.
    Text,
}

/// What PostgreSQL does, unasked, to give a function a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implicit {
    /// Nothing: it is of the type.
    Same,
    /// A cast that never raises an error, or none since the type stands for several.
    Never,
    /// A cast that raises one on some values.
    Raises,
}

/// How a value becomes one of a type by implicit casts (`pg_cast`); `None` where it can't.
pub(crate) fn implicit(from: &Ty, to: &str) -> Option<Implicit> {
    let range = from.name.ends_with("range");
    let several = match to {
        "any" | "anyelement" => Some(true),
        "anynonarray" => Some(!from.array),
        "anyarray" => Some(from.array),
        "anyenum" => Some(!from.array && from.name == "enum"),
        "anyrange" => Some(!from.array && range && !from.name.ends_with("multirange")),
        "anymultirange" => Some(!from.array && from.name.ends_with("multirange")),
        _ => None,
    };
    if let Some(fits) = several {
        return fits.then_some(Implicit::Never);
    }
    let text = |name: &str| matches!(name, "text" | "varchar" | "bpchar" | "name");
    if let (true, Some(element)) = (from.array, to.strip_prefix('_')) {
        return match (from.name.as_str(), element) {
            (a, b) if a == b => Some(Implicit::Same),
            (a, "text") if text(a) => Some(Implicit::Never),
            _ => None,
        };
    }
    if from.array {
        return None;
    }
    match (from.name.as_str(), to) {
        (a, b) if a == b => Some(Implicit::Same),
        ("int2", "int4" | "int8" | "numeric" | "float4" | "float8" | "oid")
        | ("int4", "int8" | "numeric" | "float4" | "float8" | "oid")
        | ("int8", "numeric" | "float4" | "float8")
        | ("float4", "float8")
        | ("text" | "varchar" | "bpchar", "text" | "varchar" | "bpchar" | "name")
        | ("citext", "text" | "varchar")
        | ("name" | "char", "text")
        | ("cidr", "inet")
        | ("bit", "varbit")
        | ("varbit", "bit")
        | ("macaddr", "macaddr8")
        | ("time", "interval" | "timetz") => Some(Implicit::Never),
        ("numeric", "float4" | "float8")
        | ("int8", "oid")
        | ("date", "timestamp" | "timestamptz")
        | ("timestamp", "timestamptz")
        | ("macaddr8", "macaddr") => Some(Implicit::Raises),
        _ => None,
    }
}

/// Whether a cast from one type to another never raises an error.
pub(crate) fn cast_never_raises(from: Option<&Ty>, to: &TypeName) -> bool {
    let (Some(from), Some(to_ty)) = (from, Ty::of(to)) else {
        return false;
    };
    if from.array || to_ty.array {
        return *from == to_ty && to.modifiers.is_empty();
    }
    match (from.name.as_str(), to_ty.name.as_str()) {
        // Every value has a text, and an explicit length only cuts.
        (_, "text" | "varchar" | "bpchar") => true,
        // A length of numbers and times can overflow.
        _ if !to.modifiers.is_empty() => false,
        (a, b) if a == b => true,
        ("int2", "int4" | "int8" | "numeric" | "float4" | "float8")
        | ("int4", "int8" | "numeric" | "float8" | "float4")
        | ("int8", "numeric" | "float8" | "float4")
        | ("float4", "float8")
        | ("timestamptz" | "timestamp", "date" | "time")
        | ("bool", "int4") => true,
        _ => false,
    }
}
