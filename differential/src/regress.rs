//! PostgreSQL's regression scripts, cut into statements as `psql` cuts them.

/// The statements of a script: lines of `psql`'s own commands and the data of `COPY` are left out,
/// and variables of `psql` stay as they are, for both parsers alike.
pub fn statements(script: &str) -> Vec<String> {
    let mut text = String::new();
    let mut copying = false;
    for line in script.lines() {
        let trimmed = line.trim_start();
        if copying {
            copying = trimmed != "\\.";
            continue;
        }
        if trimmed.starts_with('\\') {
            text.push_str(";\n");
            continue;
        }
        // `SELECT … \gset`, `\gexec`, `\;` and their like end a statement.
        let cut = [
            " \\g",
            "\\gset",
            "\\gexec",
            "\\gdesc",
            "\\crosstabview",
            "\\parse",
            "\\bind",
            "\\;",
            "\\watch",
        ]
        .iter()
        .filter_map(|command| line.find(command))
        .min();
        match cut {
            Some(at) => {
                text.push_str(&line[..at]);
                text.push_str(";\n");
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
        let lower = trimmed.to_ascii_lowercase();
        copying = lower.starts_with("copy ") && lower.contains("from stdin") && lower.contains(';');
    }
    split(&text)
}

/// Cuts a text at the semicolons that are outside of quotes, comments and brackets.
pub fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let (mut start, mut depth, mut atomic) = (0, 0_i32, 0_i32);
    let mut lexer = rupg_sql::Lexer::new(text);
    let mut last = 0;
    loop {
        match lexer.next_token() {
            Ok(token) if token.kind == 0 => break,
            Ok(token) => {
                last = token.end;
                let word = &text[token.start..token.end];
                match word {
                    "(" => depth += 1,
                    ")" => depth -= 1,
                    ";" if depth <= 0 && atomic <= 0 => {
                        push(&mut statements, &text[start..token.start]);
                        start = token.end;
                        depth = 0;
                    }
                    _ if word.eq_ignore_ascii_case("atomic") => atomic += 1,
                    _ if atomic > 0 && word.eq_ignore_ascii_case("case") => atomic += 1,
                    _ if atomic > 0 && word.eq_ignore_ascii_case("end") => atomic -= 1,
                    _ => {}
                }
            }
            Err(_) => {
                // A text on purpose: the statement goes on to the end of its line.
                let end = text[last.max(start)..]
                    .find('\n')
                    .map_or(text.len(), |at| last.max(start) + at + 1);
                push(&mut statements, &text[start..end]);
                statements.extend(split(&text[end..]));
                return statements;
            }
        }
    }
    push(&mut statements, &text[start..]);
    statements
}

fn push(statements: &mut Vec<String>, text: &str) {
    if !text.trim().is_empty() {
        statements.push(text.to_owned());
    }
}
