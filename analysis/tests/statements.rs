//! The corpus of statements: every `reject` is refused, every `accept` is proved.
//!
//! The fixtures are data: see `fixtures/README.md`. No case has an exception here.

use std::fs;
use std::path::{Path, PathBuf};

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{
    Catalog, Config, Diagnostic, Proof, TenantBinding, prepare, prove, render,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn texts(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn catalog() -> Catalog {
    let files = texts("schema")
        .into_iter()
        .map(|(path, text)| SourceFile { path, text })
        .collect();
    Catalog::build(&Config::default(), &order(files).unwrap())
}

struct Case {
    file: String,
    name: String,
    verdict: String,
    sql: String,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in texts("statements") {
        for part in text.split("-- case: ").skip(1) {
            let (name, rest) = part.split_once('\n').unwrap();
            let mut verdict = None;
            let mut sql = rest;
            while let Some(line) = sql.strip_prefix("-- ") {
                let (line, after) = line.split_once('\n').unwrap();
                if let Some((key, value)) = line.split_once(": ")
                    && key.chars().all(|c| c.is_ascii_lowercase())
                {
                    if key == "verdict" {
                        verdict = Some(value.to_owned());
                    }
                    sql = after;
                } else {
                    break;
                }
            }
            cases.push(Case {
                file: file.clone(),
                name: name.to_owned(),
                verdict: verdict.unwrap(),
                sql: sql.trim_end().to_owned(),
            });
        }
    }
    cases
}

fn judge(catalog: &Catalog, sql: &str) -> Result<Proof, Vec<Diagnostic>> {
    let prepared = prepare(sql, TenantBinding::LastParameter, catalog.config())?;
    prove(catalog, &prepared)
}

#[test]
fn the_corpus() {
    let catalog = catalog();
    let cases = cases();
    assert_eq!(cases.len(), 323);
    let mut wrong = Vec::new();
    let mut scores = [(0, 0); 3];
    for case in &cases {
        let judged = judge(&catalog, &case.sql);
        let kind = match case.verdict.as_str() {
            "reject" => 0,
            "accept" => 1,
            "may-reject" => 2,
            other => panic!("{other}"),
        };
        scores[kind].1 += 1;
        let right = match kind {
            0 => judged.is_err(),
            1 => judged.is_ok(),
            _ => judged.is_ok(),
        };
        scores[kind].0 += usize::from(right);
        if !right && kind < 2 {
            let why = match &judged {
                Ok(proof) => format!("{:#?}", proof.occurrences),
                Err(problems) => problems
                    .iter()
                    .map(|problem| render(problem, &case.sql))
                    .collect::<Vec<_>>()
                    .join("\n"),
            };
            wrong.push(format!(
                "== {} {} ({})\n{}\n{why}\n",
                case.file, case.name, case.verdict, case.sql
            ));
        }
    }
    println!(
        "rejects refused: {}/{}; accepts proved: {}/{}; of the rest proved: {}/{}",
        scores[0].0, scores[0].1, scores[1].0, scores[1].1, scores[2].0, scores[2].1
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
