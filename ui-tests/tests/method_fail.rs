//! Methods that must not compile as tools. After an intended change of a message:
//! `TRYBUILD=overwrite cargo test -p watertight-ui-tests --test method_fail`, then read every
//! changed `.stderr` as a user would.

#[test]
fn methods() {
    trybuild::TestCases::new().compile_fail("ui/method/fail/*.rs");
}
