//! Migration files: their order, and which part of each is applied.
//!
//! Invariant: only what a tool applies on the way *up* is ever read, and a file whose order or
//! markers are not understood is refused.

mod name;
mod section;

use crate::diagnostic::{Code, Diagnostic};
use name::{FileRole, Style, role};
use section::Notation;

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, relative to the folder of migrations, with `/` between the parts.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A migration as it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The path of its file.
    pub path: String,
    /// Its version, which orders it. Dotted versions have their further parts in `name`.
    pub version: u128,
    /// What its name says.
    pub name: String,
    /// The part that is applied, with everything else blanked so that offsets stay.
    pub text: String,
}

/// Puts the files of one folder into the order in which they are applied, and blanks what is not
/// applied on the way up. Files that are no migrations (other extensions, `.down.sql`) are left
/// out. For several folders, call it once for each and append.
///
/// # Errors
/// A file whose order can't be told from its name, two files with one version, and files with
/// section markers that are not known. All of them are reported.
pub fn order(files: Vec<SourceFile>) -> Result<Vec<Migration>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut ordered = Vec::new();
    let (mut styles, mut notations) = (Vec::new(), Vec::new());
    for file in files {
        if is_snapshot(&file.text) {
            errors.push(
                Diagnostic::error(
                    Code::MIGRATION_MARKER,
                    format!("`{}` is a snapshot of a catalog, which no tool applies", file.path),
                )
                .help("name it in `watertight.toml` (`snapshot = \"…\"`), or take its first line away to make it a migration"),
            );
            continue;
        }
        let (key, name) = match role(&file.path) {
            FileRole::Ignored => continue,
            FileRole::Up { key, name, style } => {
                styles.push((style, file.path.clone()));
                (key, name)
            }
            FileRole::Refused(why) => {
                errors.push(
                    Diagnostic::error(Code::MIGRATION_NAME, format!("`{}`: {why}", file.path))
                        .help(NAMES),
                );
                continue;
            }
        };
        if key.is_repeatable() && mentions_protection(&file.text) {
            errors.push(
                Diagnostic::error(
                    Code::MIGRATION_NAME,
                    format!(
                        "`{}` is run again only when it changes, so what it says of row-level security may be undone by a later version",
                        file.path
                    ),
                )
                .help("put policies and row-level security into a versioned migration: `V7__policies.sql`"),
            );
            continue;
        }
        match section::up(&file.text) {
            Ok(section) => {
                notations.push((section.notation, file.path.clone()));
                ordered.push((
                    key,
                    Migration {
                        path: file.path,
                        version: key.version(),
                        name,
                        text: section.text,
                    },
                ));
            }
            Err(marker) => errors.push(marker.diagnostic(&file.path)),
        }
    }
    errors.extend(ordered_by_name(&styles, &notations, &ordered));
    errors.extend(mixed_names(&styles));
    errors.extend(mixed_sections(&notations));
    ordered.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.path.cmp(&y.path)));
    for pair in ordered.windows(2) {
        if let [(a, first), (b, second)] = pair
            && a == b
            && !a.is_repeatable()
        {
            errors.push(Diagnostic::error(
                Code::MIGRATION_NAME,
                format!("`{}` and `{}` have the same version", first.path, second.path),
            ).help("which of the two comes first can't be told: give each file a version of its own"));
        }
    }
    if errors.is_empty() {
        Ok(ordered
            .into_iter()
            .map(|(_, migration)| migration)
            .collect())
    } else {
        Err(errors)
    }
}

/// Whether a text may change policies or the switches of row-level security.
fn mentions_protection(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["policy", "level security"]
        .iter()
        .any(|word| text.contains(word))
}

/// diesel, prisma, dbmate and rambler sort names, others numbers: where the two differ, which comes
/// first depends on the tool.
fn ordered_by_name(
    styles: &[(Style, String)],
    notations: &[(Option<Notation>, String)],
    ordered: &[(name::Key, Migration)],
) -> Option<Diagnostic> {
    let folders = styles.iter().any(|(style, _)| *style == Style::Folder);
    let by_name = |notation: &Option<Notation>| {
        matches!(notation, Some(Notation::Dbmate | Notation::Rambler))
    };
    if !folders && !notations.iter().any(|(notation, _)| by_name(notation)) {
        return None;
    }
    let mut names: Vec<(name::Key, &str)> = ordered
        .iter()
        .map(|(key, migration)| (*key, migration.path.as_str()))
        .collect();
    names.sort_by(|a, b| a.1.cmp(b.1));
    let (before, after) = names.windows(2).find_map(|pair| match pair {
        [(a, before), (b, after)] if a > b => Some((before, after)),
        _ => None,
    })?;
    Some(
        Diagnostic::error(
            Code::MIGRATION_NAME,
            format!("`{before}` comes before `{after}` by its name and after it by its number, and this kind of tool goes by names"),
        )
        .help("give the numbers one width: `0009_b` and `0010_c`"),
    )
}

/// A tool reads names of one kind, and skips the others: which of the files it applies can't be told.
fn mixed_names(styles: &[(Style, String)]) -> Option<Diagnostic> {
    let (first, path) = styles.first()?;
    let (_, other) = styles.iter().find(|(style, _)| style != first)?;
    Some(
        Diagnostic::error(
            Code::MIGRATION_NAME,
            format!("`{path}` and `{other}` are named in two ways, and tools skip what is not named in theirs"),
        )
        .help("name all of them in the way of your tool (sqlx: `0001_init.sql`), or move the others to a folder of their own"),
    )
}

/// Files of one folder are divided in one notation. A file without sections, such as a first dump,
/// is a way up.
fn mixed_sections(notations: &[(Option<Notation>, String)]) -> Option<Diagnostic> {
    let (notation, path) = notations
        .iter()
        .find_map(|(notation, path)| Some(((*notation)?, path)))?;
    let (other_notation, other) = notations
        .iter()
        .find_map(|(other, path)| Some(((*other).filter(|other| *other != notation)?, path)))?;
    Some(
        Diagnostic::error(
            Code::MIGRATION_MARKER,
            format!(
                "`{path}` has the sections of {}, and `{other}` those of {}: what of them is applied depends on the tool",
                notation.tool(),
                other_notation.tool()
            ),
        )
        .help("write the sections of one tool in every file, or take the marker out of the comment"),
    )
}

/// How the first line of a snapshot begins; the number is the version of its format.
pub const SNAPSHOT_HEADER: &str = "-- watertight catalog 1";

/// Whether a file, by its path within its folder, is named like a migration and is no SQL: `2_b.go`,
/// `V2__b.rs`. Some tool runs it, so it belongs among the files that [`order`] is given, which refuses
/// it; its text does not matter.
pub fn is_code(path: &str) -> bool {
    name::is_code(path)
}

/// Whether a text is a snapshot of a catalog, of whatever version.
pub fn is_snapshot(text: &str) -> bool {
    text.starts_with("-- watertight catalog ")
}

/// A snapshot that `cargo watertight catalog pull` wrote, which takes the place of all migrations.
///
/// # Errors
/// A text that is no snapshot, or one of another version.
pub fn snapshot(file: SourceFile) -> Result<Migration, Box<Diagnostic>> {
    let first = file.text.lines().next().unwrap_or_default();
    let known = first
        .strip_prefix(SNAPSHOT_HEADER)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    if !known {
        let what = if is_snapshot(&file.text) {
            "is a snapshot of a version that is not known"
        } else {
            "is no snapshot of a catalog"
        };
        return Err(Box::new(
            Diagnostic::error(Code::MIGRATION_MARKER, format!("`{}` {what}", file.path)).help(
                "write it with `cargo watertight catalog pull --database-url …`; folders of \
                 migrations are named by `migrations = [\"…\"]`",
            ),
        ));
    }
    Ok(Migration {
        path: file.path,
        version: 0,
        name: "snapshot".to_owned(),
        text: file.text,
    })
}

const NAMES: &str = "a migration's name begins with its number: `0001_init.sql`, `0001_init.up.sql`, \
`20260131120000_init.sql`, `V1__init.sql`, or a folder `2026-01-31-120000_init/up.sql`";

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let files = names
            .iter()
            .map(|path| SourceFile {
                path: (*path).to_owned(),
                text: String::new(),
            })
            .collect();
        order(files)
            .map(|list| list.into_iter().map(|migration| migration.path).collect())
            .map_err(|list| list.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert_eq!(
            paths(&["10_c.sql", "9_b.sql", "0002_a.sql"]).unwrap(),
            ["0002_a.sql", "9_b.sql", "10_c.sql"]
        );
        assert_eq!(
            paths(&["20240101000000.sql", "3.sql", "4.up.sql"]).unwrap(),
            ["3.sql", "4.up.sql", "20240101000000.sql"]
        );
        assert_eq!(
            paths(&["10-b.sql", "9-a.sql"]).unwrap(),
            ["9-a.sql", "10-b.sql"]
        );
    }

    #[test]
    fn down_files_and_other_files_are_left_out() {
        assert_eq!(
            paths(&["1_a.up.sql", "1_a.down.sql", "README.md", "mod.rs",]).unwrap(),
            ["1_a.up.sql"]
        );
    }

    #[test]
    fn refinery_and_flyway() {
        assert_eq!(
            paths(&["V10__b.sql", "V2__a.sql", "V2.1__x.sql", "R__views.sql"]).unwrap(),
            ["V2__a.sql", "V2.1__x.sql", "V10__b.sql", "R__views.sql"]
        );
        assert!(paths(&["U1__undo.sql"]).is_err());
        let repeatable = |text: &str| {
            order(vec![SourceFile {
                path: "R__views.sql".to_owned(),
                text: text.to_owned(),
            }])
        };
        assert!(repeatable("CREATE OR REPLACE VIEW v AS SELECT 1;").is_ok());
        assert!(repeatable("CREATE POLICY p ON t USING (true);").is_err());
        assert!(repeatable("ALTER TABLE t ENABLE ROW LEVEL SECURITY;").is_err());
    }

    #[test]
    fn folders_of_diesel_and_prisma() {
        assert_eq!(
            paths(&[
                "2024-02-01-000000_b/up.sql",
                "2024-02-01-000000_b/down.sql",
                "2023-12-01-000000_a/up.sql",
                "00000000000000_diesel_initial_setup/up.sql",
            ])
            .unwrap(),
            [
                "00000000000000_diesel_initial_setup/up.sql",
                "2023-12-01-000000_a/up.sql",
                "2024-02-01-000000_b/up.sql"
            ]
        );
        assert_eq!(
            paths(&["20240101_a/migration.sql", "migration_lock.toml"]).unwrap(),
            ["20240101_a/migration.sql"]
        );
    }

    #[test]
    fn tools_that_sort_names_want_numbers_of_one_width() {
        assert!(paths(&["1_a/up.sql", "9_b/up.sql", "10_c/up.sql"]).is_err());
        assert!(paths(&["01_a/up.sql", "09_b/up.sql", "10_c/up.sql"]).is_ok());
        let file = |path: &str| SourceFile {
            path: path.to_owned(),
            text: "-- migrate:up\nSELECT 1;\n".to_owned(),
        };
        assert!(order(vec![file("9_a.sql"), file("10_b.sql")]).is_err());
        assert!(order(vec![file("09_a.sql"), file("10_b.sql")]).is_ok());
    }

    #[test]
    fn one_tool_reads_one_kind_of_name() {
        for other in ["2_b/up.sql", "2-b.sql", "2.sql", "V2__b.sql"] {
            let problems = paths(&["1_a.sql", other]).unwrap_err();
            assert_eq!(problems.len(), 1, "{other}");
            assert!(problems[0].contains("named in two ways"), "{problems:?}");
        }
    }

    #[test]
    fn sections_are_of_one_tool_in_every_file() {
        let texts = |first: &str, second: &str| {
            let file = |path: &str, text: &str| SourceFile {
                path: path.to_owned(),
                text: text.to_owned(),
            };
            order(vec![file("1_a.sql", first), file("2_b.sql", second)]).map_err(|list| {
                list.into_iter()
                    .map(|d| d.message)
                    .collect::<Vec<_>>()
                    .join("\n")
            })
        };
        let dbmate = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n";
        assert!(texts(dbmate, dbmate).is_ok());
        assert!(texts(dbmate, "SELECT 1;").is_ok());
        let mixed = texts(dbmate, "-- +goose Up\nSELECT 1;").unwrap_err();
        assert!(
            mixed.contains("dbmate") && mixed.contains("goose"),
            "{mixed}"
        );
        assert!(
            texts(
                "SELECT 1;",
                "---- create above / drop below ----\nSELECT 1;"
            )
            .is_ok()
        );
    }

    #[test]
    fn what_has_no_place_is_refused() {
        assert!(paths(&["schema.sql"]).is_err());
        assert!(paths(&["1_a.sql", "01_b.sql"]).is_err());
        assert!(paths(&["1_a.SQL"]).is_err());
        assert!(paths(&["deploy/1_a.sql"]).is_err());
        assert!(paths(&["1_a.sql", "2_b.rollback.sql"]).is_err());
        assert!(paths(&["1_a.sql", "2_b.undo.sql"]).is_err());
        assert!(paths(&["V1__a.sql", "v2__b.sql"]).is_err());
        for code in ["2_b.go", "V2__b.rs", "2_b.up.pgsql", "2_b.js", "2_b/up.rs"] {
            assert!(
                is_code(code) && paths(&["1_a.sql", code]).is_err(),
                "{code}"
            );
        }
        for aside in [
            "2_notes.md",
            "mod.rs",
            "main.go",
            "2_b.down.js",
            "seed.txt",
            "2_b.sql",
        ] {
            assert!(!is_code(aside), "{aside}");
        }
        assert_eq!(paths(&["schema.sql", "x.sql"]).unwrap_err().len(), 2);
    }
}
