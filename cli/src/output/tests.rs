//! Every format of one report, as snapshots; SARIF against its own schema.

use clap::ValueEnum as _;
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
            .label("no condition on `tenant_id`")
            .also(7..11, "of these rows")
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
fn json_is_what_its_schema_says() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/findings.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in [
        written(Format::Json, Color::Never),
        hostile(Format::Json, Color::Never),
    ] {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{problems:#?}");
        let mut broken = value;
        broken["findings"][0]["verdict"] = "perhaps".into();
        assert!(!validator.is_valid(&broken));
    }
}

/// Sources, names and messages as somebody would write them who wants to be misread.
const HOSTILE: &[(&str, &str)] = &[
    ("tabs.sql", "\tSELECT\t«notes»\t-- a tab before and behind"),
    (
        "wide.sql",
        "SELECT '表表', 'e\u{301}', '👍🏽' FROM «notes» WHERE x",
    ),
    ("escape.sql", "SELECT '\u{1b}[2J\u{7}\u{202e}' FROM «notes»"),
    ("windows.sql", "SELECT 1\r\n  FROM «notes»\r\n WHERE x\r\n"),
    ("end.sql", "SELECT body FROM «»"),
    ("last.sql", "SELECT body\nFROM «notes»"),
    (
        "several.sql",
        "SELECT body\n  FROM «notes\n WHERE a\n   AND b\n   AND c\n   AND d\n   AND e» = 1\n",
    ),
    ("empty.sql", "«»"),
    ("far.sql", LONG),
    ("line\n::error::b\u{1b}[31m,%.sql", "SELECT «a»"),
];

/// One line, nearly all of which is the place.
const LONG: &str = concat!(
    "WITH «a AS (SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26), ",
    "b AS (SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28), ",
    "c AS (SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25)» SELECT 1",
);

/// Each of them in a report; the places are between the quotation marks.
fn hostile(format: Format, color: Color) -> String {
    let mut report = Report {
        command: "check",
        about: vec![("looked at", "a\n::error::b\u{1b}[31m".to_owned())],
        ..Report::default()
    };
    let long = format!("SELECT {}«notes»{}", "x, ".repeat(400), " + y".repeat(400));
    let all = HOSTILE.iter().copied().chain([("long.sql", long.as_str())]);
    for (path, text) in all {
        let start = text.find('«').unwrap();
        let end = text.find('»').unwrap() - '«'.len_utf8();
        let text = text.replace(['«', '»'], "");
        report.findings.push(
            Finding::new(
                Code::UNPINNED,
                Place::source(path, Some(start..end)),
                "rows of `a\u{1b}]0;title\u{7}|b` <img src=x> @global\n::error::c",
            )
            .label("here\u{1b}[31m")
            .also(0..text.len().min(6), "with\nthis")
            .note("a note\r\nof two lines ]]> & more\u{9b}")
            .mend("COMMENT ON TABLE t IS '```'"),
        );
        report.sources.insert(path.to_owned(), text);
    }
    // Places outside of the text, within a character, and of a file that nobody read.
    let spans = [
        ("wide.sql", 9..10),
        ("empty.sql", 7..9),
        ("nowhere.sql", 1..2),
    ];
    for (path, span) in spans {
        let place = Place::source(path, Some(span.clone()));
        let told = Finding::new(Code::UNPINNED, place, "m").also(span, "twice");
        report.findings.push(told);
    }
    let mut out = Vec::new();
    report
        .write(&mut out, format, Paint::chosen(color))
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text_of_hostile_sources() {
    insta::assert_snapshot!(hostile(Format::Text, Color::Never));
}

#[test]
fn markdown_of_hostile_sources() {
    insta::assert_snapshot!(hostile(Format::Markdown, Color::Never));
}

#[test]
fn github_of_hostile_sources() {
    let text = hostile(Format::Github, Color::Never);
    // One command for each, and none that a text smuggled in.
    let commands = text.lines().filter(|line| line.starts_with("::"));
    assert_eq!(commands.count(), HOSTILE.len() + 1 + 3, "{text}");
    assert_eq!(text.lines().count(), HOSTILE.len() + 1 + 3 + 1, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn nothing_of_a_source_acts_on_a_terminal() {
    for format in Format::value_variants() {
        let text = hostile(*format, Color::Never);
        for c in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r'] {
            assert!(!text.contains(c), "{format:?} {c:?}: {text}");
        }
    }
    // Colours are the only escapes.
    let text = hostile(Format::Text, Color::Always);
    let escapes = text.split('\u{1b}').skip(1);
    for escape in escapes {
        let end = escape.find(|c: char| !c.is_ascii_digit() && !"[;".contains(c));
        assert_eq!(escape.chars().nth(end.unwrap()), Some('m'), "{escape:?}");
    }
}

#[test]
fn one_finding_of_each_line_is_told_apart() {
    let mut report = report();
    let twice = report.findings[1].clone();
    report.findings.push(twice);
    let mut out = Vec::new();
    report
        .write(&mut out, Format::Sarif, Paint::chosen(Color::Never))
        .unwrap();
    let sarif: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let prints: std::collections::BTreeSet<&str> = results
        .iter()
        .map(|it| {
            let prints = &it["partialFingerprints"];
            prints["primaryLocationLineHash"].as_str().unwrap()
        })
        .collect();
    assert_eq!(prints.len(), results.len());
}

#[test]
fn rules_are_within_what_code_scanning_takes() {
    let text = written(Format::Sarif, Color::Never);
    let sarif: serde_json::Value = serde_json::from_str(&text).unwrap();
    let driver = &sarif["runs"][0]["tool"]["driver"];
    for rule in driver["rules"].as_array().unwrap() {
        assert!(rule["shortDescription"]["text"].as_str().unwrap().len() <= 1024);
        assert!(rule["fullDescription"]["text"].as_str().unwrap().len() <= 1024);
        assert!(rule["name"].as_str().unwrap().len() <= 255);
        // More than ten tags are dropped, and `security` makes it a security alert.
        let tags = rule["properties"]["tags"].as_array().unwrap();
        assert!(tags.len() <= 10 && tags.contains(&"security".into()));
        let severity = rule["properties"]["security-severity"].as_str().unwrap();
        let severity: f64 = severity.parse().unwrap();
        assert!(severity > 0.0 && severity <= 10.0);
    }
    // What is suppressed would be an open alert.
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(
        results.iter().all(|it| it["ruleId"] != "W1040"),
        "{results:#?}"
    );
    let told = &sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"];
    assert!(told.to_string().contains("the warehouse holds all tenants"));
}

#[test]
fn positions_count_characters() {
    assert_eq!(position("aé\nxü!", 7), (2, 3));
    assert_eq!(position("ab", 900), (1, 3));
}
