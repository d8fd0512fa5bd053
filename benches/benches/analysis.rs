//! The prover by size of statement, and the catalog by number of tables.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use watertight_analysis::catalog::Catalog;
use watertight_analysis::config::Config;
use watertight_analysis::migrations::{Migration, SourceFile, order};
use watertight_analysis::prepare::{TenantBinding, prepare};
use watertight_analysis::prove::prove;

/// `tables` tables of two kinds: protected by a policy, and with a tenant column only.
fn migrations(tables: usize) -> Vec<Migration> {
    let mut text = String::new();
    for number in 0..tables {
        let _ = writeln!(
            text,
            "CREATE TABLE t{number} (tenant_id uuid NOT NULL, id bigint NOT NULL, name text NOT NULL, \
             parent bigint, PRIMARY KEY (tenant_id, id));"
        );
        if number % 2 == 0 {
            let _ = writeln!(
                text,
                "ALTER TABLE t{number} ENABLE ROW LEVEL SECURITY;\n\
                 ALTER TABLE t{number} FORCE ROW LEVEL SECURITY;\n\
                 CREATE POLICY tenant ON t{number} USING (tenant_id = \
                 (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));"
            );
        }
    }
    let file = SourceFile {
        path: "0001_init.sql".to_owned(),
        text,
    };
    order(vec![file]).unwrap_or_default()
}

/// A join of `joins` tables, each pinned through the one before it.
fn statement(joins: usize) -> String {
    let mut text = String::from("SELECT a0.id, a0.name FROM t1 a0");
    for number in 1..joins {
        let table = number * 2 % 40 + 1;
        let before = number - 1;
        let _ = write!(
            text,
            " JOIN t{table} a{number} ON a{number}.tenant_id = a{before}.tenant_id AND a{number}.id = a{before}.parent"
        );
    }
    text.push_str(" WHERE a0.tenant_id = $tenant AND a0.name = $name ORDER BY a0.name LIMIT 50");
    text
}

fn main() {
    let mut criterion = Criterion::default()
        .configure_from_args()
        .measurement_time(Duration::from_secs(3));
    let config = Config::default();

    let mut group = criterion.benchmark_group("catalog");
    group.sample_size(10);
    for tables in [50, 500, 5_000] {
        let migrations = migrations(tables);
        group.throughput(Throughput::Elements(tables as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(tables),
            &migrations,
            |bencher, migrations| {
                bencher.iter(|| Catalog::build(black_box(&config), black_box(migrations)));
            },
        );
    }
    group.finish();

    let mut group = criterion.benchmark_group("prove");
    for tables in [50, 5_000] {
        let catalog = Catalog::build(&config, &migrations(tables));
        for joins in [1, 4, 16, 64] {
            let text = statement(joins);
            group.throughput(Throughput::Elements(1));
            group.bench_with_input(
                BenchmarkId::new(format!("{joins} relations"), format!("{tables} tables")),
                &text,
                |bencher, text| {
                    bencher.iter(|| {
                        let prepared =
                            prepare(black_box(text), TenantBinding::LastParameter, &config)
                                .unwrap_or_else(|_| unreachable!("the statement is well formed"));
                        assert!(
                            prove(&catalog, &prepared).is_ok(),
                            "the statement must be proved"
                        );
                    });
                },
            );
        }
    }
    group.finish();
    criterion.final_summary();
}
