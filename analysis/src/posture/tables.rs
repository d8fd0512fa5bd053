//! Tables: whether row-level security is there, and holds, for everything that has a tenant.
//!
//! Invariant: a table that the application can reach is protected, declared, or told of.

use super::facts::Relation;
use super::{Look, at, listed, place};
use crate::catalog::finish::usable_as_tenant;
use crate::catalog::{KeyKind, RelationKind, quote};
use crate::diagnostic::Code;
use crate::finding::Level;

/// Tables in which tools keep which migrations were applied.
const BOOKKEEPING: &[&str] = &[
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "__efmigrationshistory",
    "_prisma_migrations",
    "_sqlx_migrations",
    "alembic_version",
    "ar_internal_metadata",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "flyway_schema_history",
    "goose_db_version",
    "knex_migrations",
    "knex_migrations_lock",
    "migrations",
    "pgmigrations",
    "refinery_schema_history",
    "schema_migrations",
    "seaql_migrations",
];

/// From how many rows on, or bytes where nothing was counted, a missing index is felt.
const MANY_ROWS: f64 = 1000.0;
const MANY_BYTES: i64 = 128 * 1024;

pub(super) fn look(look: &mut Look<'_>) {
    let relations: Vec<&Relation> = look.facts.relations.iter().collect();
    for relation in relations.into_iter().filter(|it| !it.extension) {
        match relation.kind {
            'r' | 'p' => table(look, relation),
            'f' => foreign(look, relation),
            'S' => sequence(look, relation),
            _ => {}
        }
    }
}

fn table(look: &mut Look<'_>, relation: &Relation) {
    let Some(known) = look.in_catalog(relation) else {
        return;
    };
    if known.is_global() {
        return global(look, relation);
    }
    let Some(column) = look.tenant_column(relation) else {
        if !relation.rls && relation.reachable() {
            without_tenant(look, relation);
        }
        return;
    };
    if let Err(why) = usable_as_tenant(look.catalog, column) {
        tenant_type(look, relation, &column.name, &why);
    }
    let policies = !known.policies.is_empty();
    match (relation.rls, policies) {
        (false, true) => idle(look, relation),
        (false, false) if relation.reachable() => off(look, relation, &column.name),
        (false, false) => copy(look, relation),
        (true, _) => forced(look, relation),
    }
    if relation.rls {
        index(look, relation, &column.name);
    }
}

/// The statements that put a table under row-level security.
fn protect(look: &Look<'_>, relation: &Relation, policies: bool) -> Vec<String> {
    let shown = relation.qualified();
    let mut mend = vec![
        format!("ALTER TABLE {shown} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {shown} FORCE ROW LEVEL SECURITY"),
    ];
    if !policies && let Some(condition) = look.condition(relation) {
        mend.push(format!(
            "CREATE POLICY tenant_isolation ON {shown} USING ({condition}) WITH CHECK ({condition})"
        ));
    }
    mend
}

fn off(look: &mut Look<'_>, relation: &Relation, column: &str) {
    let shown = relation.qualified();
    let rights = relation.data_rights().join(", ");
    let through = if relation.parents.is_empty() {
        String::new()
    } else {
        format!(
            "; the policies of {} don't hold when it is named itself",
            listed(&relation.parents)
        )
    };
    let mut finding = at(
        Code::RLS_OFF,
        relation,
        format!("`{shown}` has the tenant column `{column}` and no row-level security{through}"),
    )
    .note(format!("the application role may {rights}"));
    if !relation.parents.is_empty()
        && let Some(revoke) = look.revoke(relation, &["SELECT", "INSERT", "UPDATE", "DELETE"])
    {
        finding = finding.help(format!(
            "or reach its rows through the parent alone: {revoke}"
        ));
    }
    let rights = look.facts.has_rights_of(look.role);
    let by_default = look.facts.default_acls.iter().any(|acl| {
        (acl.schema.is_empty() || acl.schema == relation.schema)
            && (acl.grantee == "PUBLIC" || rights.contains(acl.grantee.as_str()))
    });
    if by_default {
        finding = finding.note("default privileges grant it");
    }
    finding.mend = protect(look, relation, false);
    look.found(finding);
}

fn idle(look: &mut Look<'_>, relation: &Relation) {
    let shown = relation.qualified();
    let mut finding = at(
        Code::POLICIES_IDLE,
        relation,
        format!(
            "`{shown}` has policies, but row-level security is not enabled, so they do nothing"
        ),
    );
    finding.mend = protect(look, relation, true);
    look.found(finding);
}

/// A table that nothing reaches yet, with the columns of one that is protected.
fn copy(look: &mut Look<'_>, relation: &Relation) {
    if !relation.parents.is_empty() {
        return;
    }
    let columns = |of| look.facts.columns_of(of).map(|c| (&c.name, &c.ty));
    let original = look.facts.relations.iter().find(|other| {
        other.is_table()
            && other.rls
            && other.dotted() != relation.dotted()
            && columns(other).eq(columns(relation))
    });
    let Some(original) = original.map(Relation::qualified) else {
        return;
    };
    let shown = relation.qualified();
    let mut finding = at(
        Code::UNPROTECTED_COPY,
        relation,
        format!("`{shown}` has the columns of `{original}`, but neither its row-level security nor its policies"),
    )
    .note("`CREATE TABLE … (LIKE …)` and `CREATE TABLE … AS` copy neither; the next grant opens it")
    .help(format!("or drop it: DROP TABLE {shown}"));
    finding.mend = protect(look, relation, false);
    look.found(finding);
}

fn forced(look: &mut Look<'_>, relation: &Relation) {
    if relation.forced {
        return;
    }
    let mut reach = look.facts.becomes(look.role);
    reach.extend(look.facts.has_rights_of(look.role));
    let owns = reach.contains(relation.owner.as_str());
    if look.catalog.config().relax_force && !owns {
        return;
    }
    let (shown, owner) = (relation.qualified(), quote(&relation.owner));
    let mut finding = at(
        Code::RLS_NOT_FORCED,
        relation,
        format!("row-level security of `{shown}` is enabled but not forced: it does not hold for its owner `{owner}`"),
    )
    .mend(format!("ALTER TABLE {shown} FORCE ROW LEVEL SECURITY"));
    if owns {
        finding.level = Level::High;
        finding = finding.note("the application role has the rights of the owner");
    } else {
        finding = finding.note(
            "so it does not hold in views, functions and triggers that run as the owner either",
        );
    }
    look.found(finding);
}

fn index(look: &mut Look<'_>, relation: &Relation, column: &str) {
    let many = relation.rows >= MANY_ROWS || relation.bytes >= MANY_BYTES;
    let indexed = look.facts.indexes.iter().any(|index| {
        index.schema == relation.schema
            && index.relation == relation.name
            && index.valid
            && !index.partial
            && index.leads.as_deref() == Some(column)
    });
    if indexed || !many {
        return;
    }
    let (shown, column) = (relation.qualified(), quote(column));
    let message = format!(
        "no index of `{shown}` leads with `{column}`, so its policy reads every tenant's rows to find one's"
    );
    look.found(
        at(Code::TENANT_INDEX, relation, message)
            .note("on a table in use: CREATE INDEX CONCURRENTLY, outside of a transaction")
            .mend(format!("CREATE INDEX ON {shown} ({column})")),
    );
}

fn tenant_type(look: &mut Look<'_>, relation: &Relation, column: &str, why: &str) {
    let shown = relation.qualified();
    let known = look
        .facts
        .columns_of(relation)
        .find(|known| known.name == column);
    let merges = known.is_some_and(|c| !c.deterministic || c.ty.ends_with("citext"));
    let name = quote(column);
    let ty = match known.map(|c| c.ty.as_str()) {
        Some(ty) if ty.starts_with("character varying") => ty.to_owned(),
        _ => "text".to_owned(),
    };
    let mut finding = at(
        Code::TENANT_TYPE,
        relation,
        format!("`{name}` of `{shown}` does not tell tenants apart: {why}"),
    );
    if merges {
        finding = finding
            .note("names that differ in case or accents alone are one tenant to it")
            .help(format!(
                "policies, views and generated columns that use `{name}` are dropped before and written again after: ALTER TABLE {shown} ALTER COLUMN {name} TYPE {ty} COLLATE \"C\""
            ));
    } else {
        finding = finding.level(Level::Medium).help(
            "use uuid, bigint, integer, smallint, text or varchar with a deterministic collation",
        );
    }
    look.found(finding);
}

/// A declared global table is everybody's to read and nobody's to write.
fn global(look: &mut Look<'_>, relation: &Relation) {
    if !relation.writable() {
        let reason = "declared global, and the application role can only read it";
        return look.clear(place(relation), reason);
    }
    let shown = relation.qualified();
    let held: Vec<&str> = ["INSERT", "UPDATE", "DELETE"]
        .into_iter()
        .filter(|right| relation.may(right))
        .collect();
    let message = format!(
        "`{shown}` is declared global, and the application role may {}: one tenant changes what all others read",
        held.join(", ")
    );
    let mut finding = at(Code::GLOBAL_WRITE, relation, message);
    finding.mend.extend(look.revoke(relation, &held));
    look.found(finding);
}

/// A table in reach that does not tell whose its rows are.
fn without_tenant(look: &mut Look<'_>, relation: &Relation) {
    let name = relation.name.to_ascii_lowercase();
    if BOOKKEEPING.contains(&name.as_str()) && !relation.writable() {
        return;
    }
    let Some(known) = look.in_catalog(relation) else {
        return;
    };
    // What a parent declares holds for its children.
    if known.kind == RelationKind::Partition && look.catalog_parent_is_global(known) {
        return;
    }
    let (shown, column) = (
        relation.qualified(),
        quote(&look.catalog.config().tenant.column),
    );
    let rights = relation.data_rights().join(", ");
    let owner = known.foreign_keys.iter().find_map(|key| {
        let target = look.catalog.get(key.target)?;
        target.tenant()?;
        Some((key, target))
    });
    if let Some((key, target)) = owner {
        let kind = look.catalog.config().tenant.kind.sql();
        let message = format!(
            "`{shown}` belongs to `{}` by the foreign key `{}`, but has no tenant column and no row-level security: every tenant can reach its rows",
            target.qualified(),
            key.name
        );
        look.found(
            at(Code::CHILD_WITHOUT_TENANT, relation, message)
                .note(format!("the application role may {rights}"))
                .help(format!(
                    "ALTER TABLE {shown} ADD COLUMN {column} {kind}; fill it from `{}`, set it NOT NULL, and put the table under row-level security",
                    target.qualified()
                )),
        );
        return;
    }
    let finding = at(
        Code::UNDECLARED,
        relation,
        format!("`{shown}` has no tenant column, and every tenant can reach its rows: the application role may {rights}"),
    )
    .review()
    .help(format!(
        "if all tenants share it, say so: COMMENT ON TABLE {shown} IS '@global …'; if its rows are tenants', give it a `{column}` and row-level security"
    ));
    // A list that all read is often right; what refers to other rows, or holds a document, less so.
    let refers = look.facts.columns_of(relation).find(|column| {
        let key = known
            .foreign_keys
            .iter()
            .any(|key| key.columns.contains(&column.name));
        let primary = known
            .keys
            .iter()
            .any(|key| key.kind == KeyKind::Primary && key.columns == [Some(column.name.clone())]);
        let document = matches!(column.ty.as_str(), "json" | "jsonb" | "tsvector");
        document || (column.name.to_ascii_lowercase().ends_with("_id") && !key && !primary)
    });
    look.found(match refers {
        Some(column) => finding.note(format!(
            "its column `{}` may hold, or refer to, what belongs to one tenant",
            quote(&column.name)
        )),
        None if relation.writable() => finding,
        None => finding.level(Level::Low),
    });
}

impl Look<'_> {
    fn catalog_parent_is_global(&self, relation: &crate::catalog::Relation) -> bool {
        relation
            .parents
            .iter()
            .filter_map(|id| self.catalog.get(*id))
            .any(|parent| parent.is_global() || self.catalog_parent_is_global(parent))
    }
}

fn foreign(look: &mut Look<'_>, relation: &Relation) {
    let declared = look
        .in_catalog(relation)
        .is_some_and(|known| known.is_global());
    if !relation.reachable() || declared {
        return;
    }
    let shown = relation.qualified();
    let message = format!(
        "`{shown}` is a foreign table, which can't have row-level security: the other server's login decides whose rows it shows"
    );
    let rights = relation.data_rights();
    let mut finding = at(Code::FOREIGN_TABLE, relation, message).help(
        "put a view with the tenant's condition before it, or copy its rows into a protected table",
    );
    finding.mend.extend(look.revoke(relation, &rights));
    look.found(finding);
}

fn sequence(look: &mut Look<'_>, relation: &Relation) {
    if relation.internal && !relation.may("SELECT") {
        return;
    }
    let shown = relation.qualified();
    if relation.may("SELECT") {
        let message = format!(
            "the application role may read `{shown}`: its last value tells how many rows all tenants add together"
        );
        let mut finding = at(Code::SHARED_SEQUENCE, relation, message)
            .help("`GENERATED ALWAYS AS IDENTITY` and uuid keys need no privilege on a sequence");
        finding.mend.extend(look.revoke(relation, &["SELECT"]));
        look.found(finding);
    } else if relation.may("USAGE") {
        let message = format!(
            "the application role may use `{shown}`, and `pg_sequences` then shows it the last value: how many rows all tenants add together"
        );
        look.found(
            at(Code::SHARED_SEQUENCE, relation, message).review().help(
                "`GENERATED ALWAYS AS IDENTITY` and uuid keys need no privilege on a sequence",
            ),
        );
    }
}
