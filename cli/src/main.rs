//! Placeholder until the first stage lands.
fn main() {}
