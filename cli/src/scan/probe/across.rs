//! One identity asks for what the other's answers held: the cross-tenant test.
//!
//! Each question is asked by its owner, twice; then by the other; then by the other with a value of the
//! same form that nothing has. What counts is what the owner and the other were both shown, that
//! the other was never shown for itself, and that the made-up value does not show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use watertight_analysis::Code;
use watertight_analysis::finding::Finding;

use super::alone::{prompt_schema, text};
use super::template::{expand, template_schema};
use super::{CALLED, Scene, others_data, quote, said_by};
use crate::scan::arguments::{is_uuid, made_up, unlike};
use crate::scan::ask::{Ask, Seen};
use crate::scan::atoms::{Atoms, Strength, best, common, is_strong, minus, telling};
use crate::scan::known::{Filled, Known, Pool, filled};
use crate::scan::shown::shown;
use crate::scan::wire::Failure;

/// How many values are tried for one argument.
const VALUES: usize = 2;
/// How many questions are made of one tool.
const QUESTIONS: usize = 8;
/// How many addresses in answers are read.
const LINKS: usize = 12;

/// A question with something of its owner's in it.
#[derive(Clone, Debug)]
struct Owned {
    ask: Ask,
    /// The same question about what does not exist.
    nothing: Ask,
    /// The argument that was filled, and its value.
    with: (String, Value),
    own_row: bool,
}

impl Scene<'_> {
    pub(super) async fn across(&mut self) -> Result<(), Failure> {
        // Twice: what the first answers hold opens further questions.
        let mut done: BTreeSet<(usize, Ask)> = BTreeSet::new();
        for round in 0..2 {
            let mut questions: Vec<(usize, Owned)> = Vec::new();
            for side in 0..2 {
                let made = self.owned(side).into_iter().map(|it| (side, it));
                questions.extend(made.filter(|(_, it)| !done.contains(&(side, it.ask.clone()))));
            }
            // Everybody for itself first: what one's own answers hold is learnt before the other asks.
            self.progress
                .stage("each asks for its own", questions.len());
            let mut answered = Vec::new();
            for (side, question) in questions {
                done.insert((side, question.ask.clone()));
                let twice = self.keep_alone(side, &question.ask).await?
                    && self.keep_alone(side, &question.ask).await?;
                self.progress.step(&question.ask.shown(), self.pace.calls());
                if twice {
                    answered.push((side, question));
                }
            }
            let stage = format!("each asks for the other's ({})", round + 1);
            self.progress.stage(&stage, answered.len());
            for (side, question) in answered {
                self.one_across(side, &question).await?;
                self.progress.step(&question.ask.shown(), self.pace.calls());
            }
        }
        self.unfilled().await
    }

    async fn one_across(&mut self, side: usize, question: &Owned) -> Result<(), Failure> {
        let unit = format!("across {side} {:?}", question.ask);
        if self.state.is_done(&unit) {
            self.out
                .held(question.ask.place(), "looked at in an earlier run");
            return Ok(());
        }
        let before = self.out.findings.len();
        let other = 1 - side;
        let Some(nothing) = self.as_one(other, &question.nothing).await? else {
            return Ok(());
        };
        self.heed_error(&question.nothing, &nothing);
        let Some(seen) = self.as_one(other, &question.ask).await? else {
            return Ok(());
        };
        self.heed_error(&question.ask, &seen);
        match &seen.content {
            Ok(_) => self.answered(side, question, &seen, &nothing).await?,
            Err(error) => {
                self.refused(side, question, &seen, error, &nothing).await?;
            }
        }
        let new = self.out.findings.get(before..).unwrap_or_default();
        self.state.done(&unit, new);
        Ok(())
    }

    /// The other got an answer: is it the owner's?
    async fn answered(
        &mut self,
        side: usize,
        question: &Owned,
        seen: &Seen,
        nothing: &Seen,
    ) -> Result<(), Failure> {
        let other = 1 - side;
        let leaked = self.leaked(side, question, seen, nothing);
        let owners = self
            .memory(side)
            .first(&question.ask)
            .map(|it| it.content.clone());
        let same = owners.is_some_and(|owners| owners == seen.content) && !seen.is_empty();
        let equal = same
            && (nothing.content.is_err() || nothing.is_empty())
            && !self.knows(other, &question.with.1);
        // A short number may be the other's own as well, and a sentence everybody's.
        let distinct = distinct(&question.with.1);
        let strong = |leaked: &Atoms| leaked.values().any(|it| *it == Strength::Strong);
        // The same row under a number that the other was never shown is no chance either.
        let number = same && question.own_row && !self.knows(other, &question.with.1);
        let enough = |leaked: &Atoms| strong(leaked) || ((distinct || number) && telling(leaked));
        if !(enough(&leaked) || equal && distinct) {
            let place = question.ask.place();
            let both = common(&self.memory(side).stable(&question.ask), &seen.atoms);
            if !leaked.is_empty() {
                let why = "too little in the answers tells the identities apart";
                self.out.unseen(why, place.to_string());
            } else if equal || strong(&both) || same {
                // Shared, or shown to everybody elsewhere too: nothing is shown of isolation here.
                let why = "what it shows the other is what both are shown elsewhere";
                self.out.unseen(why, place.to_string());
            } else {
                self.out.held(
                    place,
                    "asked for the other's objects, it shows nothing of them",
                );
            }
            return Ok(());
        }
        // Once more, so that chance is no leak.
        let Some(again) = self.as_one(other, &question.ask).await? else {
            return Ok(());
        };
        let leaked = common(&leaked, &again.atoms);
        if again.content.is_err() || (!enough(&leaked) && !equal) {
            self.out.unseen(
                "its answers change from call to call",
                question.ask.place().to_string(),
            );
            return Ok(());
        }
        let (name, value) = &question.with;
        let what = best(&leaked).map_or_else(|| "the whole answer".to_owned(), quote);
        let message = format!(
            "{} is shown {what} of {} by asking with its `{}`",
            CALLED.get(other).unwrap_or(&""),
            CALLED.get(side).unwrap_or(&""),
            shown(name)
        );
        let cursor = name.to_lowercase().contains("cursor");
        let mut finding = others_data(question.ask.place(), message)
            .about(name.clone())
            .note(format!("asked as {}", quote(&question.ask.shown())))
            .note(format!(
                "{} for {} and for no one else before; a value that does not exist shows none of it",
                count(leaked.len()),
                quote(&shown(&value.to_string())),
            ));
        if cursor {
            finding.code = Code::HANDLE_NOT_BOUND;
        }
        if !question.own_row || !(strong(&leaked) || equal) {
            finding = finding
                .review()
                .help("the value may name something that tenants share; if so, suppress this with that reason");
        }
        self.out.find(finding);
        Ok(())
    }

    /// What the owner and the other are both shown, and the other should not be.
    fn leaked(&self, side: usize, question: &Owned, seen: &Seen, nothing: &Seen) -> Atoms {
        let mut not: BTreeSet<String> = self.memory(1 - side).own().into_keys().collect();
        not.extend(self.public.iter().cloned());
        not.extend(nothing.atoms.keys().cloned());
        minus(
            &common(&self.memory(side).stable(&question.ask), &seen.atoms),
            &not,
        )
    }

    /// Whether an identity was shown a value for itself.
    fn knows(&self, side: usize, value: &Value) -> bool {
        self.memory(side)
            .known
            .iter()
            .any(|it| it.named.value == *value)
    }

    /// The other got an error: does it tell that there is something?
    async fn refused(
        &mut self,
        side: usize,
        question: &Owned,
        seen: &Seen,
        error: &str,
        nothing: &Seen,
    ) -> Result<(), Failure> {
        let other = 1 - side;
        let place = question.ask.place();
        let Err(unknown) = &nothing.content else {
            self.out
                .held(place, "asked for the other's objects, it refuses");
            return Ok(());
        };
        let (a, b) = (
            plain(error, &question.ask),
            plain(unknown, &question.nothing),
        );
        // What is the owner's alone, and the other's error holds.
        let told = self.crossing(&self.private(side), &question.ask, seen);
        let told = minus(&told, &nothing.all(&question.nothing).into_keys().collect());
        let told = minus(&told, &said_by(&nothing.texts(), &told));
        // A handle is valid or not; there is nothing that exists under it.
        let handle = ["cursor", "token", "state"]
            .iter()
            .any(|it| question.with.0.to_lowercase().contains(it));
        if (a == b || handle) && told.is_empty() || self.knows(other, &question.with.1) {
            self.out.held(
                place,
                "what is another's is refused like what does not exist",
            );
            return Ok(());
        }
        // Messages that differ at random differ from themselves.
        let (Some(again), Some(once_more)) = (
            self.as_one(other, &question.ask).await?,
            self.as_one(other, &question.nothing).await?,
        ) else {
            return Ok(());
        };
        let steady = |seen: &Seen, ask: &Ask, known: &str| {
            seen.content
                .as_ref()
                .err()
                .is_some_and(|it| plain(it, ask) == known)
        };
        if !told.is_empty() && steady(&again, &question.ask, &a) {
            let message = format!(
                "an error shows {} of {} to {}, which asks with its `{}`",
                quote(best(&told).unwrap_or_default()),
                CALLED.get(side).unwrap_or(&""),
                CALLED.get(other).unwrap_or(&""),
                shown(&question.with.0),
            );
            let finding = others_data(place, message)
                .about(question.with.0.clone())
                .note(format!("it says {}", quote(error)))
                .note(format!("asked as {}", quote(&question.ask.shown())))
                .help("look the object up within the tenant, so that another's is \"not found\"");
            self.out.find(finding);
        } else if steady(&again, &question.ask, &a) && steady(&once_more, &question.nothing, &b) {
            let message = format!(
                "its error tells {} that the `{}` of {} exists",
                CALLED.get(other).unwrap_or(&""),
                shown(&question.with.0),
                CALLED.get(side).unwrap_or(&""),
            );
            let mut finding = Finding::new(Code::EXISTENCE_TOLD, place, message)
                .about(question.with.0.clone())
                .note(format!("for the other's it says {}", quote(error)))
                .note(format!(
                    "for one that does not exist it says {}",
                    quote(unknown)
                ))
                .help("look the object up within the tenant, so that both are \"not found\"");
            // A made-up value of another form may only be malformed.
            if !question.with.1.as_str().is_some_and(is_uuid) && !says_denied(&a, &b) {
                finding = finding.review();
            }
            self.out.find(finding);
        } else {
            self.out
                .held(place, "asked for the other's objects, it refuses");
        }
        Ok(())
    }

    /// Questions with something of this identity's own.
    fn owned(&self, side: usize) -> Vec<Owned> {
        let mut questions = Vec::new();
        let known = self.preferred(side);
        let marks: Vec<(String, String)> = self
            .identity(side)
            .marks
            .iter()
            .map(|it| (it.what.clone(), it.text.clone()))
            .collect();
        let entries = |list: usize| {
            let listed = self.inventory(side).get(list);
            listed.map(|it| it.entries.as_slice()).unwrap_or_default()
        };
        let pool = Pool {
            known: &known,
            marks: &marks,
            extra: self.extra,
        };
        let fill = |name: &str, schema: &Value| filled(name, schema, &pool, VALUES);
        for tool in entries(0).iter().filter(|it| self.callable(it)) {
            let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
            if let Some(name) = text(tool, "name") {
                let made = fill(name, schema).into_iter().take(QUESTIONS);
                questions.extend(made.filter_map(|it| owned(&it, |it| Ask::tool(name, it))));
            }
        }
        for prompt in entries(1) {
            if let Some(name) = text(prompt, "name") {
                let ask = |arguments: &Value| Ask::Prompt {
                    name: name.to_owned(),
                    arguments: arguments.to_string(),
                };
                let made = fill(name, &prompt_schema(prompt))
                    .into_iter()
                    .take(QUESTIONS);
                questions.extend(made.filter_map(|it| owned(&it, ask)));
            }
        }
        for template in entries(3) {
            if let Some(uri) = text(template, "uriTemplate") {
                let ask = |arguments: &Value| Ask::Resource {
                    uri: expand(uri, arguments),
                    template: Some(uri.to_owned()),
                };
                let made = fill(uri, &template_schema(uri)).into_iter().take(QUESTIONS);
                questions.extend(made.filter_map(|it| owned(&it, ask)));
            }
        }
        let asked: Vec<Ask> = questions.iter().map(|it| it.ask.clone()).collect();
        let links = self.links(side, &known).into_iter();
        questions.extend(links.filter(|it| !asked.contains(&it.ask)));
        questions.extend(self.beginnings(side, &pool));
        let theirs: BTreeSet<&str> = self
            .inventory(1 - side)
            .get(2)
            .into_iter()
            .flat_map(|it| &it.entries)
            .filter_map(|it| text(it, "uri"))
            .collect();
        for resource in entries(2).iter().take(20) {
            if let Some(uri) = text(resource, "uri")
                && !theirs.contains(uri)
            {
                questions.push(by_uri(uri, None));
            }
        }
        questions
    }

    /// Completions of the beginning of what this identity has.
    fn beginnings(&self, side: usize, pool: &Pool<'_>) -> Vec<Owned> {
        let asked = self.memory(side).answers.keys();
        let mut questions = Vec::new();
        for ask in asked {
            let Ask::Complete {
                reference,
                name,
                argument,
                value,
            } = ask
            else {
                continue;
            };
            let schema =
                json!({ "properties": { argument: { "type": "string" } }, "required": [argument] });
            let found = filled(name, &schema, pool, 1).into_iter().next();
            let own = found.and_then(|it| it.with.1.as_str().map(str::to_owned));
            if let (true, Some(own)) = (value.is_empty(), own) {
                let ask = |value: String| Ask::Complete {
                    reference: reference.clone(),
                    name: name.clone(),
                    argument: argument.clone(),
                    value,
                };
                questions.push(Owned {
                    ask: ask(own.chars().take(3).collect()),
                    nothing: ask("zq~".to_owned()),
                    with: (argument.clone(), Value::from(own)),
                    own_row: true,
                });
            }
        }
        questions
    }

    /// Addresses in answers that a template or a resource of this server has the scheme of.
    fn links(&self, side: usize, known: &[Known]) -> Vec<Owned> {
        let listed = |at: usize, key: &'static str| {
            let entries = self.inventory(side).get(at).into_iter();
            entries
                .flat_map(|it| &it.entries)
                .filter_map(move |it| text(it, key))
        };
        let templates: Vec<&str> = listed(3, "uriTemplate").collect();
        let uris: BTreeSet<&str> = listed(2, "uri").collect();
        let scheme = |it: &str| it.split_once("://").map(|(scheme, _)| scheme.to_owned());
        let all = templates.iter().copied().chain(uris.iter().copied());
        let schemes: BTreeSet<String> = all.filter_map(scheme).collect();
        let found = known.iter().filter_map(|it| it.named.value.as_str());
        let found = found
            .filter(|it| !uris.contains(it) && scheme(it).is_some_and(|it| schemes.contains(&it)));
        let mut questions: Vec<Owned> = Vec::new();
        for uri in found.take(LINKS) {
            let template = templates.iter().find(|it| {
                it.split('{')
                    .next()
                    .is_some_and(|fixed| uri.starts_with(fixed))
            });
            questions.push(by_uri(uri, template.map(|it| (*it).to_owned())));
        }
        questions
    }

    /// What this identity was shown, with what the other was not shown first.
    fn preferred(&self, side: usize) -> Vec<Known> {
        let others: BTreeSet<String> = self
            .memory(1 - side)
            .known
            .iter()
            .map(|it| it.named.value.to_string())
            .collect();
        let (mut own, shared): (Vec<_>, Vec<_>) = self
            .memory(side)
            .known
            .iter()
            .cloned()
            .partition(|it| !others.contains(&it.named.value.to_string()));
        own.extend(shared);
        own
    }

    /// Tools that no answer could be had of: what do they say of what is not there?
    async fn unfilled(&mut self) -> Result<(), Failure> {
        for (name, schema) in self.silent() {
            for arguments in made_up(&schema) {
                let ask = Ask::tool(&name, &arguments);
                for side in [0, 1, 1, 0] {
                    self.keep_alone(side, &ask).await?;
                }
            }
        }
        for (name, _) in self.silent() {
            self.out.unseen(
                "no arguments could be made up that it answers to",
                format!("tool {}", shown(&name)),
            );
        }
        Ok(())
    }

    /// Tools without an answer, and their schemas.
    fn silent(&self) -> BTreeMap<String, Value> {
        let mut silent = BTreeMap::new();
        for side in 0..2 {
            let Some(listed) = self.inventory(side).first() else {
                continue;
            };
            for tool in listed.entries.iter().filter(|it| self.callable(it)) {
                let Some(name) = text(tool, "name") else {
                    continue;
                };
                let answered = (0..2).any(|side| {
                    let memory = self.memory(side);
                    memory.answers.keys().any(|ask| {
                        matches!(ask, Ask::Tool { name: own, .. } if own == name)
                            && memory.succeeded(ask)
                    })
                });
                if !answered {
                    let schema = tool.get("inputSchema").cloned();
                    silent.insert(name.to_owned(), schema.unwrap_or_default());
                }
            }
        }
        silent
    }
}

/// Whether two tenants don't have the same value by chance.
fn distinct(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|it| is_strong(it) || it.len() >= 12)
}

fn owned(filled: &Filled, ask: impl Fn(&Value) -> Ask) -> Option<Owned> {
    let (name, value) = filled.with.clone();
    let mut nothing = filled.arguments.clone();
    *nothing.pointer_mut(&filled.at)? = unlike(&value);
    Some(Owned {
        ask: ask(&filled.arguments),
        nothing: ask(&nothing),
        with: (name, value),
        own_row: filled.own_row,
    })
}

fn by_uri(uri: &str, template: Option<String>) -> Owned {
    let ask = |uri: &str| Ask::Resource {
        uri: uri.to_owned(),
        template: template.clone(),
    };
    let value = Value::from(uri);
    let nothing = unlike(&value);
    Owned {
        ask: ask(uri),
        nothing: ask(nothing.as_str().unwrap_or_default()),
        with: ("uri".to_owned(), value),
        own_row: true,
    }
}

/// Whether the first says that something is there and withheld, and the second does not.
fn says_denied(there: &str, nowhere: &str) -> bool {
    const DENIED: &[&str] = &[
        "forbidden",
        "permission",
        "permitted",
        "denied",
        "not allowed",
        "belong",
        "owned by",
        "unauthorized",
        "not authorized",
        "access",
    ];
    let says = |text: &str| {
        let text = text.to_lowercase();
        DENIED.iter().any(|it| text.contains(it))
    };
    says(there) && !says(nowhere)
}

/// An error without what was sent and without references that differ each time.
fn plain(error: &str, ask: &Ask) -> String {
    let mut error = error.to_owned();
    for sent in ask.sent() {
        if !sent.is_empty() {
            error = error.replace(&sent, "…");
        }
    }
    let words = error.split_whitespace().map(|word| {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let digits = core.bytes().filter(u8::is_ascii_digit).count();
        let reference =
            core.len() >= 8 && core.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-');
        if reference || digits >= 3 {
            "#".to_owned()
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn count(atoms: usize) -> String {
    match atoms {
        0 => "the same answer as the owner's".to_owned(),
        1 => "one text that the owner is shown".to_owned(),
        many => format!("{many} texts that the owner is shown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_in_errors_are_no_difference() {
        let ask = |id: &str| Ask::tool("get", &json!({ "id": id }));
        assert_eq!(
            plain("no t-1 (reference 8f3a22b1c9d04411)", &ask("t-1")),
            plain("no t-2 (reference 00aa22b1c9d04499)", &ask("t-2"))
        );
    }
}
