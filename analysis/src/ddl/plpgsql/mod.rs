//! The body of a PL/pgSQL block or function as a tree: what it runs, and under which conditions.
//!
//! Invariant: every token of the body ends up in a node, is a control word, or the reading fails.

mod read;
mod statement;

pub(crate) use read::tree;

/// A statement of a body. Texts are SQL as written, without the semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// An SQL statement, without its `INTO`, and the variables that it names.
    Sql {
        text: String,
        into: Vec<Vec<String>>,
    },
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
    /// `EXIT`, `CONTINUE`.
    Leave {
        exit: bool,
        /// Whether it names the loop or block.
        labelled: bool,
        when: Option<String>,
    },
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
    /// The variables.
    pub(crate) variables: Vec<Variable>,
    /// Its statements.
    pub(crate) body: Vec<Node>,
    /// The handlers: the conditions, folded, and what is done.
    pub(crate) handlers: Vec<(Vec<String>, Vec<Node>)>,
    /// The labels of the body, which qualify its variables; those of the outermost block only.
    pub(crate) labels: Vec<String>,
    /// Whether `#variable_conflict` decides what a name means.
    pub(crate) conflict: bool,
}

/// A variable of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Its type as written; a value is coerced to it.
    pub(crate) ty: String,
    /// Its first value.
    pub(crate) value: Option<String>,
}

impl Block {
    /// Whether a variable of a block within has the name of one around it.
    pub(crate) fn hides_a_variable(&self) -> bool {
        let seen = std::cell::RefCell::new(std::collections::HashSet::new());
        // Each name is asked for once.
        self.declares(&|name| !seen.borrow_mut().insert(name.to_owned()))
    }

    /// Whether it or a block within declares a variable of such a name.
    fn declares(&self, named: &dyn Fn(&str) -> bool) -> bool {
        fn within(nodes: &[Node], named: &dyn Fn(&str) -> bool) -> bool {
            nodes.iter().any(|node| match node {
                Node::Block(block) => block.declares(named),
                Node::If {
                    branches,
                    otherwise,
                } => {
                    within(otherwise, named) || branches.iter().any(|(_, body)| within(body, named))
                }
                Node::Loop { body, .. } => within(body, named),
                _ => false,
            })
        }
        self.variables
            .iter()
            .any(|variable| named(&variable.name.to_lowercase()))
            || within(&self.body, named)
            || self.handlers.iter().any(|(_, body)| within(body, named))
    }
}

/// What a loop goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The rows of a query.
    Query {
        targets: Vec<Vec<String>>,
        sql: String,
    },
    /// The rows of computed SQL text.
    Execute {
        targets: Vec<Vec<String>>,
        text: String,
    },
    /// The elements of an array.
    Array { target: Vec<String>, expr: String },
    /// Bounds, a condition, or nothing: the expressions that are evaluated.
    Other {
        targets: Vec<Vec<String>>,
        exprs: Vec<String>,
    },
}

impl Head {
    /// What each round assigns.
    pub(crate) fn targets(&self) -> &[Vec<String>] {
        match self {
            Head::Query { targets, .. }
            | Head::Execute { targets, .. }
            | Head::Other { targets, .. } => targets,
            Head::Array { target, .. } => std::slice::from_ref(target),
        }
    }
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
    /// The type of a variable.
    Type(String),
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
    for variable in &block.variables {
        items.push(Item::Type(variable.ty.clone()));
        items.extend(variable.value.clone().map(Item::Expr));
    }
    flatten(&block.body, items);
    for (_, body) in &block.handlers {
        flatten(body, items);
    }
}

fn flatten(nodes: &[Node], items: &mut Vec<Item>) {
    for node in nodes {
        match node {
            Node::Sql { text, into } => {
                items.push(Item::Sql(text.clone()));
                items.extend(into.iter().map(|target| Item::Assign {
                    target: target.clone(),
                    expr: "NULL".to_owned(),
                }));
            }
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
            Node::Leave { when, .. } => items.extend(when.clone().map(Item::Expr)),
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
                    Head::Execute { text, .. } => items.push(Item::Execute(text.clone())),
                    Head::Array { expr, .. } => items.push(Item::Expr(expr.clone())),
                    Head::Other { exprs, .. } => {
                        items.extend(exprs.iter().cloned().map(Item::Expr))
                    }
                }
                // Each round gives its variables a value that no expression here shows.
                items.extend(head.targets().iter().map(|target| Item::Assign {
                    target: target.clone(),
                    expr: "NULL".to_owned(),
                }));
                flatten(body, items);
            }
            Node::Block(inner) => block(inner, items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A variable that a statement gives a value.
    fn assigned(name: &str) -> Item {
        Item::Assign {
            target: vec![name.into()],
            expr: "NULL".into(),
        }
    }

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
                Item::Type("int".into()),
                Item::Expr("count_it()".into()),
                Item::Expr("NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'app')".into()),
                Item::Sql("CREATE ROLE app".into()),
                Item::Expr("n = 2".into()),
                Item::Assign {
                    target: vec!["new".into(), "x".into()],
                    expr: "CASE WHEN a THEN b ELSE c END".into()
                },
                Item::Sql("SELECT * FROM t".into()),
                assigned("r"),
                Item::Sql("SELECT f(r)".into()),
                Item::Expr("g(n)".into()),
                Item::Return("NEW".into()),
            ]
        );
    }

    #[test]
    fn targets_of_into_are_cut_out() {
        for (text, sql) in [
            (
                "SELECT count(*), max(id) INTO n, m FROM notes",
                "SELECT count(*), max(id) FROM notes",
            ),
            (
                "SELECT id, 1 INTO r.a, n FROM notes",
                "SELECT id, 1 FROM notes",
            ),
            (
                "SELECT max(id) FROM notes WHERE a INTO STRICT n",
                "SELECT max(id) FROM notes WHERE a",
            ),
            (
                "INSERT INTO notes (id) VALUES (1) RETURNING id INTO n",
                "INSERT INTO notes (id) VALUES (1) RETURNING id",
            ),
            (
                "WITH a AS (INSERT INTO t VALUES (1)) SELECT 1 INTO n",
                "WITH a AS (INSERT INTO t VALUES (1)) SELECT 1",
            ),
        ] {
            let found = items(&format!("BEGIN {text}; END")).unwrap();
            assert_eq!(found[0], Item::Sql(sql.into()));
            assert!(matches!(found[1], Item::Assign { .. }), "{text}");
        }
    }

    #[test]
    fn only_bounds_make_a_range() {
        let first =
            |text: &str| items(&format!("BEGIN FOR r IN {text} LOOP NULL; END LOOP; END")).unwrap();
        assert_eq!(
            first("1..f(2)"),
            [
                Item::Expr("1".into()),
                Item::Expr("f(2)".into()),
                assigned("r")
            ]
        );
        assert_eq!(first("REVERSE 9..1 BY 2").len(), 4);
        for text in [
            "UPDATE t SET a = 1 RETURNING a",
            "TABLE t",
            "DELETE FROM t RETURNING a",
        ] {
            assert_eq!(first(text), [Item::Sql(text.into()), assigned("r")]);
        }
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
