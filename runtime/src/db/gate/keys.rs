//! Which constraints stay within a tenant, so that a conflict on them may be told as one.
//!
//! Invariant: a constraint that is not known to contain the tenant column (or to refer to a table
//! that all tenants share) counts as reaching across tenants. Telling a conflict on such a one
//! would tell that another tenant's key exists.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgDatabaseError;
use sqlx::{PgConnection, Row as _};

use crate::statement::Catalog;

/// The constraints and unique indexes whose violation says nothing about other tenants.
#[derive(Debug, Default)]
pub(crate) struct TenantKeys(HashSet<(String, String, String)>);

impl TenantKeys {
    /// Whether the violated constraint is one of them.
    pub(crate) fn contain(&self, error: &sqlx::Error) -> bool {
        let Some(error) = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        else {
            return false;
        };
        match (error.schema(), error.table(), error.constraint()) {
            (Some(schema), Some(table), Some(name)) => {
                self.0
                    .contains(&(schema.to_owned(), table.to_owned(), name.to_owned()))
            }
            _ => false,
        }
    }

    /// Reads them from the live database.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        catalog: &Catalog,
    ) -> Result<Self, sqlx::Error> {
        let tenants: HashMap<(&str, &str), &str> = catalog
            .relations()
            .iter()
            .filter_map(|r| Some(((r.schema, r.name), r.tenant_column?)))
            .collect();
        let shared: HashSet<(&str, &str)> = catalog
            .relations()
            .iter()
            .filter(|relation| relation.global)
            .map(|relation| (relation.schema, relation.name))
            .collect();
        // Unique and exclusion constraints are indexes of the same name.
        let rows = sqlx::query(
            "SELECT n.nspname::text, c.relname::text, i.relname::text, NULL::text, NULL::text, \
                    ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
                          WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey::int2[])) \
             FROM pg_catalog.pg_index x \
             JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
             JOIN pg_catalog.pg_class c ON c.oid = x.indrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE (x.indisunique OR x.indisexclusion) AND n.nspname = ANY ($1::text[]) \
             UNION ALL \
             SELECT n.nspname::text, c.relname::text, k.conname::text, fn.nspname::text, \
                    f.relname::text, \
                    ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
                          WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)) \
             FROM pg_catalog.pg_constraint k \
             JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_class f ON f.oid = k.confrelid \
             JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace \
             WHERE k.contype = 'f' AND n.nspname = ANY ($1::text[])",
        )
        .persistent(false)
        .bind(
            catalog
                .relations()
                .iter()
                .map(|r| r.schema)
                .collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await?;
        let mut keys = HashSet::new();
        for row in rows {
            let (schema, table, name): (String, String, String) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let target: (Option<String>, Option<String>) = (row.try_get(3)?, row.try_get(4)?);
            let columns: Vec<String> = row.try_get(5)?;
            let of_tenant = tenants
                .get(&(schema.as_str(), table.as_str()))
                .is_some_and(|tenant| columns.iter().any(|column| column == tenant));
            let to_shared = match &target {
                (Some(schema), Some(table)) => shared.contains(&(schema.as_str(), table.as_str())),
                _ => false,
            };
            if of_tenant || to_shared {
                keys.insert((schema, table, name));
            }
        }
        Ok(Self(keys))
    }
}
