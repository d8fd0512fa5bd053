//! The tree of `rupg-sql`, read from the text of PostgreSQL's `nodeToStringWithLocations`.

use std::collections::BTreeMap;

use crate::tree::{Node, Tree, plain};

/// Parses `sql` and gives one tree for each statement.
///
/// # Errors
/// The message of the parser.
pub fn parse(sql: &str) -> Result<Vec<Tree>, String> {
    let (list, _) = rupg_sql::parse(sql).map_err(|error| error.message)?;
    Ok(list
        .iter()
        .map(|node| {
            node.as_ref().map_or(Tree::Null, |node| {
                Reader {
                    text: &node.to_text(),
                    at: 0,
                }
                .value()
            })
        })
        .collect())
}

/// The kinds of `A_Expr` as they are printed, in the order of the enumeration.
const OPERATOR_KINDS: [&str; 15] = [
    "",
    "ANY",
    "ALL",
    "DISTINCT",
    "NOT_DISTINCT",
    "NULLIF",
    "IN",
    "LIKE",
    "ILIKE",
    "SIMILAR",
    "BETWEEN",
    "NOT_BETWEEN",
    "BETWEEN_SYM",
    "NOT_BETWEEN_SYM",
    "?",
];

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while self.peek() == b' ' {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Tree {
        self.space();
        match self.peek() {
            b'{' => Tree::Node(self.node()),
            b'(' => {
                self.at += 1;
                let mut parts = Vec::new();
                loop {
                    self.space();
                    match self.peek() {
                        b')' | 0 => {
                            self.at += 1;
                            return Tree::list(parts);
                        }
                        _ => parts.push(self.value()),
                    }
                }
            }
            _ => match self.token() {
                (raw, _) if raw == "<>" => Tree::Null,
                (raw, text) if raw.starts_with('"') => {
                    let inner = text
                        .strip_prefix('"')
                        .and_then(|text| text.strip_suffix('"'));
                    match inner {
                        // An empty text field and an empty string are printed alike.
                        Some("") | None => Tree::Null,
                        Some(inner) => Tree::Atom(format!("\"{inner}")),
                    }
                }
                (_, text) => Tree::atom(text),
            },
        }
    }

    /// The next token as printed, and without its backslashes.
    fn token(&mut self) -> (String, String) {
        self.space();
        let (mut raw, mut text, mut escaped) = (String::new(), String::new(), false);
        for c in self.text[self.at..].chars() {
            if !escaped && matches!(c, ' ' | '(' | ')' | '{' | '}') {
                break;
            }
            self.at += c.len_utf8();
            raw.push(c);
            if !escaped && c == '\\' {
                escaped = true;
            } else {
                escaped = false;
                text.push(c);
            }
        }
        (raw, text)
    }

    fn node(&mut self) -> Node {
        self.at += 1;
        let kind = plain(&self.token().1);
        let mut fields = BTreeMap::new();
        let mut base = BTreeMap::new();
        let mut flags = Vec::new();
        loop {
            self.space();
            match self.peek() {
                b'}' | 0 => {
                    self.at += 1;
                    break;
                }
                b':' => {
                    let label = plain(&self.token().1[1..]);
                    let value = self.value();
                    match label.strip_prefix("base.") {
                        Some(label) => base.insert(label.to_owned(), value),
                        None => fields.insert(label, value),
                    };
                }
                _ => flags.push(self.token().1),
            }
        }
        if !base.is_empty() {
            fields.insert(
                "basestmt".to_owned(),
                Tree::Node(Node {
                    kind: Some("createstmt".to_owned()),
                    fields: base,
                }),
            );
        }
        special(&kind, &flags, &mut fields);
        Node {
            kind: Some(kind),
            fields,
        }
    }
}

/// The three node types that PostgreSQL prints by hand.
fn special(kind: &str, flags: &[String], fields: &mut BTreeMap<String, Tree>) {
    match kind {
        "aexpr" => {
            let flag = flags.first().map_or("", String::as_str);
            let number = OPERATOR_KINDS.iter().position(|kind| *kind == flag);
            let number = number.map_or_else(|| flag.to_owned(), |number| number.to_string());
            fields.insert("kind".to_owned(), Tree::Atom(number));
        }
        "aconst" => {
            if flags.iter().any(|flag| flag == "NULL") {
                fields.insert("isnull".to_owned(), Tree::Atom("true".to_owned()));
            }
            // Zero and false are values here, not defaults; and a text can be empty.
            if let Some(value) = fields.get_mut("val") {
                *value = match value {
                    Tree::Atom(text) => Tree::Atom(format!("={text}")),
                    _ => Tree::Atom("=\"".to_owned()),
                };
            }
        }
        "boolexpr" => {
            if let Some(Tree::Atom(text)) = fields.get_mut("boolop") {
                *text = match text.as_str() {
                    "and" => "0".to_owned(),
                    "or" => "1".to_owned(),
                    "not" => "2".to_owned(),
                    other => other.to_owned(),
                };
            }
        }
        _ => {}
    }
}
