//! The short run of every build, and the proof that the oracle can fail.

use std::time::Duration;
use watertight_noninterference::judge::Judge;
use watertight_noninterference::run::{Options, run};

fn options(judge: Judge) -> Options {
    Options {
        seed: 20_261_122,
        accepted: 3_000,
        jobs: 2,
        judge,
        per_schema: 120,
        refused: 0,
        // A slow machine sees fewer statements, not a longer test.
        limit: Some(Duration::from_secs(35)),
        schema: None,
        verbose: false,
        server: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_proved_shows_no_difference() {
    let summary = run(&options(Judge::Prover)).await.unwrap();
    println!("{summary}");
    assert_eq!(summary.difference_count, 0, "{}", summary.differences[0]);
    assert!(
        summary.ran >= 120,
        "only {} statements were proved and run",
        summary.ran
    );
    assert!(
        summary.ran - summary.idle - summary.failed_equally >= 60,
        "too few did anything:\n{summary}"
    );
}

/// The same statements, with a prover that accepts everything: most of what it lets through leaks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_prover_leaks_are_found() {
    let mut options = options(Judge::Everything);
    options.accepted = 600;
    options.limit = Some(Duration::from_secs(20));
    let summary = run(&options).await.unwrap();
    println!("{summary}");
    assert!(
        summary.difference_count * 20 > summary.ran,
        "few leaks were found:\n{summary}"
    );
    assert!(
        summary
            .differences
            .iter()
            .any(|d| d.what.starts_with("rows of others changed"))
    );
    assert!(
        summary
            .differences
            .iter()
            .any(|d| d.what.starts_with("only in the"))
    );
}
