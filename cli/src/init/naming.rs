//! The name of the next migration, as the tool that applies the others expects it.
//!
//! Invariant: it sorts behind every file that is there, for the tool as for the catalog.

use anyhow::{Result, bail};

/// How the migrations of a folder are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Naming {
    /// The path of the next migration, below the folder.
    pub(super) up: String,
    /// The path of its way back, where the others have one.
    pub(super) down: Option<String>,
    /// The marker lines of a tool that keeps both ways in one file.
    pub(super) sections: Option<(&'static str, &'static str)>,
}

/// What stands in the lines of tools that keep both ways in one file.
const SECTIONS: &[(&str, &str)] = &[
    ("-- +goose Up", "-- +goose Down"),
    ("-- +migrate Up", "-- +migrate Down"),
    ("-- migrate:up", "-- migrate:down"),
    ("-- Up Migration", "-- Down Migration"),
    ("-- rambler up", "-- rambler down"),
];

/// Now, as versions that are times spell it.
#[derive(Clone, Debug)]
pub(super) struct Now {
    /// `2027-06-30`
    pub(super) day: String,
    /// Seconds of the day.
    pub(super) second: u64,
    /// Seconds since 1970.
    pub(super) unix: u64,
}

/// The next name behind `files`, of which `last` is applied last. `texts` are the migrations.
pub(super) fn next<'a>(
    files: &[String],
    last: Option<&str>,
    texts: impl Iterator<Item = &'a str>,
    name: &str,
    now: &Now,
) -> Result<Naming> {
    let Some(last) = last else {
        bail!("the folder of migrations holds none");
    };
    let mut sections = None;
    for text in texts {
        let found = SECTIONS.iter().find(|(up, _)| {
            let is = |line: &str| line.trim().eq_ignore_ascii_case(up);
            text.lines().any(is)
        });
        sections = sections.or(found.copied());
    }
    if let Some((folder, file)) = last.split_once('/') {
        let (version, _) = folder.split_once('_').unwrap_or((folder, ""));
        let next = after(version, now)?;
        let has_down = files.iter().any(|path| path.ends_with("/down.sql"));
        return Ok(Naming {
            up: format!("{next}_{name}/{file}"),
            down: has_down.then(|| format!("{next}_{name}/down.sql")),
            sections,
        });
    }
    let stem = last.strip_suffix(".sql").unwrap_or(last);
    let (stem, up_suffix) = match stem.strip_suffix(".up") {
        Some(stem) => (stem, ".up.sql"),
        None => (stem, ".sql"),
    };
    if let Some((version, _)) = stem
        .strip_prefix('V')
        .and_then(|rest| rest.split_once("__"))
    {
        // The first part alone: a dotted version has a next whole one.
        let first = version.split(['.', '_']).next().unwrap_or(version);
        let next = after(first, now)?;
        return Ok(Naming {
            up: format!("V{next}__{name}.sql"),
            down: None,
            sections,
        });
    }
    let digits = stem.chars().take_while(char::is_ascii_digit).count();
    let (version, rest) = stem.split_at(digits);
    let separator = match rest.chars().next() {
        Some(separator @ ('_' | '-')) => separator.to_string(),
        _ => String::new(),
    };
    let name = match separator.as_str() {
        "" => String::new(),
        "-" => name.replace('_', "-"),
        _ => name.to_owned(),
    };
    let next = after(version, now)?;
    let has_down = files.iter().any(|path| path.ends_with(".down.sql"));
    Ok(Naming {
        up: format!("{next}{separator}{name}{up_suffix}"),
        down: has_down.then(|| format!("{next}{separator}{name}.down.sql")),
        sections,
    })
}

/// The version behind this one: a time stays a time, a number is one more in as many digits.
fn after(version: &str, now: &Now) -> Result<String> {
    let plain: String = version.chars().filter(|c| *c != '-').collect();
    let Ok(number) = plain.parse::<u128>() else {
        bail!("`{version}` is no version that a next one could be made of");
    };
    let clock = format!(
        "{:02}{:02}{:02}",
        now.second / 3600,
        now.second / 60 % 60,
        now.second % 60
    );
    let day = now.day.replace('-', "");
    let time = match plain.len() {
        14 => format!("{day}{clock}"),
        12 if plain.starts_with("20") => format!("{day}{}", clock.get(..4).unwrap_or_default()),
        8 if plain.starts_with("20") => day.clone(),
        10 if plain.starts_with('1') => now.unix.to_string(),
        13 if plain.starts_with('1') => (now.unix * 1000).to_string(),
        _ => String::new(),
    };
    // A clock that is behind the last migration does not count.
    let time = time.parse::<u128>().ok().filter(|time| *time > number);
    let next = time.unwrap_or(number + 1);
    let text = format!("{next:0width$}", width = plain.len());
    // diesel writes `2027-06-30-120000`.
    Ok(match (version.contains('-'), text.len()) {
        (true, 14) => {
            let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
            format!(
                "{}-{}-{}-{}",
                part(0..4),
                part(4..6),
                part(6..8),
                part(8..14)
            )
        }
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(files: &[&str], last: &str, text: &str) -> (String, Option<String>) {
        let now = Now {
            day: "2027-06-30".to_owned(),
            second: 12 * 3600 + 5 * 60 + 9,
            unix: 1_814_443_509,
        };
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let naming = next(
            &files,
            Some(last),
            std::iter::once(text),
            "row_level_security",
            &now,
        )
        .unwrap();
        (naming.up, naming.down)
    }

    fn up(last: &str) -> String {
        named(&[last], last, "").0
    }

    #[test]
    fn the_next_name_is_that_of_the_tool() {
        assert_eq!(up("0007_notes.sql"), "0008_row_level_security.sql");
        assert_eq!(up("9_notes.sql"), "10_row_level_security.sql");
        assert_eq!(up("0007-notes.sql"), "0008-row-level-security.sql");
        assert_eq!(up("007.sql"), "008.sql");
        assert_eq!(
            up("20240102030405_notes.sql"),
            "20270630120509_row_level_security.sql"
        );
        // A clock that is behind.
        assert_eq!(
            up("20990101000000_notes.sql"),
            "20990101000001_row_level_security.sql"
        );
        assert_eq!(up("V12__notes.sql"), "V13__row_level_security.sql");
        assert_eq!(up("V1.4__notes.sql"), "V2__row_level_security.sql");
        assert_eq!(
            up("20240102030405_notes/migration.sql"),
            "20270630120509_row_level_security/migration.sql"
        );
    }

    #[test]
    fn a_way_back_is_written_where_the_others_have_one() {
        let pair = named(&["0001_a.up.sql", "0001_a.down.sql"], "0001_a.up.sql", "");
        assert_eq!(pair.0, "0002_row_level_security.up.sql");
        assert_eq!(pair.1.as_deref(), Some("0002_row_level_security.down.sql"));
        let diesel = named(
            &["2024-01-02-030405_a/up.sql", "2024-01-02-030405_a/down.sql"],
            "2024-01-02-030405_a/up.sql",
            "",
        );
        assert_eq!(diesel.0, "2027-06-30-120509_row_level_security/up.sql");
        assert_eq!(
            diesel.1.as_deref(),
            Some("2027-06-30-120509_row_level_security/down.sql")
        );
    }

    #[test]
    fn sections_are_those_of_the_tool() {
        let now = Now {
            day: String::new(),
            second: 0,
            unix: 0,
        };
        let files = ["1_a.sql".to_owned()];
        let text = "-- +goose Up\nSELECT 1;\n-- +goose Down\n";
        let naming = next(&files, Some("1_a.sql"), std::iter::once(text), "x", &now).unwrap();
        assert_eq!(naming.sections, Some(("-- +goose Up", "-- +goose Down")));
    }
}
