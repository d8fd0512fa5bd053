//! Tokens to the tree of a PL/pgSQL body.

use rupg_sql::{Lexer, Value, character, token};

use super::{Block, Head, Node, Variable};

/// How deep blocks may nest.
const NESTING: usize = 200;

struct Tok {
    kind: u16,
    start: usize,
    end: usize,
    /// The key word or identifier, folded.
    name: Option<String>,
    quoted: bool,
}

struct Reader<'a> {
    text: &'a str,
    toks: Vec<Tok>,
    at: usize,
    depth: usize,
}

/// The tree of a body.
///
/// # Errors
/// What is not understood.
pub(crate) fn tree(body: &str) -> Result<Block, String> {
    let mut lexer = Lexer::new(body);
    let mut toks = Vec::new();
    loop {
        let token = lexer.next_token().map_err(|error| error.message.clone())?;
        if token.kind == 0 {
            break;
        }
        let name = match &token.value {
            Value::Keyword(keyword) => Some(keyword.name.to_owned()),
            Value::Text(text) if token.kind == token::IDENT => Some(text.to_string()),
            _ => None,
        };
        toks.push(Tok {
            kind: token.kind,
            start: token.start,
            end: token.end,
            name,
            // `"` and `U&"`: a quoted name is never a key word.
            quoted: body
                .get(token.start..token.end)
                .is_some_and(|text| text.contains('"')),
        });
    }
    let mut reader = Reader {
        text: body,
        toks,
        at: 0,
        depth: 0,
    };
    // `#variable_conflict use_column`
    while reader.slice(reader.at, reader.at + 1) == "#" {
        reader.at += 3;
    }
    reader.label();
    let block = reader.block()?;
    if reader.at < reader.toks.len() {
        return Err("text after the end of the block".to_owned());
    }
    Ok(block)
}

impl Reader<'_> {
    /// The word at a place, unless it is quoted.
    fn word(&self, at: usize) -> &str {
        match self.toks.get(at) {
            Some(tok) if !tok.quoted => tok.name.as_deref().unwrap_or(""),
            _ => "",
        }
    }

    /// The name at a place, quoted or not.
    fn name(&self, at: usize) -> Option<String> {
        self.toks.get(at)?.name.clone()
    }

    fn is(&self, at: usize, c: u8) -> bool {
        self.toks
            .get(at)
            .is_some_and(|tok| Some(tok.kind) == character(c))
    }

    fn slice(&self, from: usize, to: usize) -> String {
        let tokens = self.toks.get(from..to).unwrap_or_default();
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
            return String::new();
        };
        self.text
            .get(first.start..last.end)
            .unwrap_or_default()
            .to_owned()
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.word(self.at) != word {
            return Err(format!("no `{}` where one is due", word.to_uppercase()));
        }
        self.at += 1;
        Ok(())
    }

    fn expect_semicolon(&mut self) -> Result<(), String> {
        if !self.is(self.at, b';') {
            return Err("no semicolon where one is due".to_owned());
        }
        self.at += 1;
        Ok(())
    }

    /// `<<label>>`
    fn label(&mut self) {
        let opens = |at| self.toks.get(at).map(|tok: &Tok| tok.end - tok.start);
        let text = self.slice(self.at, self.at + 1);
        if text == "<<" && opens(self.at + 2) == Some(2) {
            self.at += 3;
        }
    }

    /// The index of the first of `words` outside brackets and `CASE`, from `from` on.
    fn until(&self, from: usize, words: &[&str]) -> Result<usize, String> {
        let (mut depth, mut case) = (0_usize, 0_usize);
        for at in from..self.toks.len() {
            if self.is(at, b'(') || self.is(at, b'[') {
                depth += 1;
            } else if self.is(at, b')') || self.is(at, b']') {
                depth = depth.saturating_sub(1);
            } else if self.is(at, b';') {
                break;
            } else if self.word(at) == "case" {
                case += 1;
            } else if self.word(at) == "end" && case > 0 {
                case -= 1;
            } else if depth == 0 && case == 0 && words.contains(&self.word(at)) {
                return Ok(at);
            }
        }
        Err(format!(
            "no `{}` where one is due",
            words.join("` or `").to_uppercase()
        ))
    }

    /// The index of the semicolon that ends the statement at `from`, or the end.
    fn semicolon(&self, from: usize) -> usize {
        let mut depth = 0_usize;
        for at in from..self.toks.len() {
            if self.is(at, b'(') {
                depth += 1;
            } else if self.is(at, b')') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && self.is(at, b';') {
                return at;
            }
        }
        self.toks.len()
    }

    /// `[DECLARE …] BEGIN … [EXCEPTION …] END`, up to and with its semicolon.
    fn block(&mut self) -> Result<Block, String> {
        self.depth += 1;
        if self.depth > NESTING {
            return Err("blocks that nest too deep".to_owned());
        }
        let mut block = Block::default();
        if self.word(self.at) == "declare" {
            self.at += 1;
            self.declarations(&mut block)?;
        }
        self.expect("begin")?;
        block.body = self.body(&["exception", "end"])?;
        if self.word(self.at) == "exception" {
            self.at += 1;
            while self.word(self.at) == "when" {
                let then = self.until(self.at + 1, &["then"])?;
                let conditions = (self.at + 1..then)
                    .map(|at| self.word(at).to_owned())
                    .filter(|word| word != "or")
                    .collect();
                self.at = then + 1;
                let body = self.body(&["when", "end"])?;
                block.handlers.push((conditions, body));
            }
        }
        self.expect("end")?;
        // A label, and the semicolon that the outermost block may lack.
        let end = self.semicolon(self.at);
        if end > self.at + 1 {
            return Err("text after the end of a block".to_owned());
        }
        self.at = (end + 1).min(self.toks.len());
        self.depth -= 1;
        Ok(block)
    }

    /// The statements up to one of `ends`, which is left.
    fn body(&mut self, ends: &[&str]) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        loop {
            if self.at >= self.toks.len() {
                return Err("no `END` where one is due".to_owned());
            }
            self.label();
            let word = self.word(self.at);
            if ends.contains(&word) {
                return Ok(nodes);
            }
            // Most key words can be variables as well.
            let end = self.semicolon(self.at);
            if end < self.toks.len()
                && let Some(assignment) = self.assignment(self.at, end)
            {
                nodes.push(assignment);
                self.at = end + 1;
                continue;
            }
            match word {
                "declare" | "begin" => {
                    let block = self.block()?;
                    nodes.push(Node::Block(block));
                }
                "if" => {
                    let node = self.branches("then", "if")?;
                    nodes.push(node);
                }
                "case" => {
                    let node = self.case()?;
                    nodes.push(node);
                }
                "for" | "foreach" | "while" | "loop" => {
                    let node = self.a_loop()?;
                    nodes.push(node);
                }
                "" if self.is(self.at, b';') => self.at += 1,
                _ => self.simple(&mut nodes)?,
            }
        }
    }

    /// `IF a THEN … ELSIF b THEN … ELSE … END IF;`
    fn branches(&mut self, then: &str, end: &str) -> Result<Node, String> {
        let ends = ["elsif", "elseif", "else", "end"];
        self.depth += 1;
        if self.depth > NESTING {
            return Err("blocks that nest too deep".to_owned());
        }
        let (mut branches, mut otherwise) = (Vec::new(), Vec::new());
        loop {
            let at = self.until(self.at + 1, &[then])?;
            let condition = self.slice(self.at + 1, at);
            self.at = at + 1;
            branches.push((condition, self.body(&ends)?));
            match self.word(self.at) {
                "else" => {
                    self.at += 1;
                    otherwise = self.body(&["end"])?;
                    break;
                }
                "end" => break,
                _ => {}
            }
        }
        self.expect("end")?;
        self.expect(end)?;
        self.expect_semicolon()?;
        self.depth -= 1;
        Ok(Node::If {
            branches,
            otherwise,
        })
    }

    /// `CASE WHEN a THEN … ELSE … END CASE;`, and `CASE x WHEN a, b THEN …`.
    fn case(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > NESTING {
            return Err("blocks that nest too deep".to_owned());
        }
        let when = self.until(self.at + 1, &["when"])?;
        let operand = self.slice(self.at + 1, when);
        self.at = when;
        let (mut branches, mut otherwise) = (Vec::new(), vec![Node::Raise]);
        while self.word(self.at) == "when" {
            let then = self.until(self.at + 1, &["then"])?;
            let values = self.slice(self.at + 1, then);
            let condition = if operand.is_empty() {
                values
            } else {
                format!("({operand}) IN ({values})")
            };
            self.at = then + 1;
            branches.push((condition, self.body(&["when", "else", "end"])?));
        }
        if self.word(self.at) == "else" {
            self.at += 1;
            otherwise = self.body(&["end"])?;
        }
        self.expect("end")?;
        self.expect("case")?;
        self.expect_semicolon()?;
        self.depth -= 1;
        Ok(Node::If {
            branches,
            otherwise,
        })
    }

    fn declarations(&mut self, block: &mut Block) -> Result<(), String> {
        while self.word(self.at) != "begin" {
            if self.at >= self.toks.len() {
                return Err("`DECLARE` without `BEGIN`".to_owned());
            }
            if self.word(self.at) == "declare" {
                self.at += 1;
                continue;
            }
            let end = self.semicolon(self.at);
            let name = self.name(self.at).ok_or("a declaration without a name")?;
            let value = (self.at..end).find(|at| {
                self.toks
                    .get(*at)
                    .is_some_and(|tok| tok.kind == token::COLON_EQUALS)
                    || self.is(*at, b'=')
                    || matches!(self.word(*at), "default" | "cursor" | "alias")
            });
            if let Some(value) = value
                && matches!(self.word(value), "cursor" | "alias")
            {
                return Err(format!("`{}` in PL/pgSQL", self.word(value).to_uppercase()));
            }
            let ty = self.slice(self.at + 1, value.unwrap_or(end));
            let value = value.map(|value| self.slice(value + 1, end));
            block.variables.push(Variable { name, ty, value });
            self.at = end + 1;
        }
        Ok(())
    }

    fn a_loop(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > NESTING {
            return Err("blocks that nest too deep".to_owned());
        }
        let first = self.word(self.at).to_owned();
        let end = self.until(self.at, &["loop"])?;
        let head = match first.as_str() {
            "loop" => Head::Other(Vec::new()),
            "while" => Head::Other(vec![self.slice(self.at + 1, end)]),
            _ => self.head(end)?,
        };
        self.at = end + 1;
        let body = self.body(&["end"])?;
        self.expect("end")?;
        self.expect("loop")?;
        let semicolon = self.semicolon(self.at);
        if semicolon > self.at + 1 {
            return Err("text after the end of a loop".to_owned());
        }
        self.at = semicolon + 1;
        self.depth -= 1;
        Ok(Node::Loop { head, body })
    }

    /// `FOR a, b IN …` and `FOREACH a IN ARRAY …`.
    fn head(&self, end: usize) -> Result<Head, String> {
        let inside = self.until(self.at, &["in"])?;
        let targets: Vec<String> = (self.at + 1..inside)
            .filter(|at| !self.is(*at, b',') && !self.is(*at, b'.'))
            .take_while(|at| self.word(*at) != "slice")
            .map(|at| self.name(at).unwrap_or_default())
            .collect();
        let mut first = inside + 1;
        // `FOR r IN (SELECT …) LOOP`
        let bracketed = self.is(first, b'(') && matches!(self.word(first + 1), "select" | "with");
        if bracketed {
            return Ok(Head::Query {
                targets,
                sql: self.slice(first, end),
            });
        }
        match self.word(first) {
            "select" | "with" | "values" => Ok(Head::Query {
                targets,
                sql: self.slice(first, end),
            }),
            "execute" => {
                let text = (first + 1..end)
                    .find(|at| self.word(*at) == "using")
                    .unwrap_or(end);
                if text < end {
                    return Err("a loop over computed SQL text".to_owned());
                }
                Ok(Head::Execute {
                    text: self.slice(first + 1, end),
                })
            }
            "array" => Ok(Head::Array {
                target: targets,
                expr: self.slice(first + 1, end),
            }),
            word => {
                if word == "reverse" {
                    first += 1;
                }
                let outside = self.outside(first, end);
                let dots = |at: &usize| {
                    self.toks
                        .get(*at)
                        .is_some_and(|tok| tok.kind == token::DOT_DOT)
                };
                // Any statement that gives rows can be looped over.
                let Some(middle) = outside.iter().copied().find(dots) else {
                    return Ok(Head::Query {
                        targets,
                        sql: self.slice(inside + 1, end),
                    });
                };
                let by = outside.iter().copied().find(|at| self.word(*at) == "by");
                let mut bounds = vec![
                    self.slice(first, middle),
                    self.slice(middle + 1, by.unwrap_or(end)),
                ];
                bounds.extend(by.map(|by| self.slice(by + 1, end)));
                Ok(Head::Other(bounds))
            }
        }
    }

    fn simple(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
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
                nodes.push(Node::Leave(when.map(|when| self.slice(when + 1, end))));
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
    fn outside(&self, from: usize, to: usize) -> Vec<usize> {
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

    fn assignment(&self, from: usize, to: usize) -> Option<Node> {
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
