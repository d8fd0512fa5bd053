//! Runs the blocks of migrations: `DO`, and the bodies of functions that a migration calls.
//!
//! Conditions and loops over the server's catalogs are answered from the model. Invariant: what may
//! or may not run is applied so that every outcome is at least as strict as the model says, or its
//! objects become unknown.

mod perhaps;
mod rows;
mod value;

use std::collections::BTreeSet;

use super::build::Builder;
use super::dynamic::Evaluated;
use super::walk::statement_mentions;
use crate::ddl;
use crate::ddl::ir::{Ddl, Step};
use crate::ddl::plpgsql::{self, Block, Head, Node};
use crate::ir::{Expr, QueryBody, Statement};
use value::{FOREIGN, HOLE, Names, Value};

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

/// A block that is being run.
struct Run {
    names: Names,
    /// Whether this place is certainly reached.
    sure: bool,
    /// Whether a `RETURN` was certainly reached.
    stopped: bool,
    /// Whether a `RETURN` may have been reached.
    returned: bool,
    /// Whether something that exists already ends the block without an effect.
    guarded: bool,
    /// Whether that has happened.
    raised: bool,
    rounds: usize,
}

impl Builder {
    /// Runs a block. With `sure` it runs once, else perhaps, or often.
    pub(super) fn run_block(
        &mut self,
        body: &str,
        sure: bool,
        work: &mut Evaluated,
    ) -> Result<(), String> {
        let block = plpgsql::tree(body)?;
        let mut run = Run {
            names: Names::new(),
            sure,
            stopped: false,
            returned: false,
            guarded: false,
            raised: false,
            rounds: 0,
        };
        self.block(&block, &mut run, work)
    }

    fn block(&mut self, block: &Block, run: &mut Run, work: &mut Evaluated) -> Result<(), String> {
        for variable in &block.variables {
            let name = &variable.name;
            let value = match &variable.value {
                Some(expr) => self.evaluated(expr, run, work)?,
                None => Value::Null,
            };
            let value = if run.sure { value } else { Value::Unknown };
            run.names.insert(name.clone(), value);
        }
        if block.handlers.is_empty() {
            return self.nodes(&block.body, run, work);
        }
        let re_raised = |nodes: &[Node]| matches!(nodes.last(), Some(Node::Raise));
        let told = |nodes: &[Node]| nodes.iter().all(|node| matches!(node, Node::Expr(_)));
        // Handlers that fail in turn leave nothing behind: the migration did not get there.
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
            let before = (block.body.len() > 1).then(|| Box::new(self.clone()));
            run.guarded = true;
            let result = self.nodes(&block.body, run, work);
            run.guarded = false;
            if std::mem::take(&mut run.raised) {
                run.forget(&block.body);
                if let Some(before) = before {
                    *self = *before;
                }
            }
            return result;
        }
        let sure = std::mem::replace(&mut run.sure, false);
        run.forget(&block.body);
        self.nodes(&block.body, run, work)?;
        for (_, nodes) in &block.handlers {
            self.nodes(nodes, run, work)?;
            run.forget(nodes);
        }
        run.forget(&block.body);
        run.sure = sure && !run.returned;
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
                for target in into.iter().filter_map(|target| target.first()) {
                    run.names.insert(target.clone(), Value::Unknown);
                }
                if let Some((target, value)) = value
                    && let [name] = target.as_slice()
                {
                    run.names.insert(name.clone(), value);
                }
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
                    [name] if run.sure => run.names.insert(name.clone(), value),
                    [name, ..] => run.names.insert(name.clone(), Value::Unknown),
                    [] => None,
                };
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
            Node::Leave(condition) => {
                if let Some(condition) = condition {
                    self.evaluated(condition, run, work)?;
                }
                run.sure = false;
            }
            // Where it is not caught, the migration did not get there; where it is, the block is
            // run as one that may not run.
            Node::Raise => {}
            Node::Execute { text, into, using } => {
                for expr in using {
                    self.evaluated(expr, run, work)?;
                }
                let value = self.evaluated(text, run, work)?;
                for name in into {
                    run.names.insert(name.clone(), Value::Unknown);
                }
                let Value::Text(sql) = value else {
                    return Err("computed SQL text".to_owned());
                };
                for step in parse(&sql)? {
                    if let Ddl::CreateTableAs(table) = &step.ddl
                        && !into.is_empty()
                    {
                        return Err(format!("`INTO {}` in SQL text", table.name.name));
                    }
                    if sql.contains(HOLE) || sql.contains(FOREIGN) {
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
            self.nodes(nodes, run, work)?;
            run.forget(nodes);
        }
        if !open {
            return self.nodes(otherwise, run, work);
        }
        run.sure = false;
        self.nodes(otherwise, run, work)?;
        run.forget(otherwise);
        run.sure = sure && !run.returned;
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
        let mut complete = false;
        let mut rounds = Vec::new();
        match head {
            Head::Query { targets, sql } => {
                let query = self.query_of(sql, work)?;
                let found = rows::rows(self, &query, &run.names);
                complete = found.complete;
                for (row, there) in found.rows {
                    rounds.push((bound(targets, row), there));
                }
                if !complete {
                    rounds = vec![(unknown(targets), false)];
                }
            }
            Head::Array { target, expr } => {
                let value = self.evaluated(expr, run, work)?;
                match (target.as_slice(), value) {
                    ([name], Value::Array(items)) => {
                        complete = true;
                        let round = |item| (vec![(name.clone(), item)], true);
                        rounds.extend(items.into_iter().map(round));
                    }
                    _ => rounds.push((unknown(target), false)),
                }
            }
            Head::Execute { text } => {
                let Value::Text(sql) = self.evaluated(text, run, work)? else {
                    return Err("computed SQL text".to_owned());
                };
                self.query_of(&sql, work)?;
                rounds.push((Vec::new(), false));
            }
            Head::Other(exprs) => {
                for expr in exprs {
                    self.evaluated(expr, run, work)?;
                }
                rounds.push((Vec::new(), false));
            }
        }
        if !complete {
            run.forget(body);
        }
        let mut left = false;
        for (names, there) in rounds {
            run.rounds += 1;
            if run.rounds > ROUNDS {
                return Err("a loop that goes on for very long".to_owned());
            }
            run.sure = sure && there && !left && !run.returned;
            run.names.extend(names);
            let before = run.sure;
            self.nodes(body, run, work)?;
            left |= before && !run.sure;
            if !run.sure {
                run.forget(body);
            }
            if run.stopped || run.raised {
                return Ok(());
            }
        }
        run.sure = sure && !run.returned;
        Ok(())
    }

    /// What an expression gives, and what it evaluates on the way.
    fn evaluated(&mut self, text: &str, run: &Run, work: &mut Evaluated) -> Result<Value, String> {
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        let query = self.query_of(&format!("SELECT {text}"), work)?;
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
            Ddl::Do { .. } | Ddl::Rollback | Ddl::SearchPath { .. } | Ddl::Begin | Ddl::Commit => {
                Err("control of the transaction or the session".to_owned())
            }
            Ddl::Data { statement } => {
                self.note(&statement_mentions(&statement?), work);
                Ok(())
            }
            Ddl::Evaluates { relations } => {
                let found: Vec<_> = relations
                    .iter()
                    .filter_map(|name| self.find(name))
                    .collect();
                work.reads(found);
                Ok(())
            }
            ddl if run.sure => {
                if run.guarded && self.is_there(&ddl) {
                    run.raised = true;
                } else {
                    self.apply(ddl);
                }
                Ok(())
            }
            ddl => self.perhaps(ddl),
        }
    }
}

impl Run {
    /// Variables that these statements assign are not known.
    fn forget(&mut self, nodes: &[Node]) {
        let mut assigned = BTreeSet::new();
        for node in nodes {
            collect(node, &mut assigned);
        }
        for name in assigned {
            if let Some(value) = self.names.get_mut(&name) {
                *value = Value::Unknown;
            }
        }
    }
}

/// The variables that a statement assigns.
fn collect(node: &Node, into: &mut BTreeSet<String>) {
    match node {
        Node::Sql { into: targets, .. } => {
            into.extend(targets.iter().filter_map(|target| target.first().cloned()));
        }
        Node::Assign { target, .. } => into.extend(target.first().cloned()),
        Node::Execute { into: names, .. } => into.extend(names.iter().cloned()),
        Node::If {
            branches,
            otherwise,
        } => {
            for node in branches
                .iter()
                .flat_map(|(_, nodes)| nodes)
                .chain(otherwise)
            {
                collect(node, into);
            }
        }
        Node::Loop { head, body } => {
            match head {
                Head::Query { targets, .. } => into.extend(targets.iter().cloned()),
                Head::Array { target, .. } => into.extend(target.iter().cloned()),
                Head::Execute { .. } | Head::Other(_) => {}
            }
            for node in body {
                collect(node, into);
            }
        }
        Node::Block(block) => {
            let handlers = block.handlers.iter().flat_map(|(_, nodes)| nodes);
            for node in block.body.iter().chain(handlers) {
                collect(node, into);
            }
        }
        Node::Expr(_) | Node::Return { .. } | Node::Raise | Node::Leave(_) => {}
    }
}

/// What a round of a loop gives its variables.
fn bound(targets: &[String], row: Vec<(String, Value)>) -> Vec<(String, Value)> {
    match targets {
        [one] => vec![(one.clone(), Value::Row(row))],
        several => several
            .iter()
            .cloned()
            .zip(row.into_iter().map(|(_, value)| value))
            .collect(),
    }
}

fn unknown(targets: &[String]) -> Vec<(String, Value)> {
    targets
        .iter()
        .map(|name| (name.clone(), Value::Unknown))
        .collect()
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

fn parse(text: &str) -> Result<Vec<Step>, String> {
    ddl::steps(text).map_err(|errors| {
        errors.first().map_or_else(String::new, |error| {
            format!("text that is not read: {}", error.message)
        })
    })
}
