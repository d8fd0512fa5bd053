//! PostgreSQL's own regression scripts: the same trees, and the analysis judges or refuses each
//! statement without a panic, as a statement and as a migration.
//!
//! The scripts are not part of this repository: `./regression-scripts DIR` puts them into a folder, and
//! `WATERTIGHT_REGRESS` names it.

mod common;

use std::path::PathBuf;

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Code, Config, TenantBinding, prepare, prove};
use watertight_differential::{corpus, regress};

fn statements() -> Vec<(String, String)> {
    let folder = PathBuf::from(
        std::env::var_os("WATERTIGHT_REGRESS")
            .expect("WATERTIGHT_REGRESS names the folder of the scripts"),
    );
    let mut texts = Vec::new();
    for (path, text) in corpus::files(&folder).expect("the scripts are readable") {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for (number, sql) in regress::statements(&text).into_iter().enumerate() {
            texts.push((format!("{name} {number}"), sql));
        }
    }
    assert!(texts.len() > 20_000, "{} statements only", texts.len());
    texts
}

#[test]
#[ignore = "needs PostgreSQL's regression scripts"]
fn regression_scripts_have_the_same_trees() {
    common::with_stack(|| {
        let texts = statements();
        let counts = common::all_agree(&texts);
        println!("{counts}");
        assert!(counts.parsed > 20_000, "{counts}");
    });
}

#[test]
#[ignore = "needs PostgreSQL's regression scripts"]
fn regression_scripts_are_judged_without_a_fault_of_ours() {
    let texts = statements();
    let config = Config::default();
    let folder = corpus::fixtures().join("schema");
    let files = corpus::files(&folder)
        .expect("the fixtures are readable")
        .into_iter()
        .map(|(path, text)| SourceFile {
            path: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            text,
        })
        .collect();
    let fixtures = Catalog::build(&config, &order(files).expect("the fixtures are in order"));
    let (mut proved, mut refused, mut faults) = (0, 0, Vec::new());
    for (name, sql) in &texts {
        let judged = prepare(sql, TenantBinding::LastParameter, &config)
            .and_then(|prepared| prove(&fixtures, &prepared));
        match judged {
            Ok(_) => proved += 1,
            Err(problems) => {
                refused += 1;
                faults.extend(
                    problems
                        .iter()
                        .filter(|problem| {
                            problem.code == Code::BUG || problem.code == Code::ACCOUNTING
                        })
                        .map(|problem| format!("{name}: {}\n{sql}", problem.message)),
                );
            }
        }
        let file = SourceFile {
            path: "1_script.sql".to_owned(),
            text: sql.clone(),
        };
        if let Ok(migrations) = order(vec![file]) {
            let catalog = Catalog::build(&config, &migrations);
            faults.extend(
                catalog
                    .diagnostics()
                    .iter()
                    .filter(|problem| problem.code == Code::BUG || problem.code == Code::ACCOUNTING)
                    .map(|problem| format!("{name} as a migration: {}\n{sql}", problem.message)),
            );
        }
    }
    println!("{proved} proved, {refused} refused");
    let total = faults.len();
    faults.truncate(20);
    assert!(
        faults.is_empty(),
        "{total} faults:\n{}",
        faults.join("\n\n")
    );
}

#[test]
#[ignore = "needs PostgreSQL's regression scripts"]
fn whole_regression_scripts_are_migrations_without_a_fault_of_ours() {
    let folder = PathBuf::from(
        std::env::var_os("WATERTIGHT_REGRESS")
            .expect("WATERTIGHT_REGRESS names the folder of the scripts"),
    );
    for (path, text) in corpus::files(&folder).expect("the scripts are readable") {
        let text = regress::statements(&text).join(";\n");
        let file = SourceFile {
            path: "1_script.sql".to_owned(),
            text,
        };
        let Ok(migrations) = order(vec![file]) else {
            continue;
        };
        for problem in Catalog::build(&Config::default(), &migrations).diagnostics() {
            assert!(
                problem.code != Code::BUG,
                "{}: {}",
                path.display(),
                problem.message
            );
        }
    }
}
