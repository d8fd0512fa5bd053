//! Runs the blocks of migrations: `DO`, and the bodies of functions that a migration calls.
//!
//! Conditions and loops over the server's catalogs are answered from the model. Invariant: what may
//! or may not run is applied so that every outcome is at least as strict as the model says, or its
//! objects become unknown.

mod doubt;
mod perhaps;
mod rows;
pub(super) mod server;
mod value;
mod variables;

use super::build::Builder;
use super::dynamic::Evaluated;
use super::walk::{query_mentions, statement_mentions};
use crate::ddl;
use crate::ddl::ir::{Ddl, Step};
use crate::ddl::plpgsql::{self, Block, Head, Node};
use crate::ir::{Expr, QueryBody, Statement};
use value::{FOREIGN, HOLE, Value};
use variables::Run;

/// How many rounds of loops are run; what goes on longer is not known.
const ROUNDS: usize = 100_000;

/// Conditions of handlers that mean: it is there already.
const DUPLICATES: &[&str] = &[
    "duplicate_object",
    "duplicate_table",
    "duplicate_column",
    "duplicate_schema",
    "duplicate_function",
    "duplicate_database",
    "duplicate_alias",
    "invalid_table_definition",
];

impl Builder {
    /// Runs a block. With `sure` it runs once, else perhaps, or often.
    pub(super) fn run_block(
        &mut self,
        body: &str,
        sure: bool,
        work: &mut Evaluated,
    ) -> Result<(), String> {
        let block = plpgsql::tree(body)?;
        // A label reaches variables that another of the same name hides.
        if !block.labels.is_empty() && block.hides_a_variable() {
            return Err("labels and variables that hide others".to_owned());
        }
        let mut run = Run::new(sure);
        let around = std::mem::take(&mut self.script);
        let result = self.block(&block, &mut run, work);
        self.script = around;
        result
    }

    fn block(&mut self, block: &Block, run: &mut Run, work: &mut Evaluated) -> Result<(), String> {
        let hidden = run.hide(block);
        for variable in &block.variables {
            let value = match &variable.value {
                Some(expr) => self.evaluated(expr, run, work)?,
                None => Value::Null,
            };
            let value = if run.sure { value } else { Value::Unknown };
            run.set(&variable.name, value);
        }
        self.handled(block, run, work)?;
        run.show(hidden);
        Ok(())
    }

    /// The statements of a block with its handlers.
    fn handled(
        &mut self,
        block: &Block,
        run: &mut Run,
        work: &mut Evaluated,
    ) -> Result<(), String> {
        let computes = |node: &Node| matches!(node, Node::Expr(_) | Node::Assign { .. });
        // Handlers that fail in turn leave nothing behind: the migration did not get there.
        let re_raised = |nodes: &[Node]| match nodes {
            [before @ .., Node::Raise] => before.iter().all(computes),
            _ => false,
        };
        let told = |nodes: &[Node]| nodes.iter().all(|node| matches!(node, Node::Expr(_)));
        let handlers: Vec<_> = block
            .handlers
            .iter()
            .filter(|(_, nodes)| !re_raised(nodes))
            .collect();
        if handlers.is_empty() {
            return self.nodes(&block.body, run, work);
        }
        let guarded = handlers.iter().all(|(conditions, nodes)| {
            told(nodes)
                && conditions
                    .iter()
                    .all(|condition| DUPLICATES.contains(&condition.as_str()))
        });
        if guarded && run.sure && !run.guarded {
            // One statement leaves nothing to undo: it was done, or what it makes was there. Of
            // several, one that may be there already takes the others back.
            let one = matches!(block.body.as_slice(), [Node::Sql { .. }]);
            let before = (!one).then(|| Box::new(self.clone()));
            let names = run.names.clone();
            run.guarded = true;
            run.doubtful = false;
            let result = self.nodes(&block.body, run, work);
            run.guarded = false;
            let doubtful = std::mem::take(&mut run.doubtful);
            let raised = std::mem::take(&mut run.raised);
            if raised {
                run.forget(&block.body);
            }
            match before {
                Some(before) if raised => {
                    *self = *before;
                    return result;
                }
                Some(before) if doubtful => *self = *before,
                _ => return result,
            }
            run.names = names;
            run.stopped = false;
        }
        let sure = std::mem::replace(&mut run.sure, false);
        run.forget(&block.body);
        self.script.1 = "the block catches errors, so it may end before or after it".to_owned();
        self.nodes(&block.body, run, work)?;
        for (_, nodes) in &block.handlers {
            self.nodes(nodes, run, work)?;
            run.forget(nodes);
        }
        run.forget(&block.body);
        run.resume(sure);
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node], run: &mut Run, work: &mut Evaluated) -> Result<(), String> {
        for node in nodes {
            if run.stopped || run.raised {
                break;
            }
            self.node(node, run, work)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, run: &mut Run, work: &mut Evaluated) -> Result<(), String> {
        match node {
            Node::Sql { text, into } => {
                let value = if let ([target], true) = (into.as_slice(), run.sure) {
                    self.selected(text, run).map(|value| (target, value))
                } else {
                    None
                };
                run.lose(into);
                if let Some((target, value)) = value
                    && let [name] = target.as_slice()
                {
                    run.set(name, value);
                }
                self.script.0 = shown(text);
                for step in parse(text)? {
                    self.statement(step, run, work)?;
                }
            }
            Node::Expr(expr) => {
                self.evaluated(expr, run, work)?;
            }
            Node::Assign { target, expr } => {
                let value = self.evaluated(expr, run, work)?;
                match target.as_slice() {
                    [name] if run.sure => run.set(name, value),
                    _ => run.lose(std::slice::from_ref(target)),
                }
            }
            Node::Return { expr, next } => {
                if !expr.trim().is_empty() {
                    self.evaluated(expr, run, work)?;
                }
                if !next {
                    run.stopped = run.sure;
                    run.returned = true;
                }
            }
            Node::Leave {
                exit,
                labelled,
                when,
            } => {
                if let Some(condition) = when {
                    self.evaluated(condition, run, work)?;
                }
                // Which loop a label names is not followed: it holds to the end of the body.
                run.returned |= labelled;
                run.exited |= exit;
                run.continued |= !exit;
                run.sure = false;
            }
            // Where it is not caught, the migration did not get there; where it is, the block is
            // run as one that may not run.
            Node::Raise => run.doubtful = true,
            Node::Execute { text, into, using } => {
                for expr in using {
                    self.evaluated(expr, run, work)?;
                }
                let value = self.evaluated(text, run, work)?;
                for name in into {
                    run.lose(&[vec![name.clone()]]);
                }
                let Value::Text(sql) = value else {
                    return Err("computed SQL text".to_owned());
                };
                self.script.0 = shown(&sql);
                for step in parse(&sql)? {
                    if let Ddl::CreateTableAs(table) = &step.ddl
                        && !into.is_empty()
                    {
                        return Err(format!("`INTO {}` in SQL text", table.name.name));
                    }
                    if sql.contains(HOLE) || sql.contains(FOREIGN) {
                        run.doubtful = true;
                        self.with_holes(step)?;
                    } else {
                        self.statement(step, run, work)?;
                    }
                }
            }
            Node::If {
                branches,
                otherwise,
            } => self.branches(branches, otherwise, run, work)?,
            Node::Loop { head, body } => self.a_loop(head, body, run, work)?,
            Node::Block(inner) => self.block(inner, run, work)?,
        }
        Ok(())
    }

    fn branches(
        &mut self,
        branches: &[(String, Vec<Node>)],
        otherwise: &[Node],
        run: &mut Run,
        work: &mut Evaluated,
    ) -> Result<(), String> {
        let sure = run.sure;
        // Whether an earlier condition may have held.
        let mut open = false;
        for (condition, nodes) in branches {
            let value = self.evaluated(condition, run, work)?;
            match value.truth() {
                Some(false) => continue,
                Some(true) if !open => return self.nodes(nodes, run, work),
                _ => {}
            }
            open = true;
            run.sure = false;
            self.script.1 = format!("whether `{}` holds depends on data", shown(condition));
            self.nodes(nodes, run, work)?;
            run.forget(nodes);
        }
        if !open {
            return self.nodes(otherwise, run, work);
        }
        run.sure = false;
        self.nodes(otherwise, run, work)?;
        run.forget(otherwise);
        run.resume(sure);
        Ok(())
    }

    fn a_loop(
        &mut self,
        head: &Head,
        body: &[Node],
        run: &mut Run,
        work: &mut Evaluated,
    ) -> Result<(), String> {
        let sure = run.sure;
        let targets = head.targets();
        let mut complete = false;
        let mut rounds = Vec::new();
        match head {
            Head::Query { sql, .. } => {
                let query = self.query_of(sql, work)?;
                run.doubtful |= !query_mentions(&query).functions.is_empty();
                let found = rows::rows(self, &query, &run.names);
                complete = found.complete && (found.ordered || targets.len() == 1);
                if complete {
                    rounds = found.rows;
                }
            }
            Head::Array { expr, .. } => {
                if let Value::Array(items) = self.evaluated(expr, run, work)? {
                    complete = true;
                    let round = |item| (vec![(String::new(), item)], true);
                    rounds.extend(items.into_iter().map(round));
                }
            }
            Head::Execute { text, .. } => {
                let Value::Text(sql) = self.evaluated(text, run, work)? else {
                    return Err("computed SQL text".to_owned());
                };
                self.query_of(&sql, work)?;
            }
            Head::Other { exprs, .. } => {
                for expr in exprs {
                    self.evaluated(expr, run, work)?;
                }
            }
        }
        if !complete {
            self.script.1 = "how often its loop runs depends on data".to_owned();
            run.forget(body);
            rounds = vec![(Vec::new(), false)];
        }
        let around = (run.exited, run.continued);
        (run.exited, run.continued) = (false, false);
        // Whether the variables have the row of the last round in the end.
        let mut last = complete && !rounds.is_empty();
        for (row, there) in rounds {
            run.rounds += 1;
            if run.rounds > ROUNDS {
                return Err("a loop that goes on for very long".to_owned());
            }
            run.continued = false;
            run.resume(sure && there);
            last &= run.sure;
            if complete {
                run.bind(targets, row);
            } else {
                run.lose(targets);
            }
            self.nodes(body, run, work)?;
            last &= !run.exited && !run.continued;
            if !run.sure {
                run.forget(body);
            }
            if run.stopped || run.raised {
                return Ok(());
            }
        }
        if !last {
            run.lose(targets);
        }
        (run.exited, run.continued) = around;
        run.resume(sure);
        Ok(())
    }

    /// What an expression gives, and what it evaluates on the way.
    fn evaluated(
        &mut self,
        text: &str,
        run: &mut Run,
        work: &mut Evaluated,
    ) -> Result<Value, String> {
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        let query = self.query_of(&format!("SELECT {text}"), work)?;
        // A function of the migrations may fail with whatever a handler waits for.
        run.doubtful |= query_mentions(&query)
            .functions
            .iter()
            .any(|name| self.catalog.function_names.contains_key(name));
        // Where the block only may run, so may what it asks for.
        Ok(only(&query).map_or(Value::Unknown, |expr| self.value(expr, &run.names)))
    }

    /// A query of the block, with what it evaluates noted.
    fn query_of(
        &mut self,
        text: &str,
        work: &mut Evaluated,
    ) -> Result<Box<crate::ir::Query>, String> {
        let mut steps = parse(text)?;
        let Some(step) = steps.pop().filter(|_| steps.is_empty()) else {
            return Err("several statements where one expression is due".to_owned());
        };
        match step.ddl {
            Ddl::Data { statement } => {
                let statement = statement?;
                self.note(&statement_mentions(&statement), work);
                match statement {
                    Statement::Query(query) => Ok(query),
                    _ => Err("a change of data where a query is due".to_owned()),
                }
            }
            // `set_config` in an expression.
            _ => Err("control of the transaction or the session".to_owned()),
        }
    }

    /// The one value of a `SELECT … INTO`, where it is known.
    fn selected(&self, text: &str, run: &Run) -> Option<Value> {
        let mut steps = parse(text).ok()?;
        let step = steps.pop().filter(|_| steps.is_empty())?;
        let Ddl::Data {
            statement: Ok(Statement::Query(query)),
        } = step.ddl
        else {
            return None;
        };
        only(&query)?;
        match rows::rows(self, &query, &run.names)
            .first_column()?
            .as_slice()
        {
            [one] => Some(one.clone()),
            _ => None,
        }
    }

    /// Applies a statement of a block.
    fn statement(&mut self, step: Step, run: &mut Run, work: &mut Evaluated) -> Result<(), String> {
        match step.ddl {
            Ddl::Unknown { what } => Err(format!("`{what}`")),
            // Batches end their transaction, which matters to what lasts as long as one. Where errors
            // are caught or a transaction is open already, the server refuses it.
            Ddl::Commit
                if self.path_before_local.is_none()
                    && self.path_left_before_local.is_none()
                    && self.drop_on_commit.is_empty() =>
            {
                Ok(())
            }
            Ddl::Do { .. } | Ddl::Rollback | Ddl::SearchPath { .. } | Ddl::Begin | Ddl::Commit => {
                Err("control of the transaction or the session".to_owned())
            }
            Ddl::Data { statement } => {
                let statement = statement?;
                if let Some(name) = self.of_the_server(&statement) {
                    return Err(format!("a change of `{name}`"));
                }
                let found = statement_mentions(&statement);
                // A trigger or a function may fail with whatever its handler waits for.
                run.doubtful = true;
                self.note(&found, work);
                Ok(())
            }
            Ddl::Evaluates { relations } => {
                run.doubtful = true;
                if let Some(name) = relations.iter().find(|name| self.is_of_the_server(name)) {
                    return Err(format!("a change of `{}`", name.name));
                }
                let found: Vec<_> = relations
                    .iter()
                    .filter_map(|name| self.find(name))
                    .collect();
                work.reads(found);
                Ok(())
            }
            ddl if run.sure && run.guarded => {
                // What the model does not have may be there: an index, a table of a tool.
                run.doubtful |= !doubt::raises_no_duplicate(&ddl);
                match self.is_there(&ddl) {
                    Some(true) => {
                        run.raised = true;
                        Ok(())
                    }
                    Some(false) => {
                        self.apply(ddl);
                        Ok(())
                    }
                    None => self.perhaps(ddl),
                }
            }
            ddl if run.sure => {
                self.apply(ddl);
                Ok(())
            }
            ddl => {
                run.doubtful |= !doubt::raises_no_duplicate(&ddl);
                self.perhaps(ddl)
            }
        }
    }
}

/// The one expression of a select list.
fn only(query: &crate::ir::Query) -> Option<&Expr> {
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    match select.targets.as_slice() {
        [target] => Some(&target.expr),
        _ => None,
    }
}

/// The text of a statement or a condition, as a message shows it.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace(HOLE, "…").replace(FOREIGN, "…");
    let line = line.trim_end_matches(';');
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

fn parse(text: &str) -> Result<Vec<Step>, String> {
    ddl::steps(text).map_err(|errors| {
        errors.first().map_or_else(String::new, |error| {
            format!("text that is not read: {}", error.message)
        })
    })
}
