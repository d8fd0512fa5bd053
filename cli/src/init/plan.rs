//! What every relation of the migrations needs, and what a person has to decide.
//!
//! Stages: a draft for each relation, then the catalog of the migrations with the drafts behind them
//! judges. Invariant: what is proposed as a statement protects, by the verdict of the compiler's own
//! catalog; what does not is a decision.

use std::collections::BTreeMap;

use watertight_analysis::catalog::{
    Catalog, Class, Column, Command, Relation, RelationId, RelationKind, quote, type_text,
};
use watertight_analysis::migrations::Migration;
use watertight_analysis::{Config, policy};

use super::decide;

/// What is to be done about the whole schema.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// In the order of creation.
    pub(super) items: Vec<Item>,
    /// The catalog of the migrations with the proposal behind them.
    pub(super) after: Catalog,
}

/// What is to be done about one object.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    /// The object, as SQL names it.
    pub(super) name: String,
    pub(super) state: State,
    /// One sentence.
    pub(super) why: String,
    /// Statements that hold as they are, and their way back.
    pub(super) up: Vec<String>,
    pub(super) down: Vec<String>,
    /// What a person decides: sentences, each with statements to take over.
    pub(super) decide: Vec<Decision>,
    /// What the tenant's role may do with it afterwards.
    pub(super) grant: Option<&'static str>,
}

/// A sentence, and statements that are written as comments.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) text: String,
    pub(super) sql: Vec<String>,
    /// Whether the statements read rows that are out of reach once row-level security is on.
    pub(super) before: bool,
}

/// How an object stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// The proposal protects it.
    Proposed,
    /// It holds already.
    Holds,
    /// A person has to decide, and until then the tenant's role gets no privilege.
    #[default]
    Open,
}

/// Which draft of a relation is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// A policy where there is none; else the switches alone.
    Plain,
    /// A restrictive policy beside those that are there.
    Restrictive,
    /// None protects.
    Open,
}

const POLICY: &str = "tenant_isolation";

/// Plans for the catalog of these migrations.
pub(super) fn plan(config: &Config, migrations: &[Migration]) -> Plan {
    let before = Catalog::build(config, migrations);
    let registries = registries(&before);
    let mut attempts: BTreeMap<RelationId, Attempt> = BTreeMap::new();
    // Each turn gives up at least one draft, and each relation has two.
    loop {
        let items: Vec<(RelationId, Item)> = before
            .relations()
            .filter_map(|relation| {
                let attempt = *attempts.get(&relation.id).unwrap_or(&Attempt::Plain);
                Some((relation.id, draft(&before, relation, &registries, attempt)?))
            })
            .collect();
        let after = with(config, migrations, items.iter().map(|(_, item)| item));
        let mut changed = false;
        for (id, item) in &items {
            if item.state != State::Proposed {
                continue;
            }
            let Some(relation) = before.get(*id) else {
                continue;
            };
            let found = after.relation(Some(&relation.schema), &relation.name);
            if found.found().is_some_and(|it| holds(&after, it)) {
                continue;
            }
            changed = true;
            let next = match attempts.get(id) {
                None if !relation.policies.is_empty() => Attempt::Restrictive,
                _ => Attempt::Open,
            };
            attempts.insert(*id, next);
        }
        if changed {
            continue;
        }
        let mut items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
        decide::add(&before, &after, &registries, &mut items);
        return Plan { items, after };
    }
}

/// The catalog with what is proposed behind the migrations.
fn with<'a>(
    config: &Config,
    migrations: &[Migration],
    items: impl Iterator<Item = &'a Item>,
) -> Catalog {
    let statements: Vec<&str> = items
        .flat_map(|item| &item.up)
        .map(String::as_str)
        .collect();
    let mut all = migrations.to_vec();
    all.push(Migration {
        path: "the proposed migration".to_owned(),
        version: u128::MAX,
        name: String::new(),
        text: format!("{};\n", statements.join(";\n")),
    });
    Catalog::build(config, &all)
}

/// Whether row-level security confines every command, or lets nothing through.
fn holds(catalog: &Catalog, relation: &Relation) -> bool {
    let commands: &[Command] = match relation.kind {
        RelationKind::View => &[Command::Select],
        _ => &Command::ALL,
    };
    commands.iter().all(|command| {
        matches!(
            catalog.class(relation, *command),
            Class::Protected | Class::Denied
        )
    })
}

/// The lists of tenants, each with the column that is the tenant's id in it.
pub(super) fn registries(catalog: &Catalog) -> BTreeMap<RelationId, String> {
    let column = &catalog.config().tenant.column;
    let mut found = BTreeMap::new();
    for relation in super::infer::tables(catalog) {
        for key in &relation.foreign_keys {
            if let ([own], [theirs]) = (key.columns.as_slice(), key.target_columns.as_slice())
                && own == column
                && catalog
                    .get(key.target)
                    .is_some_and(|target| target.column(column).is_none())
            {
                found.insert(key.target, theirs.clone());
            }
        }
    }
    // Without foreign keys: `orgs (id)` where the column is `org_id`.
    let stem = column.strip_suffix("_id").unwrap_or(column);
    for relation in super::infer::tables(catalog) {
        let name = relation.name.as_str();
        let plural = name == stem
            || name.strip_suffix('s') == Some(stem)
            || name
                .strip_suffix("ies")
                .is_some_and(|it| Some(it) == stem.strip_suffix('y'));
        let same_type = relation.column("id").is_some_and(|(_, id)| {
            let ty = id.ty.as_ref().map(type_text);
            ty.is_some_and(|ty| same_kind(&ty, catalog.config().tenant.kind.sql()))
        });
        if plural && same_type && relation.column(column).is_none() {
            found.entry(relation.id).or_insert_with(|| "id".to_owned());
        }
    }
    found
}

fn same_kind(ty: &str, kind: &str) -> bool {
    let number = |ty: &str| matches!(ty, "bigint" | "int8" | "integer" | "int4");
    ty == kind || (number(ty) && number(kind))
}

fn draft(
    catalog: &Catalog,
    relation: &Relation,
    registries: &BTreeMap<RelationId, String>,
    attempt: Attempt,
) -> Option<Item> {
    let mut item = Item {
        name: relation.qualified(),
        ..Item::default()
    };
    match relation.kind {
        RelationKind::Table => {}
        RelationKind::View => return Some(view(catalog, relation, attempt, item)),
        RelationKind::MaterializedView => {
            item.why = "a materialised view holds the rows of every tenant, and can't have policies: let tools read the tables that it is made from".to_owned();
            return Some(item);
        }
        RelationKind::ForeignTable => {
            item.why = "a foreign table can't have row-level security: copy its rows into a protected table, or reach it by a view with the tenant's condition".to_owned();
            return Some(item);
        }
        // Reached through their parents, whose policies hold; nobody is granted them by name.
        _ => return None,
    }
    if relation.is_global() {
        item.state = State::Holds;
        item.why = "declared global".to_owned();
        item.grant = Some("SELECT");
        return Some(item);
    }
    if let Some(unknown) = &relation.unknown {
        item.why = format!("{}: {}", unknown.reason, unknown.help);
        return Some(item);
    }
    if holds(catalog, relation) {
        item.state = State::Holds;
        item.why = "its row-level security confines it already".to_owned();
        item.grant = Some("SELECT, INSERT, UPDATE, DELETE");
        if let Some(tenant) = relation.tenant() {
            index(relation, tenant, &mut item);
        }
        return Some(item);
    }
    let registry = registries.get(&relation.id);
    let named = match (&relation.directive, registry) {
        (Some(watertight_analysis::catalog::Directive::Tenant { column }), _) => column,
        (_, Some(column)) => column,
        _ => &catalog.config().tenant.column,
    };
    let Some((_, column)) = relation.column(named) else {
        return Some(item);
    };
    if attempt == Attempt::Open || (relation.tenant().is_none() && registry.is_none()) {
        let gap = policy::gap(catalog, relation, Command::Select);
        let class = catalog.class(relation, Command::Select);
        let advice = policy::advice::of(catalog, relation, &class);
        let reason = match advice.reason.is_empty() {
            true => gap.unwrap_or_default(),
            false => advice.reason,
        };
        item.why = format!("row-level security as usual would not confine it: {reason}");
        item.decide
            .extend(advice.help.into_iter().map(|text| Decision {
                text,
                sql: Vec::new(),
                before: false,
            }));
        return Some(item);
    }
    item.state = State::Proposed;
    item.grant = Some(match registry {
        Some(_) => "SELECT",
        None => "SELECT, INSERT, UPDATE, DELETE",
    });
    item.why = match (registry, attempt) {
        (Some(column), _) => format!("the list of tenants: its `{column}` is the tenant's id"),
        (_, Attempt::Restrictive) => "its policies let more through than the tenant's rows: a restrictive one is added, which holds for every role and beside all others".to_owned(),
        (_, _) => format!("`{}` tells the tenant of each row", column.name),
    };
    if let Some(column) = registry
        && relation.directive.is_none()
    {
        let old = relation.comment();
        let comment = format!("@tenant {} {}", quote(column), old.unwrap_or_default());
        item.up.push(comment_on(relation, Some(comment.trim())));
        item.down.push(comment_on(relation, old));
    }
    protect(catalog.config(), relation, column, attempt, &mut item);
    if !column.not_null && registry.is_none() {
        let shown = quote(&column.name);
        item.decide.push(Decision {
            text: format!("`{shown}` may be NULL: such a row is nobody's, and no tenant sees it. Fill it, then"),
            sql: vec![format!(
                "ALTER TABLE {} ALTER COLUMN {shown} SET NOT NULL",
                relation.qualified()
            )],
            before: true,
        });
    }
    Some(item)
}

fn comment_on(relation: &Relation, text: Option<&str>) -> String {
    let text = text.map_or("NULL".to_owned(), |text| {
        format!("'{}'", text.replace('\'', "''"))
    });
    format!("COMMENT ON TABLE {} IS {text}", relation.qualified())
}

/// The switches, a policy and an index.
fn protect(
    config: &Config,
    relation: &Relation,
    column: &Column,
    attempt: Attempt,
    item: &mut Item,
) {
    let shown = relation.qualified();
    if !relation.rls.enabled {
        item.up
            .push(format!("ALTER TABLE {shown} ENABLE ROW LEVEL SECURITY"));
        item.down
            .push(format!("ALTER TABLE {shown} DISABLE ROW LEVEL SECURITY"));
    }
    if !relation.rls.forced {
        item.up
            .push(format!("ALTER TABLE {shown} FORCE ROW LEVEL SECURITY"));
        item.down
            .push(format!("ALTER TABLE {shown} NO FORCE ROW LEVEL SECURITY"));
    }
    if relation.policies.is_empty() || attempt == Attempt::Restrictive {
        let mut name = POLICY.to_owned();
        while relation.policies.iter().any(|policy| policy.name == name) {
            name.push_str("_too");
        }
        let kind = match attempt {
            Attempt::Restrictive => " AS RESTRICTIVE",
            _ => "",
        };
        let condition = condition(config, column);
        item.up.push(format!(
            "CREATE POLICY {name} ON {shown}{kind}\n    USING ({condition})\n    WITH CHECK ({condition})"
        ));
        item.down.push(format!("DROP POLICY {name} ON {shown}"));
    }
    index(relation, column, item);
}

/// `column = the session's tenant`, with the column's own type, so that an index serves it.
pub(super) fn condition(config: &Config, column: &Column) -> String {
    let setting = config.tenant.setting.replace('\'', "''");
    let ty = column.ty.as_ref().map(type_text).unwrap_or_default();
    let base = ty.split('(').next().unwrap_or_default().trim();
    let cast = match base {
        "text" | "varchar" | "character varying" => String::new(),
        _ => format!("::{ty}"),
    };
    format!(
        "{} = (SELECT nullif(current_setting('{setting}', true), ''){cast})",
        quote(&column.name)
    )
}

fn index(relation: &Relation, column: &Column, item: &mut Item) {
    if relation.is_indexed_by(&column.name) {
        return;
    }
    // PostgreSQL cuts names at 63 bytes; a cut one could be another's.
    let name: String = format!("{}_by_{}", relation.name, column.name);
    let name: String = name.chars().take(60).collect();
    let column = quote(&column.name);
    let shown = relation.qualified();
    let name = quote(&name);
    item.up
        .push(format!("CREATE INDEX {name} ON {shown} ({column})"));
    item.down
        .push(format!("DROP INDEX {}.{name}", quote(&relation.schema)));
}

/// A view reads with its owner's rights unless it says otherwise.
fn view(catalog: &Catalog, relation: &Relation, attempt: Attempt, mut item: Item) -> Item {
    let reads = relation.view.as_ref().map(|view| view.reads.as_slice());
    item.grant = Some("SELECT");
    match catalog.class(relation, Command::Select) {
        Class::Protected | Class::Global => {
            item.state = State::Holds;
            item.why = "it reads no more than the tenant's rows".to_owned();
        }
        class if attempt != Attempt::Plain || reads.is_none_or(<[_]>::is_empty) => {
            item.grant = None;
            item.why = policy::advice::of(catalog, relation, &class).reason;
        }
        _ => {
            item.state = State::Proposed;
            item.why = "it read with the rights of its owner: now with those of the caller, under the policies of its tables".to_owned();
            let shown = relation.qualified();
            let reset = format!("ALTER VIEW {shown} RESET (security_invoker)");
            // What holds already may need the tables' policies alone.
            if !relation
                .view
                .as_ref()
                .is_some_and(|view| view.security_invoker)
            {
                item.up
                    .push(format!("ALTER VIEW {shown} SET (security_invoker = true)"));
                item.down.push(reset);
            }
        }
    }
    item
}
