//! The second half of the page, for who wants to know what it rests on: tables, exceptions, the live
//! database, records, what was not looked into, versions.

use super::html::{class, count, state};
use super::model::{Document, Fact, Table};
use super::page::Page;

pub(super) fn tables(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"tables\">\n<h2 id=\"tables\">Tables</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"tables\"><table>\n<thead><tr><th scope=\"col\">Relation</th><th scope=\"col\">Confined</th><th scope=\"col\">Row-level security</th><th scope=\"col\">Policies</th><th scope=\"col\">Statements</th></tr></thead>\n<tbody>\n");
    for (number, table) in document.tables.iter().enumerate() {
        table_row(page, number, table);
    }
    page.raw("</tbody></table></div>\n</section>\n");
}

fn table_row(page: &mut Page, number: usize, table: &Table) {
    page.raw("<tr id=\"t")
        .text(number)
        .raw("\" class=\"")
        .raw(class(table.state))
        .raw("\"><th scope=\"row\">");
    state(page, table.state);
    page.raw(" <code>").text(&table.name).raw("</code>");
    if table.kind != "table" {
        page.raw(" <small>").text(&table.kind).raw("</small>");
    }
    page.raw("</th><td>").text(&table.class);
    if !table.directive.is_empty() {
        page.raw("<small class=\"line\">")
            .text(&table.directive)
            .raw("</small>");
    }
    page.raw("</td><td>")
        .text(match table.rls.as_str() {
            "forced" => "enabled and forced",
            "enabled" => "enabled, not forced",
            _ => "off",
        })
        .raw("</td><td>");
    for policy in &table.policies {
        let (policy, _) = policy.rsplit_once(" #").unwrap_or((policy, ""));
        page.raw("<small class=\"line\">")
            .text(policy)
            .raw("</small>");
    }
    page.raw("</td><td class=\"number\">")
        .text(table.used)
        .raw("</td></tr>\n");
}

pub(super) fn exceptions(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"exceptions\">\n<h2 id=\"exceptions\">Exceptions</h2>\n");
    if document.exceptions.is_empty() {
        page.raw("<p class=\"fine\">None.</p>\n</section>\n");
        return;
    }
    page.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"exceptions\"><table>\n<thead><tr><th scope=\"col\">What is allowed</th><th scope=\"col\">Where</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n");
    for exception in &document.exceptions {
        page.raw("<tr><td>")
            .prose(&exception.what)
            .raw("</td><td><code>")
            .text(&exception.place)
            .raw("</code></td><td>")
            .text(&exception.reason)
            .raw("</td></tr>\n");
    }
    page.raw("</tbody></table></div>\n</section>\n");
}

fn facts(page: &mut Page, facts: &[Fact], states: bool) {
    page.raw("<dl>\n");
    for fact in facts {
        page.raw("<div><dt>");
        if states {
            state(page, fact.state);
            page.raw(" ");
        }
        page.text(&fact.name)
            .raw("</dt><dd>")
            .prose(&fact.value)
            .raw("</dd></div>\n");
    }
    page.raw("</dl>\n");
}

pub(super) fn database(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"database\">\n<h2 id=\"database\">Database</h2>\n");
    match &document.database {
        None => {
            page.raw("<p class=\"fine\">No live database was looked at: <code>cargo watertight report --database-url URL</code> adds what <code>doctor</code> finds there.</p>\n");
        }
        Some(database) => {
            facts(page, &database.about, false);
            page.raw("<details><summary>")
                .text(count(database.clear.len(), "object"))
                .raw(" that hold</summary>\n<div class=\"proof\">");
            facts(page, &database.clear, true);
            page.raw("</div></details>\n");
        }
    }
    page.raw("</section>\n");
}

pub(super) fn audit(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"audit\">\n<h2 id=\"audit\">Audit</h2>\n");
    if document.audit.is_empty() {
        page.raw("<p class=\"fine\">Nothing here leaves a record.</p>\n");
    } else {
        facts(page, &document.audit, true);
    }
    page.raw("</section>\n");
}

pub(super) fn unseen(page: &mut Page, document: &Document) {
    page.raw("<section aria-labelledby=\"unseen\">\n<h2 id=\"unseen\">Not looked into</h2>\n");
    if document.unseen.is_empty() {
        page.raw("<p class=\"fine\">Nothing that names a statement was left out.</p>\n");
    } else {
        page.raw("<ul>\n");
        for unseen in &document.unseen {
            page.raw("<li><code>")
                .text(&unseen.file)
                .raw("</code>: ")
                .prose(&unseen.what)
                .raw("</li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("</section>\n");
}

pub(super) fn versions(page: &mut Page, document: &Document) {
    page.raw(
        "<section aria-labelledby=\"versions\">\n<h2 id=\"versions\">What this rests on</h2>\n",
    );
    facts(page, &document.versions, false);
    page.raw("</section>\n");
}
