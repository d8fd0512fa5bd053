//! Methods that must compile as tools: each file in `ui/method/pass` is a small program, here a
//! module whose `main` is run.

// The files are programs as users write them, and mean to compile rather than to be called.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../ui/method/pass/beside_rmcp_methods.rs"]
mod beside_rmcp_methods;

#[test]
fn beside_rmcp_methods() {
    beside_rmcp_methods::main();
}

#[test]
fn every_file_is_a_case() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(here.join("ui/method/pass")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["beside_rmcp_methods.rs"]);
}
