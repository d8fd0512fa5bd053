//! The comparison sees what it is there to see: trees that differ in one thing are told apart.

mod common;

use watertight_differential::compare::results;
use watertight_differential::{ours, theirs};

#[test]
fn one_thing_that_differs_is_seen() {
    // Of each pair the texts have the same length, so that nothing but the one thing differs.
    let pairs = [
        ("SELECT a OR  b AND c FROM t", "SELECT a AND b AND c FROM t"),
        (
            "SELECT (a OR b) AND c FROM t",
            "SELECT a OR (b AND c) FROM t",
        ),
        ("SELECT 1 FROM ONLY t", "SELECT 1 FROM only.t"),
        ("SELECT 1 FROM a.t", "SELECT 1 FROM b.t"),
        ("SELECT 1 FROM t a", "SELECT 1 FROM t b"),
        ("SELECT 1 FROM t", "SELECT 1 FROM u"),
        ("SELECT 1 FROM  t", "SELECT 1 FROM t "),
        ("SELECT $1", "SELECT $2"),
        ("SELECT '1'", "SELECT 1  "),
        ("SELECT 0", "SELECT 1"),
        ("SELECT false", "SELECT true "),
        ("SELECT a < b", "SELECT a > b"),
        ("SELECT a < b", "SELECT b < a"),
        ("SELECT a BETWEEN b AND c", "SELECT a NOT LIKE b AND c"),
        (
            "SELECT 1 FROM a LEFT JOIN b ON c",
            "SELECT 1 FROM a FULL JOIN b ON c",
        ),
        ("SELECT 1 UNION SELECT 2", "SELECT 1 EXCEPT SELECT 2"),
        ("SELECT 1 LIMIT 1 ", "SELECT 1 OFFSET 1"),
        ("SELECT a IS NULL    ", "SELECT a IS NOT NULL"),
        ("SELECT (SELECT 1)", "SELECT  EXISTS (SELECT 1)"),
        ("DELETE FROM t USING u", "DELETE FROM t USING v"),
        ("DROP TABLE t  CASCADE", "DROP TABLE t RESTRICT"),
        (
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
        ),
        (
            "ALTER TABLE t FORCE ROW LEVEL SECURITY",
            "ALTER TABLE t NO FORCE ROW LEVEL SECURITY",
        ),
        (
            "CREATE POLICY p ON t USING (a)",
            "CREATE POLICY p ON t WITH CHECK (a)",
        ),
        (
            "CREATE FUNCTION f(INOUT a int) AS ''",
            "CREATE FUNCTION f(OUT a int) AS ''",
        ),
        ("SELECT 1; SELECT 2", "SELECT 1, SELECT 2"),
    ];
    common::with_stack(move || {
        for (one, other) in pairs {
            assert!(
                results(ours::parse(one), theirs::parse(one)).is_ok(),
                "{one}"
            );
            assert!(
                results(ours::parse(one), theirs::parse(other)).is_err(),
                "{one} against {other}"
            );
            assert!(
                results(ours::parse(other), theirs::parse(one)).is_err(),
                "{other} against {one}"
            );
        }
    });
}

#[test]
fn the_version_is_the_one_that_the_analysis_pins() {
    let of = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("rupg-sql"))
            .map(str::to_owned)
    };
    let workspace = of(include_str!("../../Cargo.toml"));
    assert!(workspace.is_some());
    assert_eq!(workspace, of(include_str!("../Cargo.toml")));
}
