//! Measurements live in `benches/`; run them with `cargo bench -p watertight-benches`.
//!
//! `analysis` measures the prover and the catalog with criterion. `scope` measures a scoped read
//! beside the same read written by hand, across three network distances. `call` measures a whole
//! `tools/call` over HTTP beside the same tool in plain rmcp. The last two print ratios of one run.

mod delay;
mod http;
mod run;

pub use delay::DelayProxy;
pub use http::Client;
pub use run::{Measured, in_turn};
