//! What must not compile. After an intended change of a message: `TRYBUILD=overwrite cargo test
//! -p watertight-ui-tests --test fail`, then read every changed `.stderr` as a user would.
//!
//! Each case is one mistake, in the folder of its theme; those in `together` are several, and prove that
//! all are told at once. Cases that must compile are ordinary modules (`pass.rs`): with them here, all dependencies would
//! be compiled once more.

#[test]
fn tools() {
    trybuild::TestCases::new().compile_fail("ui/tool/fail/*/*.rs");
}
