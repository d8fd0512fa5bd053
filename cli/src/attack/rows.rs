//! Rows of two synthetic tenants in every table that has one, and in the tables that these refer to.
//!
//! Invariant: a table that could not be filled is told, with the server's reason, and is not attacked:
//! silence about it would look like safety.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use watertight_analysis::catalog::{self, Catalog, Relation, RelationKind, quote};
use watertight_analysis::config::TenantKind;

use super::answer::{Refusal, sort_out};
use super::risk::Risks;
use super::target::{Column, literal};

/// How often a row is tried again with other values.
const TRIES: usize = 24;
/// For so many tries every column gets a value, afterwards only those that must have one.
const FULL: usize = 16;
/// What stands in rows that belong to no tenant.
const NOBODY: &str = "watertight-shared";
/// Texts that conditions of columns often ask for; `{}` is a text of the tenant.
const USUAL: &[&str] = &[
    "{}@example.com",
    "https://example.com/{}",
    "12345",
    "abc",
    "ABC",
    "USD",
    "en",
    "+15550100",
    "#aabbcc",
    "/{}",
];

/// A synthetic tenant.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    /// Its identifier, as text.
    pub(super) id: String,
    /// Stands in every text of its rows and nowhere else.
    pub(super) mark: String,
    /// Makes its numbers differ.
    pub(super) base: u32,
}

/// The rows of a table: the first that was made for A and for B.
#[derive(Clone, Debug, Default)]
pub(super) struct Filled {
    pub(super) a: Map<String, Value>,
    pub(super) b: Map<String, Value>,
}

/// What was filled, by `schema.name`, and what could not be, with the reason.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) filled: BTreeMap<String, Filled>,
    pub(super) unfilled: BTreeMap<String, String>,
    /// Whether the session has had a tenant: from then on each row is made as its own.
    as_tenant: bool,
    /// Values that a check of the table asks for, by column.
    asked: BTreeMap<String, BTreeMap<String, String>>,
}

impl Rows {
    /// The filled tables with a tenant column.
    pub(super) fn tenanted<'a>(&self, maker: &Maker<'a>) -> Vec<&'a Relation> {
        maker
            .catalog
            .relations()
            .filter(|relation| maker.tenant(relation).is_some())
            .filter(|relation| self.filled.contains_key(&dotted(relation)))
            .collect()
    }
}

/// Two tenants whose identifiers nobody has.
pub(super) fn tenants(kind: TenantKind, random: u64) -> [Tenant; 2] {
    ["a", "b"].map(|name| {
        let index = u64::from(name == "b");
        let id = match kind {
            TenantKind::Uuid => format!(
                "{:08x}-0000-4000-8000-{:012x}",
                random as u32,
                index + 0xa11ce
            ),
            TenantKind::Bigint => (1_900_000_000 + random % 90_000_000 + index).to_string(),
            TenantKind::Text => format!("wt{:x}{name}", random % 0xff_ffff),
        };
        Tenant {
            id,
            mark: format!("watertight-{name}-{:x}", random % 0xffff_ffff),
            base: 500 * (1 + u32::from(name == "b")),
        }
    })
}

/// What is needed to make rows.
pub(super) struct Maker<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) columns: &'a BTreeMap<String, Vec<Column>>,
    pub(super) tenants: &'a [Tenant; 2],
    /// What must not be set off.
    pub(super) risks: &'a Risks,
    /// Whether it is a throwaway copy, whose tables may be changed.
    pub(super) copy: bool,
}

/// `schema.name` without quotes.
pub(super) fn dotted(relation: &Relation) -> String {
    format!("{}.{}", relation.schema, relation.name)
}

impl Maker<'_> {
    /// The column that names the tenant, whether or not equality on it is exact.
    pub(super) fn tenant<'r>(&self, relation: &'r Relation) -> Option<&'r catalog::Column> {
        self.catalog.named_tenant_column(relation)
    }

    /// Fills the tables of tenants, and before them what they refer to.
    pub(super) async fn fill(&self, connection: &mut PgConnection) -> Result<Rows> {
        let mut rows = Rows::default();
        for relation in self.ordered() {
            let name = dotted(relation);
            let mut filled = Filled::default();
            let mut failed = self.risk(relation, 0);
            for (index, tenant) in self.tenants.iter().enumerate() {
                if failed.is_some() {
                    continue;
                }
                match self
                    .make(connection, relation, tenant, index, &mut rows)
                    .await?
                {
                    Ok(row) if index == 0 => filled.a = row,
                    Ok(row) => filled.b = row,
                    Err(why) => failed = Some(why),
                }
            }
            match failed {
                Some(why) => {
                    rows.unfilled.insert(name, why);
                }
                None => {
                    rows.filled.insert(name, filled);
                }
            }
        }
        Ok(rows)
    }

    /// The type of a column, as SQL writes it.
    pub(super) fn type_of(&self, relation: &Relation, column: &str) -> &str {
        let columns = self.columns.get(&dotted(relation)).into_iter().flatten();
        let mut named = columns.filter(|known| known.name == column);
        named.next().map_or("text", |known| known.ty.as_str())
    }

    /// Gives each partitioned table a partition for the synthetic tenants, where it takes one.
    pub(super) async fn open_partitions(&self, connection: &mut PgConnection) -> Result<()> {
        let tables = self
            .catalog
            .relations()
            .filter(|relation| relation.partitioned);
        for (number, relation) in tables.enumerate() {
            let sql = format!(
                "CREATE TABLE {}.watertight_default_{number} PARTITION OF {} DEFAULT",
                quote(&relation.schema),
                relation.qualified()
            );
            // By hash, or with a default already, it needs none.
            let _ = within(connection, &sql).await?;
        }
        Ok(())
    }

    /// Fills the materialised views, each after those that it may read.
    pub(super) async fn refresh(&self, connection: &mut PgConnection) -> Result<()> {
        let relations = self.catalog.relations();
        let views = relations.filter(|relation| relation.kind == RelationKind::MaterializedView);
        for view in views {
            if self.risks.read_of(&dotted(view)).is_none() {
                let sql = format!("REFRESH MATERIALIZED VIEW {}", view.qualified());
                // One whose owner may not read what it is made of stays empty.
                let _ = within(connection, &sql).await?;
            }
        }
        Ok(())
    }

    /// Why no row is written to a table: its triggers, or those of a partition or child.
    fn risk(&self, relation: &Relation, depth: usize) -> Option<String> {
        const DEPTH: usize = 16;
        if let Some(why) = self.risks.table(&dotted(relation)) {
            return Some(why.clone());
        }
        let mut children = relation.children.iter();
        children.find_map(|id| {
            let child = self.catalog.get(*id).filter(|_| depth < DEPTH)?;
            self.risk(child, depth + 1)
        })
    }

    /// Whether rows of a table are tenants', by its own column or by what it refers to.
    fn belongs(&self, relation: &Relation, depth: usize) -> bool {
        const DEPTH: usize = 8;
        self.tenant(relation).is_some()
            || (depth < DEPTH
                && relation.foreign_keys.iter().any(|key| {
                    key.target != relation.id
                        && self
                            .catalog
                            .get(key.target)
                            .is_some_and(|target| self.belongs(target, depth + 1))
                }))
    }

    /// Tables of tenants and what they refer to, each after its own references as far as it can be.
    fn ordered(&self) -> Vec<&Relation> {
        let mut wanted: Vec<&Relation> = Vec::new();
        let mut pending: Vec<&Relation> = self
            .catalog
            .relations()
            .filter(|relation| self.belongs(relation, 0))
            .filter(|relation| self.columns.contains_key(&dotted(relation)))
            // Rows of a partition go in through its parent.
            .filter(|relation| relation.kind == RelationKind::Table)
            .collect();
        while let Some(relation) = pending.pop() {
            if !wanted.iter().any(|known| known.id == relation.id) {
                wanted.push(relation);
                let targets = relation.foreign_keys.iter();
                pending.extend(targets.filter_map(|key| self.catalog.get(key.target)));
            }
        }
        wanted.sort_by_key(|relation| relation.id);
        let mut ordered: Vec<&Relation> = Vec::new();
        while !wanted.is_empty() {
            let ready = wanted.iter().position(|relation| {
                relation.foreign_keys.iter().all(|key| {
                    key.target == relation.id || !wanted.iter().any(|other| other.id == key.target)
                })
            });
            ordered.push(wanted.remove(ready.unwrap_or(0)));
        }
        ordered
    }

    /// Inserts a row for a tenant, or says why it can't be.
    async fn make(
        &self,
        connection: &mut PgConnection,
        relation: &Relation,
        tenant: &Tenant,
        index: usize,
        rows: &mut Rows,
    ) -> Result<Result<Map<String, Value>, String>> {
        let mut forced: BTreeMap<String, String> = BTreeMap::new();
        let mut number = 0;
        // What triggers and rules do is done for the tenant of the row. In place the session is the
        // attacks' too, which must not have had one as long as that can be.
        if self.copy || rows.as_tenant {
            self.become_tenant(connection, tenant).await?;
        }
        let mut last = String::new();
        for attempt in 0..TRIES {
            let full = attempt < FULL;
            let mut values = match self.some(relation, tenant, index, rows, number, full) {
                Ok(values) => values,
                Err(why) => return Ok(Err(why)),
            };
            for (name, value) in &forced {
                values.insert(name.clone(), value.clone());
            }
            let sql = format!(
                "INSERT INTO {} AS made {} RETURNING pg_catalog.to_jsonb(made)::text",
                relation.qualified(),
                clause(&values)
            );
            match within(connection, &sql).await? {
                Ok(Some(text)) => {
                    let row: Map<String, Value> = serde_json::from_str(&text).context("a row")?;
                    if !forced.is_empty() {
                        rows.asked.insert(dotted(relation), forced);
                    }
                    return Ok(Ok(row));
                }
                Ok(None) => return Ok(Err("a rule or trigger keeps the row out".to_owned())),
                Err((error, check)) => {
                    last = error.told(!self.copy);
                    if error.code == "23505" {
                        // Somebody has the value: one further on.
                        number += 31;
                        continue;
                    }
                    // The tenant may be needed by a trigger, a default or a forced policy.
                    if attempt == 0 && !self.copy {
                        rows.as_tenant = true;
                        self.become_tenant(connection, tenant).await?;
                    } else if !self.respect(relation, check.as_deref(), tenant, &mut forced)
                        && !full
                    {
                        break;
                    }
                }
            }
        }
        Ok(Err(last))
    }

    async fn become_tenant(&self, connection: &mut PgConnection, tenant: &Tenant) -> Result<()> {
        let setting = &self.catalog.config().tenant.setting;
        let sql = format!(
            "SELECT set_config({}, {}, true)",
            literal(setting),
            literal(&tenant.id)
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Changes values so that a failed check may hold: the first text that it names, or a small number.
    fn respect(
        &self,
        relation: &Relation,
        check: Option<&str>,
        tenant: &Tenant,
        forced: &mut BTreeMap<String, String>,
    ) -> bool {
        let Some(definition) = check else {
            return false;
        };
        let Some(columns) = self.columns.get(&dotted(relation)) else {
            return false;
        };
        let quoted: Vec<&str> = definition.split('\'').skip(1).step_by(2).collect();
        let mut changed = false;
        for column in columns
            .iter()
            // The condition of a domain names its value alone.
            .filter(|column| {
                definition.contains(&column.name)
                    || (column.ty != column.base && definition.contains("VALUE"))
            })
        {
            let is_tenant = self
                .tenant(relation)
                .is_some_and(|tenant| tenant.name == column.name);
            let tried = forced.get(&column.name).cloned();
            let options: Vec<String> = match column.category {
                'S' => quoted
                    .iter()
                    .map(|text| (*text).to_owned())
                    .chain(USUAL.iter().map(|usual| usual.replace("{}", &tenant.mark)))
                    .map(|text| format!("{}::{}", literal(&text), column.ty))
                    .collect(),
                'N' => ["1", "10", "0", "100"]
                    .map(|n| format!("{n}::{}", column.ty))
                    .to_vec(),
                _ => Vec::new(),
            };
            let next = match &tried {
                None => options.first(),
                Some(tried) => options.iter().skip_while(|option| *option != tried).nth(1),
            };
            if let (Some(next), false) = (next, is_tenant) {
                forced.insert(column.name.clone(), next.clone());
                changed = true;
            }
        }
        changed
    }

    /// Values for a row of a tenant, as SQL by column. `number` makes a further row differ.
    pub(super) fn values(
        &self,
        relation: &Relation,
        tenant: &Tenant,
        index: usize,
        rows: &Rows,
        number: u32,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut values = self.some(relation, tenant, index, rows, number, true)?;
        for (name, value) in rows.asked.get(&dotted(relation)).into_iter().flatten() {
            values.insert(name.clone(), value.clone());
        }
        Ok(values)
    }

    fn some(
        &self,
        relation: &Relation,
        tenant: &Tenant,
        index: usize,
        rows: &Rows,
        number: u32,
        full: bool,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut values = BTreeMap::new();
        let columns = self
            .columns
            .get(&dotted(relation))
            .ok_or("its columns are not known")?;
        let own = self.tenant(relation).map(|column| column.name.as_str());
        let mark = if self.belongs(relation, 0) {
            tenant.mark.as_str()
        } else {
            NOBODY
        };
        for column in columns.iter().filter(|column| !column.generated) {
            if own == Some(&column.name) {
                values.insert(
                    column.name.clone(),
                    format!("{}::{}", literal(&tenant.id), column.ty),
                );
            } else if column.category == 'S' || (!column.has_default && (full || column.required)) {
                match column.value(mark, tenant.base + number) {
                    Some(value) => values.insert(column.name.clone(), value),
                    None if column.required => {
                        return Err(format!(
                            "no value can be made up for `{}` of type {}",
                            column.name, column.ty
                        ));
                    }
                    None => None,
                };
            }
        }
        for key in &relation.foreign_keys {
            let target = self
                .catalog
                .get(key.target)
                .ok_or("a table that it refers to is not known")?;
            let referred = rows.filled.get(&dotted(target)).map(|filled| match index {
                0 => &filled.a,
                _ => &filled.b,
            });
            for (name, theirs) in key.columns.iter().zip(&key.target_columns) {
                if own == Some(name) {
                    continue;
                }
                let column = columns.iter().find(|column| column.name == *name);
                let ty = column.map_or("text", |column| column.ty.as_str());
                match referred.and_then(|row| row.get(theirs)) {
                    Some(value) => {
                        values.insert(name.clone(), as_sql(value, ty));
                    }
                    None if column.is_some_and(|column| !column.required) => {
                        values.insert(name.clone(), "NULL".to_owned());
                    }
                    None if target.id == relation.id => {}
                    None => {
                        let why = rows.unfilled.get(&dotted(target));
                        let why = why.map_or("it has no row", String::as_str);
                        return Err(format!("it refers to `{}`: {why}", target.qualified()));
                    }
                }
            }
        }
        // What is itself the list of tenants has the tenant's id as its key.
        if own.is_none()
            && let Some(key) = self.registry_key(relation)
            && let Some(column) = columns.iter().find(|column| column.name == key)
        {
            values.insert(key, format!("{}::{}", literal(&tenant.id), column.ty));
        }
        Ok(values)
    }

    /// The column of a table without a tenant column that tenant columns of others refer to.
    pub(super) fn registry_key(&self, relation: &Relation) -> Option<String> {
        self.catalog.relations().find_map(|other| {
            let tenant = &self.tenant(other)?.name;
            other.foreign_keys.iter().find_map(|key| {
                let mut pairs = key.columns.iter().zip(&key.target_columns);
                let pair = pairs.find(|(own, _)| *own == tenant)?;
                (key.target == relation.id).then(|| pair.1.clone())
            })
        })
    }
}

/// A value of a row as SQL of a type.
pub(super) fn as_sql(value: &Value, ty: &str) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("{}::{ty}", literal(text)),
        other => format!("{}::{ty}", literal(&other.to_string())),
    }
}

/// `(columns) VALUES (values)`.
pub(super) fn clause(values: &BTreeMap<String, String>) -> String {
    if values.is_empty() {
        return "DEFAULT VALUES".to_owned();
    }
    let names: Vec<String> = values.keys().map(|name| quote(name)).collect();
    let list: Vec<&str> = values.values().map(String::as_str).collect();
    format!("({}) VALUES ({})", names.join(", "), list.join(", "))
}

/// A refusal, and the definition of the check that does not hold.
type Refused = (Refusal, Option<String>);

/// Runs a statement in a savepoint that is kept where it succeeds.
async fn within(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<Result<Option<String>, Refused>> {
    sqlx::raw_sql("SAVEPOINT watertight_row")
        .execute(&mut *connection)
        .await?;
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_optional(&mut *connection)
        .await;
    match sort_out(result)? {
        Ok(row) => {
            sqlx::raw_sql("RELEASE SAVEPOINT watertight_row")
                .execute(&mut *connection)
                .await?;
            let text = row.map(|row| row.try_get::<String, _>(0)).transpose()?;
            Ok(Ok(text))
        }
        Err(refusal) => {
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT watertight_row")
                .execute(&mut *connection)
                .await?;
            let mut check = None;
            if let ("23514", Some(name)) = (refusal.code.as_str(), &refusal.constraint) {
                let sql = format!(
                    "SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conname = {} AND contype = 'c' LIMIT 1",
                    literal(name)
                );
                let row = sqlx::raw_sql(AssertSqlSafe(sql))
                    .fetch_optional(&mut *connection)
                    .await?;
                check = row.map(|row| row.try_get::<String, _>(0)).transpose()?;
            }
            Ok(Err((refusal, check)))
        }
    }
}
