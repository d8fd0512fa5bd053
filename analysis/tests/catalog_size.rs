//! The catalog's time is nearly linear in what the migrations say: ten times the tables take about
//! ten times as long, and no lookup walks all of them.

// Helpers of tests may panic: that is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config};

fn build(tables: usize) -> Duration {
    let mut text = String::new();
    for n in 0..tables {
        writeln!(
            text,
            "CREATE TABLE t{n} (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, ref uuid REFERENCES t0 (id), body text);
             ALTER TABLE t{n} ENABLE ROW LEVEL SECURITY; ALTER TABLE t{n} FORCE ROW LEVEL SECURITY;
             CREATE POLICY p ON t{n} USING (tenant_id = current_setting('app.tenant_id')::uuid);
             CREATE INDEX ON t{n} (tenant_id, body);
             ALTER TABLE t{n} ADD COLUMN more int NOT NULL DEFAULT 0;
             CREATE FUNCTION f{n}() RETURNS int LANGUAGE sql AS 'SELECT 1';
             DO $$ BEGIN ALTER TABLE t{n} ADD CONSTRAINT k{n} CHECK (more > 0); EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        )
        .unwrap();
    }
    let files = order(vec![SourceFile {
        path: "1_a.sql".to_owned(),
        text,
    }])
    .unwrap();
    let start = Instant::now();
    let catalog = Catalog::build(&Config::default(), &files);
    let taken = start.elapsed();
    assert_eq!(catalog.relations().count(), tables);
    taken
}

#[test]
fn ten_times_the_tables_take_about_ten_times_as_long() {
    let (small, large) = (build(150), build(1_500));
    eprintln!("150 tables {small:?}, 1500 tables {large:?}");
    assert!(
        large < small * 40 + Duration::from_millis(200),
        "{small:?} {large:?}"
    );
}
