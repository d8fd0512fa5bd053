//! Minor versions of PostgreSQL with known isolation faults: a warning, because an update of the
//! server is not this program's to make, or a refusal where the program asks for one.

use sqlx::{PgConnection, Row as _};

use super::Finding;

/// The first minor version of each major one without the isolation faults of November 2026, such
/// as `ON CONFLICT … WHERE` seeing rows that a policy hides (CVE-2026-120154).
const SOUND: [(u32, u32); 5] = [(14, 25), (15, 20), (16, 16), (17, 12), (18, 6)];

pub(super) async fn check(
    connection: &mut PgConnection,
    refuse: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    // Asked of the session: what a pooler told when we connected may be another server's.
    let number: String = sqlx::raw_sql("SELECT pg_catalog.current_setting('server_version_num')")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    let Some(finding) = number.parse().ok().and_then(judge) else {
        return Ok(());
    };
    if refuse {
        findings.push(finding);
    } else {
        tracing::warn!(target: "watertight::db", mend = finding.mend, "{}", finding.what);
    }
    Ok(())
}

/// Whether this version is one of them.
#[cfg(test)]
pub(crate) fn is_faulty(number: u32) -> bool {
    judge(number).is_some()
}

fn judge(number: u32) -> Option<Finding> {
    let (major, minor) = (number / 10_000, number % 10_000);
    let what = format!("PostgreSQL {major}.{minor} has known faults in row-level security");
    let mend = match SOUND.iter().find(|(known, _)| *known == major) {
        Some((_, sound)) if minor < *sound => format!("update the server to {major}.{sound}"),
        None if SOUND.iter().all(|(known, _)| major < *known) => {
            "update the server to a major version that is still maintained, 15.20 or newer"
                .to_owned()
        }
        _ => return None,
    };
    Some(Finding::new(what, mend))
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn versions_are_judged_within_their_major_version() {
        for (number, mend) in [
            (140_024, "14.25"),
            (150_019, "15.20"),
            (160_015, "16.16"),
            (170_011, "17.12"),
            (180_001, "18.6"),
            (130_023, "still maintained"),
            (90_624, "still maintained"),
        ] {
            let finding = judge(number).unwrap();
            assert!(finding.mend().contains(mend), "{number}: {finding:?}");
            assert_eq!(finding.relation(), None);
        }
        for sound in [
            140_025, 150_020, 160_016, 170_012, 180_006, 180_010, 190_000,
        ] {
            assert_eq!(judge(sound), None, "{sound}");
        }
    }
}
