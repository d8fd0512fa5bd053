//! Every format of one report, as snapshots; SARIF against its own schema.

use watertight_analysis::Code;
use watertight_analysis::finding::{Clear, Finding, Level, Place};

use super::{Format, Report, position};
use crate::paint::{Color, Paint};

/// A finding about an object, one in a file, one for review, one suppressed, one clear.
fn report() -> Report {
    let table = |name: &str| Place::object("table", name);
    let source = "SELECT body\nFROM notes -- 100%, <all>\n";
    let mut report = Report {
        command: "doctor",
        about: vec![
            ("database", "localhost:5432/crm".to_owned()),
            ("application role", "app".to_owned()),
        ],
        findings: vec![
            Finding::new(
                Code::RLS_OFF,
                table("public.payments"),
                "`public.payments` has the tenant column `tenant_id` and no row-level security",
            )
            .note("the application role may SELECT")
            .mend("ALTER TABLE public.payments ENABLE ROW LEVEL SECURITY")
            .mend("ALTER TABLE public.payments FORCE ROW LEVEL SECURITY"),
            Finding::new(
                Code::UNPINNED,
                Place::source("db/queries.sql", Some(17..22)),
                "`notes` is not confined to the tenant: a | b, 100%",
            )
            .help("add a condition:\nWHERE notes.tenant_id = $tenant"),
            Finding::new(
                Code::UNDECLARED,
                table("public.plans"),
                "`public.plans` has no tenant column",
            )
            .review()
            .level(Level::Low)
            .help("COMMENT ON TABLE public.plans IS '@global …'"),
        ],
        suppressed: vec![(
            Finding::new(
                Code::PUBLICATION,
                Place::object("publication", "cdc"),
                "the publication `cdc` sends every tenant's rows",
            )
            .review(),
            "the warehouse holds all tenants, under its own rights".to_owned(),
        )],
        clear: vec![Clear::new(
            table("public.notes"),
            "row-level security is enabled and forced",
        )],
        ..Report::default()
    };
    report
        .sources
        .insert("db/queries.sql".to_owned(), source.to_owned());
    report.anchors.insert(
        "public.payments".to_owned(),
        "migrations/0003_payments.sql".to_owned(),
    );
    report
}

fn written(format: Format, color: Color) -> String {
    let mut out = Vec::new();
    report()
        .write(&mut out, format, Paint::chosen(color))
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text() {
    insta::assert_snapshot!(written(Format::Text, Color::Never));
}

#[test]
fn text_in_colours() {
    insta::assert_snapshot!(written(Format::Text, Color::Always).replace('\u{1b}', "ESC"));
}

#[test]
fn json() {
    insta::assert_snapshot!(written(Format::Json, Color::Never));
}

#[test]
fn github() {
    insta::assert_snapshot!(written(Format::Github, Color::Never));
}

#[test]
fn junit() {
    insta::assert_snapshot!(written(Format::Junit, Color::Never));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(written(Format::Markdown, Color::Never));
}

#[test]
fn sarif_is_what_its_schema_says() {
    let text = written(Format::Sarif, Color::Never);
    let sarif: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = include_str!("../../tests/fixtures/sarif-2.1.0.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&sarif)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    // A schema that lets everything through shows nothing.
    let mut broken = sarif.clone();
    broken["runs"][0]["results"][0]["level"] = "terrible".into();
    assert!(!validator.is_valid(&broken));
    // The pages are long, and have their own tests.
    let mut short = sarif;
    for rule in short["runs"][0]["tool"]["driver"]["rules"]
        .as_array_mut()
        .unwrap()
    {
        assert!(rule["help"]["markdown"].as_str().unwrap().len() > 80);
        rule["help"] = "…".into();
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&short).unwrap());
}

#[test]
fn positions_count_characters() {
    assert_eq!(position("aé\nxü!", 7), (2, 3));
    assert_eq!(position("ab", 900), (1, 3));
}
