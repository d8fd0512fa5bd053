//! The foreign types that a model may fill in, and how their values can be limited. A type that
//! is missing here is refused; nothing here has free keys or an open form except `opened!`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::input::{EitherInputOrTenant, Fields, Input, OpenInput, ToolInput};

/// Types without parts.
macro_rules! plain {
    ($($ty:ty),* $(,)?) => {$(
        impl EitherInputOrTenant for $ty { type Kind = Input; }
        impl OpenInput for $ty { fn fields(_: &mut Fields) {} }
        impl ToolInput for $ty {}
    )*};
}

plain!(
    bool, char, f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize
);
plain!(String, Box<str>, Cow<'static, str>, ());
plain!(
    std::num::NonZeroU8,
    std::num::NonZeroU16,
    std::num::NonZeroU32,
    std::num::NonZeroU64,
    std::num::NonZeroI8,
    std::num::NonZeroI16,
    std::num::NonZeroI32,
    std::num::NonZeroI64,
);
plain!(std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr);
plain!(uuid::Uuid);
plain!(
    chrono::NaiveDate,
    chrono::NaiveTime,
    chrono::NaiveDateTime,
    chrono::DateTime<chrono::Utc>,
    chrono::DateTime<chrono::FixedOffset>,
    chrono::DateTime<chrono::Local>,
    chrono::Weekday,
);

/// Containers: what holds of the parts holds of the whole.
macro_rules! container {
    ($( ($($generics:tt)*) $ty:ty, $($part:ty),* );* $(;)?) => {$(
        impl<$($generics)*> EitherInputOrTenant for $ty where $($part: OpenInput),* {
            type Kind = Input;
        }
        impl<$($generics)*> OpenInput for $ty
        where $($part: OpenInput,)* $ty: DeserializeOwned + JsonSchema + Send + 'static {
            fn fields(fields: &mut Fields) { $(fields.visit::<$part>();)* }
        }
        impl<$($generics)*> ToolInput for $ty
        where $($part: ToolInput,)* $ty: DeserializeOwned + JsonSchema + Send + 'static {}
    )*};
}

container! {
    (T) Option<T>, T;
    (T) Vec<T>, T;
    (T) VecDeque<T>, T;
    (T) Box<T>, T;
    (T: Ord) BTreeSet<T>, T;
    (T: Eq + Hash, S: BuildHasher + Default + Send + 'static) HashSet<T, S>, T;
    (T, const N: usize) [T; N], T;
    (A) (A,), A;
    (A, B) (A, B), A, B;
    (A, B, C) (A, B, C), A, B, C;
    (A, B, C, D) (A, B, C, D), A, B, C, D;
}

/// Types with free keys: only with a reason, and their parts are inputs all the same.
macro_rules! opened {
    ($( ($($generics:tt)*) $ty:ty $(, $part:ty)* );* $(;)?) => {$(
        impl<$($generics)*> EitherInputOrTenant for $ty $(where $part: OpenInput)* {
            type Kind = Input;
        }
        impl<$($generics)*> OpenInput for $ty
        where $($part: OpenInput,)* $ty: DeserializeOwned + JsonSchema + Send + 'static {
            fn fields(_fields: &mut Fields) { $(_fields.visit::<$part>();)* }
        }
    )*};
}

opened! {
    () serde_json::Value;
    () serde_json::Map<String, serde_json::Value>;
    (V) BTreeMap<String, V>, V;
    (V, S: BuildHasher + Default + Send + 'static) HashMap<String, V, S>, V;
}

/// A number, whose values `#[tool(range(…))]` can limit.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`range` limits numbers, and `{Self}` is none",
    label = "not a number",
    note = "`#[tool(length(…))]` limits strings and lists"
)]
pub trait Ranged {
    /// The type of the limits.
    type Number: Serialize;
}

macro_rules! ranged {
    ($($ty:ty),* $(,)?) => {$( impl Ranged for $ty { type Number = Self; } )*};
}
ranged!(f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl<T: Ranged> Ranged for Option<T> {
    type Number = T::Number;
}

/// A string or list, whose length `#[tool(length(…))]` can limit.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`length` limits strings and lists, and `{Self}` is neither",
    label = "has no length",
    note = "`#[tool(range(…))]` limits numbers"
)]
pub trait Measured {
    /// The schema's words for the smallest and the largest length.
    const KEYWORDS: (&'static str, &'static str);
}

const TEXT: (&str, &str) = ("minLength", "maxLength");
const LIST: (&str, &str) = ("minItems", "maxItems");
const MAP: (&str, &str) = ("minProperties", "maxProperties");

macro_rules! measured {
    ($( ($($generics:tt)*) $ty:ty, $keywords:ident );* $(;)?) => {$(
        impl<$($generics)*> Measured for $ty {
            const KEYWORDS: (&'static str, &'static str) = $keywords;
        }
    )*};
}
measured! {
    () String, TEXT;
    () Box<str>, TEXT;
    () Cow<'static, str>, TEXT;
    (T) Vec<T>, LIST;
    (T) VecDeque<T>, LIST;
    (T) BTreeSet<T>, LIST;
    (T, S) HashSet<T, S>, LIST;
    (K, V) BTreeMap<K, V>, MAP;
    (K, V, S) HashMap<K, V, S>, MAP;
}

impl<T: Measured> Measured for Option<T> {
    const KEYWORDS: (&'static str, &'static str) = T::KEYWORDS;
}

/// A string, which `#[tool(pattern = "…")]` can limit.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`pattern` limits strings, and `{Self}` is none",
    label = "not a string"
)]
pub trait Textual {}

impl Textual for String {}
impl Textual for Box<str> {}
impl Textual for Cow<'static, str> {}
impl<T: Textual> Textual for Option<T> {}
