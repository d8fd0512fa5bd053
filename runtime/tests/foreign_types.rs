//! Types of other crates as arguments, each with its cargo feature:
//! `cargo test -p watertight --features bytes,jiff,rust_decimal,url --test foreign_types`.

#![cfg(all(
    feature = "bytes",
    feature = "jiff",
    feature = "rust_decimal",
    feature = "url"
))]

use watertight::ToolInput;

fn is_input<T: ToolInput>() {}

#[test]
fn types_of_other_crates_are_inputs() {
    is_input::<Option<bytes::Bytes>>();
    is_input::<Vec<url::Url>>();
    is_input::<(jiff::Timestamp, jiff::Zoned, jiff::civil::Date, jiff::Span)>();
    is_input::<[rust_decimal::Decimal; 2]>();
    is_input::<uuid::Uuid>();
    is_input::<chrono::DateTime<chrono::Utc>>();
}
