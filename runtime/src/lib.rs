//! Makes a shared MCP server safe for many tenant organisations, and makes the compiler prove it.
//!
//! A tool that would let the language model name a tenant does not compile. A SQL statement that
//! could touch another tenant's rows does not compile. What does compile runs on a connection that
//! can't carry one tenant's context to the next.

pub mod audit;
pub mod auth;
pub mod background;
#[cfg(feature = "cache")]
pub mod cache;
pub mod completion;
pub mod db;
mod error;
mod id;
mod life;
pub mod observe;
pub mod prompt;
mod rate;
pub mod resource;
mod scope_key;
mod sealed;
mod server;
mod session;
pub mod statement;
mod subscription;
pub mod tool;
mod tripwire;
pub mod walk;

/// What generated code names. Not for use by hand: a statement made here has no proof.
#[doc(hidden)]
pub mod __private {
    pub use crate::statement::{
        Bound, ByColumn, ByNothing, ByRow, ByShape, Catalog, Migration, Policy, Proved, Relation,
        RelationKind, Row, Settings, Statement, Stays, TenantKind, Wanted, flag, given, query,
        refused_stream,
    };
    pub use crate::tool::generated::*;
}

pub use auth::{Authenticator, JwtAuthenticator, LauncherAuthenticator};
pub use background::{Background, BackgroundContext, JobError, Maintenance, Ticket};
#[cfg(feature = "cache")]
pub use cache::TenantCache;
pub use completion::{Completion, CompletionOutput, Completions};
pub use db::{
    DbError, DbErrorKind, DbResult, Health, Pooler, Scope, SystemPool, SystemScope, TenantPool,
    WriteScope, migrate,
};
pub use error::{Reference, ToolError, ToolErrorKind, ToolResult};
pub use id::{InvalidTenantId, TenantId, TenantKind};
pub use prompt::{Prompt, PromptOutput, PromptTemplate, Prompts};
pub use resource::{Contents, Resource, ResourceOutput, Resources};
pub use scope_key::ScopeKey;
pub use sealed::{InvalidSealingKey, SealingKey, TenantHandle};
pub use server::{
    ForeignParts, Guard, GuardBuilder, GuardLayer, GuardService, McpServer, Server, ServerBuilder,
    ServerError, StdioIdentity, StdioServer, list_tools,
};
pub use session::Session;
pub use statement::{Catalog, Proved};
pub use subscription::{Notifier, TenantOfChange};
pub use tool::{
    Arguments, IntoReply, InvalidTool, Reply, TenantIdentifier, Tool, ToolContext, ToolInput,
    ToolOutput, ToolSpec, Tools,
};
pub use watertight_macros::{
    TenantIdentifier, ToolInput, ToolOutput, catalog, mcp_completion, mcp_prompt, mcp_resource,
    mcp_tool, system_query, tenant_query, tool, unproved,
};
