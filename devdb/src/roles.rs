//! The three roles that a server with tenants needs, and their passwords.
//!
//! Invariant: none of them is superuser, may bypass row-level security, or is a member of another; so
//! what a test sees through them is what production sees.

use crate::error::{Doing, Error, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use url::Url;

/// Owns the databases and their schema; runs migrations.
pub const OWNER_ROLE: &str = "app_owner";
/// What tools run as: owns nothing.
pub const APP_ROLE: &str = "app";
/// What runs before there is a tenant, such as a login: owns nothing.
pub const SYSTEM_ROLE: &str = "auth";

/// Marks the roles that this crate made on a server it did not start.
const MARK: &str = "created by watertight-devdb";
/// Any fixed number: two test programs that start at once must not both create the roles.
const LOCK: i64 = 0x7761_7465_7274;

/// Passwords of the roles.
#[derive(Clone)]
pub(crate) struct Passwords {
    pub(crate) owner: String,
    pub(crate) app: String,
    pub(crate) system: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(..)")
    }
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_word() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Creates the roles, or takes over the ones that an earlier run of this crate created.
pub(crate) async fn ensure(admin: &Url, variable: &'static str) -> Result<Passwords> {
    let mut connection = PgConnection::connect(admin.as_str())
        .await
        .doing("connect as administrator")?;
    let mut transaction = connection.begin().await.doing("create the roles")?;
    let answer = async {
        check_rights(&mut transaction, variable).await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await
            .doing("wait for other test programs")?;
        Ok(Passwords {
            owner: ensure_role(&mut transaction, OWNER_ROLE, admin, variable).await?,
            app: ensure_role(&mut transaction, APP_ROLE, admin, variable).await?,
            system: ensure_role(&mut transaction, SYSTEM_ROLE, admin, variable).await?,
        })
    }
    .await?;
    transaction.commit().await.doing("create the roles")?;
    connection.close().await.doing("create the roles")?;
    Ok(answer)
}

async fn check_rights(connection: &mut PgConnection, variable: &'static str) -> Result<()> {
    let row = sqlx::query(
        "SELECT current_user::text, rolsuper OR (rolcreatedb AND rolcreaterole) \
         FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    .fetch_one(connection)
    .await
    .doing("read the administrator's rights")?;
    let (name, enough): (String, bool) = (row.get(0), row.get(1));
    if enough {
        return Ok(());
    }
    let reason = format!(
        "{name:?} may not create databases and roles; ALTER ROLE {name:?} CREATEDB CREATEROLE"
    );
    Err(Error::Unsuitable { variable, reason })
}

async fn ensure_role(
    connection: &mut PgConnection,
    role: &'static str,
    admin: &Url,
    variable: &'static str,
) -> Result<String> {
    // Derived, not random, so that test programs that share one server agree on it without a file;
    // whoever can compute it knows the administrator's password already.
    let row = sqlx::query(
        "SELECT encode(sha256(convert_to($1 || $2, 'UTF8')), 'hex'), r.oid IS NOT NULL, \
                shobj_description(r.oid, 'pg_authid') IS NOT DISTINCT FROM $3 \
         FROM (VALUES (1)) one LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $2",
    )
    .bind(admin.password().unwrap_or_default())
    .bind(role)
    .bind(MARK)
    .fetch_one(&mut *connection)
    .await
    .doing("look for the roles")?;
    let (password, exists, ours): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
    if exists && !ours {
        let reason = format!(
            "it already has a role {role:?} that is not a test's; rename that role, or use another server"
        );
        return Err(Error::Unsuitable { variable, reason });
    }
    let verb = if exists { "ALTER" } else { "CREATE" };
    let sql = format!(
        "{verb} ROLE {role} LOGIN NOCREATEDB NOCREATEROLE PASSWORD '{password}'; \
         COMMENT ON ROLE {role} IS '{MARK}'; \
         GRANT {role} TO CURRENT_USER",
    );
    // A superuser needs no membership, and PostgreSQL before 16 refuses one in oneself only.
    connection
        .execute(AssertSqlSafe(sql))
        .await
        .doing("create the roles")?;
    Ok(password)
}
