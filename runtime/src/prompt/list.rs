//! A list of prompts, made ready to serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::model::{GetPromptResult, JsonObject, Prompt as Published, PromptArgument};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

use super::{PromptOutput, PromptTemplate};
use crate::error::ToolError;
use crate::server::Caller;
use crate::tool::{Callable, Exception, InvalidTool, TextForm, serve};

/// Prompts to serve together; [`prompts!`](crate::prompts) makes one.
#[derive(Clone, Debug, Default)]
#[must_use = "prompts do nothing until a server takes them"]
pub struct Prompts(Vec<fn() -> Result<Mounted, InvalidTool>>);

impl Prompts {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a prompt.
    pub fn with<P: PromptTemplate>(mut self) -> Self {
        self.0.push(Mounted::of::<P>);
        self
    }

    /// Adds the prompts of another list, such as another module's.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Where rules about tenants were waived, by prompt.
    ///
    /// # Errors
    /// [`InvalidTool`] if a prompt's description contradicts itself.
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

type Getting = BoxFuture<'static, Result<GetPromptResult, ToolError>>;
type Get = fn(Arc<Mounted>, Caller, RequestContext<RoleServer>, JsonObject) -> Getting;

/// A prompt ready to serve.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub(crate) name: &'static str,
    pub(crate) callable: Callable,
    forms: Vec<(&'static str, TextForm)>,
    title: Option<&'static str>,
    pub(crate) description: Option<&'static str>,
    get: Get,
}

impl Mounted {
    fn of<P: PromptTemplate>() -> Result<Self, InvalidTool> {
        let spec = P::spec();
        let (title, description) = (spec.title_text(), spec.description());
        let callable = Callable::new(spec, "prompt")?;
        let forms = callable
            .text_forms()
            .map_err(|what| InvalidTool::new(P::NAME, what).of_kind("prompt"))?;
        Ok(Self {
            name: P::NAME,
            callable,
            forms,
            title,
            description,
            get: |mounted, caller, request, arguments| {
                Box::pin(async move { get::<P>(&mounted, &caller, &request, arguments).await })
            },
        })
    }

    fn published(&self) -> Published {
        let arguments = self
            .callable
            .described()
            .map(|(name, description, required)| {
                let argument = PromptArgument::new(name).with_required(required);
                match description {
                    Some(description) => argument.with_description(description),
                    None => argument,
                }
            });
        let arguments: Vec<_> = arguments.collect();
        let arguments = (!arguments.is_empty()).then_some(arguments);
        let mut published = Published::new(self.name, self.description, arguments);
        published.title = self.title.map(str::to_owned);
        published
    }

    /// The texts of a request as values. What no argument knows stays, to be refused.
    fn read(&self, mut given: JsonObject) -> JsonObject {
        for (name, form) in &self.forms {
            if let Some(value) = given.get_mut(*name)
                && let Value::String(text) = value
            {
                *value = form.read(text);
            }
        }
        given
    }
}

async fn get<P: PromptTemplate>(
    mounted: &Mounted,
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    given: JsonObject,
) -> Result<GetPromptResult, ToolError> {
    let work = |context, arguments| async move {
        let output = P::call(context, arguments).await?;
        Ok(output.into_prompt().into_result(mounted.description))
    };
    serve(
        &mounted.callable,
        caller,
        request,
        mounted.read(given),
        work,
    )
    .await
}

/// All prompts of a server, by name.
#[derive(Debug, Default)]
pub(crate) struct Registry(BTreeMap<&'static str, Arc<Mounted>>);

impl Registry {
    /// Refuses two of one name.
    pub(crate) fn new(prompts: Vec<Mounted>) -> Result<Self, String> {
        let mut registry = BTreeMap::new();
        for mounted in prompts {
            let name = mounted.name;
            if registry.insert(name, Arc::new(mounted)).is_some() {
                return Err(format!("two prompts are called `{name}`"));
            }
        }
        Ok(Self(registry))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mounted> {
        self.0.values().map(|mounted| &**mounted)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Mounted>> {
        self.0.get(name)
    }

    /// Makes a prompt, from the caller's scopes to the audit record.
    pub(crate) async fn make(
        &self,
        mounted: &Arc<Mounted>,
        given: JsonObject,
        caller: &Caller,
        request: RequestContext<RoleServer>,
    ) -> Result<GetPromptResult, ToolError> {
        (mounted.get)(Arc::clone(mounted), caller.clone(), request, given).await
    }

    /// Those that the caller may ask for, in the order of names.
    pub(crate) fn listed(&self, caller: &Caller) -> Vec<Published> {
        self.iter()
            .filter(|mounted| mounted.callable.admits(caller.session()))
            .map(Mounted::published)
            .collect()
    }
}

/// Names prompts for a server: `prompts![triage, billing::dunning_letter]`.
#[macro_export]
macro_rules! prompts {
    ($($prompt:path),* $(,)?) => {
        $crate::Prompts::new()$(.with::<$prompt>())*
    };
}
