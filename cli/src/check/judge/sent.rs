//! What is sent: whether something that takes statements takes a text, through functions and macros of the
//! workspace too.

use std::collections::HashSet;

use super::super::extract::{CLIENT, TAKES_SQL};
use super::super::facts::{FileFacts, Origin, Statement};
use super::Judge;

/// Functions that send a text which they are given: package, name, position.
pub(super) type Sent = HashSet<(usize, String, usize)>;

impl Judge<'_> {
    /// Whether something that takes statements takes this one, as far as names tell.
    pub(super) fn is_taken(&self, file: &FileFacts, statement: &Statement, sent: &Sent) -> bool {
        let last = statement
            .callee
            .last()
            .map(String::as_str)
            .unwrap_or_default();
        if statement.handed {
            let files = &self.workspace.files;
            return files
                .iter()
                .any(|it| it.senders.iter().any(|name| name == last));
        }
        if sent.contains(&(file.package, last.to_owned(), statement.position)) {
            return true;
        }
        if statement.method {
            let drivers = [
                "sqlx",
                "tokio-postgres",
                "postgres",
                "deadpool-postgres",
                "bb8-postgres",
                "diesel",
                "sea-orm",
                "tokio_postgres",
            ];
            return CLIENT.contains(&last)
                && self
                    .workspace
                    .package_of(file)
                    .is_some_and(|package| drivers.iter().any(|it| package.depends_on(it)));
        }
        let absolute = self.names.absolute(file, &statement.callee);
        let last = absolute.last().map_or(last, String::as_str);
        (TAKES_SQL.contains(&last) || absolute.iter().any(|it| it == "QueryBuilder"))
            && (self.names.is_sqlx(file, &statement.callee)
                || absolute.iter().any(|it| it == "QueryBuilder"))
    }

    /// Functions of the workspace that send a text which they are given: package, name, position.
    pub(super) fn sent(&self) -> Sent {
        let mut sent = Sent::new();
        loop {
            let before = sent.len();
            for file in &self.workspace.files {
                for statement in &file.statements {
                    let function = statement.function.and_then(|at| file.functions.get(at));
                    if let (Some(parameter), Some(function)) = (statement.parameter, function)
                        && self.is_taken(file, statement, &sent)
                    {
                        sent.insert((file.package, function.name.clone(), parameter));
                    }
                }
                for function in &file.functions {
                    for call in &function.calls {
                        for (at, origin) in call.arguments.iter().enumerate() {
                            if let Origin::Parameter(own) = origin
                                && sent.contains(&(file.package, call.name.clone(), at))
                            {
                                sent.insert((file.package, function.name.clone(), *own));
                            }
                        }
                    }
                }
            }
            if sent.len() == before {
                return sent;
            }
        }
    }

    /// Whether every call of the function that a statement stands in writes its text out.
    pub(super) fn is_given(&self, file: &FileFacts, statement: &Statement) -> bool {
        let function = statement.function.and_then(|at| file.functions.get(at));
        let (Some(function), Some(parameter)) = (function, statement.parameter) else {
            return false;
        };
        let files = || {
            let files = self.workspace.files.iter();
            files.filter(|it| it.package == file.package)
        };
        let calls = files()
            .flat_map(|it| &it.functions)
            .flat_map(|it| &it.calls)
            .filter(|it| it.name == function.name)
            .count();
        let written = files()
            .flat_map(|it| &it.statements)
            .filter(|it| it.callee.last() == Some(&function.name) && it.position == parameter)
            .count();
        calls > 0 && calls == written
    }
}
