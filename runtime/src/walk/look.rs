//! The walk for users' own tests: the same look at what a server publishes as at its start.
//!
//! Invariant: a finding here is a finding there, given the same words, tables and exceptions.

use std::fmt;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool};
use serde_json::Value;
use watertight_analysis::words::Extra;

use super::{Place, Published, Waiver};
use crate::statement::Catalog;

pub use watertight_analysis::schema_walk::Rule;

/// A place through which a client could name a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Finding {
    /// What it was found in.
    pub kind: Published,
    /// The name of the tool, prompt, resource or template.
    pub name: String,
    /// The place: `filter.org_id`, `rows[].tenant`; empty for all arguments together.
    pub path: String,
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong there, in one sentence.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            path,
            rule,
            message,
        } = self;
        match path.as_str() {
            "" => write!(f, "{kind} `{name}`, its arguments ({rule}): {message}"),
            path => write!(f, "{kind} `{name}`, `{path}` ({rule}): {message}"),
        }
    }
}

/// Looks at everything that an MCP server publishes for ways in which a client could name a
/// tenant: names of arguments at any depth of their schemas, references and combinations
/// included, unknown and free keys, values of any shape, headers that arguments are copied into,
/// arguments of prompts, and variables of resource templates.
///
/// A [`Server`](crate::Server) does this when it is built, and refuses to start. Use it in a test
/// of tools that you serve in another way, or that someone else serves:
///
/// ```
/// use serde_json::json;
/// use watertight::walk::Walk;
///
/// let published = json!({ "tools": [{
///     "name": "search",
///     "inputSchema": {
///         "type": "object",
///         "properties": { "text": { "type": "string" }, "orgId": { "type": "string" } },
///         "additionalProperties": false,
///     },
/// }] });
/// let findings = Walk::new().tools_list(&published)?;
/// assert_eq!(findings.len(), 1);
/// assert!(findings[0].to_string().starts_with("tool `search`, `orgId` (tenant-name): "));
///
/// let walk = Walk::new().allow("search", "orgId", "the organisation of a contact, not ours");
/// assert_eq!(walk.tools_list(&published)?, []);
/// # Ok::<(), watertight::walk::NotAList>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is looked at before it is given something"]
pub struct Walk {
    extra: Extra,
    waivers: Vec<Waiver>,
    reserved: Vec<String>,
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

impl Walk {
    /// With the usual words, and `tenant_id` as the tenant column.
    pub fn new() -> Self {
        Self {
            extra: super::extra_of(None),
            waivers: Vec::new(),
            reserved: Vec::new(),
        }
    }

    /// With what the migrations say: the tenant column, and the tables of tenants, whose names are
    /// honest arguments. `Walk::of(&watertight::catalog!())`.
    pub fn of(catalog: &Catalog) -> Self {
        let mut walk = Self::new();
        walk.extra = super::extra_of(Some(catalog));
        walk
    }

    /// With what a server knows.
    pub(crate) fn with(extra: Extra, waivers: Vec<Waiver>, reserved: Vec<String>) -> Self {
        Self {
            extra,
            waivers,
            reserved,
        }
    }

    /// A further word for a tenant, such as a product's own.
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.extra.words.push(word.into());
        self
    }

    /// A header from which the tenant is chosen, as `tenant_from_header` has it: no argument may be
    /// copied into one of that name.
    pub fn reserved_header(mut self, name: impl Into<String>) -> Self {
        self.reserved.push(name.into());
        self
    }

    /// Accepts what is found at one place, and says why. `name` is the tool's; a prompt's is
    /// `prompt:NAME`, a resource's or a template's `resource:NAME`. An exception covers its own
    /// place and nothing below it; a reserved header has none.
    pub fn allow(
        mut self,
        name: impl Into<String>,
        path: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        self.waivers.push(Waiver {
            tool: name.into(),
            place: Place::Path(path.into()),
            reason: reason.into(),
        });
        self
    }

    /// Looks at tools. What the attributes of our own tools accept is accepted here.
    #[must_use]
    pub fn tools<'a>(&self, tools: impl IntoIterator<Item = &'a Tool>) -> Vec<Finding> {
        let tools: Vec<Tool> = tools.into_iter().cloned().collect();
        let waivers = super::waivers_of(&tools, &self.waivers, self.extra.tables.is_empty());
        let look = |tool| super::tool(tool, &self.extra, &self.reserved, &waivers);
        tools.iter().flat_map(look).collect()
    }

    /// Descriptions that ask the model for a tenant. A server logs them when it starts and does
    /// not refuse to: no argument follows from a sentence.
    #[must_use]
    pub fn warnings<'a>(&self, tools: impl IntoIterator<Item = &'a Tool>) -> Vec<Finding> {
        let look = |tool| super::prose(&super::texts_of_tool(tool), &self.extra);
        tools.into_iter().flat_map(look).collect()
    }

    /// The same in the descriptions of prompts and of their arguments.
    #[must_use]
    pub fn warnings_of_prompts<'a>(
        &self,
        prompts: impl IntoIterator<Item = &'a Prompt>,
    ) -> Vec<Finding> {
        let look = |prompt| super::prose(&super::texts_of_prompt(prompt), &self.extra);
        prompts.into_iter().flat_map(look).collect()
    }

    /// The same in the descriptions of resource templates.
    #[must_use]
    pub fn warnings_of_templates<'a>(
        &self,
        templates: impl IntoIterator<Item = &'a ResourceTemplate>,
    ) -> Vec<Finding> {
        let look = |template| super::prose(&super::texts_of_template(template), &self.extra);
        templates.into_iter().flat_map(look).collect()
    }

    /// Looks at the tools of a router, in the order of their names.
    #[must_use]
    pub fn router<S>(&self, router: &ToolRouter<S>) -> Vec<Finding>
    where
        S: Send + Sync + 'static,
    {
        self.tools(&router.list_all())
    }

    /// Looks at the arguments of prompts.
    #[must_use]
    pub fn prompts<'a>(&self, prompts: impl IntoIterator<Item = &'a Prompt>) -> Vec<Finding> {
        let look = |prompt| super::prompt(prompt, &self.extra, &self.waivers);
        prompts.into_iter().flat_map(look).collect()
    }

    /// Looks at the variables of resource templates, and at what the template calls them.
    #[must_use]
    pub fn resource_templates<'a>(
        &self,
        templates: impl IntoIterator<Item = &'a ResourceTemplate>,
    ) -> Vec<Finding> {
        let look = |it: &ResourceTemplate| {
            let kind = Published::ResourceTemplate;
            super::address(
                (kind, &it.name),
                &it.uri_template,
                &self.extra,
                &self.waivers,
            )
        };
        templates.into_iter().flat_map(look).collect()
    }

    /// Looks at resources: an address that still has variables is a template.
    #[must_use]
    pub fn resources<'a>(&self, resources: impl IntoIterator<Item = &'a Resource>) -> Vec<Finding> {
        let look = |it: &Resource| {
            let kind = Published::Resource;
            super::address((kind, &it.name), &it.uri, &self.extra, &self.waivers)
        };
        resources.into_iter().flat_map(look).collect()
    }

    /// Looks at what a server answered to `tools/list`: the whole message, its result, or the list
    /// of tools alone.
    ///
    /// # Errors
    /// [`NotAList`] if it is none of these, or if something in the list is no tool.
    pub fn tools_list(&self, answer: &Value) -> Result<Vec<Finding>, NotAList> {
        let list = ["/result/tools", "/tools", ""]
            .iter()
            .find_map(|place| answer.pointer(place)?.as_array())
            .ok_or(NotAList { at: None })?;
        let mut tools = Vec::with_capacity(list.len());
        for (at, tool) in list.iter().enumerate() {
            let tool: Tool =
                serde_json::from_value(tool.clone()).map_err(|_| NotAList { at: Some(at) })?;
            tools.push(tool);
        }
        Ok(self.tools(&tools))
    }
}

/// It is not what a server answers to `tools/list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAList {
    at: Option<usize>,
}

impl fmt::Display for NotAList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            None => f.write_str("this is no answer to `tools/list`: it has no list `tools`"),
            Some(at) => write!(
                f,
                "entry {at} of the list is no tool: a name or a schema is missing"
            ),
        }
    }
}

impl std::error::Error for NotAList {}
