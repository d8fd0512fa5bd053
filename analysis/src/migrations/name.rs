//! File names of migrations: which are applied, and in which order.

/// What a file is, by its name.
#[derive(Debug)]
pub(super) enum FileRole {
    /// Not a migration, or one of the way back.
    Ignored,
    /// Applied.
    Up {
        /// Its place.
        key: Key,
        /// What its name says.
        name: String,
        /// How its name is written.
        style: Style,
    },
    /// It ends in `.sql`, but its place is unknown.
    Refused(String),
}

/// How a migration is named. A tool takes one of them, and skips the others without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `0001_init.sql`
    Underscore,
    /// `0001-init.sql`
    Dash,
    /// `0001.sql`
    Bare,
    /// `V1__init.sql`, `R__views.sql`
    Flyway,
    /// `0001_init/up.sql`, `0001_init/migration.sql`
    Folder,
}

/// The order of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Flyway's repeatable files come last, by name.
    repeatable: bool,
    parts: [u128; 4],
}

impl Key {
    pub(super) fn version(self) -> u128 {
        let [first, ..] = self.parts;
        first
    }

    pub(super) fn is_repeatable(self) -> bool {
        self.repeatable
    }
}

pub(super) fn role(path: &str) -> FileRole {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let extension = path.rsplit('.').next().unwrap_or("");
    if !extension.eq_ignore_ascii_case("sql") {
        return match is_code(path) {
            true => FileRole::Refused(
                "it is named like a migration, and what is no SQL can't be read: write it in SQL, or let \
                 `cargo watertight catalog pull` write a snapshot of a database that has it"
                    .to_owned(),
            ),
            false => FileRole::Ignored,
        };
    }
    match parts.as_slice() {
        [file] => file_role(file),
        [folder, "up.sql" | "migration.sql"] => folder_role(folder),
        [_, "down.sql"] => FileRole::Ignored,
        _ => FileRole::Refused(
            "it lies in a folder that is not one of diesel's or prisma's migrations".to_owned(),
        ),
    }
}

/// Whether a file that is no SQL is one that a tool runs: `2_b.go`, `V2__b.rs`, `2_b.up.pgsql`.
pub(super) fn is_code(path: &str) -> bool {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let extension = path.rsplit('.').next().unwrap_or("");
    let aside = [
        "md", "txt", "toml", "lock", "json", "snap", "conf", "cfg", "ini", "yml", "yaml", "bak",
        "orig",
    ];
    let Some(file) = parts.last() else {
        return false;
    };
    let numbered = |name: &str| {
        let rest = name.strip_prefix(['V', 'v', 'U', 'u']).unwrap_or(name);
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        digits > 0
            && rest
                .get(digits..)
                .is_some_and(|rest| rest.starts_with(['_', '-', '.']))
    };
    let stem = file.strip_suffix(&format!(".{extension}")).unwrap_or(file);
    file.contains('.')
        && !aside.contains(&extension.to_ascii_lowercase().as_str())
        && !stem.ends_with(".down")
        && !extension.eq_ignore_ascii_case("sql")
        && match parts.as_slice() {
            [file] => numbered(file),
            [folder, _] => numbered(folder) && matches!(stem, "up" | "migration" | "mod"),
            _ => false,
        }
}

fn file_role(file: &str) -> FileRole {
    let Some(stem) = file.strip_suffix(".sql") else {
        return FileRole::Refused("migration tools look for `.sql` in lower case".to_owned());
    };
    if stem.ends_with(".down") {
        return FileRole::Ignored;
    }
    if let Some(ending) = [".rollback", ".undo", ".revert"]
        .iter()
        .find(|ending| stem.ends_with(**ending))
    {
        return FileRole::Refused(format!(
            "`{ending}.sql` is the way back to some tools, and a migration like any other to sqlx; name it `.down.sql`"
        ));
    }
    let stem = stem.strip_suffix(".up").unwrap_or(stem);
    if let Some(name) = stem.strip_prefix("R__") {
        let key = Key {
            repeatable: true,
            parts: [u128::MAX, 0, 0, 0],
        };
        return FileRole::Up {
            key,
            name: name.to_owned(),
            style: Style::Flyway,
        };
    }
    if stem.starts_with("U") && stem.contains("__") {
        return FileRole::Refused("`U…__` goes back in one tool and forward in another".to_owned());
    }
    if stem
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("__"))
    {
        return FileRole::Refused(
            "Flyway and refinery skip a file with a small `v`: name it `V…`".to_owned(),
        );
    }
    if let Some(rest) = stem.strip_prefix('V')
        && let Some((version, name)) = rest.split_once("__")
    {
        return match dotted(version) {
            Some(parts) => up(parts, name, Style::Flyway),
            None => FileRole::Refused("the version after `V` is not a number".to_owned()),
        };
    }
    let end = stem
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(stem.len());
    let (digits, name) = stem.split_at(end);
    let style = match name.chars().next() {
        Some('_') => Some(Style::Underscore),
        Some('-') => Some(Style::Dash),
        None => Some(Style::Bare),
        Some(_) => None,
    };
    match (digits.parse(), style) {
        (Ok(version), Some(style)) => up([version, 0, 0, 0], name.get(1..).unwrap_or(""), style),
        _ => FileRole::Refused("its name does not begin with a number".to_owned()),
    }
}

/// diesel takes what stands before the first underscore, without its dashes.
fn folder_role(folder: &str) -> FileRole {
    let (version, name) = folder.split_once('_').unwrap_or((folder, ""));
    let digits: String = version.chars().filter(|c| *c != '-').collect();
    match digits.parse() {
        Ok(version) => up([version, 0, 0, 0], name, Style::Folder),
        Err(_) => FileRole::Refused("the folder's name does not begin with a number".to_owned()),
    }
}

fn up(parts: [u128; 4], name: &str, style: Style) -> FileRole {
    FileRole::Up {
        key: Key {
            repeatable: false,
            parts,
        },
        name: name.to_owned(),
        style,
    }
}

fn dotted(version: &str) -> Option<[u128; 4]> {
    let mut parts = [0; 4];
    let mut slots = parts.iter_mut();
    for piece in version.split(['.', '_']) {
        *slots.next()? = piece.parse().ok()?;
    }
    Some(parts)
}
