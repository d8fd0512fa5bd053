//! Resources, prompts and completions that must compile, and do what they say.

// The file is a program as users write it, and means to compile rather than to be called.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

#[path = "../ui/resource/pass/beside_tools.rs"]
mod beside_tools;

#[test]
fn beside_tools() {
    beside_tools::main();
}
