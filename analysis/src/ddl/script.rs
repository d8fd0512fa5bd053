//! What stands in a script besides SQL: the data of `COPY … FROM stdin` and psql's commands.
//!
//! Invariant: offsets stay. Data is blanked by statement, with the parser's own lexer, so that a
//! string that looks like `COPY` is left alone. Unknown psql commands refuse the file.

use rupg_sql::{Lexer, character, token};

use crate::diagnostic::{Code, Diagnostic};

/// psql commands that change nothing that is modelled.
const KNOWN: &[&str] = &[
    "restrict",
    "unrestrict",
    "echo",
    "qecho",
    "timing",
    "pset",
    "x",
    "t",
    "q",
];

/// The text with the data of `COPY` and known psql commands blanked.
pub(crate) fn blank(text: &str) -> Result<String, Box<Diagnostic>> {
    let suspicious = text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with('\\')
            || line
                .get(..4)
                .is_some_and(|w| w.eq_ignore_ascii_case("copy"))
    });
    if !suspicious {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Each round takes one statement, and the data or command after it.
    while !rest.is_empty() {
        let taken = statement(rest, text.len() - rest.len())?;
        let (sql, after) = rest.split_at(taken.sql.min(rest.len()));
        let (dead, after) = after.split_at(taken.dead.min(after.len()));
        out.push_str(sql);
        out.extend(
            dead.bytes()
                .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
        );
        rest = after;
        if taken.sql + taken.dead == 0 {
            out.push_str(rest);
            break;
        }
    }
    Ok(out)
}

/// How many bytes of SQL, and how many after them that are none.
struct Taken {
    sql: usize,
    dead: usize,
}

fn statement(text: &str, offset: usize) -> Result<Taken, Box<Diagnostic>> {
    let mut lexer = Lexer::new(text);
    let (mut first, mut words) = (true, Vec::new());
    let mut from_stdin = false;
    loop {
        let Ok(token) = lexer.next_token() else {
            // The parser reports it.
            return Ok(Taken {
                sql: text.len(),
                dead: 0,
            });
        };
        if token.kind == 0 {
            return Ok(Taken {
                sql: text.len(),
                dead: 0,
            });
        }
        if first && text.as_bytes().get(token.start) == Some(&b'\\') {
            let line = line_length(text, token.start);
            command(
                text.get(token.start..token.start + line)
                    .unwrap_or_default(),
                offset + token.start,
            )?;
            return Ok(Taken {
                sql: token.start,
                dead: line,
            });
        }
        if first && token.kind != token::COPY {
            // Not a COPY: take it up to its semicolon.
            words.clear();
        }
        if first && token.kind == token::COPY {
            words.push("copy".to_owned());
        }
        first = false;
        if words.len() == 1 {
            if token.kind == token::FROM {
                from_stdin = true;
            } else if token.kind == token::STDIN && from_stdin {
                words.push("stdin".to_owned());
            }
        }
        if Some(token.kind) == character(b';') {
            let mut dead = 0;
            if words.len() == 2 {
                let after = text.get(token.end..).unwrap_or_default();
                let line = after.lines().next().unwrap_or_default();
                if !line.trim().is_empty() {
                    // psql runs it after the data.
                    let at = offset + token.end;
                    return Err(Box::new(
                        Diagnostic::error(
                            Code::MIGRATION_MARKER,
                            "text on the line of `COPY … FROM stdin;` is not read",
                        )
                        .at(at..at + line.len())
                        .help("put it on a line of its own, after the data"),
                    ));
                }
                dead = data_length(after);
            }
            return Ok(Taken {
                sql: token.end,
                dead,
            });
        }
    }
}

fn line_length(text: &str, start: usize) -> usize {
    let line = text.get(start..).unwrap_or_default();
    line.find('\n').map_or(line.len(), |end| end + 1)
}

/// The data after `COPY … FROM stdin;`, up to and with the line `\.`.
fn data_length(text: &str) -> usize {
    let mut length = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        length += line.len();
        if index > 0 && line.trim_end_matches(['\n', '\r']) == "\\." {
            return length;
        }
    }
    length
}

fn command(line: &str, offset: usize) -> Result<(), Box<Diagnostic>> {
    let name = line
        .trim_start_matches('\\')
        .split_whitespace()
        .next()
        .unwrap_or_default();
    let harmless = KNOWN.contains(&name)
        || (name == "set" && line.contains("ON_ERROR_STOP"))
        || line.trim_end() == "\\.";
    // After a second backslash psql goes on with SQL or with another command.
    let alone = line.matches('\\').count() == 1 && !line.contains('`');
    if harmless && alone && name != "q" {
        return Ok(());
    }
    Err(Box::new(
        Diagnostic::error(
            Code::MIGRATION_MARKER,
            format!("the psql command `{}` is not known here", line.trim_end()),
        )
        .at(offset..offset + line.trim_end().len())
        .help("write what it does in SQL, or remove it from the migration"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_copy_is_blanked() {
        let text = "COPY public.t (a, b) FROM stdin;\n1\tit's; \\N\n\\.\nSELECT 2;\n";
        let out = blank(text).unwrap();
        assert_eq!(out.len(), text.len());
        assert!(out.contains("SELECT 2;") && !out.contains("it's"));
        assert_eq!(out.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn what_only_looks_like_copy_stays() {
        for text in [
            "SELECT '\nCOPY t FROM stdin;\n1\n\\.\n';",
            "COPY t TO stdout;\nSELECT 1;",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\ncopy t from 'x';\nEND $$;",
            "/*\n\\i x\n*/ SELECT 1;",
        ] {
            assert_eq!(blank(text).unwrap(), text);
        }
    }

    #[test]
    fn psql_commands() {
        assert!(
            blank("\\restrict abc\nSELECT 1;\n\\unrestrict abc\n")
                .unwrap()
                .contains("SELECT 1;")
        );
        assert!(blank("SELECT 1;\n\\i other.sql\n").is_err());
        assert!(blank("SELECT 1;\n\\connect other\nSELECT 2;").is_err());
        assert!(blank("\\q\nALTER TABLE t DISABLE ROW LEVEL SECURITY;").is_err());
        assert!(blank("\\if false\nSELECT 1;\n\\endif").is_err());
    }
}
