//! The page of each code: what the rule does, why it is dangerous, the mend.
//!
//! The pages are text in `pages.md`, one section for each code; a test holds that none is missing.

use crate::diagnostic::Code;

const PAGES: &str = include_str!("pages.md");

/// The page of a code, in Markdown.
pub fn page(code: Code) -> &'static str {
    let heading = format!("\n# {}\n", code.number());
    let Some((_, rest)) = PAGES.split_once(heading.as_str()) else {
        return "";
    };
    rest.split("\n# W").next().unwrap_or(rest).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::CODES;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        for code in CODES {
            assert!(page(*code).len() > 80, "{code:?}");
        }
        for heading in PAGES.lines().filter_map(|line| line.strip_prefix("# ")) {
            assert!(Code::find(heading).is_some(), "{heading}");
        }
    }

    #[test]
    fn codes_are_in_order_and_unique() {
        let numbers: Vec<_> = CODES.iter().map(|code| code.number()).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted);
        let mut names: Vec<_> = CODES.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
    }
}
