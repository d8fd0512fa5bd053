//! Resources and prompts of a handler that was written with rmcp alone.
//!
//! Invariant: such a handler is named with a reason, and says beforehand what it serves: that is
//! walked at start-up like everything else, and nothing else of it can be reached. Its errors and
//! panics are answered in fixed words, every call leaves a record, and a context that it took ends
//! with the call.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rmcp::model::{
    ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse, JsonObject, Prompt,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceTemplate,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tracing::Instrument as _;
use watertight_analysis::uri_template::Template;
use watertight_analysis::words::{Tier, classify, reason_problem};

use super::beyond::record;
use super::caller::Caller;
use super::round_trip::Rounds;
use crate::audit::Outcome;
use crate::error::ToolError;
use crate::life::Running;
use crate::observe;
use crate::tool::Record;
use crate::walk::{Texts, texts_of_prompt, texts_of_template};

/// A call that takes longer is given up.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What a handler of another crate serves beside tools, in the words of rmcp. See
/// [`ServerBuilder::mount_foreign`](crate::ServerBuilder::mount_foreign).
#[derive(Clone, Debug, Default)]
#[must_use = "it says what `mount_foreign` mounts"]
pub struct ForeignParts {
    resources: Vec<Resource>,
    templates: Vec<ResourceTemplate>,
    prompts: Vec<Prompt>,
    scopes: Vec<String>,
}

impl ForeignParts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// These resources, each with one URI.
    pub fn resources(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        self.resources.extend(resources);
        self
    }

    /// These templates of resources, with simple variables alone.
    pub fn templates(mut self, templates: impl IntoIterator<Item = ResourceTemplate>) -> Self {
        self.templates.extend(templates);
        self
    }

    /// These prompts, such as `router.list_all()` of rmcp's `PromptRouter`.
    pub fn prompts(mut self, prompts: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompts.extend(prompts);
        self
    }

    /// All of them need this scope.
    pub fn requires(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }
}

/// A mounted handler.
#[derive(Clone)]
pub(super) struct Foreign {
    handler: Arc<dyn Handler>,
    parts: ForeignParts,
    reason: String,
}

impl Foreign {
    pub(super) fn new(handler: impl ServerHandler, parts: ForeignParts, reason: String) -> Self {
        Self {
            handler: Arc::new(handler),
            parts,
            reason,
        }
    }

    /// Refuses a handler that nobody answers for, and templates that can't be matched strictly.
    pub(super) fn check(&self) -> Result<Vec<(String, Template)>, String> {
        if let Some(problem) = reason_problem(&self.reason) {
            return Err(format!(
                "the reason why a handler that is not ours is mounted {problem}; say why it may be \
                 trusted with every tenant's requests: `.mount_foreign(handler, parts, \"…\")`"
            ));
        }
        tracing::info!(
            reason = self.reason,
            "a handler that is not ours is mounted"
        );
        for (name, uri) in self.uris() {
            if let Err(mistake) = Template::parse(uri) {
                return Err(format!("the resource `{name}` can't be served: {mistake}"));
            }
        }
        Ok(self.parsed().collect())
    }

    /// Its templates by name.
    pub(super) fn parsed(&self) -> impl Iterator<Item = (String, Template)> {
        self.uris().filter_map(|(name, uri)| {
            let template = Template::parse(uri).ok()?;
            Some((name.to_owned(), template))
        })
    }

    /// What people and models read of it.
    pub(super) fn texts(&self) -> Vec<Texts> {
        let templates = self.parts.templates.iter().map(texts_of_template);
        let prompts = self.parts.prompts.iter().map(texts_of_prompt);
        templates.chain(prompts).collect()
    }

    fn uris(&self) -> impl Iterator<Item = (&str, &str)> {
        let resources = self.parts.resources.iter();
        let templates = self.parts.templates.iter();
        resources
            .map(|it| (it.name.as_str(), it.uri.as_str()))
            .chain(templates.map(|it| (it.name.as_str(), it.uri_template.as_str())))
    }

    /// What clients may fill in, by the name of the records, as schemas for the walk.
    pub(super) fn schemas(&self) -> Vec<(String, Map<String, Value>)> {
        let resources = self.parsed().map(|(name, template)| {
            let names = template.variables().map(str::to_owned).collect();
            (format!("resource:{name}"), schema(names))
        });
        let prompts = self.parts.prompts.iter().map(|prompt| {
            let arguments = prompt.arguments.iter().flatten();
            let names = arguments.map(|argument| argument.name.clone()).collect();
            (format!("prompt:{}", prompt.name), schema(names))
        });
        resources.chain(prompts).collect()
    }

    pub(super) fn has_resources(&self) -> bool {
        self.uris().next().is_some()
    }

    pub(super) fn prompt_names(&self) -> impl Iterator<Item = &str> {
        self.parts.prompts.iter().map(|prompt| prompt.name.as_str())
    }

    fn admits(&self, caller: &Caller) -> bool {
        let mut scopes = self.parts.scopes.iter();
        scopes.all(|scope| caller.session().has_scope(scope))
    }

    pub(super) fn resources(&self, caller: &Caller) -> Vec<Resource> {
        let list = || self.parts.resources.clone();
        self.admits(caller).then(list).unwrap_or_default()
    }

    pub(super) fn templates(&self, caller: &Caller) -> Vec<ResourceTemplate> {
        let list = || self.parts.templates.clone();
        self.admits(caller).then(list).unwrap_or_default()
    }

    pub(super) fn prompts(&self, caller: &Caller) -> Vec<Prompt> {
        let list = || self.parts.prompts.clone();
        self.admits(caller).then(list).unwrap_or_default()
    }

    /// Reads a resource; `None` if it serves no such URI.
    pub(super) async fn read(
        &self,
        uri: &str,
        caller: &Caller,
        mut request: RequestContext<RoleServer>,
    ) -> Option<Result<ReadResourceResult, ToolError>> {
        let mut parsed = self.parsed();
        let (name, _) = parsed.find(|(_, template)| template.values(uri).is_some())?;
        let (name, given) = (format!("resource:{name}"), JsonObject::new());
        if let Err(error) = Record::admit(caller, &request, &name, &given) {
            return Some(Err(error));
        }
        let record = record(caller, &request, &name, &given);
        if !self.admits(caller) {
            return Some(denied(record));
        }
        let params = ReadResourceRequestParams::new(uri);
        let (ours, life) = caller.for_call();
        request.extensions.insert(ours);
        let running = self.handler.read(params, request);
        Some(
            settled(running, life, record)
                .await
                .and_then(|read| match read {
                    ReadResourceResponse::Complete(result) => Ok(result),
                    _ => Err(ToolError::internal("a mounted resource asks for input")),
                }),
        )
    }

    /// Makes a prompt; `None` if it has none of this name.
    pub(super) async fn prompt(
        &self,
        asked: &GetPromptRequestParams,
        caller: &Caller,
        mut request: RequestContext<RoleServer>,
    ) -> Option<Result<GetPromptResponse, ToolError>> {
        let mut all = self.parts.prompts.iter();
        let prompt = all.find(|prompt| prompt.name == asked.name)?;
        let given = asked.arguments.clone().unwrap_or_default();
        let name = format!("prompt:{}", prompt.name);
        if let Err(error) = Record::admit(caller, &request, &name, &given) {
            return Some(Err(error));
        }
        let mut record = record(caller, &request, &name, &given);
        if !self.admits(caller) {
            return Some(denied(record));
        }
        let known = |name: &String| {
            let mut arguments = prompt.arguments.iter().flatten();
            arguments.any(|argument| argument.name == *name)
        };
        if !given.keys().all(known) {
            let extra = caller.state().extra();
            record.audit.probe = given
                .keys()
                .filter(|name| !known(name))
                .any(|name| classify(name, extra).is_some_and(|found| found.tier == Tier::First));
            let error = ToolError::invalid_arguments("unknown argument");
            record.end(Outcome::Refused, Some(&error));
            return Some(Err(error));
        }
        let mut params = GetPromptRequestParams::new(prompt.name.clone());
        params.arguments = asked.arguments.clone();
        params.input_responses = asked.input_responses.clone();
        params.request_state = asked.request_state.clone();
        let rounds = Rounds::of_prompt(caller, &prompt.name, asked.arguments.as_ref());
        if let Err(error) = rounds.open(&mut params.request_state) {
            record.end(Outcome::Refused, Some(&error));
            return Some(Err(error));
        }
        let (ours, life) = caller.for_call();
        request.extensions.insert(ours);
        let running = self.handler.prompt(params, request);
        Some(settled(running, life, record).await.and_then(|made| {
            match made {
                GetPromptResponse::InputRequired(asked) => rounds
                    .seal_state(asked)
                    .map(GetPromptResponse::InputRequired),
                made => Ok(made),
            }
        }))
    }
}

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foreign")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

fn denied<T>(record: Record) -> Result<T, ToolError> {
    let error = ToolError::denied().because("a scope is not granted");
    record.end(Outcome::Refused, Some(&error));
    Err(error)
}

/// Ends the work in time, and puts its failures into fixed words.
async fn settled<T>(
    running: BoxFuture<'_, Result<T, ErrorData>>,
    life: Running,
    record: Record,
) -> Result<T, ToolError> {
    let running = observe::watch(running).instrument(record.span());
    let ended = tokio::time::timeout(TIME_LIMIT, running).await;
    // Nothing that the handler left running writes any more once the record counts what was written.
    drop(life);
    let (outcome, error) = match ended {
        Ok(Ok(Ok(answer))) => {
            record.close(Outcome::Ok, None).await?;
            return Ok(answer);
        }
        Ok(Ok(Err(error))) => (
            Outcome::Failed,
            in_our_words(&error, &record.audit.reference),
        ),
        Ok(Err(panicked)) => (Outcome::Panicked, ToolError::internal(panicked)),
        Err(_) => {
            let error = ToolError::unavailable().because("it took longer than its time limit");
            (Outcome::Cancelled, error)
        }
    };
    record.close(outcome, Some(&error)).await?;
    Err(error)
}

/// Its own words may be anything, a database's message with values among them.
fn in_our_words(error: &ErrorData, reference: &str) -> ToolError {
    tracing::debug!(target: "watertight::cause", reference, whole = %error.message);
    let cause = "a mounted handler failed; its words are under the target `watertight::cause`";
    match error.code {
        // Since 2026-07-28 the two are one code; whose it is must not show.
        ErrorCode::RESOURCE_NOT_FOUND | ErrorCode::INVALID_PARAMS => {
            ToolError::not_found().because(cause)
        }
        _ => ToolError::internal(cause),
    }
}

fn schema(names: Vec<String>) -> Map<String, Value> {
    let properties: Map<_, _> = names
        .into_iter()
        .map(|name| (name, json!({ "type": "string" })))
        .collect();
    Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), Value::Object(properties)),
        ("additionalProperties".to_owned(), false.into()),
    ])
}

/// A handler without its type.
trait Handler: Send + Sync {
    fn read(
        &self,
        params: ReadResourceRequestParams,
        request: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<ReadResourceResponse, ErrorData>>;

    fn prompt(
        &self,
        params: GetPromptRequestParams,
        request: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<GetPromptResponse, ErrorData>>;
}

impl<H: ServerHandler> Handler for H {
    fn read(
        &self,
        params: ReadResourceRequestParams,
        request: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<ReadResourceResponse, ErrorData>> {
        Box::pin(self.read_resource(params, request))
    }

    fn prompt(
        &self,
        params: GetPromptRequestParams,
        request: RequestContext<RoleServer>,
    ) -> BoxFuture<'_, Result<GetPromptResponse, ErrorData>> {
        Box::pin(self.get_prompt(params, request))
    }
}
