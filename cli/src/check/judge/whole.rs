//! Statements that name a whole table, so that no filter could confine them: `TRUNCATE` and `COPY`.

use watertight_analysis::Code;

use super::super::facts::{FileFacts, Statement};
use super::statements::key;
use super::{Judge, finding};

impl Judge<'_> {
    pub(super) fn emptied(&mut self, file: &FileFacts, statement: &Statement, text: &str) {
        let Some(schema) = self.schemas.get(file.package).cloned() else {
            return;
        };
        for part in text.split(';') {
            let mut words = part
                .split(|c: char| c.is_whitespace() || matches!(c, ',' | '('))
                .filter(|it| !it.is_empty());
            let first = words.next().unwrap_or_default().to_ascii_uppercase();
            if !matches!(first.as_str(), "TRUNCATE" | "COPY") {
                continue;
            }
            let named = words.find_map(|word| {
                let name = word.rsplit('.').next().unwrap_or(word).trim_matches('"');
                let found = schema.catalog.relation(None, name).found();
                found.filter(|it| it.tenant().is_some())
            });
            let Some(relation) = named else {
                continue;
            };
            let shown = relation.display();
            let column = &schema.catalog.config().tenant.column;
            let told = match (first.as_str(), relation.rls.enabled) {
                ("TRUNCATE", _) => finding(
                    Code::FOREIGN_WRITE,
                    file,
                    &statement.text.span(),
                    format!("rows of every tenant are removed from `{shown}`"),
                )
                .note("row-level security does not hold for TRUNCATE")
                .help(format!("DELETE FROM {shown} WHERE {column} = $1")),
                (_, false) => finding(
                    Code::UNPINNED,
                    file,
                    &statement.text.span(),
                    format!("`COPY` moves rows of every tenant of `{shown}`"),
                )
                .help(format!(
                    "COPY (SELECT … FROM {shown} WHERE {column} = …) TO STDOUT"
                )),
                _ => continue,
            };
            self.found(told.about(key(part)));
        }
    }
}
