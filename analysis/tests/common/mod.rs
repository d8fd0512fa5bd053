//! The schema of the fixtures, and judging statements over it or over one's own.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{
    Catalog, Code, Config, Diagnostic, Proof, TenantBinding, prepare, prove,
};

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The SQL files of a folder of the fixtures, in order: name and text.
pub fn texts(folder: &str) -> Vec<(String, String)> {
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

/// The catalog of the fixtures' schema.
pub fn catalog() -> Catalog {
    let files = texts("schema")
        .into_iter()
        .map(|(path, text)| SourceFile { path, text })
        .collect();
    Catalog::build(&Config::default(), &order(files).unwrap())
}

/// The catalog of one migration.
pub fn catalog_of(config: &Config, migration: &str) -> Catalog {
    let file = SourceFile {
        path: "1_schema.sql".to_owned(),
        text: migration.to_owned(),
    };
    Catalog::build(config, &order(vec![file]).unwrap())
}

pub fn judge(catalog: &Catalog, sql: &str) -> Result<Proof, Vec<Diagnostic>> {
    let prepared = prepare(sql, TenantBinding::LastParameter, catalog.config())?;
    prove(catalog, &prepared)
}

/// The codes of the refusal; empty when it is proved.
pub fn codes(catalog: &Catalog, sql: &str) -> Vec<Code> {
    judge(catalog, sql)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|problem| problem.code)
        .collect()
}

pub fn proved(catalog: &Catalog, sql: &str) {
    assert_eq!(codes(catalog, sql), [], "{sql}");
}

pub fn refused(catalog: &Catalog, sql: &str, code: Code) {
    let found = codes(catalog, sql);
    assert!(found.contains(&code), "{sql}: {found:?}");
}

/// A case of the corpus.
pub struct Case {
    pub file: String,
    pub name: String,
    pub verdict: String,
    pub sql: String,
}

/// The cases of the corpus.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in texts("statements") {
        for part in text.split("-- case: ").skip(1) {
            let (name, mut sql) = part.split_once('\n').unwrap();
            let mut verdict = None;
            while let Some(line) = sql.strip_prefix("-- ") {
                let (line, after) = line.split_once('\n').unwrap();
                let Some((key, value)) = line.split_once(": ") else {
                    break;
                };
                if !key.chars().all(|c| c.is_ascii_lowercase()) {
                    break;
                }
                if key == "verdict" {
                    verdict = Some(value.to_owned());
                }
                sql = after;
            }
            cases.push(Case {
                file: file.clone(),
                name: name.to_owned(),
                verdict: verdict.unwrap_or_else(|| panic!("{name} has no verdict")),
                sql: sql.trim_end().to_owned(),
            });
        }
    }
    cases
}
