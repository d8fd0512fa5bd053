//! Scopes and pools against a real PostgreSQL: each test fails if the defence it names is removed.

mod audit;
mod background;
mod backstop;
mod cancel;
mod contamination;
mod crash;
mod deployment;
mod ended;
mod fair;
mod fault;
mod gate;
mod harness;
mod health;
mod keys;
mod migrate;
mod pgbouncer;
mod pooler;
mod proxy;
mod scope;
mod soak;
mod system;
