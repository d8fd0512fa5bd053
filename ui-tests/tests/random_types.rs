//! A tenant in random types is found, and nothing else is: by the derives' own model, by the walk over
//! the schema that schemars makes of the same type, and by the type system.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::marker::PhantomData;

use watertight::{TenantIdentifier, ToolInput, ToolOutput};
use watertight_analysis::schema_walk::{Rule, walk};
use watertight_analysis::words::Extra;

// The build script writes the source; here only the cases are asked for.
#[allow(dead_code)]
#[path = "random/generate.rs"]
mod generate;

/// A tenant in the innermost place.
#[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema, TenantIdentifier)]
pub struct Clinic(#[allow(dead_code)] u64);

/// Whether a type is an input, as a value: an inherent method is preferred where its bound holds.
#[derive(Debug)]
pub struct Check<T>(PhantomData<T>);

impl<T: ToolInput> Check<T> {
    fn answer(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn answer(&self) -> bool {
        false
    }
}
impl<T> Otherwise for Check<T> {}

/// The same for what may leave.
#[derive(Debug)]
pub struct Leaves<T>(PhantomData<T>);

impl<T: ToolOutput> Leaves<T> {
    fn answer(&self) -> bool {
        true
    }
}
impl<T> Otherwise for Leaves<T> {}

macro_rules! is_output {
    ($ty:ty) => {{
        #[allow(unused_imports)]
        use super::Otherwise as _;
        super::Leaves::<$ty>(std::marker::PhantomData).answer()
    }};
}

macro_rules! is_input {
    ($ty:ty) => {{
        #[allow(unused_imports)]
        use super::Otherwise as _;
        super::Check::<$ty>(std::marker::PhantomData).answer()
    }};
}

/// What the build script wrote of the same cases.
#[allow(dead_code, unreachable_pub, missing_debug_implementations, clippy::all)]
mod types {
    include!(concat!(env!("OUT_DIR"), "/random_types.rs"));
}

fn cases() -> Vec<generate::Case> {
    generate::cases(generate::SEED, generate::COUNT)
}

#[test]
fn names_are_found_by_the_derive_and_by_the_walk() {
    let extra = Extra {
        tenant_column: "tenant_id".to_owned(),
        ..Extra::default()
    };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (case, schema) in cases().iter().zip(types::schemas()) {
        let refused = case.types.iter().any(|definition| {
            let tokens = definition.parse().unwrap();
            let expansion = watertight_syntax::input::derive_tool_input(tokens);
            expansion.to_string().contains("compile_error")
        });
        let found = walk(&schema, &extra, &|_| false)
            .iter()
            .any(|finding| finding.rule == Rule::TenantName);
        let types = case.types.join("\n");
        assert_eq!(refused, case.named, "the derive, {}:\n{types}", case.how);
        assert_eq!(
            found, case.published,
            "the walk, {}:\n{types}\n{schema:#}",
            case.how
        );
        *seen.entry(case.how).or_default() += 1;
    }
    println!("{seen:#?}");
    assert!(seen.len() >= 18, "every way was tried: {seen:?}");
}

#[test]
fn a_tenant_is_found_by_its_type_at_any_depth() {
    let answers = types::inputs();
    assert!(answers.len() > generate::COUNT / 4);
    for (number, honest, tenant) in answers {
        let types = cases()[number].types.join("\n");
        assert!(honest, "an honest type is an input:\n{types}");
        assert!(!tenant, "a type with a tenant in it is none:\n{types}");
    }
}

#[test]
fn names_that_would_leave_are_found_by_the_derive() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases() {
        let refused = case.types.iter().any(|definition| {
            let tokens = definition.parse().unwrap();
            let expansion = watertight_syntax::output::derive_tool_output(tokens);
            expansion.to_string().contains("compile_error")
        });
        let types = case.types.join("\n");
        assert_eq!(refused, case.told, "the derive, {}:\n{types}", case.how);
        *seen.entry(case.how).or_default() += 1;
    }
    assert!(seen.len() >= 18, "every way was tried: {seen:?}");
}

#[test]
fn a_tenant_that_would_leave_is_found_by_its_type_at_any_depth() {
    let answers = types::outputs();
    assert!(answers.len() > generate::COUNT / 4);
    for (number, honest, tenant) in answers {
        let types = cases()[number].types.join("\n");
        assert!(honest, "an honest type is an output:\n{types}");
        assert!(!tenant, "a type with a tenant in it is none:\n{types}");
    }
}
