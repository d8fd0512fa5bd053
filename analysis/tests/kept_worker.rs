//! The worker that the macros keep: the same verdicts as on a worker of its own, from many threads
//! at once, and with statements that are refused, that don't parse, or that are very deep between.

use std::sync::{Arc, Barrier};
use std::thread;

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, on_kept_worker, prepare, prove};

const SCHEMA: &str =
    "CREATE TABLE orders (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, note text);";

fn catalog() -> Catalog {
    let migrations = order(vec![SourceFile {
        path: "0001_init.sql".to_owned(),
        text: SCHEMA.to_owned(),
    }])
    .unwrap_or_default();
    Catalog::build(&Config::default(), &migrations)
}

/// What is told of a statement: the code of each problem, none if it is proved.
fn judged(catalog: &Catalog, sql: &str) -> Vec<String> {
    prepare(sql, TenantBinding::LastParameter, catalog.config())
        .and_then(|prepared| prove(catalog, &prepared))
        .map_or_else(
            |problems| {
                let codes = problems.iter().map(|problem| problem.code.number());
                codes.map(str::to_owned).collect()
            },
            |_| Vec::new(),
        )
}

#[test]
fn many_threads_prove_at_once() {
    let catalog = Arc::new(catalog());
    let deep = format!(
        "SELECT id FROM orders WHERE tenant_id = $tenant AND {}true{}",
        "(".repeat(2_000),
        ")".repeat(2_000)
    );
    let statements = [
        "SELECT id FROM orders WHERE tenant_id = $tenant",
        "SELECT id FROM orders",
        "SELECT id FORM orders",
        "UPDATE orders SET note = $note WHERE tenant_id = $tenant",
        "DELETE FROM orders WHERE id = $id",
        deep.as_str(),
    ];
    let expected = statements.map(|sql| judged(&catalog, sql));
    assert!(
        expected[0].is_empty() && expected[3].is_empty(),
        "{expected:?}"
    );
    assert!([1, 2, 4].iter().all(|index| !expected[*index].is_empty()));
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for first in 0..8 {
            let (catalog, expected, start) = (&catalog, &expected, &start);
            scope.spawn(move || {
                start.wait();
                for index in (0..statements.len()).cycle().skip(first).take(30) {
                    let (shared, sql) = (Arc::clone(catalog), statements[index].to_owned());
                    let found = on_kept_worker(move || judged(&shared, &sql)).unwrap();
                    assert_eq!(found, expected[index], "{}", statements[index]);
                }
            });
        }
    });
}

#[test]
fn a_panic_is_told_as_a_bug_and_proving_goes_on() {
    let catalog = Arc::new(catalog());
    let prove = || {
        let shared = Arc::clone(&catalog);
        let sql = "SELECT id FROM orders WHERE tenant_id = $tenant";
        on_kept_worker(move || judged(&shared, sql)).unwrap()
    };
    assert!(prove().is_empty());
    let shared = Arc::clone(&catalog);
    let failed = on_kept_worker(move || {
        assert!(
            judged(&shared, "SELECT id FROM orders").is_empty(),
            "a broken rule"
        );
    });
    let bug = failed.unwrap_err();
    assert_eq!(bug.code.number(), "W9902");
    assert!(bug.message.contains("a broken rule"), "{}", bug.message);
    assert!(prove().is_empty());
}
