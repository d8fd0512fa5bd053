//! Measurements live in `benches/`; run them with `cargo bench -p watertight-benches`.
//!
//! `analysis` measures the prover and the catalog with criterion. `scope` measures a scoped read
//! beside the same read written by hand, in one run, and prints ratios.
