//! The foreign types that a model may fill in, and how their values can be limited. A type that
//! is missing here is refused; nothing here has free keys or an open form except `opened!`.
//!
//! `uuid` and `chrono` are here always, because the crate itself speaks them. Others come with a
//! cargo feature of their name. The crate `time` has no JSON schema, so its types need a form of
//! their own: `#[serde(with = "time::serde::rfc3339")] #[schemars(with = "String")]`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::ops::{Bound, Range, RangeInclusive};
use std::sync::Arc;

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
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);
plain!(
    std::num::NonZeroU8,
    std::num::NonZeroU16,
    std::num::NonZeroU32,
    std::num::NonZeroU64,
    std::num::NonZeroU128,
    std::num::NonZeroUsize,
    std::num::NonZeroI8,
    std::num::NonZeroI16,
    std::num::NonZeroI32,
    std::num::NonZeroI64,
    std::num::NonZeroI128,
    std::num::NonZeroIsize,
);
plain!(String, Box<str>, std::path::PathBuf);
plain!(
    std::net::IpAddr,
    std::net::Ipv4Addr,
    std::net::Ipv6Addr,
    std::net::SocketAddr,
    std::net::SocketAddrV4,
    std::net::SocketAddrV6,
);
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
#[cfg(feature = "jiff")]
plain!(
    jiff::SignedDuration,
    jiff::Span,
    jiff::Timestamp,
    jiff::Zoned,
    jiff::civil::Date,
    jiff::civil::DateTime,
    jiff::civil::Time,
);
#[cfg(feature = "rust_decimal")]
plain!(rust_decimal::Decimal);
#[cfg(feature = "url")]
plain!(url::Url);

/// Types that are an object or a list in JSON, or nothing at all.
macro_rules! composed {
    ($($ty:ty),* $(,)?) => {$(
        impl EitherInputOrTenant for $ty { type Kind = Input; }
        impl OpenInput for $ty {
            const ONE_TEXT: bool = false;
            fn fields(_: &mut Fields) {}
        }
        impl ToolInput for $ty {}
    )*};
}

composed!((), std::time::Duration, std::time::SystemTime);
#[cfg(feature = "bytes")]
composed!(bytes::Bytes, bytes::BytesMut);

/// Containers of one part: what the part is, an input or a tenant's, the whole is.
macro_rules! container {
    ($( ($($generics:tt)*) $ty:ty, $part:ty, $text:expr );* $(;)?) => {$(
        impl<$($generics)*> EitherInputOrTenant for $ty where $part: EitherInputOrTenant {
            type Kind = <$part as EitherInputOrTenant>::Kind;
        }
        impl<$($generics)*> OpenInput for $ty
        where $part: OpenInput, $ty: DeserializeOwned + JsonSchema + Send + 'static {
            const ONE_TEXT: bool = $text;
            fn fields(fields: &mut Fields) { fields.visit::<$part>(); }
        }
        impl<$($generics)*> ToolInput for $ty
        where $part: ToolInput, $ty: DeserializeOwned + JsonSchema + Send + 'static {}
    )*};
}

container! {
    (T) Option<T>, T, T::ONE_TEXT;
    (T) Vec<T>, T, false;
    (T) VecDeque<T>, T, false;
    (T) LinkedList<T>, T, false;
    (T: Ord) BinaryHeap<T>, T, false;
    (T: Ord) BTreeSet<T>, T, false;
    (T: Eq + Hash, S: BuildHasher + Default + Send + 'static) HashSet<T, S>, T, false;
    (T, const N: usize) [T; N], T, false;
    (T) Range<T>, T, false;
    (T) RangeInclusive<T>, T, false;
    (T) Bound<T>, T, false;
    (T) std::num::Wrapping<T>, T, T::ONE_TEXT;
    (T) std::cmp::Reverse<T>, T, T::ONE_TEXT;
    (T) Box<T>, T, T::ONE_TEXT;
    (T) Box<[T]>, T, false;
}

/// Containers whose part may have no size: a text, a list, any other type.
macro_rules! shared {
    ($( ($($generics:tt)*) $ty:ty );* $(;)?) => {$(
        impl<$($generics)*> EitherInputOrTenant for $ty where T: Part {
            type Kind = <T::Sized as EitherInputOrTenant>::Kind;
        }
        impl<$($generics)*> OpenInput for $ty
        where T: Part<Sized: OpenInput>, $ty: DeserializeOwned + JsonSchema + Send + 'static {
            const ONE_TEXT: bool = <T::Sized as OpenInput>::ONE_TEXT;
            fn fields(fields: &mut Fields) { fields.visit::<T::Sized>(); }
        }
        impl<$($generics)*> ToolInput for $ty
        where T: Part<Sized: ToolInput>, $ty: DeserializeOwned + JsonSchema + Send + 'static {}
    )*};
}

shared! {
    ('a, T: ?Sized + ToOwned) Cow<'a, T>;
    (T: ?Sized) Arc<T>;
}

/// What `Cow` and `Arc` hold, as a type with a size.
#[doc(hidden)]
pub trait Part {
    /// `String` for `str`, `Vec<T>` for `[T]`, the type itself otherwise.
    type Sized: EitherInputOrTenant;
}
impl Part for str {
    type Sized = String;
}
impl<T: EitherInputOrTenant> Part for [T] {
    type Sized = Vec<T>;
}
impl<T: EitherInputOrTenant> Part for T {
    type Sized = T;
}

// Marks a type and holds no value of it.
impl<T: ?Sized> EitherInputOrTenant for PhantomData<T> {
    type Kind = Input;
}
impl<T: ?Sized> OpenInput for PhantomData<T>
where
    PhantomData<T>: DeserializeOwned + JsonSchema + Send + 'static,
{
    fn fields(_: &mut Fields) {}
}
impl<T: ?Sized> ToolInput for PhantomData<T> where
    PhantomData<T>: DeserializeOwned + JsonSchema + Send + 'static
{
}

/// Containers of several parts.
macro_rules! several {
    ($( ($($part:ident)*) $ty:ty );* $(;)?) => {$(
        impl<$($part),*> EitherInputOrTenant for $ty where $($part: OpenInput),* {
            type Kind = Input;
        }
        impl<$($part),*> OpenInput for $ty
        where $($part: OpenInput,)* $ty: DeserializeOwned + JsonSchema + Send + 'static {
            const ONE_TEXT: bool = false;
            fn fields(fields: &mut Fields) { $(fields.visit::<$part>();)* }
        }
        impl<$($part),*> ToolInput for $ty
        where $($part: ToolInput,)* $ty: DeserializeOwned + JsonSchema + Send + 'static {}
    )*};
}

several! {
    (T E) Result<T, E>;
    (A) (A,);
    (A B) (A, B);
    (A B C) (A, B, C);
    (A B C D) (A, B, C, D);
    (A B C D E) (A, B, C, D, E);
    (A B C D E F) (A, B, C, D, E, F);
    (A B C D E F G) (A, B, C, D, E, F, G);
    (A B C D E F G H) (A, B, C, D, E, F, G, H);
    (A B C D E F G H I) (A, B, C, D, E, F, G, H, I);
    (A B C D E F G H I J) (A, B, C, D, E, F, G, H, I, J);
    (A B C D E F G H I J K) (A, B, C, D, E, F, G, H, I, J, K);
    (A B C D E F G H I J K L) (A, B, C, D, E, F, G, H, I, J, K, L);
}

/// Types with free keys: only with a reason, and their parts are inputs all the same.
macro_rules! opened {
    ($( ($($generics:tt)*) $ty:ty $(, $part:ty)* );* $(;)?) => {$(
        impl<$($generics)*> EitherInputOrTenant for $ty $(where $part: OpenInput)* {
            type Kind = Input;
        }
        impl<$($generics)*> OpenInput for $ty
        where $($part: OpenInput,)* $ty: DeserializeOwned + JsonSchema + Send + 'static {
            const ONE_TEXT: bool = false;
            fn fields(_fields: &mut Fields) { $(_fields.visit::<$part>();)* }
        }
    )*};
}

opened! {
    () serde_json::Value;
    () serde_json::Map<String, serde_json::Value>;
}

/// Maps: keys are read from text, whatever their type.
macro_rules! maps {
    ($( ($($generics:tt)*) $ty:ty );* $(;)?) => {$(
        impl<$($generics)*> EitherInputOrTenant for $ty where K: OpenInput, V: OpenInput {
            type Kind = Input;
        }
        impl<$($generics)*> OpenInput for $ty
        where K: OpenInput, V: OpenInput, $ty: DeserializeOwned + JsonSchema + Send + 'static {
            const ONE_TEXT: bool = false;
            fn fields(fields: &mut Fields) {
                fields.visit::<K>();
                fields.visit::<V>();
            }
        }
    )*};
}

maps! {
    (K: Ord, V) BTreeMap<K, V>;
    (K: Eq + Hash, V, S: BuildHasher + Default + Send + 'static) HashMap<K, V, S>;
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
ranged!(
    f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

macro_rules! ranged_nonzero {
    ($($ty:ident => $number:ty),* $(,)?) => {$(
        impl Ranged for std::num::$ty { type Number = $number; }
    )*};
}
ranged_nonzero!(
    NonZeroU8 => u8, NonZeroU16 => u16, NonZeroU32 => u32, NonZeroU64 => u64,
    NonZeroI8 => i8, NonZeroI16 => i16, NonZeroI32 => i32, NonZeroI64 => i64,
);

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
    () Arc<str>, TEXT;
    () Cow<'_, str>, TEXT;
    (T) Vec<T>, LIST;
    (T) Box<[T]>, LIST;
    (T) VecDeque<T>, LIST;
    (T) LinkedList<T>, LIST;
    (T) BinaryHeap<T>, LIST;
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
impl Textual for Arc<str> {}
impl Textual for Cow<'_, str> {}
impl<T: Textual> Textual for Option<T> {}
