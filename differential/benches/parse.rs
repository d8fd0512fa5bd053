//! The same statements by PostgreSQL's C parser, by ours, and through the whole proof, in one run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove};
use watertight_differential::corpus;

fn main() {
    let config = Config::default();
    let read = |folder: &str| corpus::files(&corpus::fixtures().join(folder)).unwrap_or_default();
    let files = read("schema")
        .into_iter()
        .filter_map(|(path, text)| {
            let path = path.file_name()?.to_string_lossy().into_owned();
            Some(SourceFile { path, text })
        })
        .collect();
    let catalog = Catalog::build(&config, &order(files).unwrap_or_default());
    // The statements that are proved: what people send.
    let prepared: Vec<_> = read("statements")
        .iter()
        .flat_map(|(_, text)| {
            text.split("-- case: ")
                .skip(1)
                .filter_map(|part| part.split_once('\n').map(|(_, sql)| sql.to_owned()))
                .collect::<Vec<_>>()
        })
        .filter_map(|sql| prepare(&sql, TenantBinding::LastParameter, &config).ok())
        .filter(|prepared| prove(&catalog, prepared).is_ok())
        .collect();
    let bytes: usize = prepared.iter().map(|prepared| prepared.sql.len()).sum();
    println!(
        "{} statements of {} bytes on average",
        prepared.len(),
        bytes / prepared.len().max(1)
    );

    let parse_theirs = || {
        for prepared in &prepared {
            let _ = black_box(pg_query::parse(
                &prepared.sql,
                pg_query::ParserOptions::DEFAULT,
            ));
        }
    };
    let parse_ours = || {
        for prepared in &prepared {
            let _ = black_box(rupg_sql::parse(&prepared.sql));
        }
    };
    let prove_all = || {
        for prepared in &prepared {
            let _ = black_box(prove(&catalog, prepared));
        }
    };

    let mut criterion = Criterion::default()
        .configure_from_args()
        .measurement_time(Duration::from_secs(3));
    let mut group = criterion.benchmark_group("statements of the fixtures");
    group.throughput(Throughput::Elements(prepared.len() as u64));
    group.sample_size(20);
    group.bench_function("parse, pg_query", |bencher| bencher.iter(parse_theirs));
    group.bench_function("parse, rupg-sql", |bencher| bencher.iter(parse_ours));
    group.bench_function("parse and prove", |bencher| bencher.iter(prove_all));
    group.finish();
    criterion.final_summary();

    // Ratios of one run are what travels between machines.
    let best = |work: &dyn Fn()| {
        (0..20)
            .map(|_| {
                let start = Instant::now();
                work();
                start.elapsed()
            })
            .min()
            .unwrap_or_default()
            .as_secs_f64()
    };
    let (theirs, ours, proved) = (best(&parse_theirs), best(&parse_ours), best(&prove_all));
    println!(
        "parsing takes {:.2} times as long as pg_query's",
        ours / theirs
    );
    println!(
        "parsing and proving takes {:.2} times as long as pg_query's parsing",
        proved / theirs
    );
}
