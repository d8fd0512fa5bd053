//! Any text as a statement over the fixtures' schema: judged, and never a fault of ours. What is said
//! of it renders.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::prove::prove_unproved;
use watertight_analysis::{Catalog, Code, Config, TenantBinding, prepare, prove, render};

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let files = [
            (
                "0001_core.sql",
                include_str!("../../analysis/tests/fixtures/schema/0001_core.sql"),
            ),
            (
                "0002_tenancy.sql",
                include_str!("../../analysis/tests/fixtures/schema/0002_tenancy.sql"),
            ),
            (
                "0003_followups.sql",
                include_str!("../../analysis/tests/fixtures/schema/0003_followups.sql"),
            ),
        ];
        let files = files
            .into_iter()
            .map(|(path, text)| SourceFile {
                path: path.to_owned(),
                text: text.to_owned(),
            })
            .collect();
        Catalog::build(
            &Config::default(),
            &order(files).expect("the fixtures are in order"),
        )
    })
}

fuzz_target!(|text: &str| {
    let catalog = catalog();
    for binding in [TenantBinding::LastParameter, TenantBinding::Setting] {
        let judged = prepare(text, binding, catalog.config()).and_then(|prepared| {
            let _ = prove_unproved(catalog, &prepared);
            prove(catalog, &prepared)
        });
        for problem in judged.err().unwrap_or_default() {
            assert!(
                problem.code != Code::BUG && problem.code != Code::ACCOUNTING,
                "{}",
                problem.message
            );
            let _ = render(&problem, text);
        }
    }
});
