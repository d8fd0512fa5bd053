//! Makes each attack out for the objects of a schema: which there are, and what stands in its statements.

mod keyed;
mod keys;
mod reference;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use serde::Deserialize;
use watertight_analysis::catalog::{Relation, RelationKind, quote};
use watertight_analysis::finding::Place;

use super::catalogue::{Attack, Leak, On};
use super::replay::Aimed;
use super::risk::Risks;
use super::rows::{Maker, Rows, as_sql, clause, dotted};
use super::target::literal;
use keyed::keyed;
use keys::{free, referring, taken};

/// What the posture's queries tell of relations and functions.
#[derive(Debug, Deserialize)]
struct Held {
    schema: String,
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    privileges: Vec<String>,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    executable: bool,
    #[serde(default)]
    returns: String,
}

/// The objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    relations: Vec<Held>,
    /// Where each is among the relations, by schema and name.
    places: HashMap<(String, String), usize>,
    functions: Vec<Held>,
    roles: Vec<String>,
    schemas: Vec<String>,
    database: String,
    /// What may reach beyond the database.
    pub(super) risks: Risks,
}

#[derive(Deserialize)]
struct Server {
    database: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Objects {
    /// From the rows of the posture's queries.
    pub(super) fn read(raw: &[(&'static str, String)], risks: Risks) -> Result<Self> {
        fn of<T: for<'a> Deserialize<'a>>(raw: &[(&str, String)], name: &str) -> Result<Vec<T>> {
            raw.iter()
                .filter(|(query, _)| *query == name)
                .map(|(_, row)| {
                    serde_json::from_str(row).with_context(|| format!("a row of `{name}`"))
                })
                .collect()
        }
        let names = |named: Vec<Named>| named.into_iter().map(|row| row.name).collect();
        let relations: Vec<Held> = of(raw, "relation")?;
        let key = |held: &Held| (held.schema.clone(), held.name.clone());
        let places = relations.iter().enumerate();
        Ok(Self {
            places: places.map(|(at, held)| (key(held), at)).collect(),
            relations,
            functions: of(raw, "function")?,
            roles: names(of(raw, "role")?),
            schemas: names(of(raw, "schema")?),
            database: of::<Server>(raw, "server")?
                .pop()
                .map_or_else(String::new, |server| server.database),
            risks,
        })
    }

    fn relation(&self, relation: &Relation) -> Option<&Held> {
        let key = (relation.schema.clone(), relation.name.clone());
        self.relations.get(*self.places.get(&key)?)
    }
}

/// An attack made out for an object, or why it does not fit it.
pub(super) type Shot<'a> = std::result::Result<Aimed<'a>, (Place, String)>;

/// All objects that an attack is tried on.
pub(super) fn aim<'a>(
    attack: &'a Attack,
    objects: &Objects,
    maker: &Maker<'a>,
    rows: &Rows,
    role: &str,
) -> Vec<Shot<'a>> {
    let one = |place: Place, words: BTreeMap<&str, String>| shot(attack, place, None, &words);
    let readable = readable(objects, maker, rows);
    let any = readable.first();
    match attack.on {
        On::Table => maker
            .catalog
            .relations()
            .filter(|relation| relation.is_table() && maker.tenant(relation).is_some())
            .filter_map(|relation| Some((relation, objects.relation(relation)?)))
            .flat_map(|(relation, held)| table(attack, relation, held, maker, rows))
            .collect(),
        On::SharedTable => shared(attack, objects, maker),
        On::Reference => maker
            .catalog
            .relations()
            .flat_map(|relation| reference::shots(attack, relation, maker, rows))
            .collect(),
        On::View | On::Sequence => objects
            .relations
            .iter()
            .filter(|held| match attack.on {
                On::View => matches!(held.kind.as_str(), "v" | "m"),
                _ => held.kind == "S",
            })
            .map(|held| {
                let name = qualified(&held.schema, &held.name);
                let kind = if attack.on == On::View {
                    "view"
                } else {
                    "sequence"
                };
                let place = Place::object(kind, name.clone());
                if let Some(why) = objects
                    .risks
                    .read_of(&format!("{}.{}", held.schema, held.name))
                {
                    return Err((place, why.clone()));
                }
                if let Some(why) = missing(attack, held) {
                    return Err((place, why));
                }
                let words = BTreeMap::from([("view", name.clone()), ("sequence", name.clone())]);
                one(place, words)
            })
            .collect(),
        On::KeyedFunction => keyed(attack, objects, maker, rows),
        On::Function | On::TextFunction => objects
            .functions
            .iter()
            .filter(|held| {
                held.executable && held.kind == "f" && !held.returns.ends_with("trigger")
            })
            .filter(|held| {
                let text = held.arguments == "text" || held.arguments.ends_with(" text");
                match attack.on {
                    On::Function => held.arguments.is_empty(),
                    _ => text && !held.arguments.contains(','),
                }
            })
            .map(|held| {
                let name = qualified(&held.schema, &held.name);
                if let Some(why) = objects.risks.function(&held.schema, &held.name) {
                    return Err((function_place(held), why));
                }
                let mut words = BTreeMap::from([("function", name.clone())]);
                if let Some(table) = any {
                    words.insert("any-table-text", table.replace('\'', "''"));
                }
                one(function_place(held), words)
            })
            .collect(),
        On::Role => objects
            .roles
            .iter()
            .filter(|name| *name != role && !name.starts_with("pg_"))
            .flat_map(|name| readable.iter().map(move |table| (name, table)))
            .map(|(name, table)| {
                let words = BTreeMap::from([("role", quote(name)), ("any-table", table.clone())]);
                one(Place::object("role", quote(name)), words)
            })
            .collect(),
        On::Schema => objects
            .schemas
            .iter()
            .filter(|name| *name != "pg_catalog")
            .map(|name| {
                one(
                    Place::object("schema", quote(name)),
                    BTreeMap::from([("schema", quote(name))]),
                )
            })
            .collect(),
        On::Database => {
            let setting = &maker.catalog.config().tenant.setting;
            let of = |catalog: &str, id: &str, name: &str| {
                format!(
                    "(SELECT oid FROM pg_catalog.{catalog} WHERE {id} = {})",
                    literal(name)
                )
            };
            let words = BTreeMap::from([
                ("database", of("pg_database", "datname", &objects.database)),
                ("login", of("pg_roles", "rolname", role)),
                ("setting", literal(setting)),
            ]);
            vec![one(Place::object("role", quote(role)), words)]
        }
    }
}

fn function_place(held: &Held) -> Place {
    let name = qualified(&held.schema, &held.name);
    Place::object("function", format!("{name}({})", held.arguments))
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote(schema), quote(name))
}

fn missing(attack: &Attack, held: &Held) -> Option<String> {
    let needs = attack
        .needs
        .iter()
        .find(|need| !held.privileges.contains(need))?;
    Some(format!("the application role may not {needs}"))
}

fn shot<'a>(
    attack: &'a Attack,
    place: Place,
    table: Option<&'a Relation>,
    words: &BTreeMap<&str, String>,
) -> Shot<'a> {
    let all = |templates: &[String]| -> Option<Vec<String>> {
        templates
            .iter()
            .map(|template| write(template, words))
            .collect()
    };
    match (all(&attack.sql), all(&attack.before)) {
        (Some(sql), Some(before)) => Ok(Aimed {
            attack,
            place,
            table,
            sql,
            before,
            constraint: None,
        }),
        _ => Err((
            place,
            "it has no column or key that the attack needs".to_owned(),
        )),
    }
}

/// Filled tables that the application can read, a few of them.
fn readable(objects: &Objects, maker: &Maker<'_>, rows: &Rows) -> Vec<String> {
    const MOST: usize = 20;
    maker
        .catalog
        .relations()
        .filter(|relation| {
            let held = objects.relation(relation);
            held.is_some_and(|held| held.privileges.iter().any(|p| p == "SELECT"))
        })
        .filter(|relation| maker.tenant(relation).is_some())
        .filter(|relation| rows.filled.contains_key(&dotted(relation)))
        .map(Relation::qualified)
        .take(MOST)
        .collect()
}

fn table<'a>(
    attack: &'a Attack,
    relation: &'a Relation,
    held: &Held,
    maker: &Maker<'a>,
    rows: &Rows,
) -> Vec<Shot<'a>> {
    let name = relation.qualified();
    let place = Place::object("table", name.clone());
    if let Some(why) = maker.risks.read_of(&dotted(relation)) {
        return vec![Err((place, why.clone()))];
    }
    let partition = relation.kind == RelationKind::Partition;
    if !partition && let Some(why) = rows.unfilled.get(&dotted(relation)) {
        let why = format!("no rows of two tenants could be made: {why}");
        return vec![Err((place, why))];
    }
    if let Some(why) = missing(attack, held) {
        return vec![Err((place, why))];
    }
    let Some(column) = maker.tenant(relation) else {
        return vec![Err((place, "its tenant column is not known".to_owned()))];
    };
    let columns = maker
        .columns
        .get(&dotted(relation))
        .map_or(&[][..], Vec::as_slice);
    let ty = columns
        .iter()
        .find(|c| c.name == column.name)
        .map_or("text", |c| c.ty.as_str());
    let [a, b] = maker.tenants;
    let of = |id: &str| format!("{}::{ty}", literal(id));
    let mut words = BTreeMap::from([
        ("table", name.clone()),
        ("table-text", name.replace('\'', "''")),
        ("schema-name", literal(&relation.schema)),
        ("table-name", literal(&relation.name)),
        ("column", quote(&column.name)),
        ("column-text", quote(&column.name).replace('\'', "''")),
        ("a", of(&a.id)),
        ("b", of(&b.id)),
        ("b-text", of(&b.id).replace('\'', "''")),
    ]);
    words.insert("free", free(relation, maker, None));
    let granted: Vec<String> = columns
        .iter()
        .filter(|c| c.readable)
        .map(|c| quote(&c.name))
        .collect();
    if !granted.is_empty() {
        words.insert("columns", granted.join(", "));
    }
    let text = columns
        .iter()
        .find(|c| c.category == 'S' && c.name != column.name && c.label.is_none());
    if let Some(text) = text {
        words.insert("text", quote(&text.name));
    }
    let plain = columns.iter().find(|c| {
        let in_key = relation
            .keys
            .iter()
            .any(|key| key.columns.contains(&Some(c.name.clone())));
        let refers = relation
            .foreign_keys
            .iter()
            .any(|key| key.columns.contains(&c.name));
        !c.generated && c.name != column.name && !in_key && !refers
    });
    let mine = rows.filled.get(&dotted(relation)).map(|filled| &filled.a);
    if let Some(plain) = plain {
        let value = mine.and_then(|row| row.get(&plain.name));
        let value = value.map_or_else(|| "NULL".to_owned(), |value| as_sql(value, &plain.ty));
        words.insert("set", format!("{} = {value}", quote(&plain.name)));
    }
    let required = columns.iter().any(|c| c.name == column.name && c.required);
    if required
        && attack
            .before
            .iter()
            .any(|sql| sql.contains("{insert-null}"))
    {
        return vec![Err((place, "its tenant column is NOT NULL".to_owned()))];
    }
    let theirs = maker.values(relation, b, 1, rows, 7).ok();
    let without = theirs.clone().map(|mut values| {
        values.insert(column.name.clone(), "NULL".to_owned());
        values
    });
    let inserts = [
        ("insert-b", theirs.clone()),
        ("insert-null", without),
        ("insert-ref", referring(relation, maker, rows)),
    ];
    for (word, values) in inserts {
        if let Some(values) = values {
            words.insert(word, clause(&values));
        }
    }
    if attack.leak == Leak::Refused {
        return taken(relation, maker, rows)
            .into_iter()
            .map(|(constraint, sure, values)| {
                words.insert("insert-taken", clause(&values));
                let mut aimed = shot(attack, place.clone(), Some(relation), &words)?;
                aimed.constraint = Some((constraint, sure));
                Ok(aimed)
            })
            .collect();
    }
    let mut shot = shot(attack, place, Some(relation), &words);
    // The rows of a partition are its parent's; by itself it is attacked as a table of its own.
    if partition && let Ok(aimed) = &mut shot {
        let parent = relation
            .parents
            .first()
            .and_then(|id| maker.catalog.get(*id));
        if let (Some(parent), Some(theirs), true) = (parent, theirs, maker.copy) {
            let detach = format!("ALTER TABLE {} DETACH PARTITION {name}", parent.qualified());
            let insert = format!("INSERT INTO {name} {}", clause(&theirs));
            aimed.before.splice(0..0, [detach, insert]);
        }
    }
    vec![shot]
}

/// Tables in reach that do not tell whose their rows are.
fn shared<'a>(attack: &'a Attack, objects: &Objects, maker: &Maker<'a>) -> Vec<Shot<'a>> {
    maker
        .catalog
        .relations()
        .filter(|relation| relation.is_table() && maker.tenant(relation).is_none())
        .filter(|relation| relation.kind != RelationKind::ForeignTable)
        .filter(|relation| maker.registry_key(relation).is_none())
        .filter_map(|relation| Some((relation, objects.relation(relation)?)))
        .map(|(relation, held)| {
            let name = relation.qualified();
            let place = Place::object("table", name.clone());
            if let Some(why) = missing(attack, held) {
                return Err((place, why));
            }
            shot(attack, place, None, &BTreeMap::from([("table", name)]))
        })
        .collect()
}

/// Replaces `{name}` in a statement; nothing where a name is not known.
fn write(template: &str, words: &BTreeMap<&str, String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, after) = after.split_once('}')?;
        out.push_str(words.get(name)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
