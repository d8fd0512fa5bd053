//! The statements of a PL/pgSQL body that hold no others.

use rupg_sql::token;

use super::Node;
use super::read::Reader;

impl Reader<'_> {
    pub(super) fn simple(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        let (at, end) = (self.at, self.semicolon(self.at));
        if end >= self.toks.len() {
            return Err("no semicolon where one is due".to_owned());
        }
        self.at = end + 1;
        match self.word(at) {
            "null" if end == at + 1 => {}
            "get" if matches!(self.word(at + 1), "diagnostics" | "current" | "stacked") => {
                self.diagnostics(at, end, nodes);
            }
            "exit" | "continue" => {
                let when = (at + 1..end).find(|at| self.word(*at) == "when");
                nodes.push(Node::Leave {
                    exit: self.word(at) == "exit",
                    labelled: when.unwrap_or(end) > at + 1,
                    when: when.map(|when| self.slice(when + 1, end)),
                });
            }
            "return" if self.word(at + 1) == "query" => {
                if self.word(at + 2) == "execute" {
                    nodes.push(self.execute(at + 3, end));
                } else {
                    nodes.push(self.sql(at + 2, end));
                }
            }
            "return" => {
                let next = self.word(at + 1) == "next";
                let from = if next { at + 2 } else { at + 1 };
                nodes.push(Node::Return {
                    expr: self.slice(from, end),
                    next,
                });
            }
            "raise" => self.raise(at + 1, end, nodes),
            "perform" => nodes.push(Node::Sql {
                text: format!("SELECT {}", self.slice(at + 1, end)),
                into: Vec::new(),
            }),
            "execute" => nodes.push(self.execute(at + 1, end)),
            "assert" => nodes.push(Node::Expr(self.slice(at + 1, end))),
            "open" | "fetch" | "move" | "close" => {
                return Err(format!("`{}` in PL/pgSQL", self.word(at).to_uppercase()));
            }
            _ => nodes.push(self.sql(at, end)),
        }
        Ok(())
    }

    /// An SQL statement, from which `INTO [STRICT] a, r.b` is cut out: the first `INTO` outside
    /// brackets that is not that of `INSERT` or `MERGE`.
    fn sql(&self, from: usize, to: usize) -> Node {
        let rows = [
            "select", "with", "insert", "update", "delete", "merge", "values", "table",
        ];
        let into = self.outside(from, to).into_iter().find(|at| {
            self.word(*at) == "into" && !matches!(self.word(at.wrapping_sub(1)), "insert" | "merge")
        });
        let Some(into) = into.filter(|_| rows.contains(&self.word(from))) else {
            return Node::Sql {
                text: self.slice(from, to),
                into: Vec::new(),
            };
        };
        let mut at = into + 1;
        if self.word(at) == "strict" {
            at += 1;
        }
        let mut targets = vec![Vec::new()];
        while let (Some(name), Some(target)) = (self.name(at), targets.last_mut()) {
            target.push(name);
            at += 1;
            if self.is(at, b',') {
                targets.push(Vec::new());
            } else if !self.is(at, b'.') {
                break;
            }
            at += 1;
        }
        let text = format!("{} {}", self.slice(from, into), self.slice(at, to));
        Node::Sql {
            text: text.trim().to_owned(),
            into: targets,
        }
    }

    /// `EXECUTE text [INTO target] [USING a, b]`, in either order.
    fn execute(&self, from: usize, to: usize) -> Node {
        let clause = |at: &usize| matches!(self.word(*at), "into" | "using");
        let outside = self.outside(from, to);
        let text = outside.iter().copied().find(clause).unwrap_or(to);
        let into = outside.iter().copied().find(|at| self.word(*at) == "into");
        let into = into.into_iter().flat_map(|into| into + 1..to);
        let mut using = Vec::new();
        if let Some(start) = outside.iter().copied().find(|at| self.word(*at) == "using") {
            let end = outside
                .iter()
                .copied()
                .find(|at| *at > start && self.word(*at) == "into")
                .unwrap_or(to);
            using.extend(self.list(start + 1, end));
        }
        Node::Execute {
            text: self.slice(from, text),
            into: into.filter_map(|at| self.name(at)).collect(),
            using,
        }
    }

    /// `GET [STACKED] DIAGNOSTICS a = ROW_COUNT, b = …`
    fn diagnostics(&self, from: usize, to: usize, nodes: &mut Vec<Node>) {
        let first = (from..to).find(|at| self.word(*at) == "diagnostics");
        let mut start = first.unwrap_or(from) + 1;
        for at in (start..=to).filter(|at| *at == to || self.is(*at, b',')) {
            if let Some(Node::Assign { target, .. }) = self.assignment(start, at) {
                nodes.push(Node::Assign {
                    target,
                    expr: "NULL".to_owned(),
                });
            }
            start = at + 1;
        }
    }

    /// The tokens outside brackets.
    pub(super) fn outside(&self, from: usize, to: usize) -> Vec<usize> {
        let (mut depth, mut found) = (0_usize, Vec::new());
        for at in from..to {
            if self.is(at, b'(') || self.is(at, b'[') {
                depth += 1;
            } else if self.is(at, b')') || self.is(at, b']') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 {
                found.push(at);
            }
        }
        found
    }

    /// The expressions between commas.
    fn list(&self, from: usize, to: usize) -> Vec<String> {
        let mut start = from;
        let mut parts = Vec::new();
        let commas = self.outside(from, to).into_iter();
        for at in commas.filter(|at| self.is(*at, b',')).chain([to]) {
            if at > start {
                parts.push(self.slice(start, at));
            }
            start = at + 1;
        }
        parts
    }

    /// The arguments of a `RAISE`: everything after the format, by comma.
    fn raise(&self, from: usize, to: usize, nodes: &mut Vec<Node>) {
        let separators: Vec<usize> = self
            .outside(from, to)
            .into_iter()
            .filter(|at| self.is(*at, b',') || self.word(*at) == "using")
            .chain([to])
            .collect();
        for pair in separators.windows(2) {
            if let [start, end] = pair {
                // `errcode = '…'` is an expression to us as well.
                nodes.push(Node::Expr(self.slice(start + 1, *end)));
            }
        }
        let level = self.word(from);
        if !matches!(level, "debug" | "log" | "info" | "notice" | "warning") {
            nodes.push(Node::Raise);
        }
    }

    pub(super) fn assignment(&self, from: usize, to: usize) -> Option<Node> {
        let mut target = vec![self.name(from)?];
        let mut at = from + 1;
        while self.is(at, b'.') {
            target.push(self.name(at + 1)?);
            at += 2;
        }
        // `names[1] := …`
        if self.is(at, b'[') {
            at = (at..to).find(|at| self.is(*at, b']'))? + 1;
            target.push(String::new());
        }
        let assigns = self
            .toks
            .get(at)
            .is_some_and(|tok| tok.kind == token::COLON_EQUALS)
            || self.is(at, b'=');
        assigns.then(|| Node::Assign {
            target,
            expr: self.slice(at + 1, to),
        })
    }
}
