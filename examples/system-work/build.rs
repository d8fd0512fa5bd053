//! Rebuilds the crate when a migration is changed, added, renamed or removed.
fn main() {
    watertight_build::track();
}
