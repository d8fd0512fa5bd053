//! Somebody who can run any statement as the application's role, in Northwind's context, turns to the
//! audit trail: to read what Contoso did, and to remove what Northwind tried.

use crate::demo::World;
use crate::demo::table::Row;

/// Each is refused by the database itself.
const CHANGES: [&str; 4] = [
    "UPDATE watertight.audit SET outcome = 'ok'",
    "DELETE FROM watertight.audit WHERE outcome = 'refused'",
    "TRUNCATE watertight.audit",
    "INSERT INTO watertight.audit (tenant_id, kind, reference, at) SELECT tenant_id, 'effect', 'forged', now() \
     FROM (SELECT '{victim}'::uuid AS tenant_id) AS victim",
];

pub(super) async fn removed(world: &World) -> anyhow::Result<Row> {
    let mut row = Row::new("");
    let (own, victim) = (world.northwind(), world.contoso());
    let recorded = async |tenant: uuid::Uuid, refused: bool| {
        let condition = if refused {
            "outcome = 'refused'"
        } else {
            "true"
        };
        let sql = format!(
            "SELECT count(*) FROM watertight.audit WHERE tenant_id = '{tenant}' AND {condition}"
        );
        world.truth.count_of(sql).await
    };
    let refusals = recorded(own.tenant, true).await?;
    let (mine, theirs) = (
        recorded(own.tenant, false).await?,
        recorded(victim.tenant, false).await?,
    );
    row.control(refusals > 0 && theirs > 0, || {
        format!("{refusals} refusals of its own and {theirs} records of the other are in the trail")
    });

    // Records of the last moment may still come.
    for (whose, least, most) in [("=", mine, i64::MAX), ("<>", 0, 0)] {
        let count = format!(
            "SELECT count(*) FROM watertight.audit WHERE tenant_id {whose} '{}'",
            own.tenant
        );
        let seen = world.truth.as_application(own.tenant, count).await??;
        row.check((least..=most).contains(&seen), || {
            format!("{seen} records came back whose tenant {whose} its own")
        });
    }
    for change in CHANGES {
        let change = change.replace("{victim}", &victim.tenant.to_string());
        let done = world
            .truth
            .as_application(own.tenant, change.clone())
            .await?;
        let code = done.as_ref().err().and_then(sqlx::Error::as_database_error);
        let code = code.and_then(|error| error.code());
        // Insufficient privilege: by grants, or by a policy.
        row.check(code.as_deref() == Some("42501"), || {
            format!("{change}: {done:?}")
        });
    }
    let left = recorded(own.tenant, true).await?;
    row.check(left >= refusals, || {
        format!("{left} of {refusals} are left")
    });
    row.came_back(format!(
        "4 of 4 changes refused by the database; of {} records it reads its own {mine}, its {refusals} refused calls among them",
        mine + theirs
    ));
    Ok(row)
}
