//! A support desk that serves several organisations over MCP: the demo of watertight.
//!
//! Invariant: one server, one database, one pool for every organisation; what keeps them apart is the
//! library, and nothing in here.

pub mod demo;
pub mod desk;
pub mod identity;
pub mod seed;
pub mod tools;
