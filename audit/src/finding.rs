//! What verification finds, in words.
//!
//! Invariant: whatever comes from the table is shown escaped and cut, because whoever wrote it there
//! may have written it for a terminal.

use std::fmt;

/// The most letters of a text from the table that are shown: as long as a tenant's identifier may be.
const LONGEST: usize = 128;

/// A text from the table, for people: nothing in it acts on a terminal or begins a line.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        for letter in letters.by_ref().take(LONGEST) {
            write!(f, "{}", letter.escape_debug())?;
        }
        match letters.next() {
            Some(_) => write!(f, "…"),
            None => Ok(()),
        }
    }
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The record's contents are not what its MAC was made for.
    Changed {
        /// The row.
        id: i64,
        /// Its reference, as it stands there now.
        reference: String,
    },
    /// Records are gone.
    Removed {
        /// The chain.
        writer: String,
        /// The first that is missing.
        from: i64,
        /// The last that is missing.
        to: i64,
        /// The reference of the record in front of them.
        after: Option<String>,
    },
    /// The row was not written by a holder of the key, or it is a copy.
    Inserted {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
    },
    /// The record was written at another place of its chain.
    Moved {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
        /// The number that it has now.
        now: i64,
        /// The number that it was written with, or the order of rows where only that is wrong.
        was: Option<i64>,
    },
    /// The record can't be verified, because the one in front of it is gone.
    Loose {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
    },
    /// The newest records of a chain are gone, by a head that was kept elsewhere.
    Cut {
        /// The chain.
        writer: String,
        /// The last number in the table; 0 if nothing is left.
        last: i64,
        /// The number that was published.
        published: i64,
    },
    /// The chain at a published head is another one.
    Rewritten {
        /// The chain.
        writer: String,
        /// The number that was published.
        published: i64,
    },
    /// A record is gone below what was given up on purpose, and was newer than that.
    GivenUp {
        /// The chain.
        writer: String,
        /// The number that was published.
        published: i64,
    },
    /// The record was made under an earlier key after that was given up.
    Retired {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
    },
    /// A call says how often it wrote, and not all records of that are there.
    EffectRemoved {
        /// The call.
        reference: String,
        /// How many writes committed.
        said: u64,
        /// How many of their records there are.
        found: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { id, reference } => {
                write!(f, "changed: record {id}, reference {}", Shown(reference))
            }
            Self::Removed {
                writer,
                from,
                to,
                after,
            } => {
                write!(f, "removed: ")?;
                match from == to {
                    true => write!(f, "number {from}")?,
                    false => write!(f, "numbers {from} to {to}")?,
                }
                write!(f, " of writer {}", Shown(writer))?;
                match after {
                    Some(reference) => write!(f, ", after reference {}", Shown(reference)),
                    None => write!(f, ", at its beginning"),
                }
            }
            Self::Inserted { id, reference } => {
                write!(f, "inserted: record {id}, reference {}", Shown(reference))
            }
            Self::Moved {
                id,
                reference,
                now,
                was,
            } => {
                let reference = Shown(reference);
                write!(f, "reordered: record {id}, reference {reference}, ")?;
                match was {
                    Some(was) => write!(f, "is number {now} and was written as {was}"),
                    None => write!(f, "number {now}, stands out of order"),
                }
            }
            Self::Loose { id, reference } => write!(
                f,
                "can't be verified: record {id}, reference {}, because the one in front of it is gone or changed",
                Shown(reference)
            ),
            Self::Cut {
                writer,
                last,
                published,
            } => write!(
                f,
                "cut off: writer {} ends at {last}, and {published} was published",
                Shown(writer)
            ),
            Self::Rewritten { writer, published } => write!(
                f,
                "rewritten: number {published} of writer {} is not the record that was published",
                Shown(writer)
            ),
            Self::GivenUp { writer, published } => write!(
                f,
                "given up too far: number {published} of writer {} was published as newer than what was given up, \
                 and is gone with it",
                Shown(writer)
            ),
            Self::Retired { id, reference } => write!(
                f,
                "under a key that was given up: record {id}, reference {}, was stored after the end of its key, or is \
                 of a call under another one",
                Shown(reference)
            ),
            Self::EffectRemoved {
                reference,
                said,
                found,
            } => write!(
                f,
                "removed: the call with reference {} left records of {found} of its {said} writes",
                Shown(reference)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_the_table_neither_begins_a_line_nor_acts_on_the_terminal() {
        let hostile = format!("x\r\nok       tenant a\u{1b}[8m\u{202e}{}", "y".repeat(999));
        let finding = Finding::Inserted {
            id: 1,
            reference: hostile,
        };
        let shown = finding.to_string();
        assert!(!shown.contains(char::is_control), "{shown}");
        assert!(!shown.contains('\u{202e}'), "{shown}");
        assert!(shown.ends_with('…') && shown.len() < 240, "{shown}");
        assert_eq!(Shown("0190f3b2-7c1e").to_string(), "0190f3b2-7c1e");
    }
}
