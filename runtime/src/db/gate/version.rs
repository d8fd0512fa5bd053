//! Minor versions of PostgreSQL with known isolation faults: a warning, because an update of the
//! server is not this program's to make.

use sqlx::PgConnection;

/// The first minor version of each major one without the isolation faults of November 2026, such
/// as `ON CONFLICT … WHERE` seeing rows that a policy hides (CVE-2026-120154).
const SOUND: [(u32, u32); 5] = [(14, 25), (15, 20), (16, 16), (17, 12), (18, 6)];

pub(super) fn warn(connection: &PgConnection) {
    let Some(number) = connection.server_version_num() else {
        return;
    };
    if let Some((major, minor, sound)) = outdated(number) {
        tracing::warn!(
            target: "watertight::db",
            "PostgreSQL {major}.{minor} has known faults in row-level security; {major}.{sound} mends them"
        );
    }
}

/// Major and minor version, and the minor version to update to.
fn outdated(number: u32) -> Option<(u32, u32, u32)> {
    let (major, minor) = (number / 10_000, number % 10_000);
    let sound = SOUND
        .iter()
        .find(|(known, _)| *known == major)
        .map(|(_, sound)| *sound)?;
    (minor < sound).then_some((major, minor, sound))
}

#[cfg(test)]
mod tests {
    use super::outdated;

    #[test]
    fn versions_are_judged_within_their_major_version() {
        assert_eq!(outdated(150_018), Some((15, 18, 20)));
        assert_eq!(outdated(150_020), None);
        assert_eq!(outdated(180_001), Some((18, 1, 6)));
        assert_eq!(outdated(190_000), None);
    }
}
