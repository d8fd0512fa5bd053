//! The body of a PL/pgSQL block or function as a tree: what it runs, and under which conditions.
//!
//! Invariant: every token of the body ends up in a node, is a control word, or the reading fails.

mod read;

pub(crate) use read::tree;

/// A statement of a body. Texts are SQL as written, without the semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// An SQL statement.
    Sql(String),
    /// An expression that is evaluated for nothing but itself: an argument of `RAISE`, `ASSERT`.
    Expr(String),
    /// `target := expr`.
    Assign { target: Vec<String>, expr: String },
    /// `RETURN expr`; the text is empty where there is none. `NEXT` goes on after it.
    Return { expr: String, next: bool },
    /// `EXECUTE text [INTO variables] [USING values]`.
    Execute {
        text: String,
        into: Vec<String>,
        using: Vec<String>,
    },
    /// `RAISE EXCEPTION`: nothing after it runs.
    Raise,
    /// `EXIT`, `CONTINUE`, with their condition.
    Leave(Option<String>),
    /// `IF`, and `CASE` without an operand.
    If {
        branches: Vec<(String, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    /// A loop.
    Loop { head: Head, body: Vec<Node> },
    /// `DECLARE … BEGIN … EXCEPTION … END`.
    Block(Block),
}

/// A block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// The variables with their first values.
    pub(crate) variables: Vec<(String, Option<String>)>,
    /// Its statements.
    pub(crate) body: Vec<Node>,
    /// The handlers: the conditions, folded, and what is done.
    pub(crate) handlers: Vec<(Vec<String>, Vec<Node>)>,
}

/// What a loop goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The rows of a query.
    Query { targets: Vec<String>, sql: String },
    /// The rows of computed SQL text.
    Execute { text: String },
    /// The elements of an array.
    Array { target: Vec<String>, expr: String },
    /// Bounds, a condition, or nothing: the expressions that are evaluated.
    Other(Vec<String>),
}

/// Something that a body does, whichever branch runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An SQL statement.
    Sql(String),
    /// An expression that is evaluated: a condition, an argument, a default.
    Expr(String),
    /// `target := expr`.
    Assign { target: Vec<String>, expr: String },
    /// `RETURN expr`.
    Return(String),
    /// `EXECUTE …`: the expression that gives the text.
    Execute(String),
}

/// The items of a body in the order of the text.
///
/// # Errors
/// What is not understood.
pub(crate) fn items(body: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    block(&tree(body)?, &mut items);
    Ok(items)
}

fn block(block: &Block, items: &mut Vec<Item>) {
    let values = block
        .variables
        .iter()
        .filter_map(|(_, value)| value.clone());
    items.extend(values.map(Item::Expr));
    flatten(&block.body, items);
    for (_, body) in &block.handlers {
        flatten(body, items);
    }
}

fn flatten(nodes: &[Node], items: &mut Vec<Item>) {
    for node in nodes {
        match node {
            Node::Sql(text) => items.push(Item::Sql(text.clone())),
            Node::Expr(text) => items.push(Item::Expr(text.clone())),
            Node::Assign { target, expr } => items.push(Item::Assign {
                target: target.clone(),
                expr: expr.clone(),
            }),
            Node::Return { expr, .. } => items.push(Item::Return(expr.clone())),
            Node::Execute { text, using, .. } => {
                items.push(Item::Execute(text.clone()));
                items.extend(using.iter().cloned().map(Item::Expr));
            }
            Node::Raise => {}
            Node::Leave(condition) => items.extend(condition.clone().map(Item::Expr)),
            Node::If {
                branches,
                otherwise,
            } => {
                for (condition, body) in branches {
                    items.push(Item::Expr(condition.clone()));
                    flatten(body, items);
                }
                flatten(otherwise, items);
            }
            Node::Loop { head, body } => {
                match head {
                    Head::Query { sql, .. } => items.push(Item::Sql(sql.clone())),
                    Head::Execute { text } => items.push(Item::Execute(text.clone())),
                    Head::Array { target, expr } => items.push(Item::Assign {
                        target: target.clone(),
                        expr: expr.clone(),
                    }),
                    Head::Other(exprs) => items.extend(exprs.iter().cloned().map(Item::Expr)),
                }
                flatten(body, items);
            }
            Node::Block(inner) => block(inner, items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_branches_and_a_handler() {
        let items = items(
            "DECLARE n int := count_it();
             BEGIN
               IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'app') THEN
                 CREATE ROLE app;
               ELSIF n = 2 THEN NULL;
               ELSE NEW.x := CASE WHEN a THEN b ELSE c END; END IF;
               FOR r IN SELECT * FROM t LOOP PERFORM f(r); END LOOP;
               RAISE NOTICE 'x %', g(n);
               RETURN NEW;
             EXCEPTION WHEN duplicate_object OR SQLSTATE '42710' THEN NULL;
             END",
        )
        .unwrap();
        assert_eq!(
            items,
            [
                Item::Expr("count_it()".into()),
                Item::Expr("NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'app')".into()),
                Item::Sql("CREATE ROLE app".into()),
                Item::Expr("n = 2".into()),
                Item::Assign {
                    target: vec!["new".into(), "x".into()],
                    expr: "CASE WHEN a THEN b ELSE c END".into()
                },
                Item::Sql("SELECT * FROM t".into()),
                Item::Sql("SELECT f(r)".into()),
                Item::Expr("g(n)".into()),
                Item::Return("NEW".into()),
            ]
        );
    }

    #[test]
    fn dynamic_sql() {
        assert_eq!(
            items("BEGIN EXECUTE 'DROP TABLE ' || t; END").unwrap(),
            [Item::Execute("'DROP TABLE ' || t".into())]
        );
    }

    #[test]
    fn what_is_not_understood_fails() {
        assert!(items("BEGIN OPEN c FOR SELECT 1; END").is_err());
        assert!(items("DECLARE x int;").is_err());
        assert!(items("BEGIN IF a; END").is_err());
    }
}
