//! The last look before a server starts: everything that it publishes, in its final form, whoever
//! wrote it. [`Walk`] is the same look, for tests of your own.
//!
//! The macros refuse most of this at compile time. The walk covers what they do not see: tools of
//! other crates, schemas written by hand, renaming by serde.
//!
//! Invariant: a finding is waived only by an exception that names its tool, its place and a reason.

mod look;
#[cfg(test)]
mod tests;

use std::fmt;

use rmcp::model::{Prompt, ResourceTemplate, Tool};
use serde_json::{Map, Value, json};
use watertight_analysis::schema_walk::{self, descriptions, headers, walk};
use watertight_analysis::uri_template::variables;
use watertight_analysis::words::{Extra, Tier, asks_for_tenant, classify, reason_problem};

use crate::statement::Catalog;
use crate::tool::{Exception, ExceptionKind, published_by_us};
pub use look::{Finding, NotAList, Rule, Walk};

/// Something that a server publishes, and that takes something from clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Published {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource.
    Resource,
    /// A template of resources.
    ResourceTemplate,
    /// A completion of arguments.
    Completion,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::ResourceTemplate => "resource template",
            Self::Completion => "completion",
        })
    }
}

/// A place of one tool's arguments where a rule is waived.
#[derive(Clone, Debug)]
pub(crate) struct Waiver {
    pub(crate) tool: String,
    pub(crate) place: Place,
    /// Listed in the log when the server starts.
    pub(crate) reason: String,
}

/// Which findings a waiver covers.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Everything at this path, as findings print it.
    Path(String),
    /// What an argument's own attribute waives.
    Attribute(Exception),
    /// Names that are a tenant's in some products: where the macro has judged them against the
    /// catalog, and no catalog is at hand here.
    Judged,
}

impl Waiver {
    fn covers(&self, name: &str, rule: Rule, path: &str) -> bool {
        self.tool == name
            && rule != Rule::ReservedHeader
            && match &self.place {
                Place::Path(own) => own == path,
                Place::Judged => rule == Rule::AmbiguousName,
                Place::Attribute(exception) => {
                    is_of_kind(exception.kind, rule) && is_at(exception, path)
                }
            }
    }
}

fn is_of_kind(kind: ExceptionKind, rule: Rule) -> bool {
    match kind {
        ExceptionKind::NotTenant => {
            matches!(rule, Rule::TenantName | Rule::AmbiguousName | Rule::Header)
        }
        ExceptionKind::Open => matches!(
            rule,
            Rule::OpenObject | Rule::FreeKeys | Rule::AnyValue | Rule::RawSql
        ),
    }
}

/// The path lies in the argument, and at the field if the exception is about one. What is open
/// is open all the way down; a name is waived where it stands and nowhere else.
fn is_at(exception: &Exception, path: &str) -> bool {
    let mut steps = path.split('.').map(|step| step.trim_end_matches("[]"));
    // Where one type holds all arguments, the path begins with a field of it.
    if !exception.argument.is_empty() && steps.next() != Some(exception.argument) {
        return false;
    }
    match (exception.field, exception.kind) {
        (None, ExceptionKind::Open) => true,
        (Some(field), ExceptionKind::Open) => steps.any(|step| step == field),
        (None, _) => steps.next().is_none(),
        (Some(field), _) => steps.next_back() == Some(field),
    }
}

/// These waivers, and those that the attributes of our own tools are. `judged` says that names
/// that only may be a tenant's were judged at compile time, by a catalog that is not at hand here.
pub(crate) fn waivers_of(tools: &[Tool], waivers: &[Waiver], judged: bool) -> Vec<Waiver> {
    let mut all = waivers.to_vec();
    for (tool, own) in tools
        .iter()
        .filter_map(|it| Some((it, published_by_us(it)?)))
    {
        let waiver = |reason: &str, place| Waiver {
            tool: tool.name.to_string(),
            reason: reason.to_owned(),
            place,
        };
        let exceptions = own.callable.exceptions.iter();
        all.extend(exceptions.map(|it| waiver(it.reason, Place::Attribute(it.clone()))));
        all.extend(judged.then(|| waiver("judged at compile time", Place::Judged)));
    }
    all
}

/// What names a tenant beside the usual words, as far as the embedded catalog tells.
pub(crate) fn extra_of(catalog: Option<&Catalog>) -> Extra {
    let Some(catalog) = catalog else {
        return Extra {
            tenant_column: "tenant_id".to_owned(),
            ..Extra::default()
        };
    };
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let relations = catalog.relations().iter();
    let of_tenants = relations.filter(|relation| relation.tenant_column.is_some());
    Extra {
        tenant_column: catalog.settings.tenant_column.to_owned(),
        words: owned(catalog.settings.words),
        tables: of_tenants
            .map(|relation| relation.name.to_owned())
            .collect(),
        allowed: owned(catalog.settings.not_tenant),
    }
}

/// Looks at what one thing takes. Its waivers are by the name of its records: a tool's is its own,
/// a prompt's is `prompt:NAME`.
fn look_at(
    (kind, name): (Published, &str),
    record: &str,
    schema: &Map<String, Value>,
    extra: &Extra,
    waivers: &[Waiver],
) -> Vec<Finding> {
    let covered = |found: &schema_walk::Finding| {
        let mut waivers = waivers.iter();
        waivers.any(|waiver| waiver.covers(record, found.rule, &found.path))
    };
    walk(&Value::Object(schema.clone()), extra, &|_| false)
        .into_iter()
        .filter(|found| !covered(found))
        .map(|found| Finding {
            kind,
            name: name.to_owned(),
            path: found.path,
            rule: found.rule,
            message: found.message,
        })
        .collect()
}

/// A tool's arguments, and the headers that they are copied into. `reserved` are the headers that
/// the authenticator reads.
fn tool(tool: &Tool, extra: &Extra, reserved: &[String], waivers: &[Waiver]) -> Vec<Finding> {
    let (kind, schema) = (Published::Tool, &tool.input_schema);
    let mut found = look_at((kind, &tool.name), &tool.name, schema, extra, waivers);
    for (path, header) in headers(&Value::Object((**schema).clone())) {
        let reserved = reserved.iter().map(String::as_str).chain(["authorization"]);
        if let Some(reserved) = reserved.into_iter().find(|own| begins(&header, own)) {
            found.push(Finding {
                kind,
                name: tool.name.to_string(),
                path,
                rule: Rule::ReservedHeader,
                message: format!(
                    "clients copy it into the header `{header}`, and the caller is established \
                     from `{reserved}`: an argument may not come near it"
                ),
            });
        }
    }
    found
}

/// The texts of one thing that is published, for people and models to read, by their places.
pub(crate) struct Texts {
    pub(crate) kind: Published,
    pub(crate) name: String,
    /// The place is empty for the description of the whole.
    pub(crate) texts: Vec<(String, String)>,
}

fn texts_of_tool(tool: &Tool) -> Texts {
    let own = tool.description.iter();
    let own = own.map(|text| (String::new(), text.to_string()));
    let inner = descriptions(&Value::Object((*tool.input_schema).clone()));
    Texts {
        kind: Published::Tool,
        name: tool.name.to_string(),
        texts: own.chain(inner).collect(),
    }
}

pub(crate) fn texts_of_prompt(prompt: &Prompt) -> Texts {
    let own = prompt.description.iter();
    let own = own.map(|text| (String::new(), text.to_string()));
    let arguments = prompt.arguments.iter().flatten();
    let inner = arguments.filter_map(|it| Some((it.name.clone(), it.description.clone()?)));
    Texts {
        kind: Published::Prompt,
        name: prompt.name.clone(),
        texts: own.chain(inner).collect(),
    }
}

pub(crate) fn texts_of_template(template: &ResourceTemplate) -> Texts {
    let own = template.description.iter();
    Texts {
        kind: Published::ResourceTemplate,
        name: template.name.clone(),
        texts: own.map(|text| (String::new(), text.clone())).collect(),
    }
}

/// Those of the texts that ask the model for a tenant.
fn prose(published: &Texts, extra: &Extra) -> Vec<Finding> {
    let asks = |(path, text): &(String, String)| {
        let asked = asks_for_tenant(text, extra)?;
        Some(Finding {
            kind: published.kind,
            name: published.name.clone(),
            path: path.clone(),
            rule: Rule::Prose,
            message: format!(
                "its description asks for a tenant: \"{}\" ({})",
                asked.excerpt, asked.reason
            ),
        })
    };
    published.texts.iter().filter_map(asks).collect()
}

/// Tells the operator of such texts. No schema follows from them, so they stop nothing.
pub(crate) fn warn_of_prose(tools: &[Tool], beyond: &[Texts], extra: &Extra) {
    let tools: Vec<Texts> = tools.iter().map(texts_of_tool).collect();
    for finding in tools.iter().chain(beyond).flat_map(|it| prose(it, extra)) {
        tracing::warn!(%finding, "a description asks for a tenant");
    }
}

/// What the first of these exceptions gives instead of a reason, in words for the operator.
pub(crate) fn vague(waivers: &[Waiver]) -> Option<String> {
    waivers.iter().find_map(|waiver| {
        let problem = reason_problem(&waiver.reason)?;
        let place = match &waiver.place {
            Place::Path(path) => path.as_str(),
            _ => "",
        };
        Some(format!(
            "the reason of the exception for `{place}` of `{}` {problem}; say what it is: \
             `.allow_argument(\"{}\", \"{place}\", \"the organisation of a contact, not ours\")`",
            waiver.tool, waiver.tool
        ))
    })
}

/// Whether a header's annotation begins with what the authenticator reads, whatever stands in
/// front of both: clients put `Mcp-Param-` there, and many headers begin with `X-`.
fn begins(annotation: &str, reserved: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase().replace('_', "-");
        let text = text.strip_prefix("mcp-param-").unwrap_or(&text);
        text.strip_prefix("x-").unwrap_or(text).to_owned()
    };
    plain(annotation).starts_with(&plain(reserved))
}

/// A prompt's arguments, which are texts.
fn prompt(prompt: &Prompt, extra: &Extra, waivers: &[Waiver]) -> Vec<Finding> {
    let arguments = prompt.arguments.iter().flatten();
    let names: Vec<&str> = arguments.map(|it| it.name.as_str()).collect();
    let record = format!("prompt:{}", prompt.name);
    let kind = Published::Prompt;
    look_at(
        (kind, &prompt.name),
        &record,
        &texts(&names),
        extra,
        waivers,
    )
}

/// The variables of an address, and the words in front of them.
fn address(
    (kind, name): (Published, &str),
    template: &str,
    extra: &Extra,
    waivers: &[Waiver],
) -> Vec<Finding> {
    let variables = variables(template);
    let names: Vec<&str> = variables.iter().map(|it| it.name.as_str()).collect();
    let record = format!("resource:{name}");
    let mut found = look_at((kind, name), &record, &texts(&names), extra, waivers);
    for variable in variables {
        let labelled = classify(&variable.label, extra).filter(|it| it.tier == Tier::First);
        let Some(word) = labelled else { continue };
        let rule = Rule::TenantName;
        if found.iter().any(|it| it.path == variable.name)
            || waivers
                .iter()
                .any(|waiver| waiver.covers(&record, rule, &variable.name))
        {
            continue;
        }
        found.push(Finding {
            kind,
            name: name.to_owned(),
            message: format!(
                "`{}` in front of it in `{template}` makes it name a tenant ({})",
                variable.label, word.reason
            ),
            path: variable.name,
            rule,
        });
    }
    found
}

/// The schema of arguments that are texts.
fn texts(names: &[&str]) -> Map<String, Value> {
    let text = |name: &&str| ((*name).to_owned(), json!({ "type": "string" }));
    let properties: Map<String, Value> = names.iter().map(text).collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("additionalProperties".into(), false.into());
    schema
}

/// Every finding in tools that no waiver covers, as a line each: the tool, the place, the rule and
/// what to do about it.
pub(crate) fn findings(
    tools: &[Tool],
    extra: &Extra,
    reserved: &[String],
    waivers: &[Waiver],
) -> Vec<String> {
    let look = |it| tool(it, extra, reserved, waivers);
    let found = tools.iter().flat_map(look);
    found.map(|it| line(&it, &it.name)).collect()
}

/// The same for one thing that clients call, by the name of its records: a tool's is its own, a
/// resource's is `resource:ticket`.
pub(crate) fn findings_of(
    record: &str,
    schema: &Map<String, Value>,
    extra: &Extra,
    waivers: &[Waiver],
) -> Vec<String> {
    let (kind, name) = match record.split_once(':') {
        Some(("prompt", name)) => (Published::Prompt, name),
        Some(("resource", name)) => (Published::Resource, name),
        Some((_, name)) => (Published::Completion, name),
        None => (Published::Tool, record),
    };
    let found = look_at((kind, name), record, schema, extra, waivers);
    found.iter().map(|it| line(it, record)).collect()
}

fn line(finding: &Finding, record: &str) -> String {
    if finding.rule == Rule::ReservedHeader {
        return format!("{finding}\n    help: take the annotation `x-mcp-header` out");
    }
    format!(
        "{finding}\n    help: take it out, or say \
         `.allow_argument(\"{record}\", \"{}\", \"why it names no tenant\")`",
        finding.path
    )
}
