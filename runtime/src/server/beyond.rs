//! What a server offers beside tools: resources, prompts, completions and subscriptions.
//!
//! Invariant: what a client asks for that is not there is answered in the same words as what is
//! not the caller's, and leaves a record.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse, JsonObject,
    Prompt, ReadResourceResult, Reference as CompletionOf, Resource, ResourceTemplate,
    SubscriptionFilter,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use watertight_analysis::uri_template::Template;
use watertight_analysis::words::{Extra, Tier, classify};

use super::caller::Caller;
use super::foreign::Foreign;
use super::guard::GuardBuilder;
use crate::audit::Outcome;
use crate::error::ToolError;
use crate::subscription::{Hub, Notifier, follow, listen};
use crate::tool::{Callable, ExceptionKind, Record};
use crate::walk::{Place, Published, Texts, Waiver, findings_of};
use crate::{completion, prompt, resource};

/// Entries of a page of `tools/list` and the like.
const USUAL_PAGE: usize = 250;

/// Everything beside tools.
#[derive(Debug)]
pub(super) struct Beyond {
    pub(super) prompts: prompt::Registry,
    pub(super) completions: completion::Registry,
    foreign: Vec<Foreign>,
    hub: Arc<Hub>,
    /// Whether clients of the older protocols can be told of changes: there are sessions.
    pub(super) follows: bool,
    /// Entries of a page.
    pub(super) page: usize,
}

/// The parts, as they are registered.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) resources: resource::Resources,
    pub(super) prompts: prompt::Prompts,
    pub(super) completions: completion::Completions,
    pub(super) foreign: Vec<Foreign>,
    pub(super) page: Option<usize>,
}

impl Parts {
    /// Compiles everything. The error is for the operator.
    pub(super) fn build(self, follows: bool) -> Result<Beyond, String> {
        let resources = self.resources.mount().map_err(|error| error.to_string())?;
        let prompts = self.prompts.mount().map_err(|error| error.to_string())?;
        let completions = self
            .completions
            .mount()
            .map_err(|error| error.to_string())?;
        let resources = Arc::new(resource::Registry::new(resources)?);
        let beyond = Beyond {
            prompts: prompt::Registry::new(prompts)?,
            completions: completion::Registry::new(completions)?,
            foreign: self.foreign,
            hub: Arc::new(Hub::new(resources)),
            follows,
            page: self.page.unwrap_or(USUAL_PAGE).max(1),
        };
        beyond.check_targets()?;
        beyond.check_foreign()?;
        Ok(beyond)
    }
}

impl Beyond {
    /// A completion of something that is not served completes nothing.
    fn check_targets(&self) -> Result<(), String> {
        for completion in self.completions.iter() {
            let (kind, there) = match completion.target.kind {
                completion::TargetKind::Prompt(name) => {
                    (format!("prompt `{name}`"), self.prompts.get(name).is_some())
                }
                completion::TargetKind::Resource(uri) => {
                    let there = self
                        .resources()
                        .iter()
                        .any(|it| it.template.as_str() == uri);
                    (format!("resource `{uri}`"), there)
                }
                completion::TargetKind::Nothing => continue,
            };
            if !there {
                return Err(format!(
                    "`{}` completes the {kind}, which the server does not have",
                    completion.name
                ));
            }
        }
        Ok(())
    }

    /// Handlers that are not ours: with a reason, and beside ours, never in their place.
    fn check_foreign(&self) -> Result<(), String> {
        let ours = self.resources().iter();
        let mut known: Vec<(String, Template)> = ours
            .map(|it| (it.name.to_owned(), it.template.clone()))
            .collect();
        let mut prompts: Vec<&str> = self.prompts.iter().map(|it| it.name).collect();
        for foreign in &self.foreign {
            for (name, template) in foreign.check()? {
                if let Some((other, _)) = known.iter().find(|(_, it)| it.overlaps(&template)) {
                    return Err(format!(
                        "one URI could be read by `{other}` and by `{name}` (`{template}`), which \
                         is mounted"
                    ));
                }
                if known.iter().any(|(other, _)| *other == name) {
                    return Err(format!("two resources are called `{name}`"));
                }
                known.push((name, template));
            }
            for name in foreign.prompt_names() {
                if prompts.contains(&name) {
                    return Err(format!("two prompts are called `{name}`"));
                }
                prompts.push(name);
            }
        }
        Ok(())
    }

    pub(super) fn listed_resources(&self, caller: &Caller) -> Vec<Resource> {
        let mut listed = self.resources().listed(caller);
        listed.extend(self.foreign.iter().flat_map(|it| it.resources(caller)));
        listed.sort_by(|one, two| one.name.cmp(&two.name));
        listed
    }

    pub(super) fn listed_templates(&self, caller: &Caller) -> Vec<ResourceTemplate> {
        let mut listed = self.resources().templates(caller);
        listed.extend(self.foreign.iter().flat_map(|it| it.templates(caller)));
        listed.sort_by(|one, two| one.name.cmp(&two.name));
        listed
    }

    pub(super) fn listed_prompts(&self, caller: &Caller) -> Vec<Prompt> {
        let mut listed = self.prompts.listed(caller);
        listed.extend(self.foreign.iter().flat_map(|it| it.prompts(caller)));
        listed.sort_by(|one, two| one.name.cmp(&two.name));
        listed
    }

    /// Whether there is anything to read, ours or mounted; and to ask for.
    pub(super) fn has_resources(&self) -> bool {
        let mut foreign = self.foreign.iter();
        !self.resources().is_empty() || foreign.any(Foreign::has_resources)
    }

    pub(super) fn has_prompts(&self) -> bool {
        let mut foreign = self.foreign.iter();
        !self.prompts.is_empty() || foreign.any(|it| it.prompt_names().next().is_some())
    }

    /// Tells the guard what needs which scopes, so that it can answer as HTTP has it: 403.
    pub(super) fn require(&self, guard: &mut GuardBuilder) {
        let owned = |scopes: &[&str]| scopes.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        for resource in self.resources().iter() {
            let scopes = owned(&resource.callable.scopes);
            let name = resource.callable.name.clone();
            guard.require_for(resource.template.clone(), name, scopes);
        }
        for prompt in self.prompts.iter() {
            let scopes = owned(&prompt.callable.scopes);
            guard.require(prompt.callable.name.clone(), scopes);
        }
    }

    /// What the last look before the start finds: in the arguments of everything here, and in what
    /// the templates call their variables. `judged` says that the macros alone know the catalog.
    pub(super) fn findings(&self, extra: &Extra, judged: bool, waivers: &[Waiver]) -> Vec<String> {
        let mut lines = Vec::new();
        for callable in self.callables() {
            let waiver = |place| Waiver {
                tool: callable.name.clone(),
                place,
                reason: String::new(),
            };
            let mut waivers = waivers.to_vec();
            let own = callable.exceptions.iter();
            waivers.extend(own.map(|own| waiver(Place::Attribute(own.clone()))));
            waivers.extend(judged.then(|| waiver(Place::Judged)));
            lines.extend(findings_of(
                &callable.name,
                &callable.schema,
                extra,
                &waivers,
            ));
        }
        for (name, schema) in self.foreign.iter().flat_map(Foreign::schemas) {
            lines.extend(findings_of(&name, &schema, extra, waivers));
        }
        for resource in self.resources().iter() {
            let excepted = |variable: &str| {
                let mut own = resource.callable.exceptions.iter();
                own.any(|own| own.argument == variable && own.kind == ExceptionKind::NotTenant)
            };
            for variable in resource.template.variables().filter(|it| !excepted(it)) {
                lines.extend(label(resource.name, &resource.template, variable, extra));
            }
        }
        let mounted = self.foreign.iter().flat_map(Foreign::parsed);
        for (name, template) in mounted {
            let of = format!("resource:{name}");
            let excepted = |variable: &str| {
                waivers.iter().any(|waiver| {
                    let here = matches!(&waiver.place, Place::Path(path) if path == variable);
                    here && waiver.tool == of
                })
            };
            for variable in template.variables().filter(|it| !excepted(it)) {
                lines.extend(label(&name, &template, variable, extra));
            }
        }
        lines
    }

    /// What people and models read of all this.
    pub(super) fn texts(&self) -> Vec<Texts> {
        let of = |kind, name: &str, whole: Option<&str>, callable: &Callable| {
            let own = whole.map(|text| (String::new(), text.to_owned()));
            let inner = callable.described();
            let inner =
                inner.filter_map(|(name, text, _)| Some((name.to_owned(), text?.to_owned())));
            Texts {
                kind,
                name: name.to_owned(),
                texts: own.into_iter().chain(inner).collect(),
            }
        };
        let resources = self.resources().iter().map(|it| {
            let kind = Published::ResourceTemplate;
            of(kind, it.name, it.description, &it.callable)
        });
        let prompts = self.prompts.iter().map(|it| {
            let kind = Published::Prompt;
            of(kind, it.name, it.description, &it.callable)
        });
        let foreign = self.foreign.iter().flat_map(Foreign::texts);
        resources.chain(prompts).chain(foreign).collect()
    }

    /// Everything that clients call here.
    fn callables(&self) -> impl Iterator<Item = &Callable> {
        let resources = self.resources().iter().map(|it| &it.callable);
        let prompts = self.prompts.iter().map(|it| &it.callable);
        let completions = self.completions.iter().map(|it| &it.callable);
        resources.chain(prompts).chain(completions)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.has_prompts() && self.completions.is_empty() && !self.has_resources()
    }

    pub(super) fn resources(&self) -> &resource::Registry {
        self.hub.resources()
    }

    pub(super) fn notifier(&self) -> Notifier {
        Notifier::new(Arc::clone(&self.hub))
    }

    pub(super) async fn read(
        &self,
        uri: &str,
        caller: &Caller,
        request: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ToolError> {
        if let Some(found) = self.resources().find(uri) {
            return self.resources().read(found, caller, request).await;
        }
        for foreign in &self.foreign {
            let request = request.clone();
            if let Some(read) = foreign.read(uri, caller, request).await {
                return read;
            }
        }
        Err(nothing(
            caller,
            &request,
            "resources/read",
            &JsonObject::new(),
        ))
    }

    pub(super) async fn prompt(
        &self,
        asked: GetPromptRequestParams,
        caller: &Caller,
        request: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ToolError> {
        if let Some(prompt) = self.prompts.get(&asked.name) {
            let given = asked.arguments.unwrap_or_default();
            let made = self.prompts.make(prompt, given, caller, request).await;
            return made.map(Into::into);
        }
        for foreign in &self.foreign {
            let request = request.clone();
            if let Some(made) = foreign.prompt(&asked, caller, request).await {
                return made;
            }
        }
        let given = asked.arguments.unwrap_or_default();
        Err(nothing(caller, &request, "prompts/get", &given))
    }

    /// With the scopes of what is completed beside those of the completion.
    pub(super) async fn complete(
        &self,
        asked: CompleteRequestParams,
        caller: &Caller,
        request: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ToolError> {
        let wanted = completion::Wanted::read(asked);
        let session = caller.session();
        let admitted = match &wanted.of {
            CompletionOf::Prompt(prompt) => {
                let found = self.prompts.get(&prompt.name);
                found.is_none_or(|prompt| prompt.callable.admits(session))
            }
            CompletionOf::Resource(of) => {
                let mut all = self.resources().iter();
                let found = all.find(|it| it.template.as_str() == of.uri);
                found.is_none_or(|resource| resource.callable.admits(session))
            }
            // Nothing that this server has.
            _ => false,
        };
        if !admitted {
            let none = JsonObject::new();
            return Err(denied(caller, &request, "completion/complete", &none));
        }
        self.completions.complete(&wanted, caller, request).await
    }

    /// URIs of resources; lists do not change while the server runs.
    pub(super) fn accepted(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        if self.resources().is_empty() {
            return None;
        }
        let uris = requested.resource_subscriptions.iter().flatten();
        let known = uris.filter(|uri| self.resources().find(uri).is_some());
        Some(
            SubscriptionFilter::builder()
                .resource_subscriptions(known.cloned())
                .build(),
        )
    }

    pub(super) async fn listen(
        &self,
        caller: &Caller,
        context: &SubscriptionContext,
    ) -> Result<(), ToolError> {
        let request = context.request_context();
        Record::admit(caller, request, "subscriptions/listen", &JsonObject::new())?;
        record(caller, request, "subscriptions/listen", &JsonObject::new()).end(Outcome::Ok, None);
        listen(&self.hub, caller, context).await
    }

    /// `resources/subscribe` and its opposite.
    pub(super) fn follow(
        &self,
        caller: &Caller,
        request: &RequestContext<RoleServer>,
        uri: &str,
        on: bool,
    ) -> Result<(), ToolError> {
        Record::admit(caller, request, "resources/subscribe", &JsonObject::new())?;
        let over_http = request.extensions.get::<http::request::Parts>().is_some();
        if over_http && !self.follows {
            return Err(ToolError::denied().because("there are no legacy sessions to be told in"));
        }
        let record = record(caller, request, "resources/subscribe", &JsonObject::new());
        let done = follow(&self.hub, caller, request, uri, on);
        match &done {
            Ok(()) => record.end(Outcome::Ok, None),
            Err(error) => record.end(Outcome::Refused, Some(error)),
        }
        done
    }
}

/// A finding about what a template calls a variable.
fn label(name: &str, template: &Template, variable: &str, extra: &Extra) -> Option<String> {
    let label = template.label(variable)?;
    let found = classify(label, extra).filter(|found| found.tier == Tier::First)?;
    Some(format!(
        "resource `{name}`, `{{{variable}}}` in `{template}` (tenant-name): `{label}` in front of it \
         makes it name a tenant: {}\n    help: leave the part out of the URI",
        found.reason
    ))
}

/// The record of a call that `tool::serve` does not see.
pub(super) fn record(
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    method: &str,
    given: &JsonObject,
) -> Record {
    let origin = caller.origin().tool(method);
    Record::begin(caller, origin, request, method, given)
}

/// The answer to what is not there, and its record.
fn nothing(
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    method: &str,
    given: &JsonObject,
) -> ToolError {
    match unknown(caller, request, method, given) {
        Ok(()) => ToolError::not_found(),
        Err(busy) => busy,
    }
}

/// Records a request for what is not there, or in a form that nothing here has.
///
/// # Errors
/// That the tenant makes too many calls.
pub(super) fn unknown(
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    method: &str,
    given: &JsonObject,
) -> Result<(), ToolError> {
    Record::admit(caller, request, method, given)?;
    let mut record = record(caller, request, method, given);
    record.audit.probe = given.keys().any(|name| {
        classify(name, caller.state().extra()).is_some_and(|found| found.tier == Tier::First)
    });
    record.end(Outcome::Refused, Some(&ToolError::not_found()));
    Ok(())
}

/// The answer to a call that lacks a scope, and its record.
pub(super) fn denied(
    caller: &Caller,
    request: &RequestContext<RoleServer>,
    name: &str,
    given: &JsonObject,
) -> ToolError {
    if let Err(busy) = Record::admit(caller, request, name, given) {
        return busy;
    }
    let error = ToolError::denied().because("a scope is not granted");
    record(caller, request, name, given).end(Outcome::Refused, Some(&error));
    error
}
