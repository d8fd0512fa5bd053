//! What must compile, and do what it says: each file in `ui/*/pass` is a small program, here a
//! module whose `main` is run.

// The files are programs as users write them, and mean to compile rather than to be called.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::box_collection,
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
    beside_rmcp_tools = "../ui/tool/pass/beside_rmcp_tools.rs",
    conditional = "../ui/tool/pass/conditional.rs",
    derived_inputs = "../ui/tool/pass/derived_inputs.rs",
    every_input_type = "../ui/tool/pass/every_input_type.rs",
    exceptions_are_listed = "../ui/tool/pass/exceptions_are_listed.rs",
    five_lines = "../ui/tool/pass/five_lines.rs",
    serde_forms = "../ui/tool/pass/serde_forms.rs",
    stays_a_function = "../ui/tool/pass/stays_a_function.rs",
}

#[test]
fn every_file_is_a_case() {
    for folder in ["../ui/tool/pass"] {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        for file in std::fs::read_dir(here.join(folder)).unwrap() {
            let name = file.unwrap().file_name();
            let path = format!("{folder}/{}", name.to_string_lossy());
            assert!(CASES.contains(&path.as_str()), "{path} is not run");
        }
    }
}
