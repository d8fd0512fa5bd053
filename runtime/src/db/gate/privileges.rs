//! Privileges that let a connection change what the proofs assume: a temporary table or a new one in
//! the search path takes the place of a protected one, `TRUNCATE` passes row-level security by, and
//! `REFERENCES` and `TRIGGER` attach to a table what reads every row.
//!
//! Invariant: membership counts as possession, as for the role itself: a privilege of `PUBLIC`, of the
//! login role or of any role that it could `SET ROLE` to.

use sqlx::{PgConnection, Row as _};

use super::role::Role;
use super::{Finding, qualified, quoted};
use crate::statement::Catalog;

pub(super) async fn check(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    if role.superuser {
        return Ok(());
    }
    check_database(connection, role, findings).await?;
    check_schemas(connection, catalog, role, findings).await?;
    check_relations(connection, catalog, role, findings).await
}

/// Who has the privilege: a role that the login role is or is a member of, or everyone.
struct Holder(Option<String>);

impl Holder {
    fn sql(&self) -> String {
        self.0
            .as_deref()
            .map_or_else(|| "PUBLIC".to_owned(), quoted)
    }

    fn described(&self, role: &Role) -> String {
        match &self.0 {
            None => "everyone".to_owned(),
            Some(name) if *name == role.name => format!("the role {}", quoted(name)),
            Some(name) => {
                let (own, name) = (role.sql(), quoted(name));
                format!("the role {name}, of which {own} is a member,")
            }
        }
    }
}

async fn check_database(
    connection: &mut PgConnection,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT d.datname::text, r.rolname::text \
         FROM pg_catalog.pg_database d \
         CROSS JOIN LATERAL pg_catalog.aclexplode( \
             coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS acl \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee \
         WHERE d.datname = current_database() AND acl.privilege_type = 'TEMPORARY' \
           AND (acl.grantee = 0 OR pg_catalog.pg_has_role(session_user, acl.grantee, 'MEMBER')) \
         ORDER BY 2 NULLS FIRST",
    )
    .persistent(false)
    .fetch_all(connection)
    .await?;
    for row in rows {
        let (database, holder): (String, _) = (row.try_get(0)?, Holder(row.try_get(1)?));
        findings.push(Finding::new(
            format!(
                "{} may create temporary tables, and one of them takes the place of a protected table",
                holder.described(role)
            ),
            format!("REVOKE TEMPORARY ON DATABASE {} FROM {};", quoted(&database), holder.sql()),
        ));
    }
    Ok(())
}

async fn check_schemas(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    // An owner grants itself what it lacks.
    let rows = sqlx::query(
        "SELECT n.nspname::text, r.rolname::text, false \
         FROM pg_catalog.pg_namespace n \
         CROSS JOIN LATERAL pg_catalog.aclexplode( \
             coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS acl \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee \
         WHERE n.nspname = ANY ($1::text[]) AND acl.privilege_type = 'CREATE' \
           AND acl.grantee <> n.nspowner \
           AND (acl.grantee = 0 OR pg_catalog.pg_has_role(session_user, acl.grantee, 'MEMBER')) \
         UNION ALL \
         SELECT n.nspname::text, pg_catalog.pg_get_userbyid(n.nspowner)::text, true \
         FROM pg_catalog.pg_namespace n \
         WHERE n.nspname = ANY ($1::text[]) \
           AND pg_catalog.pg_has_role(session_user, n.nspowner, 'MEMBER') \
         ORDER BY 1, 2 NULLS FIRST",
    )
    .persistent(false)
    .bind(catalog.settings.search_path)
    .fetch_all(connection)
    .await?;
    for row in rows {
        let (schema, holder, owns): (String, _, bool) =
            (row.try_get(0)?, Holder(row.try_get(1)?), row.try_get(2)?);
        let (schema, to, who) = (quoted(&schema), holder.sql(), holder.described(role));
        findings.push(match owns {
            true => Finding::new(
                format!("{who} owns the schema {schema}, in which the proofs look for names"),
                format!("ALTER SCHEMA {schema} OWNER TO {};", role.owner_sql()),
            ),
            false => Finding::new(
                format!(
                    "{who} may create objects in the schema {schema}, and one of them can take the \
                     place of what the proofs found there"
                ),
                format!("REVOKE CREATE ON SCHEMA {schema} FROM {to};"),
            ),
        });
    }
    Ok(())
}

async fn check_relations(
    connection: &mut PgConnection,
    catalog: &Catalog,
    role: &Role,
    findings: &mut Vec<Finding>,
) -> Result<(), sqlx::Error> {
    let schemas: Vec<&str> = catalog.relations().iter().map(|r| r.schema).collect();
    let names: Vec<&str> = catalog.relations().iter().map(|r| r.name).collect();
    // What an owner may do is told as ownership.
    let rows = sqlx::query(
        "SELECT n.nspname::text, c.relname::text, r.rolname::text, \
                pg_catalog.string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type) \
         FROM unnest($1::text[], $2::text[]) AS wanted(schema, name) \
         JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema \
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name \
         CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS acl \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee \
         WHERE acl.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN') \
           AND acl.grantee <> c.relowner \
           AND (acl.grantee = 0 OR pg_catalog.pg_has_role(session_user, acl.grantee, 'MEMBER')) \
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 NULLS FIRST",
    )
    .persistent(false)
    .bind(&schemas)
    .bind(&names)
    .fetch_all(connection)
    .await?;
    for row in rows {
        let name = qualified(row.try_get(0)?, row.try_get(1)?);
        let (holder, privileges): (_, String) = (Holder(row.try_get(2)?), row.try_get(3)?);
        findings.push(Finding::on(
            &name,
            format!(
                "{} has {privileges} on {name}, which row-level security does not confine",
                holder.described(role)
            ),
            format!("REVOKE {privileges} ON {name} FROM {};", holder.sql()),
        ));
    }
    Ok(())
}
