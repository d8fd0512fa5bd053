//! Any text as a migration: a catalog comes of it, with diagnostics that render, and statements over it
//! are judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watertight_analysis::catalog::Command;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Code, Config, TenantBinding, prepare, prove, render};

fuzz_target!(|text: &str| {
    let file = SourceFile {
        path: "1_any.sql".to_owned(),
        text: text.to_owned(),
    };
    let Ok(migrations) = order(vec![file]) else {
        return;
    };
    let catalog = Catalog::build(&Config::default(), &migrations);
    for problem in catalog.diagnostics() {
        assert!(problem.code != Code::BUG, "{}", problem.message);
        let _ = render(problem, text);
    }
    for relation in catalog.relations() {
        for command in [
            Command::Select,
            Command::Insert,
            Command::Update,
            Command::Delete,
        ] {
            let _ = catalog.class(relation, command);
        }
        let sql = format!(
            "SELECT * FROM \"{}\".\"{}\"",
            relation.schema.replace('"', "\"\""),
            relation.name.replace('"', "\"\"")
        );
        let judged = prepare(&sql, TenantBinding::LastParameter, catalog.config())
            .and_then(|prepared| prove(&catalog, &prepared));
        for problem in judged.err().unwrap_or_default() {
            assert!(
                problem.code != Code::BUG && problem.code != Code::ACCOUNTING,
                "{}",
                problem.message
            );
        }
    }
});
