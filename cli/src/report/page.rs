//! The text of a page, written piece by piece.
//!
//! A template engine would be one more dependency, with an escape to turn off; here the types do it:
//! markup is `&'static str`, which no file of a project can be, and everything else is escaped.

use std::fmt::Display;

use crate::output::clean::{acts, number};

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// Anything else, in an element or in a quoted attribute.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        for c in text.to_string().chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                '\n' | '\t' => self.text.push(c),
                // What changes the order of letters, or can't be seen, is shown by its number.
                c if acts(c) => self.text.push_str(&number(c)),
                c => self.text.push(c),
            }
        }
        self
    }

    /// A text in which backticks are code.
    pub(super) fn prose(&mut self, text: &str) -> &mut Self {
        for (number, part) in text.split('`').enumerate() {
            if number % 2 == 1 {
                self.raw("<code>").text(part).raw("</code>");
            } else {
                self.text(part);
            }
        }
        self
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_project_says_is_never_markup() {
        let mut page = Page::default();
        page.raw("<p title=\"")
            .text("\"><script>alert('x')</script>")
            .raw("\">")
            .prose("`<img src=x onerror=1>` & \u{202e}more")
            .raw("</p>");
        assert_eq!(
            page.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\">\
             <code>&lt;img src=x onerror=1&gt;</code> &amp; \u{2997}U+202E\u{2998}more</p>"
        );
    }
}
