//! The URL of a database, and the one way to a connection.
//!
//! Invariant: nothing of the URL is told but the host and the port, and they only where the URL can't be
//! read in another way: an unescaped `/`, `?` or `#` in a password would make a host of a part of it.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

const WRITE: &str = "write postgres://user:password@host:port/database; in a password write @ as %40, : as %3A, \
                     / as %2F, ? as %3F, # as %23 and % as %25, or leave it out and set PGPASSWORD";

/// Where the URL leads to: how to connect, and what is told of it.
pub(crate) fn parse(url: &str) -> Result<(PgConnectOptions, String)> {
    // The driver's message may quote the URL, and with it the password.
    let unclear = || anyhow!("the URL of the database is not understood: {WRITE}");
    let (scheme, rest) = url.split_once("://").ok_or_else(unclear)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(anyhow!("this is no URL of a PostgreSQL: {WRITE}"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let behind = rest.get(end..).unwrap_or_default();
    let path = behind.split('?').next().unwrap_or_default();
    // Behind the host an `@` may stand in the value of an option alone.
    let user = rest
        .get(..end)
        .is_some_and(|authority| authority.contains('@'));
    let cut_short = path.contains('@') || (behind.contains('@') && !user);
    if cut_short || behind.contains('#') || rest.chars().any(char::is_control) {
        return Err(unclear());
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| unclear())?;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    Ok((options, place))
}

/// A connection, and where it leads to.
pub(crate) async fn connect(url: &str) -> Result<(PgConnection, String)> {
    let (options, place) = parse(url)?;
    match PgConnection::connect_with(&options).await {
        Ok(connection) => Ok((connection, place)),
        Err(error) => Err(anyhow!(
            "no connection to the database at {place}: {}",
            reason(&error)
        )),
    }
}

/// Why, once, and what to look at.
fn reason(error: &sqlx::Error) -> String {
    use std::io::ErrorKind;
    let help = match error {
        sqlx::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => {
                "nothing listens there: is the server running, and are host and port right?"
            }
            ErrorKind::TimedOut => "it does not answer: is it behind a firewall or a VPN?",
            ErrorKind::NotFound => "is the server running, and is the socket's folder right?",
            _ if error.to_string().contains("lookup") => "is the name of the host right?",
            _ => "",
        },
        sqlx::Error::Tls(_) => {
            "does the server speak TLS? `?sslmode=disable` goes without, `?sslrootcert=FILE` names its authority"
        }
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01" | "28000") => {
                "are the user and the password right, and does pg_hba.conf let it in?"
            }
            Some("3D000") => "is the name of the database right?",
            Some("53300") => "the server has no connection left",
            _ => "",
        },
        _ => "",
    };
    let what = match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    match help {
        "" => what,
        help => format!("{what}\n  help: {help}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_and_the_port_are_told() {
        for (url, place) in [
            (
                "postgres://u:secret@db.example.com:6432/crm",
                "db.example.com:6432",
            ),
            (
                "postgresql://u:se%2Fc%40ret@127.0.0.1/crm?sslmode=disable",
                "127.0.0.1:5432",
            ),
            (
                "postgres://127.0.0.1:1/x?user=u&password=secret",
                "127.0.0.1:1",
            ),
            ("postgres://u:secret@h/x?application_name=a@b", "h:5432"),
        ] {
            assert_eq!(parse(url).unwrap().1, place, "{url}");
        }
    }

    #[test]
    fn what_could_be_a_part_of_a_password_is_never_told() {
        for url in [
            "postgres://u:12/secret@h/x",
            "postgres://u:12?secret@h/x",
            "postgres://u:12#secret@h/x",
            "postgres://u:p@secret/w@127.0.0.1:1/x",
            "u:secret@127.0.0.1:1/x",
            "mysql://u:secret@127.0.0.1/x",
            "postgres://u:secret@host name/x",
            "postgres://u:sec\nret@h/x",
            "host=127.0.0.1 password=secret dbname=x",
            "postgres://u:secret@[::1",
            "postgres://u:secret@h:port/x",
            "secret",
            "",
        ] {
            let error = format!("{:#}", parse(url).unwrap_err());
            assert!(
                !error.contains("secret") && error.contains("%2F"),
                "{url}: {error}"
            );
        }
    }
}
