//! Statements that must compile: each file in `ui/query/pass` is a small program, here a module
//! whose `main` is run.

// The files are programs as users write them, and mean to compile rather than to be called.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

/// One test for each file.
macro_rules! cases {
    ($($name:ident = $path:literal),* $(,)?) => {
        $(
            #[path = $path]
            mod $name;

            #[test]
            fn $name() {
                $name::main();
            }
        )*

        const CASES: &[&str] = &[$($path),*];
    };
}

cases! {
    around_a_body = "../ui/query/pass/around_a_body.rs",
    bounded_choices = "../ui/query/pass/bounded_choices.rs",
    floats_with_casts = "../ui/query/pass/floats_with_casts.rs",
    from_files = "../ui/query/pass/from_files.rs",
    hygiene = "../ui/query/pass/hygiene.rs",
    methods_and_generics = "../ui/query/pass/methods_and_generics.rs",
    named_tenant = "../ui/query/pass/named_tenant.rs",
    outside_a_tenant = "../ui/query/pass/outside_a_tenant.rs",
    return_types = "../ui/query/pass/return_types.rs",
    told_for_a_reason = "../ui/query/pass/told_for_a_reason.rs",
    derived_outputs = "../ui/output/pass/derived_outputs.rs",
}

#[test]
fn every_file_is_a_case() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for folder in ["../ui/query/pass", "../ui/output/pass"] {
        for file in std::fs::read_dir(here.join(folder)).unwrap() {
            let name = file.unwrap().file_name();
            let path = format!("{folder}/{}", name.to_string_lossy());
            assert!(CASES.contains(&path.as_str()), "{path} is not run");
        }
    }
}
