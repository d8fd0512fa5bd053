//! Which account the server runs as. Safe Rust has no `getuid`, so the system's files are asked.

use crate::error::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Whether this process runs as root: a file that it creates then belongs to user 0.
pub(crate) fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| {
        tempfile::tempfile()
            .and_then(|file| file.metadata())
            .is_ok_and(|meta| meta.uid() == 0)
    })
}

/// The account `postgres`, or else `nobody`.
pub(crate) fn unprivileged() -> Result<Account> {
    let passwd = std::fs::read_to_string("/etc/passwd").map_err(|source| Error::Io {
        doing: "read /etc/passwd",
        source,
    })?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| account_in(&passwd, name))
        .ok_or_else(|| Error::Io {
            doing: "find an account to run PostgreSQL as (it refuses root)",
            source: std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "neither `postgres` nor `nobody` exists",
            ),
        })
}

fn account_in(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_account_by_its_whole_name() {
        let passwd =
            "postgresql:x:7:7::/:\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            account_in(passwd, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(account_in(passwd, "nobody"), None);
    }
}
