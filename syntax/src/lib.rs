//! The models, checks and expansions behind watertight's macros, as an ordinary library: tokens
//! in, tokens out. No file is read here, and nothing panics.

mod attributes;
pub mod completion;
mod errors;
pub mod input;
pub mod method;
mod names;
pub mod output;
pub mod project;
pub mod prompt;
pub mod query;
pub mod resource;
pub mod scan;
mod spelling;
pub mod tool;

pub use names::Names;
