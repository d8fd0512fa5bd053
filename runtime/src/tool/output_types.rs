//! The foreign types that a client may see. A type that is missing here is refused; nothing here
//! has free keys or an open form except `opened!`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::ops::{Bound, Range, RangeInclusive};
use std::sync::Arc;

use super::output::{EitherOutputOrTenant, OpenOutput, Output, Parts, ToolOutput, Writable};

/// Types without parts.
macro_rules! plain {
    ($($ty:ty),* $(,)?) => {$(
        impl EitherOutputOrTenant for $ty { type Kind = Output; }
        impl OpenOutput for $ty { fn parts(_: &mut Parts) {} }
        impl ToolOutput for $ty {}
    )*};
}

plain!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);
plain!(
    String,
    Box<str>,
    &'static str,
    Cow<'static, str>,
    std::path::PathBuf,
    ()
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
plain!(
    std::net::IpAddr,
    std::net::Ipv4Addr,
    std::net::Ipv6Addr,
    std::net::SocketAddr,
    std::net::SocketAddrV4,
    std::net::SocketAddrV6,
);
plain!(std::time::Duration, std::time::SystemTime);
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
#[cfg(feature = "bytes")]
plain!(bytes::Bytes, bytes::BytesMut);
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

/// Containers: what holds of the parts holds of the whole.
macro_rules! container {
    ($( ($($generics:tt)*) $ty:ty, $($part:ty),* );* $(;)?) => {$(
        impl<$($generics)*> EitherOutputOrTenant for $ty where $($part: OpenOutput),* {
            type Kind = Output;
        }
        impl<$($generics)*> OpenOutput for $ty
        where $($part: OpenOutput,)* $ty: Writable {
            fn parts(parts: &mut Parts) { $(parts.visit::<$part>();)* }
        }
        impl<$($generics)*> ToolOutput for $ty
        where $($part: ToolOutput,)* $ty: Writable {}
    )*};
}

container! {
    (T) Option<T>, T;
    (T) Vec<T>, T;
    (T) VecDeque<T>, T;
    (T) LinkedList<T>, T;
    (T) BinaryHeap<T>, T;
    (T) &'static [T], T;
    (T) Box<[T]>, T;
    (T) Box<T>, T;
    (T) BTreeSet<T>, T;
    (T, S) HashSet<T, S>, T;
    (T, const N: usize) [T; N], T;
    (T) Range<T>, T;
    (T) RangeInclusive<T>, T;
    (T) Bound<T>, T;
    (T) std::num::Wrapping<T>, T;
    (T) std::cmp::Reverse<T>, T;
    (T) Arc<T>, T;
    (T, E) Result<T, E>, T, E;
}

// Marks a type and holds no value of it.
impl<T: ?Sized> EitherOutputOrTenant for PhantomData<T> {
    type Kind = Output;
}
impl<T: ?Sized> OpenOutput for PhantomData<T>
where
    PhantomData<T>: Writable,
{
    fn parts(_: &mut Parts) {}
}
impl<T: ?Sized> ToolOutput for PhantomData<T> where PhantomData<T>: Writable {}

/// Rows without a struct have up to sixteen columns.
macro_rules! tuples {
    ($($first:ident)* ; $next:ident $($rest:ident)*) => {
        container! { ($($first,)* $next) ($($first,)* $next,), $($first,)* $next; }
        tuples!($($first)* $next ; $($rest)*);
    };
    ($($all:ident)* ;) => {};
}
tuples!(; A B C D E F G H I J K L M N O P);

/// Types with free keys: only with a reason, and their parts are outputs all the same.
macro_rules! opened {
    ($( ($($generics:tt)*) $ty:ty $(, $part:ty)* );* $(;)?) => {$(
        impl<$($generics)*> EitherOutputOrTenant for $ty $(where $part: OpenOutput)* {
            type Kind = Output;
        }
        impl<$($generics)*> OpenOutput for $ty
        where $($part: OpenOutput,)* $ty: Writable {
            fn parts(_parts: &mut Parts) { $(_parts.visit::<$part>();)* }
        }
    )*};
}

opened! {
    () serde_json::Value;
    () serde_json::Map<String, serde_json::Value>;
    (V) BTreeMap<String, V>, V;
    (V, S) HashMap<String, V, S>, V;
}
