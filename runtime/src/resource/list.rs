//! A list of resources, made ready to serve: which function a URI reaches.
//!
//! Invariant: no URI reaches two functions; that is refused when the server starts.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::model::{
    CacheScope, JsonObject, ReadResourceResult, Resource as Published, ResourceTemplate,
};
use rmcp::service::{RequestContext, RoleServer};
use watertight_analysis::uri_template::Template;

use super::{Resource, ResourceOutput};
use crate::error::ToolError;
use crate::server::Caller;
use crate::tool::{Callable, Exception, InvalidTool, TextForm, serve};

/// Resources to serve together; [`resources!`](crate::resources) makes one.
#[derive(Clone, Debug, Default)]
#[must_use = "resources do nothing until a server takes them"]
pub struct Resources(Vec<fn() -> Result<Mounted, InvalidTool>>);

impl Resources {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource.
    pub fn with<R: Resource>(mut self) -> Self {
        self.0.push(Mounted::of::<R>);
        self
    }

    /// Adds the resources of another list, such as another module's.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Where rules about tenants were waived, by resource.
    ///
    /// # Errors
    /// [`InvalidTool`] if a resource's description contradicts itself.
    pub fn exceptions(&self) -> Result<Vec<(String, Exception)>, InvalidTool> {
        let mut found = Vec::new();
        for compile in &self.0 {
            let mounted = compile()?;
            let own = mounted.callable.exceptions.iter().cloned();
            found.extend(own.map(|exception| (mounted.name.to_owned(), exception)));
        }
        Ok(found)
    }

    pub(crate) fn mount(self) -> Result<Vec<Mounted>, InvalidTool> {
        self.0.into_iter().map(|compile| compile()).collect()
    }
}

type Reading = BoxFuture<'static, Result<ReadResourceResult, ToolError>>;
type Read = fn(Arc<Mounted>, Caller, RequestContext<RoleServer>, Found) -> Reading;

/// A resource ready to serve.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub(crate) name: &'static str,
    pub(crate) template: Template,
    pub(crate) callable: Callable,
    forms: Vec<(&'static str, TextForm)>,
    mime_type: Option<&'static str>,
    title: Option<&'static str>,
    pub(crate) description: Option<&'static str>,
    read: Read,
}

impl Mounted {
    fn of<R: Resource>() -> Result<Self, InvalidTool> {
        let refused = |what: String| InvalidTool::new(R::NAME, what).of_kind("resource");
        let template = Template::parse(R::URI).map_err(|mistake| refused(mistake.to_string()))?;
        let spec = R::spec();
        let (title, description) = (spec.title_text(), spec.description());
        let mut callable = Callable::new(spec, "resource")?;
        callable.exceptions.extend(R::Output::exceptions());
        let forms = callable.text_forms().map_err(refused)?;
        if !template.variables().eq(R::VARIABLES.iter().copied())
            || forms.len() != R::VARIABLES.len()
            || forms.iter().any(|(name, _)| !R::VARIABLES.contains(name))
        {
            return Err(refused(format!(
                "its arguments are not the variables of `{template}`"
            )));
        }
        Ok(Self {
            name: R::NAME,
            template,
            callable,
            forms,
            mime_type: R::MIME_TYPE.or(R::Output::MIME_TYPE),
            title,
            description,
            read: |mounted, caller, request, found| {
                Box::pin(async move { read::<R>(&mounted, &caller, &request, &found).await })
            },
        })
    }

    /// The variables' values as arguments.
    fn arguments(&self, values: &[String]) -> JsonObject {
        let form = |name: &str| {
            let found = self.forms.iter().find(|(known, _)| *known == name);
            found.map_or(TextForm::Text, |(_, form)| *form)
        };
        let variables = self.template.variables().zip(values);
        variables
            .map(|(name, value)| (name.to_owned(), form(name).read(value)))
            .collect()
    }

    fn published(&self) -> Published {
        let mut published = Published::new(self.template.as_str(), self.name);
        published.title = self.title.map(str::to_owned);
        published.description = self.description.map(str::to_owned);
        published.mime_type = self.mime_type.map(str::to_owned);
        published
    }

    fn published_template(&self) -> ResourceTemplate {
        let mut published = ResourceTemplate::new(self.template.as_str(), self.name);
        published.title = self.title.map(str::to_owned);
        published.description = self.description.map(str::to_owned);
        published.mime_type = self.mime_type.map(str::to_owned);
        published
    }
}

async fn read<R: Resource>(
    mounted: &Mounted,
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    found: &Found,
) -> Result<ReadResourceResult, ToolError> {
    let arguments = mounted.arguments(&found.values);
    let work = |context, arguments| run(R::call(context, arguments), &found.uri, mounted.mime_type);
    let answer = serve(&mounted.callable, caller, request, arguments, work).await;
    // A URI whose variable has another form than the function takes is none of the resource's, and
    // nothing is there.
    answer.map_err(|error| match error.kind() {
        crate::ToolErrorKind::InvalidArgument => {
            let why = error.to_string();
            ToolError::not_found().because(why)
        }
        _ => error,
    })
}

async fn run<O: ResourceOutput>(
    output: impl Future<Output = Result<O, ToolError>>,
    uri: &str,
    mime_type: Option<&str>,
) -> Result<ReadResourceResult, ToolError> {
    let contents = output.await?.into_contents().map_err(ToolError::internal)?;
    let contents = contents.of(uri, mime_type);
    // What is read depends on who reads, so no cache may hand it to anyone else.
    Ok(ReadResourceResult::new(vec![contents]).with_cache_scope(CacheScope::Private))
}

/// A resource that a URI reaches, and what the URI says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    /// The position of the resource.
    pub(crate) index: usize,
    pub(crate) values: Vec<String>,
    /// As the client wrote it.
    pub(crate) uri: String,
}

/// All resources of a server.
#[derive(Debug, Default)]
pub(crate) struct Registry(Vec<Arc<Mounted>>);

impl Registry {
    /// Refuses two that have a name or a URI in common.
    pub(crate) fn new(resources: Vec<Mounted>) -> Result<Self, String> {
        let mut names = HashSet::new();
        for (index, one) in resources.iter().enumerate() {
            if !names.insert(one.name) {
                return Err(format!("two resources are called `{}`", one.name));
            }
            let others = resources.iter().take(index);
            if let Some(two) = others
                .into_iter()
                .find(|two| two.template.overlaps(&one.template))
            {
                return Err(format!(
                    "one URI could be read as `{}` (`{}`) and as `{}` (`{}`); put a part into one \
                     of them that the other does not have",
                    two.template, two.name, one.template, one.name
                ));
            }
        }
        let mut resources: Vec<_> = resources.into_iter().map(Arc::new).collect();
        resources.sort_by_key(|mounted| mounted.name);
        Ok(Self(resources))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mounted> {
        self.0.iter().map(|mounted| &**mounted)
    }

    /// The resource that a URI reaches.
    pub(crate) fn find(&self, uri: &str) -> Option<Found> {
        self.0.iter().enumerate().find_map(|(index, mounted)| {
            Some(Found {
                index,
                values: mounted.template.values(uri)?,
                uri: uri.to_owned(),
            })
        })
    }

    pub(crate) fn get(&self, found: &Found) -> Option<&Arc<Mounted>> {
        self.0.get(found.index)
    }

    /// Reads a resource, from the caller's scopes to the audit record.
    pub(crate) async fn read(
        &self,
        found: Found,
        caller: &Caller,
        request: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ToolError> {
        let mounted = self.get(&found).ok_or_else(ToolError::not_found)?;
        (mounted.read)(Arc::clone(mounted), caller.clone(), request, found).await
    }

    /// Those with one URI that the caller may read, in the order of names.
    pub(crate) fn listed(&self, caller: &Caller) -> Vec<Published> {
        self.admitted(caller)
            .filter(|mounted| mounted.template.is_static())
            .map(Mounted::published)
            .collect()
    }

    /// Those with a template.
    pub(crate) fn templates(&self, caller: &Caller) -> Vec<ResourceTemplate> {
        self.admitted(caller)
            .filter(|mounted| !mounted.template.is_static())
            .map(Mounted::published_template)
            .collect()
    }

    fn admitted(&self, caller: &Caller) -> impl Iterator<Item = &Mounted> {
        self.iter()
            .filter(|mounted| mounted.callable.admits(caller.session()))
    }
}

/// Names resources for a server: `resources![ticket, billing::invoice]`.
#[macro_export]
macro_rules! resources {
    ($($resource:path),* $(,)?) => {
        $crate::Resources::new()$(.with::<$resource>())*
    };
}
