//! Rebuilds the tests when their migrations change.
fn main() {
    watertight_build::track();
}
