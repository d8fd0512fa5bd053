//! Errors that name the tenant, and whether they leave: from where a message is made to a tool, along
//! calls whose errors are passed on.

use std::collections::{HashMap, HashSet};

use watertight_analysis::Code;
use watertight_analysis::finding::Level;
use watertight_analysis::words::{Extra, Tier, classify};

use super::super::facts::{FileFacts, Message, Told};
use super::{Judge, finding};

/// What clients are answered with.
const ANSWERS: [&str; 5] = [
    "ErrorData",
    "McpError",
    "RmcpError",
    "CallToolResult",
    "Error",
];
/// Names that only tell how many.
const COUNTS: [&str; 4] = ["len", "count", "is_some", "is_none"];

/// Methods that leave a value what it is.
const SAME: [&str; 14] = [
    "as_deref",
    "as_ref",
    "as_str",
    "as_uuid",
    "clone",
    "display",
    "expect",
    "get",
    "inner",
    "into",
    "to_owned",
    "to_string",
    "unwrap",
    "unwrap_or_default",
];
/// Fields by which a tenant is known.
const IDENTIFIES: [&str; 14] = [
    "code",
    "display_name",
    "domain",
    "external_id",
    "handle",
    "id",
    "key",
    "label",
    "name",
    "public_id",
    "slug",
    "subdomain",
    "title",
    "uuid",
];

/// A function, by its file and position.
type Place = (usize, usize);

/// The functions whose errors a tool answers with.
struct Reached {
    functions: HashSet<Place>,
    /// Names of types in them.
    mentions: HashSet<String>,
    any_tool: bool,
}

impl Judge<'_> {
    pub(super) fn messages(&mut self) {
        let workspace = self.workspace;
        let reached = self.reached();
        let conversions: HashMap<&str, bool> = workspace
            .files
            .iter()
            .flat_map(|file| &file.conversions)
            .filter(|it| ANSWERS.contains(&it.to.as_str()))
            .map(|it| (it.from.as_str(), it.tells))
            .collect();
        for (index, file) in workspace.files.iter().enumerate() {
            let Some(schema) = self.schema(file.package) else {
                continue;
            };
            let mut told = HashSet::new();
            for message in file.messages.iter().filter(|it| !it.test) {
                let Some((name, word)) = tenant_in(message, &schema.extra) else {
                    continue;
                };
                let leaves = match (&message.error, message.function) {
                    (Some(error), _) => {
                        let swallowed = conversions.get(error.as_str()).is_some_and(|tells| !tells);
                        !swallowed && reached.mentions.contains(error)
                    }
                    (None, Some(function)) => reached.functions.contains(&(index, function)),
                    (None, None) => false,
                };
                if (leaves || !reached.any_tool) && told.insert(message.span.start) {
                    self.message(file, message, &name, &word, leaves);
                }
            }
            if schema.tenant && schema.known {
                self.database_texts(index, file, &reached, &conversions);
            }
        }
    }

    /// Where the database's own words become an answer: one entry for each file.
    fn database_texts(
        &mut self,
        index: usize,
        file: &FileFacts,
        reached: &Reached,
        conversions: &HashMap<&str, bool>,
    ) {
        let tells = |name: &str| {
            let functions = self.workspace.files.iter().flat_map(|file| &file.functions);
            let mut of_name = functions.filter(|it| it.name == name && !it.test);
            of_name.any(|it| it.tells)
        };
        let leave: Vec<&Told> = file
            .database_texts
            .iter()
            .filter(|it| !it.test)
            .filter(|it| match (&it.error, &it.by, it.function) {
                (Some(error), ..) => {
                    let swallowed = conversions.get(error.as_str()).is_some_and(|tells| !tells);
                    !swallowed && reached.mentions.contains(error)
                }
                (None, Some(by), Some(function)) => {
                    reached.functions.contains(&(index, function)) && tells(by)
                }
                (None, None, Some(function)) => reached.functions.contains(&(index, function)),
                (None, _, None) => false,
            })
            .collect();
        let Some(first) = leave.first() else {
            return;
        };
        let message = match leave.len() {
            1 => "the text of the database's error becomes a tool's answer".to_owned(),
            many => format!(
                "the text of the database's error becomes a tool's answer, here and at {} other places of this file",
                many - 1
            ),
        };
        let told = finding(Code::TENANT_IN_ERROR, file, &first.span, message)
            .note("it can hold a value of a row, and tells of tables and constraints")
            .help("a fixed text for the caller, and the error in the log beside a reference that the answer carries")
            .about("database text")
            .level(Level::Low);
        self.found(told.review());
    }

    fn message(
        &mut self,
        file: &FileFacts,
        message: &Message,
        name: &str,
        word: &str,
        leaves: bool,
    ) {
        let what = match &message.error {
            Some(error) => format!("`{error}` names the tenant in its message: `{name}`"),
            None => format!("an error names the tenant: `{name}`"),
        };
        let told = finding(Code::TENANT_IN_ERROR, file, &message.span, what)
            .note(format!("`{word}` is a word for a tenant"))
            .help("a text without it, such as \"not found\", and the identifier in the log beside a reference that the answer carries")
            .about(format!("{name} {:?}", message.error));
        self.found(match leaves {
            true => told.note("a tool answers with it, and the model repeats what it reads"),
            false => told
                .note("no tool is in this workspace, so whether a client reads it is not known")
                .level(Level::Low)
                .review(),
        });
    }

    fn reached(&self) -> Reached {
        let files = &self.workspace.files;
        let mut by_name: HashMap<&str, Vec<Place>> = HashMap::new();
        let mut pending: Vec<Place> = Vec::new();
        let mut any_tool = false;
        for (at, file) in files.iter().enumerate() {
            any_tool |= file.tools.iter().any(|tool| !tool.test) || !file.handlers.is_empty();
            for (position, function) in file.functions.iter().enumerate() {
                if function.test {
                    continue;
                }
                by_name
                    .entry(&function.name)
                    .or_default()
                    .push((at, position));
                // A tool of watertight answers with texts that are fixed at compile time.
                let ours = file
                    .tools
                    .iter()
                    .any(|tool| tool.ours && tool.name == function.name);
                // A server that dispatches by hand writes its schemas by hand.
                let by_hand = function.name == "call_tool"
                    && (!file.schemas.is_empty() || !file.handlers.is_empty());
                if function.tool && !ours || by_hand {
                    pending.push((at, position));
                }
            }
        }
        let mut reached = Reached {
            functions: HashSet::new(),
            mentions: HashSet::new(),
            any_tool,
        };
        while let Some(place) = pending.pop() {
            if !reached.functions.insert(place) {
                continue;
            }
            let function = files
                .get(place.0)
                .and_then(|file| file.functions.get(place.1));
            let Some(function) = function else {
                continue;
            };
            reached.mentions.extend(function.mentions.iter().cloned());
            for call in function.calls.iter().filter(|call| call.passes) {
                let Some(found) = by_name.get(call.name.as_str()) else {
                    continue;
                };
                let called = |place: &Place| {
                    files
                        .get(place.0)
                        .and_then(|file| file.functions.get(place.1))
                };
                // `value.name()` calls no function that takes no `self`.
                let fits = |it: &&Place| called(it).is_some_and(|it| it.receiver || !call.method);
                let found: Vec<Place> = found.iter().filter(fits).copied().collect();
                let package = files.get(place.0).map(|file| file.package);
                let near: Vec<Place> = found
                    .iter()
                    .filter(|(at, _)| files.get(*at).map(|file| file.package) == package)
                    .copied()
                    .collect();
                if near.is_empty() && found.len() > 1 {
                    // Names such as `new` are everybody's.
                } else if near.is_empty() {
                    // Another package of the workspace, if this one depends on it.
                    let home = package.and_then(|it| self.workspace.packages.get(it));
                    let depends = |at: usize| {
                        let other = files
                            .get(at)
                            .and_then(|file| self.workspace.package_of(file));
                        home.zip(other)
                            .is_some_and(|(home, other)| home.depends_on(&other.name))
                    };
                    let open = |it: &Place| called(it).is_some_and(|it| it.open);
                    pending.extend(found.iter().filter(|it| depends(it.0) && open(it)));
                } else {
                    pending.extend(near);
                }
            }
        }
        reached
    }
}

/// The tenant's name in what a message shows, and the word for it.
fn tenant_in(message: &Message, extra: &Extra) -> Option<(String, String)> {
    let names: Vec<&String> = message
        .names
        .iter()
        .filter(|name| !SAME.contains(&name.as_str()))
        .collect();
    if names.iter().any(|name| COUNTS.contains(&name.as_str())) {
        return None;
    }
    let tenant = |name: &str| classify(name, extra).filter(|it| it.tier == Tier::First);
    let (at, name, found) = names
        .iter()
        .enumerate()
        .find_map(|(at, name)| Some((at, *name, tenant(name)?)))?;
    // `org.plan` is of a tenant, and names none.
    let names_it = match names.get(at + 1..).and_then(<[_]>::last) {
        Some(last) => IDENTIFIES.contains(&last.as_str()) || tenant(last).is_some(),
        None => true,
    };
    names_it.then(|| (name.clone(), found.word))
}
