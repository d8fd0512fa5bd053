//! Writes the random types that `tests/random_types.rs` looks at.

#[path = "tests/random/generate.rs"]
#[allow(dead_code, clippy::indexing_slicing)]
mod generate;

fn main() {
    println!("cargo::rerun-if-changed=tests/random/generate.rs");
    let folder = std::env::var_os("OUT_DIR").map(std::path::PathBuf::from);
    let text = generate::source(&generate::cases(generate::SEED, generate::COUNT));
    if let Some(folder) = folder
        && let Err(error) = std::fs::write(folder.join("random_types.rs"), text)
    {
        println!("cargo::error=the random types can't be written: {error}");
    }
}
