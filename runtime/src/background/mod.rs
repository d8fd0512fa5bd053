//! Work that outlives a call, and work over all tenants.
//!
//! A call gives a queue a [`Ticket`]; a worker's [`Background`] opens it into the same tenant and
//! principal. [`Maintenance`] runs a job for each tenant of a list, under a principal of its own.
//!
//! Invariant: who a piece of work is for is in the value that it was given: a sealed ticket, or a
//! tenant out of a list whose holder has the system pool. A thread, a task or a task-local variable
//! carries nothing. Work sees one tenant, is never wider than the session that asked for it, and
//! leaves a record in that tenant's trail.

mod context;
mod maintenance;
mod run;
mod ticket;
mod worker;

pub use context::BackgroundContext;
pub use maintenance::{FailedTenant, Maintenance, MaintenanceReport};
pub use ticket::Ticket;
#[cfg(test)]
pub(crate) use ticket::seal;
pub use worker::{Background, BackgroundBuilder, JobError};
