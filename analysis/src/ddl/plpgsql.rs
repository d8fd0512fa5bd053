//! Reads the body of a PL/pgSQL block far enough to list what it does.
//!
//! Invariant: every token of the body ends up in an item, is a control word, or the reading fails.
//! Which branch runs is not judged: an item may run never, once or often.

use rupg_sql::{Lexer, Value, character, token};

/// Something that the body does.
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
    /// `EXECUTE …`, with everything up to the semicolon.
    Execute(String),
}

struct Tok {
    kind: u16,
    start: usize,
    end: usize,
    /// The key word or identifier, folded.
    word: Option<String>,
}

struct Reader<'a> {
    text: &'a str,
    toks: Vec<Tok>,
    at: usize,
    items: Vec<Item>,
}

/// The items of a body.
///
/// # Errors
/// What is not understood.
pub(crate) fn read(body: &str) -> Result<Vec<Item>, String> {
    let mut lexer = Lexer::new(body);
    let mut toks = Vec::new();
    loop {
        let token = lexer.next_token().map_err(|error| error.message.clone())?;
        if token.kind == 0 {
            break;
        }
        let word = match &token.value {
            Value::Keyword(keyword) => Some(keyword.name.to_owned()),
            Value::Text(text) if token.kind == token::IDENT => Some(text.to_string()),
            _ => None,
        };
        toks.push(Tok {
            kind: token.kind,
            start: token.start,
            end: token.end,
            word,
        });
    }
    let mut reader = Reader {
        text: body,
        toks,
        at: 0,
        items: Vec::new(),
    };
    reader.run()?;
    Ok(reader.items)
}

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.toks
            .get(at)
            .and_then(|tok| tok.word.as_deref())
            .unwrap_or("")
    }

    fn is(&self, at: usize, c: u8) -> bool {
        self.toks
            .get(at)
            .is_some_and(|tok| Some(tok.kind) == character(c))
    }

    fn slice(&self, from: usize, to: usize) -> String {
        let (Some(first), Some(last)) = (
            self.toks.get(from),
            to.checked_sub(1).and_then(|to| self.toks.get(to)),
        ) else {
            return String::new();
        };
        self.text
            .get(first.start..last.end)
            .unwrap_or_default()
            .to_owned()
    }

    /// The index of the first of `words` outside brackets and `CASE`, from `from` on.
    fn until(&self, from: usize, words: &[&str]) -> Result<usize, String> {
        let (mut depth, mut case) = (0_usize, 0_usize);
        for at in from..self.toks.len() {
            if self.is(at, b'(') || self.is(at, b'[') {
                depth += 1;
            } else if self.is(at, b')') || self.is(at, b']') {
                depth = depth.saturating_sub(1);
            } else if self.word(at) == "case" {
                case += 1;
            } else if self.word(at) == "end" && case > 0 {
                case -= 1;
            } else if depth == 0 && case == 0 && words.contains(&self.word(at)) {
                return Ok(at);
            }
        }
        Err(format!("no `{}` where one is due", words.join("` or `")))
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

    fn run(&mut self) -> Result<(), String> {
        let mut handler = false;
        while self.at < self.toks.len() {
            let at = self.at;
            match self.word(at) {
                "declare" => self.declarations()?,
                "begin" | "else" | "loop" => self.at += 1,
                "exception" => {
                    handler = true;
                    self.at += 1;
                }
                "when" => {
                    let then = self.until(at + 1, &["then"])?;
                    if !handler {
                        self.items.push(Item::Expr(self.slice(at + 1, then)));
                    }
                    self.at = then + 1;
                }
                "if" | "elsif" | "elseif" | "while" => {
                    let end = self.until(at + 1, &["then", "loop"])?;
                    self.items.push(Item::Expr(self.slice(at + 1, end)));
                    self.at = end + 1;
                }
                "for" | "foreach" => self.for_loop()?,
                "end" => {
                    let end = self.semicolon(at);
                    handler = handler && self.word(at + 1) == "if";
                    self.at = end + 1;
                }
                "" if self.is(at, b';') => self.at += 1,
                _ => self.simple()?,
            }
        }
        Ok(())
    }

    fn declarations(&mut self) -> Result<(), String> {
        self.at += 1;
        while self.word(self.at) != "begin" {
            if self.at >= self.toks.len() {
                return Err("`DECLARE` without `BEGIN`".to_owned());
            }
            let end = self.semicolon(self.at);
            let value = (self.at..end).find(|at| {
                self.toks
                    .get(*at)
                    .is_some_and(|tok| tok.kind == token::COLON_EQUALS)
                    || self.is(*at, b'=')
                    || matches!(self.word(*at), "default" | "cursor")
            });
            if let Some(value) = value {
                if self.word(value) == "cursor" {
                    return Err("a cursor".to_owned());
                }
                self.items.push(Item::Expr(self.slice(value + 1, end)));
            }
            self.at = end + 1;
        }
        Ok(())
    }

    fn for_loop(&mut self) -> Result<(), String> {
        let inside = self.until(self.at, &["in"])?;
        let end = self.until(inside + 1, &["loop"])?;
        let first = inside + 1;
        match self.word(first) {
            "select" | "with" | "values" => self.items.push(Item::Sql(self.slice(first, end))),
            "execute" => self.items.push(Item::Execute(self.slice(first + 1, end))),
            "array" => self.items.push(Item::Expr(self.slice(first + 1, end))),
            _ => {
                // `1..10`: bounds without calls.
                if (first..end).any(|at| self.is(at, b'(')) {
                    return Err("a loop whose bounds are calls".to_owned());
                }
            }
        }
        self.at = end + 1;
        Ok(())
    }

    fn simple(&mut self) -> Result<(), String> {
        let (at, end) = (self.at, self.semicolon(self.at));
        self.at = end + 1;
        let rest = self.slice(at + 1, end);
        match self.word(at) {
            "null" if end == at + 1 => {}
            "exit" | "continue" | "get" => {}
            "return" if self.word(at + 1) == "query" => {
                if self.word(at + 2) == "execute" {
                    self.items.push(Item::Execute(self.slice(at + 3, end)));
                } else {
                    self.items.push(Item::Sql(self.slice(at + 2, end)));
                }
            }
            "return" => {
                let from = if self.word(at + 1) == "next" {
                    at + 2
                } else {
                    at + 1
                };
                self.items.push(Item::Return(self.slice(from, end)));
            }
            "raise" => self.raise(at + 1, end),
            "perform" => self.items.push(Item::Sql(format!("SELECT {rest}"))),
            "execute" => self.items.push(Item::Execute(rest)),
            "assert" => self.items.push(Item::Expr(rest)),
            "open" | "fetch" | "move" | "close" | "case" => {
                return Err(format!("`{}` in PL/pgSQL", self.word(at).to_uppercase()));
            }
            _ => {
                if let Some(assign) = self.assignment(at, end) {
                    self.items.push(assign);
                } else {
                    self.items.push(Item::Sql(self.slice(at, end)));
                }
            }
        }
        Ok(())
    }

    /// The arguments of a `RAISE`: everything after the format, by comma.
    fn raise(&mut self, from: usize, to: usize) {
        let mut start = None;
        let mut depth = 0_usize;
        for at in from..=to {
            if self.is(at, b'(') {
                depth += 1;
            } else if self.is(at, b')') {
                depth = depth.saturating_sub(1);
            }
            let separator =
                depth == 0 && (at == to || self.is(at, b',') || self.word(at) == "using");
            if separator {
                if let Some(start) = start {
                    // `errcode = '…'` is an expression to us as well.
                    self.items.push(Item::Expr(self.slice(start, at)));
                }
                start = Some(at + 1);
            }
        }
    }

    fn assignment(&self, from: usize, to: usize) -> Option<Item> {
        let mut target = vec![self.toks.get(from)?.word.clone()?];
        let mut at = from + 1;
        while self.is(at, b'.') {
            target.push(self.toks.get(at + 1)?.word.clone()?);
            at += 2;
        }
        let assigns = self
            .toks
            .get(at)
            .is_some_and(|tok| tok.kind == token::COLON_EQUALS)
            || self.is(at, b'=');
        assigns.then(|| Item::Assign {
            target,
            expr: self.slice(at + 1, to),
        })
    }
}

/// The one literal of `EXECUTE '…'`, decoded; nothing where the text is computed.
pub(crate) fn literal(text: &str) -> Option<String> {
    let mut lexer = Lexer::new(text);
    let first = lexer.next_token().ok()?;
    if first.kind != token::SCONST {
        return None;
    }
    let value = first.text()?.to_owned();
    (lexer.next_token().ok()?.kind == 0).then_some(value)
}

/// The pattern of `EXECUTE format('…', …)` with its placeholders for names and literals filled in;
/// nothing where another part of the text is computed.
pub(crate) fn format_pattern(text: &str) -> Option<String> {
    let mut lexer = Lexer::new(text);
    let name = lexer.next_token().ok()?;
    let named = match &name.value {
        Value::Keyword(keyword) => keyword.name == "format",
        _ => name.text() == Some("format"),
    };
    if !named || Some(lexer.next_token().ok()?.kind) != character(b'(') {
        return None;
    }
    let pattern = lexer.next_token().ok()?;
    if pattern.kind != token::SCONST {
        return None;
    }
    let pattern = pattern.text()?.to_owned();
    // The bracket that closes the call must be the last token: nothing is appended to the text.
    let (mut depth, mut first) = (1_usize, true);
    loop {
        let token = lexer.next_token().ok()?.kind;
        let is = |c: u8| Some(token) == character(c);
        if first && !is(b',') && !is(b')') {
            return None;
        }
        first = false;
        if is(b'(') {
            depth += 1;
        } else if is(b')') {
            depth -= 1;
            if depth == 0 {
                break;
            }
        } else if token == 0 {
            return None;
        }
    }
    if lexer.next_token().ok()?.kind != 0 {
        return None;
    }
    let filled = pattern
        .replace("%I", "placeholder")
        .replace("%L", "'placeholder'");
    (!filled.contains('%')).then_some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_branches_and_a_handler() {
        let items = read(
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
            read("BEGIN EXECUTE 'DROP TABLE ' || t; END").unwrap(),
            [Item::Execute("'DROP TABLE ' || t".into())]
        );
        assert_eq!(literal("'GRANT a TO b'").as_deref(), Some("GRANT a TO b"));
        assert_eq!(literal("'a' || b"), None);
        assert_eq!(
            format_pattern("format('GRANT app TO %I', current_user)").as_deref(),
            Some("GRANT app TO placeholder")
        );
        assert_eq!(format_pattern("format('ALTER %s', x)"), None);
        assert_eq!(format_pattern("format('ALTER ' || y)"), None);
        assert_eq!(format_pattern("format('GRANT a TO %I', f(x)) || y"), None);
    }

    #[test]
    fn what_is_not_understood_fails() {
        assert!(read("BEGIN OPEN c FOR SELECT 1; END").is_err());
        assert!(read("DECLARE x int;").is_err());
        assert!(read("BEGIN IF a; END").is_err());
    }
}
