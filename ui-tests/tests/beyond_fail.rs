//! Resources, prompts and completions that must not compile. After an intended change of a message:
//! `TRYBUILD=overwrite cargo test -p watertight-ui-tests --test beyond_fail`, then read every
//! changed `.stderr` as a user would.

#[test]
fn beyond_tools() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/resource/fail/*.rs");
    cases.compile_fail("ui/prompt/fail/*.rs");
    cases.compile_fail("ui/completion/fail/*.rs");
}
