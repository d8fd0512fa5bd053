//! What a thousand ordinary statements cost in a build: prepares and proves the statements of the
//! fixtures that are proved, round and round, and prints the time on the clock and on the processor.
//!
//! `cargo run -p watertight-analysis --example prove_1000 --config 'profile.dev.package.rupg-sql.opt-level=0'`
//! is a user's debug build; without `--config` the parser is optimised as in this workspace.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, on_kept_worker, prepare, prove};

fn files(folder: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Milliseconds on the processor so far, where the system tells them.
fn processor() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // In ticks of ten milliseconds.
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum::<u64>()
        * 10
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::default();
    let mut migrations = Vec::new();
    for path in files("schema")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        migrations.push(SourceFile {
            path: name.into_owned(),
            text: fs::read_to_string(&path)?,
        });
    }
    let start = Instant::now();
    let migrations = order(migrations).map_err(|_| "the migrations have no order")?;
    let catalog = Catalog::build(&config, &migrations);
    println!("the catalog: {:?}", start.elapsed());

    // As the macros do.
    let catalog = Arc::new(catalog);
    let judged = |sql: &str| {
        let (catalog, sql) = (Arc::clone(&catalog), sql.to_owned());
        let judged = on_kept_worker(move || {
            prepare(&sql, TenantBinding::LastParameter, catalog.config())
                .and_then(|prepared| prove(&catalog, &prepared))
                .is_ok()
        });
        judged.unwrap_or(false)
    };
    let mut statements = Vec::new();
    for path in files("statements")? {
        for part in fs::read_to_string(&path)?.split("-- case: ").skip(1) {
            let lines = part.lines().skip(1);
            let sql: Vec<&str> = lines.filter(|line| !line.starts_with("--")).collect();
            let sql = sql.join("\n");
            if judged(&sql) {
                statements.push(sql);
            }
        }
    }
    let bytes: usize = statements.iter().map(String::len).sum();
    let average = bytes / statements.len().max(1);
    println!(
        "{} statements of {average} bytes on average",
        statements.len()
    );
    for _ in 0..3 {
        let (start, before) = (Instant::now(), processor());
        let proved = statements
            .iter()
            .cycle()
            .take(1_000)
            .filter(|sql| judged(sql))
            .count();
        println!(
            "{proved} proved: {:?}, {} ms on the processor",
            start.elapsed(),
            processor() - before
        );
    }
    Ok(())
}
