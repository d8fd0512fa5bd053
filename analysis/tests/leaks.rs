//! Histories and statements that showed a leak on a real server: none of them is proved.
//!
//! Each file holds migrations and a statement under `====` lines; what leaked was seen on PostgreSQL
//! 15 as the application role, with two tenants, or with two databases that differ in other tenants'
//! rows alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;

use common::{fixtures, judge};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config};

/// Those that rest on what the migrations can't tell: `"$user"` in the search path leads to a schema
/// that is called like the role which migrates, and nothing names that role.
const BEYOND: &[&str] = &["history-020-user-schema"];

fn is_proved(text: &str) -> bool {
    let mut config = Config::default();
    let mut files = Vec::new();
    let mut statement = "";
    for part in text.split("==== ").skip(1) {
        let (name, body) = part.split_once('\n').unwrap();
        match name {
            "watertight.toml" => config = Config::parse(body).unwrap(),
            "statement" => statement = body.trim_end(),
            path => files.push(SourceFile {
                path: path.to_owned(),
                text: body.to_owned(),
            }),
        }
    }
    let Ok(migrations) = order(files) else {
        return false;
    };
    judge(&Catalog::build(&config, &migrations), statement).is_ok()
}

#[test]
fn what_leaked_is_not_proved() {
    let mut seen = 0;
    let mut proved = Vec::new();
    for entry in fs::read_dir(fixtures().join("leaks")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        seen += 1;
        if is_proved(&fs::read_to_string(&path).unwrap()) && !BEYOND.contains(&name.as_str()) {
            proved.push(name);
        }
    }
    proved.sort();
    assert!(seen > 40, "{seen} files");
    assert!(proved.is_empty(), "proved: {proved:#?}");
}

#[test]
fn an_empty_path_that_is_set_back_hides_nothing() {
    let dump = fixtures().join("leaks/history-054-empty-path-if-exists.txt");
    let dump = fs::read_to_string(dump).unwrap();
    assert!(!is_proved(&dump));
    // Another unqualified name would have been an error under the empty path.
    let close = "DROP POLICY IF EXISTS open ON notes;";
    let goes_on = format!("{close}\nALTER TABLE notes ADD COLUMN n int;");
    assert!(is_proved(&dump.replace(close, &goes_on)));
    assert!(is_proved(
        &dump.replace(close, "DROP POLICY IF EXISTS open ON public.notes;")
    ));
}
