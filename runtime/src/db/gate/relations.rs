//! The relations of the catalog: they exist, are not the login role's, and are protected as the
//! proofs assume.
//!
//! Invariant: a permissive policy that the catalog does not know widens what the role can see, so
//! it counts as weaker, not as an addition.

use std::collections::{BTreeSet, HashMap};

use sqlx::{PgConnection, Row as _};

use super::role::Role;
use super::{Finding, qualified, quoted};
use crate::statement::{Catalog, Policy, Relation, RelationKind};

struct Live {
    kind: String,
    enabled: bool,
    forced: bool,
    owner: String,
    owned: bool,
    has_tenant_column: bool,
    policies: HashMap<String, LivePolicy>,
}

struct LivePolicy {
    permissive: bool,
    command: String,
    roles: BTreeSet<String>,
    /// It applies to the login role: by `PUBLIC`, by name or by membership.
    applies: bool,
    using: bool,
    check: bool,
}

pub(super) async fn check(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let mut live = read(connection, catalog).await?;
    for relation in catalog.relations() {
        let name = qualified(relation.schema, relation.name);
        match live.remove(&(relation.schema.to_owned(), relation.name.to_owned())) {
            None => findings.push(Finding::on(
                &name,
                format!("{name} does not exist, but the migrations create it"),
                "run the migrations (watertight::migrate)",
            )),
            Some(live) => check_one(relation, &name, &live, catalog, role, findings),
        }
    }
    Ok(())
}

fn check_one(
    relation: &Relation,
    name: &str,
    live: &Live,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) {
    if !role.superuser && live.owned {
        let (owner, own) = (quoted(&live.owner), role.sql());
        findings.push(if live.owner == role.name {
            Finding::on(
                name,
                format!("the role {own} owns {name}, so it can switch row-level security off"),
                format!("ALTER TABLE {name} OWNER TO {};", role.owner_sql()),
            )
        } else {
            Finding::on(
                name,
                format!("the role {own} is a member of {owner}, which owns {name}"),
                format!("REVOKE {owner} FROM {own};"),
            )
        });
    }
    let expected = match relation.kind {
        RelationKind::Table => &["r", "p"][..],
        RelationKind::View => &["v"],
        RelationKind::MaterializedView => &["m"],
        RelationKind::Foreign => &["f"],
    };
    if !expected.contains(&live.kind.as_str()) {
        findings.push(Finding::on(
            name,
            format!("{name} is not the kind of relation that the migrations create"),
            "run the migrations on the database that they belong to",
        ));
        return;
    }
    if relation.tenant_column.is_some() && !live.has_tenant_column {
        findings.push(Finding::on(
            name,
            format!("{name} lacks the tenant column that the migrations give it"),
            "run the migrations (watertight::migrate)",
        ));
    }
    if !relation.rls_enabled {
        return;
    }
    if !live.enabled {
        findings.push(Finding::on(
            name,
            format!("row-level security is not enabled on {name}"),
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"),
        ));
    }
    if relation.rls_forced && !live.forced && !catalog.settings.relax_force {
        findings.push(Finding::on(
            name,
            format!("row-level security is not forced on {name}, so its owner passes it by"),
            format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"),
        ));
    }
    check_policies(relation.policies, name, live, role, findings);
}

fn check_policies(
    expected: &[Policy],
    name: &str,
    live: &Live,
    role: &Role,
    findings: &mut Vec<Finding>,
) {
    for policy in expected {
        let quoted_policy = quoted(policy.name);
        match live.policies.get(policy.name) {
            None => findings.push(Finding::on(
                name,
                format!("{name} lacks the policy {quoted_policy} that the proofs rely on"),
                "run the migrations, or create the policy as they do",
            )),
            Some(found) if !same(policy, found) => findings.push(Finding::on(
                name,
                format!(
                    "the policy {quoted_policy} on {name} differs from the migrations \
                     in its command, its roles, its kind or its expressions"
                ),
                format!(
                    "DROP POLICY {quoted_policy} ON {name};\nand create it as the migrations do"
                ),
            )),
            Some(_) => {}
        }
    }
    for policy in expected {
        let applies = live
            .policies
            .get(policy.name)
            .is_some_and(|found| found.permissive && found.applies);
        if !policy.applies && applies {
            let (policy_name, roles) = (quoted(policy.name), policy.roles.join(", "));
            findings.push(Finding::on(
 name,
                format!(
                    "the policy {policy_name} on {name} is for {roles}, and the login role is one or a \
                     member of one, so it shows more rows than was proved"
                ),
                format!("REVOKE {roles} FROM {};", role.sql()),
            ));
        }
    }
    for (policy, found) in &live.policies {
        let known = expected.iter().any(|expected| expected.name == policy);
        if !known && found.permissive && found.applies {
            let policy = quoted(policy);
            findings.push(Finding::on(
                name,
                format!(
                    "{name} has the permissive policy {policy}, which the migrations do not \
                     create and which may show more rows"
                ),
                format!("DROP POLICY {policy} ON {name};"),
            ));
        }
    }
}

fn same(expected: &Policy, live: &LivePolicy) -> bool {
    let command = match expected.command.to_ascii_uppercase().as_str() {
        "SELECT" => "r",
        "INSERT" => "a",
        "UPDATE" => "w",
        "DELETE" => "d",
        _ => "*",
    };
    let roles: BTreeSet<String> = if expected.roles.is_empty() {
        BTreeSet::from(["public".to_owned()])
    } else {
        expected
            .roles
            .iter()
            .map(|role| role.to_ascii_lowercase())
            .collect()
    };
    // Resolved when the policy was created, so the name is not comparable.
    let by_keyword = roles.iter().any(|role| {
        matches!(
            role.as_str(),
            "current_user" | "session_user" | "current_role"
        )
    });
    let live_roles: BTreeSet<String> = live
        .roles
        .iter()
        .map(|role| role.to_ascii_lowercase())
        .collect();
    expected.permissive == live.permissive
        && command == live.command
        && expected.using == live.using
        && expected.check == live.check
        && (by_keyword || roles == live_roles)
}

async fn read(
    connection: &mut PgConnection,
    catalog: &Catalog,
) -> Result<HashMap<(String, String), Live>, sqlx::Error> {
    let schemas: Vec<&str> = catalog.relations().iter().map(|r| r.schema).collect();
    let names: Vec<&str> = catalog.relations().iter().map(|r| r.name).collect();
    let columns: Vec<&str> = catalog
        .relations()
        .iter()
        .map(|r| r.tenant_column.unwrap_or(""))
        .collect();
    let rows = sqlx::query(
        "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity, \
                c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner)::text, \
                pg_catalog.pg_has_role(session_user, c.relowner, 'MEMBER'), \
                EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid \
                        AND a.attname = wanted.tenant_column AND NOT a.attisdropped) \
         FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted(schema, name, tenant_column) \
         JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema \
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name",
    )
    .persistent(false)
    .bind(&schemas)
    .bind(&names)
    .bind(&columns)
    .fetch_all(&mut *connection)
    .await?;
    let mut live = HashMap::new();
    for row in rows {
        let key: (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let relation = Live {
            kind: row.try_get(2)?,
            enabled: row.try_get(3)?,
            forced: row.try_get(4)?,
            owner: row.try_get(5)?,
            owned: row.try_get(6)?,
            has_tenant_column: row.try_get(7)?,
            policies: HashMap::new(),
        };
        live.insert(key, relation);
    }
    let rows = sqlx::query(
        "SELECT n.nspname::text, c.relname::text, p.polname::text, p.polpermissive, \
                p.polcmd::text, p.polqual IS NOT NULL, p.polwithcheck IS NOT NULL, \
                ARRAY(SELECT CASE WHEN r = 0 THEN 'public' \
                                  ELSE pg_catalog.pg_get_userbyid(r)::text END \
                      FROM unnest(p.polroles) AS r), \
                EXISTS (SELECT 1 FROM unnest(p.polroles) AS r \
                        WHERE r = 0 OR pg_catalog.pg_has_role(session_user, r, 'MEMBER')) \
         FROM unnest($1::text[], $2::text[]) AS wanted(schema, name) \
         JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema \
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name \
         JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid",
    )
    .persistent(false)
    .bind(&schemas)
    .bind(&names)
    .fetch_all(connection)
    .await?;
    for row in rows {
        let key: (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let roles: Vec<String> = row.try_get(7)?;
        let policy = LivePolicy {
            permissive: row.try_get(3)?,
            command: row.try_get(4)?,
            using: row.try_get(5)?,
            check: row.try_get(6)?,
            roles: roles.into_iter().collect(),
            applies: row.try_get(8)?,
        };
        if let Some(relation) = live.get_mut(&key) {
            relation.policies.insert(row.try_get(2)?, policy);
        }
    }
    Ok(live)
}
