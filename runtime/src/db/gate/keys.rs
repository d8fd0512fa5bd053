//! Which constraints stay within a tenant, so that a conflict on them may be told as one, and what a
//! server says of them.
//!
//! Invariant: a constraint that is not known to compare the tenant column for equality (or to refer
//! to a table that all tenants share) counts as reaching across tenants. Telling a conflict on such a
//! one would tell that another tenant's key exists; so it has no message either.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::{PgDatabaseError, PgRow};
use sqlx::{PgConnection, Row as _};

use crate::statement::Catalog;

/// Schema, table and name.
type Place = (String, String, String);

/// The constraints and unique indexes of the catalog's schemas.
#[derive(Debug, Default)]
pub(crate) struct TenantKeys(HashMap<Place, Known>);

#[derive(Debug)]
struct Known {
    /// Its violation says nothing about other tenants.
    within: bool,
    message: Option<&'static str>,
}

/// What may be told of a violation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged {
    pub(crate) within: bool,
    pub(crate) message: Option<&'static str>,
}

impl TenantKeys {
    /// What may be told of the violated constraint.
    pub(crate) fn judge(&self, error: &sqlx::Error) -> Judged {
        let Some(error) = error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        else {
            return Judged::default();
        };
        let (Some(schema), Some(table), Some(name)) =
            (error.schema(), error.table(), error.constraint())
        else {
            return Judged::default();
        };
        let place = (schema.to_owned(), table.to_owned(), name.to_owned());
        let known = self.0.get(&place);
        known.map_or_else(Judged::default, |known| Judged {
            within: known.within,
            message: known.message,
        })
    }

    /// Reads them from the live database, and gives them the server's messages.
    ///
    /// The inner error says which message can't be given, and what to write instead.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        catalog: &Catalog,
        messages: &[(String, &'static str)],
    ) -> Result<Result<Self, String>, sqlx::Error> {
        let schemas: Vec<&str> = catalog.relations().iter().map(|r| r.schema).collect();
        let rows = sqlx::query(QUERY)
            .persistent(false)
            .bind(schemas)
            .fetch_all(connection)
            .await?;
        let rows = rows.iter().map(Constraint::of).collect::<Result<_, _>>()?;
        Ok(Self::of(rows, catalog, messages))
    }

    fn of(
        constraints: Vec<Constraint>,
        catalog: &Catalog,
        messages: &[(String, &'static str)],
    ) -> Result<Self, String> {
        let relations = Relations::of(catalog);
        for (name, text) in messages {
            if text.trim().is_empty() {
                return Err(format!("the message for the constraint `{name}` is empty"));
            }
            let mut named = constraints
                .iter()
                .filter(|it| it.is_called(name))
                .peekable();
            if named.peek().is_none() {
                return Err(unknown(name, &constraints));
            }
            if let Some(across) = named.find(|it| !relations.confine(it)) {
                return Err(across.refused(&relations));
            }
        }
        let known = constraints.into_iter().map(|constraint| {
            let message = messages.iter().find(|(name, _)| constraint.is_called(name));
            let known = Known {
                within: relations.confine(&constraint),
                message: message.map(|(_, text)| *text),
            };
            (constraint.place, known)
        });
        Ok(Self(known.collect()))
    }
}

/// What the catalog says of the tables.
struct Relations<'c> {
    tenants: HashMap<(&'c str, &'c str), &'c str>,
    shared: HashSet<(&'c str, &'c str)>,
}

impl<'c> Relations<'c> {
    fn of(catalog: &'c Catalog) -> Self {
        let relations = catalog.relations().iter();
        Self {
            tenants: relations
                .clone()
                .filter_map(|r| Some(((r.schema, r.name), r.tenant_column?)))
                .collect(),
            shared: relations
                .filter(|relation| relation.global)
                .map(|relation| (relation.schema, relation.name))
                .collect(),
        }
    }

    fn tenant_of(&self, (schema, table): &(String, String)) -> Option<&str> {
        self.tenants
            .get(&(schema.as_str(), table.as_str()))
            .copied()
    }

    /// Whether a violation depends on the tenant's own rows and shared ones alone.
    fn confine(&self, constraint: &Constraint) -> bool {
        let tenant = self.tenant_of(&constraint.root);
        let at = |column: &str| constraint.columns.iter().position(|it| it == column);
        let position = tenant.and_then(at);
        match &constraint.sort {
            // It looks at one row, which is the caller's.
            Sort::Check => true,
            Sort::Key { operators } if operators.is_empty() => position.is_some(),
            // `WITH <>` on the tenant would compare with everyone else's rows.
            Sort::Key { operators } => {
                position
                    .and_then(|at| operators.get(at))
                    .map(String::as_str)
                    == Some("=")
            }
            Sort::Foreign { table, columns } => {
                let shared = self.shared.contains(&(table.0.as_str(), table.1.as_str()));
                // The tenant alone: whether it is itself registered.
                let itself = constraint.columns.len() == 1 && position.is_some();
                let paired = position.and_then(|at| columns.get(at)).map(String::as_str);
                shared || itself || (paired.is_some() && paired == self.tenant_of(table))
            }
        }
    }
}

/// One constraint, or one unique index.
struct Constraint {
    place: Place,
    /// The partitioned table that it belongs to, or its own.
    root: (String, String),
    /// Of a partition's index: what it is called on the partitioned table.
    root_name: String,
    /// Names in their order; empty for an expression.
    columns: Vec<String>,
    sort: Sort,
}

enum Sort {
    Check,
    /// Unique, or exclusion with an operator for each column.
    Key {
        operators: Vec<String>,
    },
    Foreign {
        table: (String, String),
        columns: Vec<String>,
    },
}

impl Constraint {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let partners: Vec<String> = row.try_get(9)?;
        let sort = match row.try_get::<&str, _>(6)? {
            "check" => Sort::Check,
            "foreign" => Sort::Foreign {
                table: (row.try_get(7)?, row.try_get(8)?),
                columns: partners,
            },
            _ => Sort::Key {
                operators: partners,
            },
        };
        Ok(Self {
            place: (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?),
            root: (row.try_get(3)?, row.try_get(4)?),
            root_name: row.try_get(5)?,
            columns: row.try_get(10)?,
            sort,
        })
    }

    fn is_called(&self, name: &str) -> bool {
        self.place.2 == name || self.root_name == name
    }

    fn refused(&self, relations: &Relations<'_>) -> String {
        let (_, table, name) = &self.place;
        let tenant = relations.tenant_of(&self.root).unwrap_or("tenant_id");
        let columns = self
            .columns
            .iter()
            .filter(|it| *it != tenant && !it.is_empty());
        let columns: Vec<&str> = columns.map(String::as_str).collect();
        let columns = columns.join(", ");
        let instead = match &self.sort {
            Sort::Foreign { table, .. } => format!(
                "FOREIGN KEY ({tenant}, {columns}) REFERENCES {} ({tenant}, …)",
                table.1
            ),
            _ => format!("UNIQUE ({tenant}, {columns})"),
        };
        format!(
            "the constraint `{name}` of `{table}` reaches across tenants: a message for it would tell \
             that another tenant's row exists, so its violation is answered as an internal error; \
             make it `{instead}`, or remove its message"
        )
    }
}

fn unknown(name: &str, constraints: &[Constraint]) -> String {
    let mut names: Vec<&str> = constraints.iter().map(|it| it.root_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    format!(
        "there is no constraint `{name}` to give a message to; the schemas of the catalog have {}",
        names.join(", ")
    )
}

/// Unique and exclusion constraints are indexes of the same name; of an index only the key columns
/// count, not those of `INCLUDE`. A violation in a partition names the partition and its own index.
const QUERY: &str = "\
SELECT n.nspname::text, c.relname::text, i.relname::text, rn.nspname::text, rc.relname::text, \
       ri.relname::text, 'key', NULL::text, NULL::text, \
       ARRAY(SELECT CASE WHEN o.oprnamespace = 'pg_catalog'::regnamespace THEN o.oprname::text ELSE '' END \
             FROM unnest(e.conexclop) WITH ORDINALITY AS u(op, at) \
             JOIN pg_catalog.pg_operator o ON o.oid = u.op ORDER BY u.at), \
       ARRAY(SELECT coalesce(a.attname::text, '') \
             FROM generate_series(0, x.indnkeyatts - 1) AS k(at) \
             LEFT JOIN pg_catalog.pg_attribute a \
                    ON a.attrelid = c.oid AND a.attnum = x.indkey[k.at] AND a.attnum > 0 ORDER BY k.at) \
FROM pg_catalog.pg_index x \
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_class ri ON ri.oid = coalesce(pg_catalog.pg_partition_root(i.oid)::oid, i.oid) \
JOIN pg_catalog.pg_class rc ON rc.oid = coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid) \
JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace \
LEFT JOIN pg_catalog.pg_constraint e \
       ON e.conindid = i.oid AND e.conrelid = c.oid AND e.contype IN ('x', 'u', 'p') \
WHERE (x.indisunique OR x.indisexclusion) AND n.nspname = ANY ($1::text[]) \
UNION ALL \
SELECT n.nspname::text, c.relname::text, k.conname::text, rn.nspname::text, rc.relname::text, \
       k.conname::text, CASE k.contype WHEN 'f' THEN 'foreign' ELSE 'check' END, \
       fn.nspname::text, f.relname::text, \
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(number, at) \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum = u.number ORDER BY u.at), \
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(number, at) \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number ORDER BY u.at) \
FROM pg_catalog.pg_constraint k \
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_class rc ON rc.oid = coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid) \
JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace \
LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid \
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace \
WHERE k.contype IN ('f', 'c', 'n') AND n.nspname = ANY ($1::text[])";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Relation, RelationKind, Settings, TenantKind};

    const SETTINGS: Settings = Settings {
        tenant_column: "tenant_id",
        tenant_kind: TenantKind::Bigint,
        setting: "app.tenant_id",
        search_path: &["public"],
        application_role: "app",
        require_rls: false,
        relax_force: false,
        words: &[],
        not_tenant: &[],
        functions: &[],
    };
    const CATALOG: Catalog = Catalog::new(
        "keys",
        SETTINGS,
        &[
            Relation::new("public", "orders", RelationKind::Table).tenant("tenant_id"),
            Relation::new("public", "people", RelationKind::Table).tenant("org"),
            Relation::new("public", "plans", RelationKind::Table).global(),
        ],
        &[],
    );

    fn constraint(columns: &[&str], sort: Sort) -> Constraint {
        let text = |text: &str| text.to_owned();
        Constraint {
            place: (text("public"), text("orders"), text("it")),
            root: (text("public"), text("orders")),
            root_name: text("it"),
            columns: columns.iter().map(|it| text(it)).collect(),
            sort,
        }
    }

    fn key(columns: &[&str], operators: &[&str]) -> Constraint {
        let operators = operators.iter().map(ToString::to_string).collect();
        constraint(columns, Sort::Key { operators })
    }

    fn foreign(columns: &[&str], table: &str, partners: &[&str]) -> Constraint {
        let columns_there = partners.iter().map(ToString::to_string).collect();
        let sort = Sort::Foreign {
            table: ("public".into(), table.into()),
            columns: columns_there,
        };
        constraint(columns, sort)
    }

    #[test]
    fn the_tenant_must_be_compared_for_equality() {
        let relations = Relations::of(&CATALOG);
        for within in [
            key(&["tenant_id", "code"], &[]),
            key(&["", "tenant_id"], &[]),
            key(&["tenant_id", "during"], &["=", "&&"]),
            foreign(&["tenant_id", "person"], "people", &["org", "id"]),
            foreign(&["tenant_id"], "people", &["id"]),
            foreign(&["plan"], "plans", &["id"]),
            constraint(&["code"], Sort::Check),
        ] {
            assert!(relations.confine(&within), "{:?}", within.columns);
        }
        for across in [
            key(&["code"], &[]),
            key(&[""], &[]),
            key(&["room", "tenant_id"], &["=", "<>"]),
            key(&["room", "tenant_id"], &["=", ""]),
            foreign(&["person"], "people", &["id"]),
            foreign(&["tenant_id", "person"], "people", &["id", "org"]),
            foreign(&["tenant_id", "person"], "elsewhere", &["tenant_id", "id"]),
        ] {
            assert!(!relations.confine(&across), "{:?}", across.columns);
        }
    }

    #[test]
    fn a_message_needs_a_constraint_that_stays_within() {
        let of = |constraint: Constraint, name: &str, text| {
            let messages = [(name.to_owned(), text)];
            TenantKeys::of(vec![constraint], &CATALOG, &messages).map(|_| ())
        };
        of(key(&["tenant_id", "code"], &[]), "it", "taken").unwrap();
        let error = of(key(&["code"], &[]), "it", "taken").unwrap_err();
        assert!(error.contains("UNIQUE (tenant_id, code)"), "{error}");
        let across = foreign(&["person"], "people", &["id"]);
        let error = of(across, "it", "nobody").unwrap_err();
        assert!(
            error.contains("FOREIGN KEY (tenant_id, person) REFERENCES people"),
            "{error}"
        );
        let error = of(key(&["tenant_id"], &[]), "other", "taken").unwrap_err();
        assert!(
            error.contains("no constraint `other`") && error.contains("have it"),
            "{error}"
        );
        assert!(of(key(&["tenant_id"], &[]), "it", " ").is_err());
    }
}
