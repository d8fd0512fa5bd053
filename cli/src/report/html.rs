//! The page: what is not green first, then the map of tools, statements and tables, then the evidence.
//!
//! Invariant: it loads nothing and runs nothing: no script, no network, one style whose hash its own
//! policy names. Folding, filtering and links are the browser's, and work by keyboard.

use sha2::{Digest as _, Sha256};

use super::evidence;
use super::model::{Document, Recorded, State, Statement, Told, Tool};
use super::page::Page;

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(document: &Document) -> String {
    let mut page = Page::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-")
        .text(base64(&Sha256::digest(STYLE)))
        .raw("'; base-uri 'none'; form-action 'none'\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .text(&document.title)
        .raw(": tenant isolation</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#map\">To the map</a>\n");
    header(&mut page, document);
    page.raw("<main>\n");
    attention(&mut page, document);
    map(&mut page, document);
    findings(&mut page, document);
    evidence::tables(&mut page, document);
    evidence::exceptions(&mut page, document);
    evidence::database(&mut page, document);
    evidence::audit(&mut page, document);
    evidence::unseen(&mut page, document);
    evidence::versions(&mut page, document);
    page.raw("</main>\n<footer>Made by <code>cargo watertight report</code> on ")
        .text(&document.made)
        .raw(". Verdicts are those of the compiler; what this page can't see, it lists.</footer>\n</body>\n</html>\n");
    page.finish()
}

pub(super) fn state(page: &mut Page, state: State) {
    // The shape tells as well as the colour, and a reader hears the word.
    page.raw(match state {
        State::Good => "<span class=\"s good\"><span class=\"v\">good</span></span>",
        State::Look => "<span class=\"s look\"><span class=\"v\">to look at</span></span>",
        State::Bad => "<span class=\"s bad\"><span class=\"v\">wrong</span></span>",
    });
}

pub(super) fn class(state: State) -> &'static str {
    match state {
        State::Good => "good",
        State::Look => "look",
        State::Bad => "bad",
    }
}

pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn worst(states: impl Iterator<Item = State>) -> State {
    states.max().unwrap_or_default()
}

fn header(page: &mut Page, document: &Document) {
    page.raw("<header>\n<p class=\"brand\"><svg viewBox=\"0 0 32 32\" width=\"22\" height=\"22\" aria-hidden=\"true\"><path d=\"M16 2C10 10 6 14.6 6 20a10 10 0 0 0 20 0C26 14.6 22 10 16 2z\"/><path class=\"cut\" d=\"M11 20.5l3.6 3.6 6.6-7\"/></svg> watertight</p>\n<h1>")
        .text(&document.title)
        .raw("</h1>\n<p class=\"verdict ")
        .raw(class(document.state))
        .raw("\">");
    state(page, document.state);
    let bad = problems(document, State::Bad);
    let look = problems(document, State::Look);
    let sentence = match (bad, look) {
        (0, 0) => "Everything that was looked at holds.".to_owned(),
        (0, look) => format!("Nothing is wrong; {} to look at.", count(look, "thing")),
        (bad, 0) => format!(
            "{} wrong.",
            if bad == 1 {
                "1 thing is".to_owned()
            } else {
                format!("{bad} things are")
            }
        ),
        (bad, look) => format!(
            "{} wrong, and {} to look at.",
            if bad == 1 {
                "1 thing is".to_owned()
            } else {
                format!("{bad} things are")
            },
            count(look, "thing")
        ),
    };
    page.raw(" ")
        .text(sentence)
        .raw("</p>\n<nav aria-label=\"Sections\"><ul class=\"tiles\">\n");
    let tools = &document.tools;
    let statements = &document.statements;
    let proved = statements
        .iter()
        .filter(|it| it.state == State::Good)
        .count();
    tile(
        page,
        "#map",
        worst(tools.iter().map(|it| it.state)),
        tools.len(),
        "tools",
        &format!("{} guarded", tools.iter().filter(|it| it.guarded).count()),
    );
    tile(
        page,
        "#map",
        worst(statements.iter().map(|it| it.state)),
        statements.len(),
        "statements",
        &format!("{proved} proved"),
    );
    let used = document
        .tables
        .iter()
        .filter(|it| it.state == State::Good)
        .count();
    tile(
        page,
        "#tables",
        worst(document.tables.iter().map(|it| it.state)),
        document.tables.len(),
        "tables",
        &format!("{used} confined"),
    );
    let certain = document
        .findings
        .iter()
        .filter(|it| it.state == State::Bad)
        .count();
    tile(
        page,
        "#findings",
        worst(document.findings.iter().map(|it| it.state)),
        document.findings.len(),
        "findings",
        &format!("{certain} certain"),
    );
    tile(
        page,
        "#exceptions",
        State::Good,
        document.exceptions.len(),
        "exceptions",
        match document.exceptions.is_empty() {
            true => "none",
            false => "each with a reason",
        },
    );
    if let Some(database) = &document.database {
        tile(
            page,
            "#database",
            database.state,
            database.clear.len(),
            "held live",
            &count(database.findings, "finding"),
        );
    }
    let recorded = tools.iter().filter(|it| it.recorded == Recorded::Always);
    tile(
        page,
        "#audit",
        worst(document.audit.iter().map(|it| it.state)),
        recorded.count(),
        "recorded",
        &format!("of {}", count(tools.len(), "tool")),
    );
    page.raw("</ul></nav>\n</header>\n");
}

fn tile(
    page: &mut Page,
    link: &'static str,
    of: State,
    number: usize,
    what: &'static str,
    more: &str,
) {
    page.raw("<li class=\"")
        .raw(class(of))
        .raw("\"><a href=\"")
        .raw(link)
        .raw("\">");
    state(page, of);
    page.raw("<b>")
        .text(number)
        .raw("</b> <span>")
        .raw(what)
        .raw("</span><small>")
        .text(more)
        .raw("</small></a></li>\n");
}

fn problems(document: &Document, of: State) -> usize {
    items(document)
        .iter()
        .filter(|item| item.state == of)
        .count()
}

/// How many of what is not green are listed before one asks for the rest.
const FIRST: usize = 12;

/// What is not green, in one list.
fn attention(page: &mut Page, document: &Document) {
    let items = items(document);
    if items.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"attention\">\n<h2 id=\"attention\">Not green</h2>\n<ul class=\"attention\">\n");
    let (first, rest) = items.split_at(items.len().min(FIRST));
    first.iter().for_each(|item| item.write(page));
    page.raw("</ul>\n");
    if !rest.is_empty() {
        page.raw("<details class=\"rest\"><summary>")
            .text(rest.len())
            .raw(" more</summary>\n<ul class=\"attention\">\n");
        rest.iter().for_each(|item| item.write(page));
        page.raw("</ul></details>\n");
    }
    page.raw("</section>\n");
}

/// A line of that list.
struct Item<'a> {
    state: State,
    /// What it leads to: the letter of the kind, and its number; or a section.
    target: (&'static str, Option<usize>),
    /// In which backticks are code.
    text: String,
    place: &'a str,
}

impl Item<'_> {
    fn write(&self, page: &mut Page) {
        page.raw("<li>");
        state(page, self.state);
        page.raw(" <a href=\"#").raw(self.target.0);
        if let Some(number) = self.target.1 {
            page.text(number);
        }
        page.raw("\">").prose(&self.text).raw("</a>");
        if !self.place.is_empty() {
            page.raw(" <small>").prose(self.place).raw("</small>");
        }
        page.raw("</li>\n");
    }
}

/// The worst first; within that, findings first.
fn items(document: &Document) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut add = |state, target, text, place| {
        if state != State::Good {
            items.push(Item {
                state,
                target,
                text,
                place,
            });
        }
    };
    for (number, told) in document.findings.iter().enumerate() {
        add(
            told.state,
            ("f", Some(number)),
            told.message.clone(),
            told.place.as_str(),
        );
    }
    for tool in document.tools.iter().filter(|it| !it.guarded) {
        let text = format!("`{}` is published by rmcp's own attribute", tool.name);
        add(tool.state, ("map", None), text, &tool.file);
    }
    for (number, statement) in document.statements.iter().enumerate() {
        let what = match statement.grade.as_str() {
            "unproved" => "runs without a proof",
            "system" => "runs outside of a tenant",
            // What is refused is a finding already.
            _ => continue,
        };
        let text = format!("`{}` {what}", short(&statement.function));
        add(
            statement.state,
            ("q", Some(number)),
            text,
            &statement.reason,
        );
    }
    for (number, table) in document.tables.iter().enumerate() {
        let text = format!("`{}` is {}", table.name, table.class);
        add(table.state, ("t", Some(number)), text, "");
    }
    for fact in &document.audit {
        add(
            fact.state,
            ("audit", None),
            format!("audit: {}", fact.name),
            &fact.value,
        );
    }
    for unseen in &document.unseen {
        let text = format!("not looked into: {}", unseen.what);
        add(State::Look, ("unseen", None), text, &unseen.file);
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.state));
    items
}

/// The last part of a path, with its module.
fn short(path: &str) -> String {
    let parts: Vec<&str> = path.split("::").collect();
    let from = parts.len().saturating_sub(2);
    parts.get(from..).unwrap_or_default().join("::")
}

fn map(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"map\">\n<h2 id=\"map\">Tools, statements, tables</h2>\n");
    page.raw("<p class=\"hint\"><label><input type=\"checkbox\" id=\"only\"> Only what is not green</label></p>\n");
    if document.tools.is_empty() && document.statements.is_empty() {
        page.raw("<p>The workspace publishes no tool, and no statement of it is under <code>#[tenant_query]</code>.</p>\n");
    }
    for tool in &document.tools {
        tool_row(page, document, tool);
    }
    let reached: std::collections::BTreeSet<usize> = document
        .tools
        .iter()
        .flat_map(|tool| tool.statements.iter().copied())
        .collect();
    let rest: Vec<usize> = (0..document.statements.len())
        .filter(|it| !reached.contains(it))
        .collect();
    if !rest.is_empty() {
        let of = worst(
            rest.iter()
                .filter_map(|it| document.statements.get(*it))
                .map(|it| it.state),
        );
        page.raw("<article class=\"row ").raw(class(of)).raw("\"><div class=\"tool\"><h3>No tool</h3><p>Reached by no tool by name: logins, jobs, tests.</p></div><ul class=\"statements\">\n");
        for position in rest {
            statement_row(page, document, position, true);
        }
        page.raw("</ul></article>\n");
    }
    page.raw("</section>\n");
}

fn tool_row(page: &mut Page, document: &Document, tool: &Tool) {
    page.raw("<article class=\"row ")
        .raw(class(tool.state))
        .raw("\"><div class=\"tool\"><h3>");
    state(page, tool.state);
    page.raw(" <code>").text(&tool.name).raw("</code></h3>");
    if !tool.description.is_empty() {
        page.raw("<p class=\"description\">")
            .prose(&tool.description)
            .raw("</p>");
    }
    page.raw("<p class=\"badges\">");
    if tool.kind != "tool" {
        page.raw("<span>").text(tool.kind).raw("</span>");
    }
    if tool.read_only {
        page.raw("<span>read only</span>");
    }
    for scope in &tool.requires {
        page.raw("<span class=\"mono\">").text(scope).raw("</span>");
    }
    if !tool.guarded {
        page.raw("<span class=\"warn\">rmcp's own</span>");
    }
    page.raw(match tool.recorded {
        Recorded::Always => "",
        Recorded::WhereMounted => "<span class=\"warn\">recorded where mounted</span>",
        Recorded::NotSeen => "<span class=\"warn\">no record seen</span>",
    });
    // The whole path is that of the statements too, and of what the pointer rests on.
    page.raw("<span class=\"file\" title=\"")
        .text(&tool.file)
        .raw("\">")
        .text(tool.file.rsplit('/').next().unwrap_or_default())
        .raw(":")
        .text(tool.line)
        .raw("</span></p>");
    for remark in &tool.remarks {
        page.raw("<p class=\"remark\">").prose(remark).raw("</p>");
    }
    page.raw("</div><ul class=\"statements\">\n");
    if tool.statements.is_empty() {
        page.raw("<li class=\"none\">No statement is reached by name.</li>\n");
    }
    // What is not green is not to be looked for.
    let state_of = |position: &usize| document.statements.get(*position).map(|it| it.state);
    let mut positions = tool.statements.clone();
    positions.sort_by_key(|position| std::cmp::Reverse(state_of(position)));
    for position in &positions {
        // A statement of several tools is one target of links.
        let first = document
            .tools
            .iter()
            .find(|it| it.statements.contains(position));
        let here = first.is_some_and(|it| std::ptr::eq(it, tool));
        statement_row(page, document, *position, here);
    }
    page.raw("</ul></article>\n");
}

fn statement_row(page: &mut Page, document: &Document, position: usize, target: bool) {
    let Some(statement) = document.statements.get(position) else {
        return;
    };
    page.raw("<li class=\"")
        .raw(class(statement.state))
        .raw("\"");
    if target {
        page.raw(" id=\"q").text(position).raw("\"");
    }
    page.raw("><details><summary>");
    state(page, statement.state);
    page.raw(" <code>")
        .text(statement.function.rsplit("::").next().unwrap_or_default())
        .raw("</code>");
    if !statement.which.is_empty() {
        page.raw(" <small>").text(&statement.which).raw("</small>");
    }
    page.raw(" <span class=\"grade ")
        .raw(class(statement.state))
        .raw("\">")
        .text(grade(document, statement))
        .raw("</span>");
    page.raw("<span class=\"chips\">");
    for number in &statement.tables {
        if let Some(table) = document.tables.get(*number) {
            page.raw("<span class=\"chip ")
                .raw(class(table.state))
                .raw("\">")
                .text(&table.name)
                .raw("</span>");
        }
    }
    page.raw("</span></summary>\n<div class=\"proof\">");
    if !statement.reason.is_empty() {
        page.raw("<p class=\"remark\">Because: ")
            .text(&statement.reason)
            .raw("</p>");
    }
    page.raw("<pre class=\"sql\">")
        .text(&statement.sql)
        .raw("</pre><ul>");
    for line in &statement.proof {
        page.raw("<li>").prose(line).raw("</li>");
    }
    page.raw("</ul><p class=\"file\">")
        .text(&statement.function)
        .raw(" in ")
        .text(&statement.file)
        .raw("</p></div></details></li>\n");
}

fn grade(document: &Document, statement: &Statement) -> &'static str {
    let mut tables = statement
        .tables
        .iter()
        .filter_map(|it| document.tables.get(*it));
    let global = !statement.tables.is_empty() && tables.all(|table| table.class == "global");
    match statement.grade.as_str() {
        "rls" | "predicate" if global => "global, read only",
        "rls" => "row-level security",
        "predicate" => "its own filter",
        "unproved" => "not proved",
        "system" => "outside of a tenant",
        _ => "refused",
    }
}

fn findings(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n");
    if document.findings.is_empty() {
        page.raw("<p class=\"fine\">None.</p>\n");
    }
    for (number, told) in document.findings.iter().enumerate() {
        finding(page, number, told);
    }
    page.raw("</section>\n");
}

fn finding(page: &mut Page, number: usize, told: &Told) {
    page.raw("<details class=\"finding ")
        .raw(class(told.state))
        .raw("\" id=\"f")
        .text(number)
        .raw("\"");
    if told.state == State::Bad {
        page.raw(" open");
    }
    page.raw("><summary>");
    state(page, told.state);
    page.raw(" <span class=\"code\">")
        .text(&told.code)
        .raw("</span> ")
        .prose(&told.message)
        .raw(" <small>")
        .text(&told.severity)
        .raw(", ")
        .text(&told.verdict)
        .raw("</small></summary>\n<div class=\"proof\"><p class=\"file\">")
        .text(&told.place)
        .raw("</p>");
    if !told.text.trim().is_empty() {
        page.raw("<pre>")
            .text(told.text.trim_matches('\n'))
            .raw("</pre>");
    }
    for note in &told.notes {
        page.raw("<p>").prose(note).raw("</p>");
    }
    for help in &told.help {
        page.raw("<p><b>Help</b> ").prose(help).raw("</p>");
    }
    if !told.mend.is_empty() {
        page.raw("<pre class=\"sql\">")
            .text(told.mend.join(";\n"))
            .raw(";</pre>");
    }
    if !told.code.is_empty() {
        page.raw("<p class=\"file\">found by ")
            .text(told.source)
            .raw("; <code>cargo watertight explain ")
            .text(&told.code)
            .raw("</code> tells more</p>");
    }
    page.raw("</div></details>\n");
}

/// As the policy of a page spells a hash.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0_u8; 3];
        for (slot, byte) in three.iter_mut().zip(chunk) {
            *slot = *byte;
        }
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for position in 0..4 {
            let index = (bits >> (18 - 6 * position)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            out.push(if position > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
