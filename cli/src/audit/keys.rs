//! The keys of a trail, from files or the environment.
//!
//! Invariant: no message repeats what a line holds, because that may be a key.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDate};
use watertight_audit::{AuditKey, KeyRing};

/// The keys, if there are any.
pub(super) fn keys_if_any(files: &[PathBuf]) -> Result<Option<KeyRing>> {
    match !files.is_empty() || std::env::var_os("AUDIT_KEY").is_some() {
        true => keys(files).map(Some),
        false => Ok(None),
    }
}

/// The keys, the one in use first.
pub(super) fn keys(files: &[PathBuf]) -> Result<KeyRing> {
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("`{}` can't be read", file.display()))?;
        add(&mut lines, &file.display().to_string(), &text);
    }
    if files.is_empty() {
        let text = std::env::var("AUDIT_KEY").map_err(|_| {
            anyhow::anyhow!("no key: set AUDIT_KEY, or name a file with --key-file")
        })?;
        // An environment variable of one line holds several as well; base64 has no comma.
        add(&mut lines, "AUDIT_KEY", &text.replace(',', "\n"));
    }
    ring(&lines)
}

/// The lines that are neither empty nor comments, each with its place.
fn add(lines: &mut Vec<(String, String)>, of: &str, text: &str) {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            lines.push((format!("{of}, line {}", index + 1), line.to_owned()));
        }
    }
}

fn ring(lines: &[(String, String)]) -> Result<KeyRing> {
    let mut ring: Option<KeyRing> = None;
    for (place, line) in lines {
        let (key, until) = one(line).with_context(|| format!("{place}: the key is not usable"))?;
        ring = Some(match ring {
            Some(ring) => ring.and(key, until),
            None if until.is_some() => bail!(
                "{place}: the first key is the one in use and has no end; put it in front of the earlier ones"
            ),
            None => KeyRing::new(key),
        });
    }
    ring.context("no key: an audit key is 32 random bytes in base64, as `openssl rand -base64 32` writes them")
}

/// `KEY`, or `KEY until TIME`.
fn one(line: &str) -> Result<(AuditKey, Option<i64>)> {
    let mut words = line.split_whitespace();
    let key = AuditKey::from_base64(words.next().unwrap_or_default())?;
    let until = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("until"), Some(time), None) => Some(time),
        _ => {
            bail!("behind a key stands nothing, or `until` and a time such as 2026-11-20T12:00:00Z")
        }
    };
    Ok((key, until.map(micros).transpose()?))
}

/// In microseconds since 1970. A date is its first moment in UTC.
fn micros(time: &str) -> Result<i64> {
    let time = match time.parse::<NaiveDate>() {
        Ok(date) => date.and_hms_opt(0, 0, 0).map(|time| time.and_utc()),
        Err(_) => DateTime::parse_from_rfc3339(time)
            .ok()
            .map(|time| time.to_utc()),
    };
    let time =
        time.context("the time behind `until` is not understood: write 2026-11-20T12:00:00Z")?;
    Ok(time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    const OTHER: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

    fn read(text: &str) -> Result<KeyRing> {
        let mut lines = Vec::new();
        add(&mut lines, "file", text);
        ring(&lines)
    }

    #[test]
    fn the_key_in_use_comes_first_and_each_earlier_one_may_have_an_end() {
        let text = format!(
            "# of the trail\n{KEY}\n\n  {OTHER} until 2026-11-20T12:00:00Z\n{OTHER} until 2026-11-19\n{OTHER}"
        );
        let ring = read(&text).unwrap();
        let ids: Vec<_> = ring.ids().collect();
        assert_eq!(ids.len(), 4);
        assert_eq!(ids[0].0, AuditKey::from_base64(KEY).unwrap().id());
        let ended: Vec<_> = ids.iter().map(|(_, ended)| *ended).collect();
        assert_eq!(ended, [true, true, true, false]);
        let tenant = ring.tenant("t");
        let until: Vec<_> = tenant.keys().iter().map(|key| key.until).collect();
        let noon = 1_795_176_000_000_000;
        assert_eq!(
            until,
            [None, Some(noon), Some(noon - 36 * 3_600_000_000), None]
        );
    }

    #[test]
    fn a_mistake_is_told_by_its_line_and_without_what_stands_there() {
        for (text, told) in [
            (
                format!("{KEY} until 2026-11-20"),
                "file, line 1: the first key",
            ),
            (
                format!("{KEY}\nsecret-password"),
                "file, line 2: the key is not usable",
            ),
            (format!("{KEY}\n{OTHER} since 2026"), "file, line 2"),
            (format!("{KEY}\n{OTHER} until yesterday"), "until"),
            (String::new(), "no key"),
        ] {
            let error = format!("{:#}", read(&text).unwrap_err());
            assert!(error.contains(told), "{error}");
            for hidden in [KEY, OTHER, "password", "yesterday"] {
                assert!(!error.contains(hidden), "{error}");
            }
        }
    }
}
