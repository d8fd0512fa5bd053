//! Statements and results that must not compile, by theme. After an intended change of a message:
//! `TRYBUILD=overwrite cargo test -p watertight-ui-tests --test query_fail`, then read every
//! changed `.stderr` as a user would.

#[test]
fn queries_and_results() {
    // One set of cases, so that the dependencies are checked once.
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/query/fail/*/*.rs");
    cases.compile_fail("ui/output/fail/*.rs");
}
