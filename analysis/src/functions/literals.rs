//! Literal arguments that are valid for a function, whatever its other arguments are.
//!
//! A function whose literal argument is invalid fails at the first row that gets there, and another
//! condition can choose that row. Invariant: a literal counts as valid only where it is made of what
//! is listed here.

/// What a literal argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal<'l> {
    /// A string, or a number in any spelling.
    Text(&'l str),
    /// NULL: the functions below are strict, or take it for nothing.
    Null,
}

/// The longest result that a padding asks for, and the largest count of a regular expression.
const LONGEST: i32 = 10_000;

/// Whether literal arguments of a function are valid; `arguments` has one entry for each argument,
/// nothing for those that are no literals. `moment` is the type that a unit is taken of.
pub(crate) fn are_valid(
    name: &str,
    arguments: &[Option<Literal<'_>>],
    moment: Option<&str>,
) -> bool {
    let at = |position: usize| arguments.get(position).copied().flatten();
    // An argument that is not given is valid.
    let check = |position: usize, valid: &dyn Fn(&str) -> bool| match arguments.get(position) {
        None | Some(Some(Literal::Null)) => true,
        Some(Some(Literal::Text(text))) => valid(text),
        Some(None) => false,
    };
    let number = |valid: fn(i32) -> bool| move |text: &str| text.trim().parse().is_ok_and(valid);
    let any = |_: &str| true;
    let one_match = |text: &str| are_flags(text) && !text.contains('g');
    match name {
        "date_part" | "extract" => check(0, &|unit| is_unit(unit, moment)),
        "lpad" | "rpad" => check(1, &number(|length| length <= LONGEST)) && check(2, &any),
        "split_part" => check(1, &any) && check(2, &number(|position| position != 0)),
        "substr" | "substring" if arguments.len() == 3 => {
            check(1, &number(|_| true)) && check(2, &number(|length| length >= 0))
        }
        "substr" => check(1, &number(|_| true)),
        "substring" => check(1, &|text| text.parse::<i32>().is_ok() || is_regex(text)),
        "regexp_like" | "regexp_match" => check(1, &is_regex) && check(2, &one_match),
        "regexp_count" => {
            check(1, &is_regex) && check(2, &number(|start| start > 0)) && check(3, &one_match)
        }
        "regexp_replace" => {
            let fourth = match at(3) {
                Some(Literal::Text(text)) if text.starts_with(|c: char| c.is_ascii_digit()) => {
                    check(3, &number(|start| start > 0))
                }
                _ => check(3, &are_flags),
            };
            let fifth = check(4, &number(|which| which >= 0));
            arguments.len() <= 5 && check(1, &is_regex) && check(2, &any) && fourth && fifth
        }
        "array_to_string" | "replace" | "string_to_array" => check(1, &any) && check(2, &any),
        _ => false,
    }
}

/// Options of a regular expression that leave its syntax as it is.
fn are_flags(text: &str) -> bool {
    text.chars().all(|c| "cginpsw".contains(c))
}

/// Whether a unit is one that `EXTRACT` knows for the type.
fn is_unit(unit: &str, moment: Option<&str>) -> bool {
    let unit = unit.to_ascii_lowercase();
    let unit = unit.as_str();
    let days = matches!(
        unit,
        "century" | "day" | "decade" | "epoch" | "millennium" | "month" | "quarter" | "year"
    );
    let weeks = matches!(
        unit,
        "dow" | "doy" | "isodow" | "isoyear" | "julian" | "week"
    );
    let hours = matches!(
        unit,
        "hour" | "microseconds" | "milliseconds" | "minute" | "second"
    );
    let zone = matches!(unit, "timezone" | "timezone_hour" | "timezone_minute");
    match moment {
        Some("date") => days || weeks,
        Some("timestamp") => days || weeks || hours,
        Some("timestamptz") => days || weeks || hours || zone,
        Some("interval") => days || hours,
        Some("time") => hours || unit == "epoch",
        Some("timetz") => hours || zone || unit == "epoch",
        _ => false,
    }
}

/// Whether a literal is a valid regular expression: characters, brackets, groups, alternatives and
/// counts, without back references and the rarer escapes.
pub(crate) fn is_regex(pattern: &str) -> bool {
    pattern.len() <= 1_000 && !pattern.starts_with("***") && regex(pattern, false).is_some()
}

/// Whether a literal is a valid pattern of `SIMILAR TO`.
pub(crate) fn is_similar(pattern: &str) -> bool {
    pattern.len() <= 1_000 && !pattern.contains(['\\', '"']) && regex(pattern, true).is_some()
}

/// Reads a pattern to its end. The product of counts that are nested is bounded: the server unrolls
/// them.
fn regex(pattern: &str, similar: bool) -> Option<()> {
    let mut chars = pattern.chars().peekable();
    // For each group that is open, how far its content is unrolled.
    let mut groups: Vec<i32> = Vec::new();
    let mut largest = 1;
    // How far what stands before is unrolled, if a count may follow.
    let mut atom: Option<i32> = None;
    while let Some(c) = chars.next() {
        atom = match c {
            '(' => {
                let mut counts = true;
                if chars.next_if_eq(&'?').is_some() {
                    match chars.next().filter(|_| !similar)? {
                        ':' => {}
                        '=' | '!' => counts = false,
                        _ => return None,
                    }
                }
                // A condition on what follows takes no count: it is marked by a negative sign.
                groups.push(if counts { largest } else { -largest });
                largest = 1;
                None
            }
            ')' => {
                let outer = groups.pop()?;
                let inner = largest;
                largest = largest.max(outer.abs());
                (outer > 0).then_some(inner)
            }
            '|' => None,
            '^' | '$' if !similar => None,
            '%' if similar => None,
            '[' => {
                bracket(&mut chars)?;
                Some(1)
            }
            '*' | '+' | '?' | '{' => {
                let times = match c {
                    '{' => count(&mut chars)?,
                    _ => 2,
                };
                let unrolled = atom?.checked_mul(times)?;
                if unrolled > LONGEST / 10 {
                    return None;
                }
                largest = largest.max(unrolled);
                if !similar {
                    chars.next_if_eq(&'?');
                }
                None
            }
            '\\' => match chars.next()? {
                'd' | 'w' | 's' | 'D' | 'W' | 'S' | 't' | 'n' | 'r' => Some(1),
                'm' | 'M' | 'y' | 'Y' | 'A' | 'Z' => None,
                c if c.is_ascii_punctuation() || c == ' ' => Some(1),
                _ => return None,
            },
            '\0' => return None,
            _ => Some(1),
        };
    }
    groups.is_empty().then_some(())
}

/// Reads `m}`, `m,}` or `m,n}`, and gives how often the server unrolls it.
fn count(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<i32> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '}' => break,
            c => text.push(c),
        }
    }
    let digits = |text: &str| {
        let number = text.chars().all(|c| c.is_ascii_digit());
        text.parse().ok().filter(|n: &i32| number && *n <= 255)
    };
    let (least, most) = match text.split_once(',') {
        None => (digits(&text)?, digits(&text)?),
        Some((least, "")) => (digits(least)?, digits(least)? + 1),
        Some((least, most)) => (digits(least)?, digits(most)?),
    };
    (least <= most).then_some(most.max(1))
}

/// Reads a bracket expression behind its `[`: characters, ranges of letters or digits, classes.
fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<()> {
    chars.next_if_eq(&'^');
    let mut first = true;
    loop {
        let c = chars.next()?;
        match c {
            ']' if !first => return Some(()),
            ']' => {}
            '[' => {
                chars.next_if_eq(&':')?;
                let mut class = String::new();
                while let Some(c) = chars.next_if(char::is_ascii_lowercase) {
                    class.push(c);
                }
                if !matches!(
                    class.as_str(),
                    "alpha"
                        | "upper"
                        | "lower"
                        | "digit"
                        | "xdigit"
                        | "alnum"
                        | "print"
                        | "punct"
                        | "graph"
                        | "space"
                        | "blank"
                        | "cntrl"
                        | "word"
                ) {
                    return None;
                }
                chars.next_if_eq(&':')?;
                chars.next_if_eq(&']')?;
            }
            '\\' => {
                let escaped = chars.next()?;
                if !matches!(escaped, 'd' | 'w' | 's' | 't' | 'n' | 'r')
                    && !escaped.is_ascii_punctuation()
                {
                    return None;
                }
                // A range from here may not be one.
                if chars.peek() == Some(&'-') {
                    chars.next();
                    return (chars.next()? == ']').then_some(());
                }
            }
            '-' if first || chars.peek() == Some(&']') => {}
            '-' | '\0' => return None,
            _ if chars.peek() == Some(&'-') => {
                chars.next();
                match chars.next()? {
                    ']' => return Some(()),
                    end if c.is_ascii_alphanumeric() && end.is_ascii_alphanumeric() && c <= end => {
                    }
                    _ => return None,
                }
            }
            _ => {}
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_that_the_server_takes() {
        for pattern in [
            "",
            "^[a-z]+$",
            r"^\d{3}-\d{4}$",
            "[^0-9]",
            r"[\w.+-]+@[\w.]+\.[a-z]{2,}",
            "a|b||c",
            "()",
            r"(\d+)$",
            "(?:ab)+?",
            "(?=.*[[:digit:]]).{8,}",
            "[]a]",
            "[a-]",
            r"[\d\-_]",
            "é+",
            r"\s+",
            "a}",
            r"\.(jpg|png)$",
            r"^[A-Z][a-z]*( [A-Z][a-z]*)*$",
            r"\(\d\)",
            "[-a-z]",
            r"\yfoo\y",
        ] {
            assert!(is_regex(pattern), "{pattern}");
        }
        for pattern in [
            "[",
            "(",
            ")",
            "a)",
            "*a",
            "a**",
            "a{",
            "a{2,1}",
            "a{256}",
            "^*",
            "$+",
            "(|*)",
            r"\y+",
            "[b-a]",
            "[[:nothing:]]",
            "(?<a>b)",
            "(?i)a",
            "***:a",
            r"a\",
            r"\1",
            r"(a)\1",
            "(?=a)+",
            "[a",
            "[[.a.]]",
            "((a{200}){200}){200}",
            r"\x",
            "a{1}{2}",
            "[a-b-c-]",
            "[\\",
        ] {
            assert!(!is_regex(pattern), "{pattern}");
        }
        assert!(is_similar("(a|b)%") && is_similar("[0-9]{3}_%") && is_similar("a.b^"));
        assert!(!is_similar("%+") && !is_similar("(") && !is_similar(r"a\b") && !is_similar("*"));
    }

    #[test]
    fn units_lengths_and_positions() {
        let text = |text| Some(Literal::Text(text));
        let unit = |unit, ty| are_valid("extract", &[text(unit), None], Some(ty));
        assert!(unit("year", "date") && unit("HOUR", "timestamptz") && unit("epoch", "interval"));
        assert!(!unit("hour", "date") && !unit("week", "interval") && !unit("x", "timestamp"));
        assert!(!unit("timezone", "timestamp") && !unit("day", "time"));
        let valid = |name, second, third| are_valid(name, &[None, text(second), text(third)], None);
        assert!(valid("substr", "1", "3") && !valid("substr", "1", "-1"));
        assert!(valid("split_part", ",", "-1") && !valid("split_part", ",", "0"));
        assert!(valid("lpad", "6", "0") && !valid("lpad", "2000000000", "0"));
        assert!(valid("regexp_replace", "[^0-9]", "") && !valid("regexp_replace", "[", "x"));
        assert!(valid("regexp_match", "a", "i") && !valid("regexp_match", "a", "g"));
        assert!(!are_valid("substring", &[None, text("[")], None));
        assert!(!are_valid("split_part", &[None, text(","), None], None));
        assert!(are_valid(
            "replace",
            &[None, text("a"), Some(Literal::Null)],
            None
        ));
        assert!(!are_valid("nothing", &[None], None));
    }
}
