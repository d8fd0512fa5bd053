//! A list of tools, and the macros that write one.

use std::collections::HashSet;

use rmcp::handler::server::router::tool::ToolRouter;

use super::Tool;
use super::compiled::InvalidTool;
use super::input::Exception;
use super::route::Mounted;

/// Tools to serve together; [`tools!`](crate::tools) makes one.
#[derive(Clone, Debug, Default)]
#[must_use = "tools do nothing until a server takes them"]
pub struct Tools(Vec<fn() -> Result<Mounted, InvalidTool>>);

impl Tools {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool.
    pub fn with<T: Tool>(mut self) -> Self {
        self.0.push(Mounted::of::<T>);
        self
    }

    /// Adds the tools of another list, such as another module's.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// A router for any rmcp server, beside its own tools: `router + tools.into_router()?`.
    ///
    /// # Errors
    /// [`InvalidTool`] if a tool's description contradicts itself, or two have the same name.
    pub fn into_router<S: Send + Sync + 'static>(self) -> Result<ToolRouter<S>, InvalidTool> {
        let mut router = ToolRouter::new();
        for tool in self.mount()? {
            router.add_route(tool.into_route());
        }
        Ok(router)
    }

    /// Where rules about tenants were waived, by tool.
    ///
    /// # Errors
    /// As [`into_router`](Tools::into_router).
    pub fn exceptions(&self) -> Result<Vec<(String, Exception)>, InvalidTool> {
        let mut found = Vec::new();
        for tool in self.clone().mount()? {
            let name = &tool.compiled.published.name;
            let own = tool.compiled.callable.exceptions.iter();
            found.extend(own.map(|exception| (name.to_string(), exception.clone())));
        }
        Ok(found)
    }

    /// Compiles every tool.
    pub(crate) fn mount(self) -> Result<Vec<Mounted>, InvalidTool> {
        let mut names = HashSet::new();
        let mut mounted = Vec::with_capacity(self.0.len());
        for compile in self.0 {
            let tool = compile()?;
            let name = tool.compiled.published.name.clone();
            if !names.insert(name.clone()) {
                return Err(InvalidTool::new(name, "another tool has the same name"));
            }
            mounted.push(tool);
        }
        Ok(mounted)
    }
}

/// Names tools for a server: `tools![list_customers, billing::list_invoices]`.
#[macro_export]
macro_rules! tools {
    ($($tool:path),* $(,)?) => {
        $crate::Tools::new()$(.with::<$tool>())*
    };
}

/// One tool as a value, for an rmcp router: `router.with_route(route!(list_customers))`.
#[macro_export]
macro_rules! route {
    // A path fragment can't start a struct expression, tokens can.
    ($($tool:tt)+) => {
        $($tool)+ {}
    };
}
