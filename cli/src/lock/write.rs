//! Writes the lock as a person would write TOML: what is empty or false is left out, SQL keeps its
//! lines, and lists have an entry a line, so that a change is a line of a diff.

use std::fmt::Write as _;

use super::model::Lock;

const HEAD: &str = "\
# What the proofs of this workspace rest on. Written by `cargo watertight lock`; commit it, and let
# `cargo watertight lock --check` run in CI. A weaker proof shows here as a changed line.
";

/// The text of the file.
pub(crate) fn text(lock: &Lock) -> String {
    let mut out = Out(HEAD.to_owned());
    out.line("version", &lock.version.to_string());
    for catalog in &lock.catalog {
        out.table("catalog");
        out.text("path", &catalog.path);
        out.text("tenant", &catalog.tenant);
        out.text("application-role", &catalog.application_role);
        out.list("search-path", &catalog.search_path);
        out.flag("require-rls", catalog.require_rls);
        out.flag("relax-force", catalog.relax_force);
        out.flag("allow-stale-catalog", catalog.allow_stale_catalog);
        out.flag("forbid-unproved", catalog.forbid_unproved);
        out.text("config", &catalog.config);
        out.list("migrations", &catalog.migrations);
        out.list("warnings", &catalog.warnings);
        out.list("words", &catalog.words);
        out.list("not-tenant", &catalog.not_tenant);
        for relation in &catalog.relation {
            out.table("catalog.relation");
            out.text("name", &relation.name);
            out.text("kind", &relation.kind);
            out.text("rls", &relation.rls);
            out.text("class", &relation.class);
            out.text("directive", &relation.directive);
            out.list("policies", &relation.policies);
        }
        for function in &catalog.function {
            out.table("catalog.function");
            out.text("name", &function.name);
            out.text("reason", &function.reason);
            out.list("body", &function.body);
        }
    }
    for statement in &lock.statement {
        out.table("statement");
        out.text("function", &statement.function);
        out.text("file", &statement.file);
        out.text("which", &statement.which);
        out.text("grade", &statement.grade);
        if lock.catalog.len() > 1 {
            out.text("catalog", &statement.catalog);
        }
        out.text("reason", &statement.reason);
        out.text("returns-tenant", &statement.returns_tenant);
        out.text("role", &statement.role);
        out.list("tables", &statement.tables);
        out.text("sql", &statement.sql);
        out.list("derivation", &statement.derivation);
    }
    for exception in &lock.exception {
        out.table("exception");
        out.text("place", &exception.place);
        out.text("rule", &exception.rule);
        out.text("reason", &exception.reason);
    }
    for unseen in &lock.unseen {
        out.table("unseen");
        out.text("file", &unseen.file);
        out.text("what", &unseen.what);
    }
    out.0
}

struct Out(String);

impl Out {
    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn table(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[[{name}]]");
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.line(key, "true");
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.line(key, &string(value));
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        match values {
            [] => {}
            [one] if one.len() < 80 => self.line(key, &format!("[{}]", basic(one))),
            values => {
                let _ = writeln!(self.0, "{key} = [");
                for value in values {
                    let _ = writeln!(self.0, "    {},", basic(value));
                }
                let _ = writeln!(self.0, "]");
            }
        }
    }
}

/// Several lines as they are, where TOML can hold them so; else a quoted string.
fn string(value: &str) -> String {
    let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    if value.contains('\n')
        && !value.contains("'''")
        && !value.ends_with('\'')
        && value.chars().all(plain)
    {
        format!("'''\n{value}'''")
    } else {
        basic(value)
    }
}

fn basic(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::model::{Statement, VERSION};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for sql in [
            "SELECT 'a \"b\" \\ c'",
            "\nSELECT 1\n  FROM t\n WHERE a = 'x'\n",
            "SELECT 'x'\n'y'",
            "SELECT '''a'''\n, 1",
            "SELECT\u{7} 1\r\n, 2",
        ] {
            let mut lock = Lock {
                version: VERSION,
                ..Lock::default()
            };
            lock.statement.push(Statement {
                function: "a::b".to_owned(),
                sql: sql.to_owned(),
                tables: vec!["a".to_owned(), "\"b\"\n".to_owned()],
                ..Statement::default()
            });
            let text = text(&lock);
            assert_eq!(toml::from_str::<Lock>(&text).unwrap(), lock, "{text}");
        }
    }
}
