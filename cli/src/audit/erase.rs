//! `audit erase`: a tenant's trail, when the tenant leaves.
//!
//! Invariant: what is erased was verified in the same snapshot, or its tampering accepted by name.
//! What stays are the numbers and MACs that the chains ended with, under the key and a pseudonym:
//! they show `audit verify` that somebody with the key erased the rest, and tell nothing of anybody.

use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::Utc;
use watertight_audit::{Floor, Head};

use super::access::{Reader, explained};
use super::args::EraseArgs;
use super::keys::keys_if_any;
use super::retain::store;
use super::trail::{self, TABLE};
use super::verify::{TAMPERED, print};

pub(super) async fn run(args: &EraseArgs) -> Result<ExitCode> {
    // Records that are stored meanwhile are in nobody's snapshot, and stay.
    let (mut reader, _) = Reader::owner(&args.database, "REPEATABLE READ").await?;
    let tenant = args.tenant.as_str();
    reader.enter(tenant).await?;
    let (records, keyed): (i64, bool) = sqlx::query_as(
        "SELECT count(*), coalesce(bool_or(mac IS NOT NULL), false) \
                OR EXISTS (SELECT FROM watertight.audit_floor WHERE tenant_id = $1) \
         FROM watertight.audit WHERE tenant_id = $1",
    )
    .bind(tenant)
    .fetch_one(&mut reader.connection)
    .await
    .map_err(explained)?;
    if !args.yes {
        println!("{records} records would be erased; say --yes to do it");
        return Ok(ExitCode::SUCCESS);
    }
    let keys = keys_if_any(&args.key_file)?;
    if keyed && keys.is_none() {
        bail!(
            "the trail is under a key: set AUDIT_KEY, or name a file with --key-file, so that `audit verify` can tell \
             this from what an attacker erases"
        );
    }
    let mut tombstones = Vec::new();
    if let Some(keys) = &keys {
        let verdict = trail::verify(&mut reader, TABLE, keys, tenant, &[]).await?;
        if !verdict.findings.is_empty() || !verdict.unknown.is_empty() {
            print(&verdict);
            if !args.despite_findings {
                println!(
                    "nothing was erased: keep what shows it (`audit export`), and say --despite-findings then"
                );
                return Ok(ExitCode::from(TAMPERED));
            }
        }
        tombstones = verdict.newest;
    }
    for table in ["watertight.audit", "watertight.audit_floor"] {
        let sql = format!("DELETE FROM {table} WHERE tenant_id = $1");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant)
            .execute(&mut reader.connection)
            .await
            .map_err(explained)?;
    }
    if let Some(keys) = &keys {
        let key = keys.current().tenant(tenant);
        let pseudonym = key.pseudonym();
        reader.enter(&pseudonym).await?;
        // No earlier than what it stands for, whatever this machine's clock says.
        let now = Utc::now().timestamp_micros();
        let stored = tombstones.iter().filter_map(|newest| newest.recorded_at);
        let before = stored.map(|at| at.saturating_add(1)).fold(now, i64::max);
        for newest in tombstones {
            let floor = Floor {
                head: Head {
                    tenant: pseudonym.clone(),
                    writer: newest.writer,
                    seq: newest.seq,
                    mac: newest.mac,
                    recorded_at: None,
                },
                before,
            };
            store(&mut reader, &floor, floor.tombstone(&key)).await?;
        }
    }
    reader.run("COMMIT".to_owned()).await?;
    println!("{records} records erased; the trails of other tenants have chains of their own");
    Ok(ExitCode::SUCCESS)
}
