//! A report of attacks in every format.

use watertight_analysis::finding::Place;

use super::catalogue::attacks;
use super::{Outcome, Run, Tried, report};
use crate::output::Format;
use crate::paint::{Color, Paint};

fn run() -> Run {
    let table = |name: &str| Place::object("table", name);
    let tried = |id: &str, place: Place, outcome: Outcome| Tried {
        id: id.to_owned(),
        place,
        outcome,
    };
    let row = "(2, wt-b, 100 %, watertight-b-1 <note>)";
    let mut run = Run {
        tried: vec![
            tried("read", table("public.notes"), Outcome::Held),
            tried(
                "read",
                table("public.payments"),
                Outcome::Leaked(row.to_owned()),
            ),
            tried("read", table("public.tasks"), Outcome::Held),
            tried(
                "truncate",
                table("public.notes"),
                Outcome::NotApplicable("it took too long".to_owned()),
            ),
        ],
        ..Run::default()
    };
    run.rows.unfilled.insert(
        "public.log".to_owned(),
        "its trigger runs `public.send`".to_owned(),
    );
    run
}

fn written(format: Format) -> String {
    let attacks = attacks().unwrap();
    let few: Vec<_> = attacks
        .into_iter()
        .filter(|attack| ["read", "truncate", "view"].contains(&attack.id.as_str()))
        .collect();
    let mut out = Vec::new();
    report(&few, run(), false)
        .write(&mut out, format, Paint::chosen(Color::Never))
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text() {
    insta::assert_snapshot!(written(Format::Text));
}

#[test]
fn json() {
    insta::assert_snapshot!(written(Format::Json));
}

#[test]
fn junit() {
    insta::assert_snapshot!(written(Format::Junit));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(written(Format::Markdown));
}

#[test]
fn github() {
    insta::assert_snapshot!(written(Format::Github));
}

#[test]
fn sarif_is_what_its_schema_says() {
    let text = written(Format::Sarif);
    let sarif: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = include_str!("../../tests/fixtures/sarif-2.1.0.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&sarif)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // The pages of rules change without the format.
    let results = serde_json::to_string_pretty(&sarif["runs"][0]["results"]).unwrap();
    let skipped = serde_json::to_string_pretty(&sarif["runs"][0]["invocations"]).unwrap();
    insta::assert_snapshot!(format!("{results}\n{skipped}"));
}
