//! Audit coverage, as far as the source tells: which calls leave a record, and how records are kept.
//!
//! Invariant: what the source does not show is told as unknown or not seen, never as good.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::html::count;
use super::model::{Document, Fact, Recorded, State};
use crate::lock::workspace::Workspace;

/// What the source says of the trail.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Where pools of tenants are opened, `file:line`.
    pools: Vec<String>,
    /// Where options of the trail are made.
    options: Vec<Options>,
    /// Where a handler of rmcp's is mounted or guarded.
    mounts: Vec<String>,
}

/// One `AuditOptions::new()…`.
#[derive(Debug, Default)]
struct Options {
    place: String,
    key: bool,
    anchor: bool,
    strict: bool,
    /// `None`, `Names`, `Redacted` or `Full`, where it is written out.
    arguments: Option<String>,
}

/// Reads every file that is no test.
pub(super) fn read(workspace: &Workspace) -> Trail {
    let mut trail = Trail::default();
    for file in &workspace.files {
        let below = file.path.strip_prefix(&file.package).unwrap_or(&file.path);
        let first = below.components().next();
        let first = first.map(|it| it.as_os_str().to_string_lossy());
        if first.is_some_and(|first| ["tests", "benches"].contains(&first.as_ref())) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&file.path) else {
            continue;
        };
        let words = ["TenantPool", "AuditOptions", "mount", "Guard"];
        if !words.iter().any(|word| text.contains(word)) {
            continue;
        }
        if let Ok(tokens) = text.parse::<TokenStream>() {
            trail.walk(tokens, &workspace.shown(&file.path));
        }
    }
    trail
}

impl Trail {
    fn walk(&mut self, tokens: TokenStream, file: &str) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) => {
                    let place = || format!("{file}:{}", ident.span().start().line);
                    let after = tokens.get(at + 1..).unwrap_or_default();
                    let before = at.checked_sub(1).and_then(|it| tokens.get(it));
                    match ident.to_string().as_str() {
                        "TenantPool" if called(after, &["connect", "builder"]) => {
                            self.pools.push(place());
                        }
                        "Guard" if called(after, &["new", "builder"]) => self.mounts.push(place()),
                        "mount" | "mount_foreign" if is(before, '.') => self.mounts.push(place()),
                        "AuditOptions" if called(after, &["new", "default"]) => {
                            let mut options = Options {
                                place: place(),
                                ..Options::default()
                            };
                            // A variable may be given more further down.
                            let whole = match begins_with_let(&tokens, at) {
                                true => after,
                                false => chain(after),
                            };
                            options.read(whole);
                            self.options.push(options);
                        }
                        _ => {}
                    }
                }
                TokenTree::Group(group) => self.walk(group.stream(), file),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl Options {
    fn read(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Ident(ident) = token else {
                continue;
            };
            let behind_dot = at.checked_sub(1).and_then(|it| tokens.get(it));
            let Some(TokenTree::Group(given)) = tokens.get(at + 1) else {
                continue;
            };
            if !is(behind_dot, '.') || given.delimiter() != Delimiter::Parenthesis {
                continue;
            }
            match ident.to_string().as_str() {
                "key" => self.key = true,
                "anchor" => self.anchor = true,
                "strict" => self.strict = true,
                "arguments" => self.arguments = last_word(given.stream()),
                _ => {}
            }
        }
    }
}

/// The method chain that the tokens begin with.
fn chain(tokens: &[TokenTree]) -> &[TokenTree] {
    let end = tokens.iter().position(
        |token| matches!(token, TokenTree::Punct(punct) if [';', ',', '='].contains(&punct.as_char())),
    );
    tokens
        .get(..end.unwrap_or(tokens.len()))
        .unwrap_or_default()
}

/// `::name(…)`, with one of these names.
fn called(tokens: &[TokenTree], names: &[&str]) -> bool {
    matches!(tokens, [first, second, TokenTree::Ident(name), TokenTree::Group(_), ..]
        if is(Some(first), ':') && is(Some(second), ':') && names.iter().any(|it| name == it))
}

fn is(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Whether the statement around the token declares a variable.
fn begins_with_let(tokens: &[TokenTree], at: usize) -> bool {
    let before = tokens.get(..at).unwrap_or_default();
    let statement = before.rsplit(|token| is(Some(token), ';')).next();
    statement.is_some_and(|statement| {
        let mut words = statement.iter();
        words.any(|token| matches!(token, TokenTree::Ident(ident) if ident == "let"))
    })
}

fn last_word(tokens: TokenStream) -> Option<String> {
    let words = tokens.into_iter().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    });
    words.last()
}

/// Says of each tool whether its calls leave a record.
pub(super) fn mark(document: &mut Document, trail: &Trail) {
    for tool in &mut document.tools {
        tool.recorded = match (tool.guarded, trail.mounts.is_empty()) {
            (true, _) => Recorded::Always,
            (false, false) => Recorded::WhereMounted,
            (false, true) => Recorded::NotSeen,
        };
    }
}

/// What a reviewer is told of it.
pub(super) fn facts(document: &Document, trail: &Trail) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact =
        |state: State, name: String, value: String| facts.push(Fact { state, name, value });
    let named = |recorded: Recorded| -> Vec<&str> {
        let tools = document.tools.iter().filter(|it| it.recorded == recorded);
        tools.map(|it| it.name.as_str()).collect()
    };
    let always = named(Recorded::Always).len();
    if always > 0 {
        fact(
            State::Good,
            format!("{always} of {} leave a record of each call", document.tools.len()),
            "tenant, principal, arguments by policy, outcome and reference, in a table under row-level security".to_owned(),
        );
    }
    let mounted = named(Recorded::WhereMounted);
    if !mounted.is_empty() {
        fact(
            State::Look,
            format!("{} where mounted", count(mounted.len(), "tool")),
            format!(
                "published by rmcp's own attribute; a handler is mounted or guarded at {}, and what goes another way leaves no record: {}",
                trail.mounts.join(", "),
                mounted.join(", ")
            ),
        );
    }
    let unseen = named(Recorded::NotSeen);
    if !unseen.is_empty() {
        fact(
            State::Look,
            format!(
                "{} without a record, as far as is seen",
                count(unseen.len(), "tool")
            ),
            format!(
                "published by rmcp's own attribute, and no `mount(…)` or `Guard` is in the sources: {}",
                unseen.join(", ")
            ),
        );
    }
    let statements = |wanted: &dyn Fn(&super::model::Statement) -> bool| {
        document.statements.iter().filter(|it| wanted(it)).count()
    };
    let writes = statements(&|it| it.writes && it.grade != "system");
    if writes > 0 {
        fact(
            State::Good,
            format!("{} that write", count(writes, "statement")),
            "the record of their effect is in the same transaction, or there is neither".to_owned(),
        );
    }
    let system = statements(&|it| it.grade == "system");
    if system > 0 {
        fact(
            State::Good,
            format!("{} outside of a tenant", count(system, "statement")),
            "recorded in the trail of system work, with the role that ran them".to_owned(),
        );
    }
    if always + mounted.len() > 0 {
        facts.extend(kept(trail));
    }
    facts
}

/// How records are kept, by the options of each pool.
fn kept(trail: &Trail) -> Vec<Fact> {
    if trail.pools.is_empty() && trail.options.is_empty() {
        return vec![Fact {
            state: State::Look,
            name: "how records are kept".to_owned(),
            value: "unknown: no `TenantPool` is opened in these sources".to_owned(),
        }];
    }
    let defaults = Options {
        place: trail.pools.join(", "),
        ..Options::default()
    };
    let all = match trail.options.is_empty() {
        true => std::slice::from_ref(&defaults),
        false => trail.options.as_slice(),
    };
    let mut facts = Vec::new();
    for options in all {
        let place = &options.place;
        let mut fact = |state: State, name: &str, value: &str| {
            facts.push(Fact {
                state,
                name: format!("{name}, by {place}"),
                value: value.to_owned(),
            });
        };
        match options.arguments.as_deref() {
            None | Some("Names") => fact(State::Good, "arguments", "their names alone"),
            Some("None") => fact(State::Good, "arguments", "nothing of them"),
            Some("Redacted") => fact(
                State::Good,
                "arguments",
                "their names, and kind and size of each value",
            ),
            Some("Full") => fact(
                State::Look,
                "arguments",
                "names and values, as clients send them: the trail is as secret as the tables",
            ),
            Some(other) => fact(State::Look, "arguments", &format!("unknown: by `{other}`")),
        }
        match options.strict {
            true => fact(
                State::Good,
                "answers",
                "strict: only after the record is stored",
            ),
            false => fact(
                State::Good,
                "answers",
                "batched: a read is answered at once, and its record follows; a crash loses what waits, never the record of a write",
            ),
        }
        match options.key {
            true => fact(
                State::Good,
                "chain",
                "linked by MACs under a key: `cargo watertight audit verify` finds what was changed, removed, inserted or reordered",
            ),
            false => fact(
                State::Look,
                "chain",
                "no key is seen (`AuditOptions::key`): whoever can write to the table can change records unseen",
            ),
        }
        match (options.key, options.anchor) {
            (true, true) => fact(
                State::Good,
                "anchor",
                "the newest record of each chain is published outside of the database",
            ),
            (true, false) => fact(
                State::Look,
                "anchor",
                "none is seen (`AuditOptions::anchor`): that the end of a trail was cut off shows in the log alone",
            ),
            (false, _) => {}
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Trail {
        let mut trail = Trail::default();
        trail.walk(text.parse().unwrap(), "a.rs");
        trail
    }

    fn told(text: &str) -> Vec<(State, String)> {
        let facts = kept(&of(text)).into_iter();
        facts
            .map(|it| (it.state, format!("{}: {}", it.name, it.value)))
            .collect()
    }

    #[test]
    fn options_are_read_where_they_stand() {
        let all = "fn f() { TenantPool::builder(url).audit(AuditOptions::new().key(k()?).anchor(FileAnchor::append(p)?)
            .arguments(AuditArguments::Redacted).strict()).open(); }";
        let facts = told(all);
        assert_eq!(facts.len(), 4, "{facts:#?}");
        assert!(
            facts.iter().all(|(state, _)| *state == State::Good),
            "{facts:#?}"
        );
        assert!(
            facts[0]
                .1
                .starts_with("arguments, by a.rs:1: their names, and kind"),
            "{facts:#?}"
        );
        // Given to a variable, and what belongs to another chain is not counted.
        let later = "fn f() { let mut o = AuditOptions::new(); o = o.key(k); pool(o) }";
        assert!(
            told(later)
                .iter()
                .any(|(_, text)| text.contains("linked by MACs"))
        );
        let other = "fn f() { g(AuditOptions::new(), cache.key(1)); }";
        assert!(
            told(other)
                .iter()
                .any(|(_, text)| text.contains("no key is seen"))
        );
    }

    #[test]
    fn what_is_not_seen_is_not_good() {
        assert_eq!(told("fn f() {}")[0].0, State::Look);
        let full = "fn f() { AuditOptions::new().arguments(AuditArguments::Full) }";
        assert!(
            told(full)
                .iter()
                .any(|(state, text)| *state == State::Look && text.contains("values"))
        );
        let computed = "fn f() { AuditOptions::new().arguments(policy) }";
        assert!(told(computed)[0].1.contains("unknown: by `policy`"));
        let defaults = told("fn f() { TenantPool::connect(url, c) }");
        assert!(
            defaults
                .iter()
                .any(|(state, text)| *state == State::Look && text.contains("no key"))
        );
    }
}
