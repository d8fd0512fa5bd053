//! PostgreSQL's own operators by name, and which of them can raise an error on operands of which
//! types.
//!
//! Invariant: an operator is said never to raise only for types that are looked at here one by one.
//! `json` reads escapes as it goes, geometric types compute areas and distances that overflow, a
//! `numeric` beside a float is cast to one, and rows are compared by operators found as they run.

use super::types::Ty;

/// Every operator of PostgreSQL's own (`pg_operator`); each computes from its operands alone.
const OPERATORS: &[&str] = &[
    "!!", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "&", "&&", "&<", "&<|",
    "&>", "*", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+", "-", "->", "->>", "-|-", "/", "<",
    "<->", "<<", "<<=", "<<|", "<=", "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?",
    "?#", "?&", "?-", "?-|", "?|", "?||", "@", "@-@", "@>", "@?", "@@", "@@@", "^", "^@", "|",
    "|&>", "|/", "|>>", "||", "||/", "~", "~*", "~<=~", "~<~", "~=", "~>=~", "~>~", "~~", "~~*",
];

/// Whether PostgreSQL has an operator of this name.
pub(crate) fn is_builtin(name: &str) -> bool {
    OPERATORS.contains(&name)
}

/// What an operator of a well-known extension makes of operands of its types: distances of pgvector,
/// which raise an error on vectors of different lengths, and the trigrams of pg_trgm, which raise
/// none. PostgreSQL itself has no operator of these names on these types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// The type of the result.
    pub(crate) result: &'static str,
    /// Whether it never raises an error.
    pub(crate) never: bool,
}

/// The operator of a well-known extension that a name stands for between these operands.
pub(crate) fn of_an_extension(
    name: &str,
    left: Operand<'_>,
    right: Operand<'_>,
) -> Option<Extension> {
    let one = match (left, right) {
        (Operand::Known(a), Operand::Known(b))
            if a.name == b.name || (a.is_text() && b.is_text()) =>
        {
            a
        }
        (Operand::Known(one), Operand::Open) | (Operand::Open, Operand::Known(one)) => one,
        _ => return None,
    };
    if one.array || one.domain {
        return None;
    }
    let vector = matches!(one.name.as_str(), "vector" | "halfvec" | "sparsevec");
    let (result, never) = match name {
        "<=>" | "<#>" | "<+>" | "<->" if vector => ("float8", false),
        "<~>" | "<%>" if one.name == "bit" => ("float8", false),
        "%" | "<%" | "%>" | "<<%" | "%>>" if one.is_text() => ("bool", true),
        "<->" | "<<->" | "<->>" | "<<<->" | "<->>>" if one.is_text() => ("float4", true),
        _ => return None,
    };
    Some(Extension { result, never })
}

/// Whether an operator of the extension `intarray` is meant where PostgreSQL has one for any array:
/// that is of `integer[]` and raises an error where an element is NULL.
pub(crate) fn is_of_intarray(name: &str, left: Operand<'_>, right: Operand<'_>) -> bool {
    let integers = |operand| match operand {
        Operand::Known(ty) => ty.array && ty.name == "int4",
        _ => true,
    };
    matches!(name, "&&" | "@>" | "<@") && integers(left) && integers(right)
}

/// Whether an extension has functions in the place of PostgreSQL's own, for the same arguments.
pub(crate) const REPLACING: &str = "orafce";

/// `LIKE` and its kin: they raise an error when the pattern ends in a lone backslash.
pub(crate) fn is_like(name: &str) -> bool {
    matches!(name, "~~" | "!~~" | "~~*" | "!~~*")
}

/// Regular expressions: they raise an error when the pattern is not valid.
pub(crate) fn is_regex(name: &str) -> bool {
    matches!(name, "~" | "!~" | "~*" | "!~*")
}

/// Operators of text that fail under a collation which calls different texts equal.
pub(crate) fn wants_strict(name: &str) -> bool {
    matches!(name, "^@" | "~<=~" | "~<~" | "~>=~" | "~>~") || is_like(name) || is_regex(name)
}

/// What is known of an operand's type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand<'t> {
    /// A parameter, a string or NULL: it takes the type of the other side.
    Open,
    /// A parameter where its type matters: the program may have sent it with any.
    Parameter,
    /// The type.
    Known(&'t Ty),
    /// Nothing, but it is one value for all rows.
    Constant,
    /// Nothing.
    Unknown,
}

/// Types that behave alike under the operators below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Numeric,
    Float,
    Text,
    /// `date`, `timestamp`, `timestamptz`, which are compared across without a cast.
    Moment,
    Jsonb,
    Hstore,
    Network,
    Range,
    Vector,
    Query,
    /// Numbers of the server's objects, to which a `bigint` is cast.
    Oid,
    /// Compared with its own type only, by a comparison that never fails.
    Plain,
    /// Anything whose comparison may fail, or does not exist.
    Unsafe,
}

fn kind(name: &str) -> Kind {
    match name {
        "int2" | "int4" | "int8" => Kind::Integer,
        "numeric" => Kind::Numeric,
        "float4" | "float8" => Kind::Float,
        "text" | "varchar" | "bpchar" | "name" | "citext" => Kind::Text,
        "date" | "timestamp" | "timestamptz" => Kind::Moment,
        "jsonb" => Kind::Jsonb,
        "hstore" => Kind::Hstore,
        "inet" | "cidr" => Kind::Network,
        "tsvector" => Kind::Vector,
        "tsquery" => Kind::Query,
        "bool" | "uuid" | "time" | "timetz" | "interval" | "bytea" | "macaddr" | "macaddr8"
        | "money" | "bit" | "varbit" | "char" | "enum" | "ltree" => Kind::Plain,
        "oid" => Kind::Oid,
        _ if name.ends_with("range") => Kind::Range,
        // json, xml, geometry, rows, and what is not known.
        _ => Kind::Unsafe,
    }
}

/// Whether the operator never raises an error on operands of these types.
pub(crate) fn never_raises(name: &str, left: Operand<'_>, right: Operand<'_>) -> bool {
    let (left, right) = match (left, right) {
        (Operand::Known(left), Operand::Known(right)) => (left, right),
        (Operand::Known(one), Operand::Open) | (Operand::Open, Operand::Known(one))
            if kind(&one.name) != Kind::Oid =>
        {
            (one, one)
        }
        // A number is cast to a float beside one. Other types stay what they are: beside a value of
        // another type the server refuses the statement.
        (Operand::Known(one), Operand::Constant) | (Operand::Constant, Operand::Known(one))
            if !matches!(kind(&one.name), Kind::Numeric | Kind::Oid) =>
        {
            (one, one)
        }
        (Operand::Known(one), Operand::Unknown) | (Operand::Unknown, Operand::Known(one))
            if !matches!(kind(&one.name), Kind::Numeric | Kind::Float | Kind::Oid) =>
        {
            (one, one)
        }
        // Without a row nothing tells.
        (Operand::Open | Operand::Constant, Operand::Open | Operand::Constant) => return true,
        _ => return false,
    };
    let (a, b) = (kind(&left.name), kind(&right.name));
    let arrays = left.array || right.array;
    match name {
        "=" | "<>" | "<" | "<=" | ">" | ">=" => comparable(left, right),
        "@>" | "<@" | "&&" if arrays => left.array && right.array && comparable(left, right),
        _ if arrays => false,
        "@>" | "<@" => match (a, b) {
            (Kind::Jsonb, Kind::Jsonb)
            | (Kind::Hstore, Kind::Hstore)
            | (Kind::Query, Kind::Query) => true,
            (Kind::Range, other) | (other, Kind::Range) => other != Kind::Unsafe,
            _ => left.name == "ltree" && right.name == "ltree",
        },
        "&&" => matches!(
            (a, b),
            (Kind::Range, Kind::Range)
                | (Kind::Network, Kind::Network)
                | (Kind::Query, Kind::Query)
        ),
        "?" | "?|" | "?&" => matches!(a, Kind::Jsonb | Kind::Hstore),
        "->" => matches!(a, Kind::Jsonb | Kind::Hstore),
        "->>" | "#>" | "#>>" => a == Kind::Jsonb,
        "@@" => matches!(
            (a, b),
            (Kind::Vector | Kind::Query, Kind::Vector | Kind::Query)
        ),
        "<<" | ">>" => matches!(
            (a, b),
            (Kind::Range, Kind::Range)
                | (Kind::Network, Kind::Network)
                | (Kind::Integer, Kind::Integer)
        ),
        "<<=" | ">>=" => (a, b) == (Kind::Network, Kind::Network),
        "-|-" | "&<" | "&>" => (a, b) == (Kind::Range, Kind::Range),
        "^@" | "~<=~" | "~<~" | "~>=~" | "~>~" => (a, b) == (Kind::Text, Kind::Text),
        _ => false,
    }
}

/// Whether values of these types are compared without an error, whatever they are.
fn comparable(left: &Ty, right: &Ty) -> bool {
    if left.array != right.array {
        return false;
    }
    match (kind(&left.name), kind(&right.name)) {
        (Kind::Unsafe, _) | (_, Kind::Unsafe) => false,
        // The elements of arrays are compared by the operator of their one type.
        _ if left.array => left.name == right.name,
        (Kind::Plain, Kind::Plain) => left.name == right.name,
        (Kind::Range, Kind::Range) => left.name == right.name,
        (Kind::Integer, Kind::Numeric | Kind::Float)
        | (Kind::Numeric | Kind::Float, Kind::Integer) => true,
        (left, right) => left == right,
    }
}

/// Whether values of these types become one type without an error, as in `COALESCE`. A number that
/// is the same for all rows is cast before any row is read, and counts as a whole one.
pub(crate) fn unify(types: &[Operand<'_>]) -> bool {
    let mut known: Vec<&Ty> = Vec::new();
    let (mut unknown, mut given) = (0, false);
    for ty in types {
        match ty {
            Operand::Known(ty) if known.iter().any(|other| alike(other, ty)) => {}
            Operand::Known(ty) => known.push(ty),
            Operand::Open => {}
            Operand::Parameter => given = true,
            Operand::Constant | Operand::Unknown => unknown += 1,
        }
    }
    // What the program sends can be of a type to which these are cast.
    let narrow = |ty: &&Ty| matches!(&*ty.name, "date" | "timestamp" | "oid" | "macaddr8");
    if given && known.iter().any(narrow) {
        return false;
    }
    let kinds = || known.iter().map(|ty| kind(&ty.name));
    let names = |wanted: &[&str]| known.iter().all(|ty| wanted.contains(&&*ty.name));
    if known.iter().any(|ty| ty.array) {
        // The elements are cast one by one: texts become texts.
        return known.len() == 1
            || (known.iter().all(|ty| ty.array) && kinds().all(|kind| kind == Kind::Text));
    }
    if unknown > 0 {
        // What is not known is of the same category, in which no cast raises.
        return match known.as_slice() {
            [] => unknown == 1,
            [one] => {
                !matches!(
                    kind(&one.name),
                    Kind::Numeric | Kind::Float | Kind::Moment | Kind::Oid
                ) && !matches!(&*one.name, "macaddr" | "macaddr8")
            }
            _ => kinds().all(|kind| kind == Kind::Text),
        };
    }
    known.len() <= 1
        || kinds().all(|kind| kind == Kind::Text)
        || kinds().all(|kind| matches!(kind, Kind::Integer | Kind::Numeric))
        || kinds().all(|kind| matches!(kind, Kind::Integer | Kind::Float))
        || kinds().all(|kind| kind == Kind::Network)
        || names(&["bit", "varbit"])
        || names(&["time", "timetz"])
        || names(&["time", "interval"])
}

/// Whether two types are one, a domain being of its base.
fn alike(a: &Ty, b: &Ty) -> bool {
    a.name == b.name && a.array == b.array
}

/// The type that values of these types become.
pub(crate) fn united(types: &[&Ty]) -> Option<Ty> {
    let (first, others) = types.split_first()?;
    if others.iter().all(|other| other == first) {
        return Some(Ty::clone(first));
    }
    let all = |wanted: &[Kind]| {
        types
            .iter()
            .all(|ty| !ty.array && !ty.domain && wanted.contains(&kind(&ty.name)))
    };
    if all(&[Kind::Integer]) {
        Some(Ty::plain("int8"))
    } else if all(&[Kind::Integer, Kind::Numeric]) {
        Some(Ty::plain("numeric"))
    } else if all(&[Kind::Integer, Kind::Float]) {
        Some(Ty::plain("float8"))
    } else if types.iter().all(|ty| ty.is_text() && !ty.domain) {
        Some(Ty::plain("text"))
    } else {
        None
    }
}

/// Whether a type is text in any of its forms, so that `LIKE` on it fails for its pattern alone.
pub(crate) fn is_textual(ty: &Ty) -> bool {
    !ty.array && (kind(&ty.name) == Kind::Text || ty.name == "bytea")
}

/// Whether a literal path of `@?` and `@@` raises nothing: those operators keep most errors silent,
/// but not those of comparing times with and without a zone.
pub(crate) fn is_quiet_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    // A name of a method can be spelled with escapes.
    !path.contains("time") && !path.contains("date") && !path.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_types_of_both_sides() {
        let ty = Ty::plain;
        let never = |op: &str, a: &str, b: &str| {
            let (a, b) = (ty(a), ty(b));
            never_raises(op, Operand::Known(&a), Operand::Known(&b))
        };
        assert!(never("=", "uuid", "uuid") && never("<", "int4", "int8"));
        assert!(never("<", "numeric", "int8") && never("=", "text", "varchar"));
        assert!(never(">=", "date", "timestamptz") && never("=", "enum", "enum"));
        assert!(!never("<", "numeric", "float8") && !never("=", "int8", "oid"));
        assert!(never("=", "oid", "oid") && !never("=", "date", "time"));
        assert!(!never("=", "circle", "circle") && !never("@>", "circle", "point"));
        assert!(!never("=", "record", "record") && !never("=", "json", "json"));
        assert!(never("->>", "jsonb", "text") && !never("->>", "json", "text"));
        assert!(never("@@", "tsvector", "tsquery") && !never("@@", "text", "tsquery"));
        assert!(never("@>", "jsonb", "jsonb") && never("@>", "int4range", "int4"));
        assert!(!never("+", "int4", "int4") && !never("->", "vector", "text"));
        let column = ty("numeric");
        assert!(never_raises("<", Operand::Known(&column), Operand::Open));
        assert!(!never_raises(
            "<",
            Operand::Known(&column),
            Operand::Unknown
        ));
        assert!(is_quiet_path("$.a ? (@.b > 1)") && !is_quiet_path("$.a.dateTime() > 1"));
    }

    #[test]
    fn values_that_become_one_type() {
        let one = |names: &[&str]| {
            let types: Vec<Ty> = names.iter().map(|name| Ty::plain(name)).collect();
            let operand = |ty| Operand::Known(ty);
            unify(&types.iter().map(operand).collect::<Vec<_>>())
        };
        assert!(one(&["date", "date"]) && one(&["int4", "int8", "numeric"]));
        assert!(one(&["text", "varchar", "name"]) && one(&["time", "timetz"]));
        assert!(one(&["int4", "float8"]) && !one(&["int4", "numeric", "float8"]));
        assert!(!one(&["date", "timestamp"]) && !one(&["timestamp", "timestamptz"]));
        assert!(!one(&["oid", "int8"]) && !one(&["oid", "int4"]));
        let date = Ty::plain("date");
        assert!(unify(&[Operand::Known(&date), Operand::Open]));
        assert!(!unify(&[Operand::Known(&date), Operand::Parameter]));
        assert!(unify(&[
            Operand::Known(&Ty::plain("text")),
            Operand::Parameter
        ]));
        assert!(!unify(&[Operand::Known(&date), Operand::Unknown]));
        assert!(!unify(&[Operand::Unknown, Operand::Unknown]));
    }

    #[test]
    fn operators_of_extensions() {
        let of = |name: &str, ty: &str| {
            of_an_extension(name, Operand::Known(&Ty::plain(ty)), Operand::Open)
        };
        assert!(of("<=>", "vector").is_some_and(|found| !found.never));
        assert!(of("%", "text").is_some_and(|found| found.never && found.result == "bool"));
        assert!(of("%", "int4").is_none() && of("<=>", "text").is_none());
        assert!(of_an_extension("<=>", Operand::Open, Operand::Open).is_none());
    }

    #[test]
    fn arrays_by_their_elements() {
        let array = |name: &str| Ty {
            array: true,
            ..Ty::plain(name)
        };
        let never =
            |op: &str, a: &Ty, b: &Ty| never_raises(op, Operand::Known(a), Operand::Known(b));
        assert!(never("&&", &array("text"), &array("text")));
        assert!(!never("&&", &array("circle"), &array("circle")));
        assert!(!never("@>", &array("text"), &Ty::plain("text")));
    }
}
