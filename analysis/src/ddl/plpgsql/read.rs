//! Tokens to the tree of a PL/pgSQL body.

use rupg_sql::{Lexer, Value, character, token};

use super::{Block, Head, Node, Variable};

/// How deep blocks may nest.
const NESTING: usize = 200;

pub(super) struct Tok {
    pub(super) kind: u16,
    start: usize,
    end: usize,
    /// The key word or identifier, folded.
    name: Option<String>,
    quoted: bool,
}

pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) toks: Vec<Tok>,
    pub(super) at: usize,
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
    let mut conflict = false;
    while reader.slice(reader.at, reader.at + 1) == "#" {
        conflict |= reader.word(reader.at + 1) != "print_strict_params";
        reader.at += 3;
    }
    let mut labels = Vec::new();
    reader.label();
    let mut block = reader.block()?;
    for at in 0..reader.toks.len() {
        if reader.slice(at, at + 1) == "<<" && reader.slice(at + 2, at + 3) == ">>" {
            labels.extend(reader.name(at + 1));
        }
    }
    block.labels = labels;
    block.conflict = conflict;
    if reader.at < reader.toks.len() {
        return Err("text after the end of the block".to_owned());
    }
    Ok(block)
}

impl Reader<'_> {
    /// The word at a place, unless it is quoted.
    pub(super) fn word(&self, at: usize) -> &str {
        match self.toks.get(at) {
            Some(tok) if !tok.quoted => tok.name.as_deref().unwrap_or(""),
            _ => "",
        }
    }

    /// The name at a place, quoted or not.
    pub(super) fn name(&self, at: usize) -> Option<String> {
        self.toks.get(at)?.name.clone()
    }

    pub(super) fn is(&self, at: usize, c: u8) -> bool {
        self.toks
            .get(at)
            .is_some_and(|tok| Some(tok.kind) == character(c))
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> String {
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
    pub(super) fn semicolon(&self, from: usize) -> usize {
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
        let other = |exprs| Head::Other {
            targets: Vec::new(),
            exprs,
        };
        let head = match first.as_str() {
            "loop" => other(Vec::new()),
            "while" => other(vec![self.slice(self.at + 1, end)]),
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
        let slice = (self.at + 1..inside).find(|at| self.word(*at) == "slice");
        let mut targets = vec![Vec::new()];
        for at in self.at + 1..slice.unwrap_or(inside) {
            if self.is(at, b',') {
                targets.push(Vec::new());
            } else if !self.is(at, b'.')
                && let Some(target) = targets.last_mut()
            {
                target.push(self.name(at).unwrap_or_default());
            }
        }
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
                    targets,
                    text: self.slice(first + 1, end),
                })
            }
            "array" => Ok(Head::Array {
                target: match targets.as_slice() {
                    [one] if slice.is_none() => one.clone(),
                    _ => return Err("`FOREACH` over slices".to_owned()),
                },
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
                Ok(Head::Other {
                    targets,
                    exprs: bounds,
                })
            }
        }
    }
}
