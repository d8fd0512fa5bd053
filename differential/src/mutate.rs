//! Seeded mutations of statements: most of what comes out is near the border of the grammar.

use rupg_sql::Lexer;

/// A small generator of pseudo-random numbers; a seed gives the same texts everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, or zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((self.0 >> 16) % bound).unwrap_or(0)
    }

    fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }
}

/// What is put between tokens: comments, operator characters, quotes, words that the grammar treats
/// with care, and characters beyond ASCII.
const PIECES: [&str; 88] = [
    "--",
    "-- x\n",
    "/*",
    "*/",
    "/* x */",
    "/*/**/*/",
    "<>--",
    "-",
    "+",
    "*",
    "/",
    "<",
    ">",
    "=",
    "~",
    "!",
    "@",
    "#",
    "%",
    "^",
    "&",
    "|",
    "`",
    "?",
    "<=",
    ">=",
    "<>",
    "!=",
    "=>",
    "->",
    "->>",
    "||",
    "@>",
    "&&",
    "::",
    ":=",
    ":",
    "..",
    ".",
    ",",
    ";",
    "(",
    ")",
    "[",
    "]",
    "'",
    "''",
    "\"",
    "\"\"",
    "$",
    "$$",
    "$1",
    "$2",
    "$a$",
    "E'",
    "e'\\''",
    "U&'",
    "U&\"",
    "B'1'",
    "X'f'",
    "N'a'",
    "1",
    "1.",
    ".5",
    "1e",
    "0x1f",
    "0b1",
    "1_000",
    "\\",
    "é",
    "\u{1F600}",
    "\u{a0}",
    "\u{feff}",
    "\t",
    "\r",
    "\u{b}",
    "\u{c}",
    "ONLY",
    "NOT",
    "BETWEEN",
    "AND",
    "OR",
    "IS",
    "NULL",
    "COLLATE \"C\"",
    "AT TIME ZONE",
    "ESCAPE '!'",
    "OPERATOR(pg_catalog.=)",
];

/// Words that may stand where another does.
const WORDS: [&str; 40] = [
    "ALL",
    "ANY",
    "SOME",
    "LATERAL",
    "NATURAL",
    "CROSS",
    "LEFT",
    "RIGHT",
    "FULL",
    "INNER",
    "JOIN",
    "USING",
    "ON",
    "WITH",
    "RECURSIVE",
    "MATERIALIZED",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "DISTINCT",
    "GROUP BY",
    "HAVING",
    "WINDOW w AS ()",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "FETCH FIRST ROW ONLY",
    "FOR UPDATE",
    "RETURNING",
    "VALUES",
    "TABLE",
    "SIMILAR TO",
    "ILIKE",
    "IN",
    "EXISTS",
    "ROW",
    "ARRAY",
    "OVERLAPS",
    "SYMMETRIC",
    "ASYMMETRIC",
];

/// A text made of pieces of the statements of `corpus`.
pub fn mutation(corpus: &[String], random: &mut Random) -> String {
    let mut parts = pieces(random.of::<String>(corpus));
    for _ in 0..=random.below(3) * random.below(2) {
        let at = random.below(parts.len());
        match random.below(11) {
            0 if !parts.is_empty() => {
                parts.remove(at);
            }
            1 if !parts.is_empty() => {
                let part = parts[at].clone();
                parts.insert(at, part);
            }
            2 if !parts.is_empty() => {
                let other = random.below(parts.len());
                parts.swap(at, other);
            }
            // A run of another statement in place of a run of this one.
            3 => {
                let other = pieces(random.of::<String>(corpus));
                let from = random.below(other.len());
                let until = (from + 1 + random.below(12)).min(other.len());
                let end = (at + random.below(6)).min(parts.len());
                parts.splice(at.min(end)..end, other[from.min(until)..until].to_vec());
            }
            4 | 5 => parts.insert(at, (*random.of(&PIECES)).to_owned()),
            6 => parts.insert(at, (*random.of(&WORDS)).to_owned()),
            7 if !parts.is_empty() => parts[at] = format!("\"{}\"", parts[at]),
            8 if !parts.is_empty() => parts[at] = swap_case(&parts[at], random),
            // Brackets around a run.
            9 if !parts.is_empty() => {
                let end = (at + 1 + random.below(8)).min(parts.len());
                parts.insert(end, ")".to_owned());
                parts.insert(at, "(".to_owned());
            }
            // A character within a token.
            10 if !parts.is_empty() => {
                let mut chars: Vec<char> = parts[at].chars().collect();
                let piece: Vec<char> = random.of(&PIECES).chars().collect();
                let within = random.below(chars.len() + 1);
                chars.splice(within..within, piece);
                parts[at] = chars.into_iter().collect();
            }
            _ => {}
        }
    }
    let mut text = String::new();
    // Mostly apart; sometimes tokens touch, which is where lexers disagree.
    let touching = random.below(5) == 0;
    for part in parts {
        text.push_str(&part);
        if !touching || random.below(8) != 0 {
            text.push(*random.of(&[' ', ' ', ' ', '\n', '\t']));
        }
    }
    text
}

/// The tokens of a text as written, and whatever is left where the lexer stops.
fn pieces(text: &str) -> Vec<String> {
    let mut lexer = Lexer::new(text);
    let mut parts = Vec::new();
    let mut at = 0;
    while let Ok(token) = lexer.next_token() {
        if token.kind == 0 {
            return parts;
        }
        parts.push(text[token.start..token.end].to_owned());
        at = token.end;
    }
    parts.push(text[at..].to_owned());
    parts
}

fn swap_case(text: &str, random: &mut Random) -> String {
    text.chars()
        .map(|c| match random.below(3) {
            0 => c.to_ascii_uppercase(),
            1 => c.to_ascii_lowercase(),
            _ => c,
        })
        .collect()
}
