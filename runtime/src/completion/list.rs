//! A list of completions, made ready to serve.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, JsonObject, Reference};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

use super::{Completion, CompletionOutput, Target, TargetKind};
use crate::error::ToolError;
use crate::server::Caller;
use crate::tool::{Callable, InvalidTool, TextForm, serve};

/// What is typed so far, at most.
const LONGEST: usize = 1024;

/// Completions to serve together; [`completions!`](crate::completions) makes one.
#[derive(Clone, Debug, Default)]
#[must_use = "completions do nothing until a server takes them"]
pub struct Completions(Vec<fn() -> Result<Mounted, InvalidTool>>);

impl Completions {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a completion.
    pub fn with<C: Completion>(mut self) -> Self {
        self.0.push(Mounted::of::<C>);
        self
    }

    /// Adds the completions of another list, such as another module's.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(crate) fn mount(self) -> Result<Vec<Mounted>, InvalidTool> {
        self.0.into_iter().map(|compile| compile()).collect()
    }
}

type Completing = BoxFuture<'static, Result<CompleteResult, ToolError>>;
type Complete = fn(Arc<Mounted>, Caller, RequestContext<RoleServer>, JsonObject) -> Completing;

/// A completion ready to serve.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) argument: &'static str,
    pub(crate) callable: Callable,
    forms: Vec<(&'static str, TextForm)>,
    complete: Complete,
}

impl Mounted {
    fn of<C: Completion>() -> Result<Self, InvalidTool> {
        let refused = |what: String| InvalidTool::new(C::NAME, what).of_kind("completion");
        let callable = Callable::new(C::spec(), "completion")?;
        let forms = callable.text_forms().map_err(refused)?;
        Ok(Self {
            name: C::NAME,
            target: C::TARGET,
            argument: C::ARGUMENT,
            callable,
            forms,
            complete: |mounted, caller, request, arguments| {
                Box::pin(async move { complete::<C>(&mounted, &caller, &request, arguments).await })
            },
        })
    }

    /// What was typed, and those of the arguments filled in already that the function takes. The
    /// others of the same prompt or resource are left out; what it does not have stays, to be
    /// refused.
    fn arguments(&self, wanted: &Wanted) -> JsonObject {
        let mut arguments = JsonObject::new();
        for (name, text) in &wanted.known {
            match self.forms.iter().find(|(taken, _)| taken == name) {
                Some((_, form)) => arguments.insert(name.clone(), form.read(text)),
                None if self.target.has(name) => None,
                None => arguments.insert(name.clone(), Value::Null),
            };
        }
        arguments.insert(self.argument.to_owned(), wanted.typed.clone().into());
        arguments
    }
}

async fn complete<C: Completion>(
    mounted: &Mounted,
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    arguments: JsonObject,
) -> Result<CompleteResult, ToolError> {
    let work = |context, arguments| async move {
        let mut values = C::call(context, arguments).await?.into_values();
        let more = values.len() > CompletionInfo::MAX_VALUES;
        values.truncate(CompletionInfo::MAX_VALUES);
        let info = CompletionInfo::with_pagination(values, None, more);
        info.map(CompleteResult::new).map_err(ToolError::internal)
    };
    serve(&mounted.callable, caller, request, arguments, work).await
}

/// What a client wants to have completed.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) of: Reference,
    pub(crate) argument: String,
    typed: String,
    known: Vec<(String, String)>,
}

impl Wanted {
    pub(crate) fn read(request: CompleteRequestParams) -> Self {
        let known = request.context.and_then(|context| context.arguments);
        Self {
            of: request.r#ref,
            argument: request.argument.name,
            typed: request.argument.value.chars().take(LONGEST).collect(),
            known: known.into_iter().flatten().collect(),
        }
    }
}

/// All completions of a server, by what they complete.
#[derive(Debug, Default)]
pub(crate) struct Registry(HashMap<(TargetKey, &'static str), Arc<Mounted>>);

/// The prompt or resource, as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TargetKey {
    Prompt(String),
    Resource(String),
}

impl Registry {
    /// Refuses two for one argument.
    pub(crate) fn new(completions: Vec<Mounted>) -> Result<Self, String> {
        let mut registry: HashMap<_, Arc<Mounted>> = HashMap::new();
        for mounted in completions {
            let key = match mounted.target.kind {
                TargetKind::Prompt(name) => TargetKey::Prompt(name.to_owned()),
                TargetKind::Resource(uri) => TargetKey::Resource(uri.to_owned()),
                TargetKind::Nothing => continue,
            };
            let (name, argument) = (mounted.name, mounted.argument);
            if let Some(other) = registry.insert((key, argument), Arc::new(mounted)) {
                return Err(format!(
                    "`{}` and `{name}` complete the same `{argument}`",
                    other.name
                ));
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

    /// Suggestions, from the caller's scopes to the audit record; none where no completion is
    /// known.
    pub(crate) async fn complete(
        &self,
        wanted: &Wanted,
        caller: &Caller,
        request: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ToolError> {
        let of = match &wanted.of {
            Reference::Prompt(prompt) => TargetKey::Prompt(prompt.name.clone()),
            Reference::Resource(resource) => TargetKey::Resource(resource.uri.clone()),
            _ => return Ok(CompleteResult::default()),
        };
        let found = self
            .0
            .iter()
            .find(|((target, argument), _)| *target == of && *argument == wanted.argument);
        let Some((_, mounted)) = found else {
            return Ok(CompleteResult::default());
        };
        let arguments = mounted.arguments(wanted);
        (mounted.complete)(Arc::clone(mounted), caller.clone(), request, arguments).await
    }
}

/// Names completions for a server: `completions![complete_status]`.
#[macro_export]
macro_rules! completions {
    ($($completion:path),* $(,)?) => {
        $crate::Completions::new()$(.with::<$completion>())*
    };
}
