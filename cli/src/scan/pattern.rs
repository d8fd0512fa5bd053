//! `pattern` of a JSON schema: a short text that matches it, and whether a text does.
//!
//! Invariant: a text is given only where the pattern as a whole matches it. Patterns are ECMA's; what
//! this machine's syntax does not know (look-around, back references) is not made up.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

/// A longer pattern is not read.
const LONGEST: usize = 2000;
/// A longer text is not made.
const MOST: usize = 300;

/// A pattern that can be read.
pub(crate) fn read(pattern: &str) -> Option<Regex> {
    if pattern.len() > LONGEST {
        return None;
    }
    let built = RegexBuilder::new(pattern).size_limit(1 << 20).build();
    built.ok()
}

/// A text that matches.
pub(crate) fn sample(pattern: &str) -> Option<String> {
    if pattern.len() > LONGEST {
        return None;
    }
    let hir = regex_syntax::parse(pattern).ok()?;
    // Once as short as can be, once with something of everything that may be missing.
    [0, 1].into_iter().find_map(|optional| {
        let mut made = String::new();
        write(&hir, optional, &mut made)?;
        (!made.is_empty() && read(pattern)?.is_match(&made)).then_some(made)
    })
}

fn write(hir: &Hir, optional: u32, made: &mut String) -> Option<()> {
    if made.len() > MOST {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => made.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => made.push(one_of(class)?),
        HirKind::Repetition(repeated) => {
            let least = repeated.min.max(optional.min(repeated.max.unwrap_or(1)));
            for _ in 0..least {
                let before = made.len();
                write(&repeated.sub, optional, made)?;
                // Nothing, however often it is repeated.
                if made.len() == before {
                    break;
                }
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, optional, made)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, optional, made)?;
            }
        }
        HirKind::Alternation(parts) => write(parts.first()?, optional, made)?,
    }
    Some(())
}

/// A plain character of a class.
fn one_of(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .map(|it| (it.start(), it.end()))
            .collect(),
        Class::Bytes(class) => {
            let ranges = class.ranges().iter();
            ranges
                .map(|it| (char::from(it.start()), char::from(it.end())))
                .collect()
        }
    };
    let holds = |c: &char| ranges.iter().any(|(from, to)| (from..=to).contains(&c));
    ['1', 'a', 'A', '0', '_', '-', ' ']
        .into_iter()
        .find(|c| holds(c))
        .or_else(|| ranges.first().map(|(from, _)| *from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_match() {
        for (pattern, wanted) in [
            (r"^[A-Z]{2}-\d{2}$", "AA-11"),
            (r"^tkt_[0-9A-Z]{6}$", "tkt_111111"),
            (r"^(open|closed)$", "open"),
            (r"^[%A-Za-z ]+$", "a"),
            (r"^\d{4}-\d{2}$", "1111-11"),
            (r"^a*$", "a"),
        ] {
            assert_eq!(sample(pattern).as_deref(), Some(wanted), "{pattern}");
        }
        assert_eq!(sample("(){4000000000}x").as_deref(), Some("x"));
        for pattern in [r"^(?=a)b$", "(", r"^[a-z]{999}$", r"a\bb"] {
            assert_eq!(sample(pattern), None, "{pattern}");
        }
    }
}
