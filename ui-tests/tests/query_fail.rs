//! Statements that must not compile. After an intended change of a message:
//! `TRYBUILD=overwrite cargo test -p watertight-ui-tests --test query_fail`, then read every
//! changed `.stderr` as a user would.

#[test]
fn queries() {
    trybuild::TestCases::new().compile_fail("ui/query/fail/*.rs");
}
