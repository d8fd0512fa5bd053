//! Rebuilds the benchmarks when a migration changes.

fn main() {
    watertight_build::track();
}
