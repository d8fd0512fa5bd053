//! Every expression that the prover takes for one which never raises an error, on values at the ends
//! of every type: no error may occur.
//!
//! The expressions come from the server's own catalogs: each overload of a function that is on the
//! list, each operator and cast, each form that makes one type of several, with every type that
//! reaches its arguments. An expression counts as taken where the prover accepts it in a condition on
//! a table without row-level security. What the server refuses or computes as it plans fails for
//! everybody alike, and is left out.

mod values;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove};
use watertight_devdb::DevDb;

use values::{EXTENSIONS, TYPES, literals};

/// How a column of a type is called.
fn column(place: usize, ty: &str) -> String {
    let plain: String = ty
        .replace("[]", "_array")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    format!("c{place}_{plain}")
}

/// The table of the migration with that column.
fn table(place: usize, ty: &str) -> String {
    column(place, ty).replacen('c', "t", 1)
}

/// An expression over columns, and the types of these by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    text: String,
    /// The same for the server: an aggregate is computed over all rows there.
    aggregate: bool,
    columns: BTreeMap<usize, String>,
}

struct Schema {
    /// Names of types as `TYPES` spells them, by what the server calls them.
    types: Vec<(String, String)>,
    /// The category of each: others have no common type.
    categories: Vec<String>,
    /// From and to, by the server's names; all of them, and those that need not be written.
    explicit: BTreeSet<(String, String)>,
    casts: BTreeSet<(String, String)>,
}

impl Schema {
    /// The types that reach a parameter.
    fn reach(&self, parameter: &str) -> Vec<String> {
        let fits = |server: &str| {
            let array = server.starts_with('_');
            match parameter {
                "any" | "anyelement" | "anycompatible" => true,
                "anynonarray" => !array,
                "anyarray" | "anycompatiblearray" => array,
                "anyenum" => server == "mood",
                "anyrange" => server.ends_with("range") && !server.ends_with("multirange"),
                "anymultirange" => server.ends_with("multirange"),
                _ => {
                    server == parameter
                        || (server == "word" && parameter == "text")
                        || self
                            .casts
                            .contains(&(server.to_owned(), parameter.to_owned()))
                }
            }
        };
        self.types
            .iter()
            .filter(|(server, _)| fits(server))
            .map(|(_, ours)| ours.clone())
            .collect()
    }
}

/// How many ways to fill the places of one call are tried, at most; `NEVER_RAISES_MOST` for a long run.
fn most() -> usize {
    let told = std::env::var("NEVER_RAISES_MOST").ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(30)
}

/// All ways to fill the places of a call.
fn fillings(
    schema: &Schema,
    parameters: &[&str],
    literal: bool,
) -> Vec<Vec<(String, Option<String>)>> {
    let mut all: Vec<Vec<(String, Option<String>)>> = vec![Vec::new()];
    for (place, parameter) in parameters.iter().enumerate() {
        let mut choices: Vec<(String, Option<String>)> = Vec::new();
        let reach = schema.reach(parameter);
        choices.extend(reach.into_iter().map(|ty| (column(place, &ty), Some(ty))));
        if literal {
            choices.extend(
                literals(parameter)
                    .iter()
                    .map(|text| ((*text).to_owned(), None)),
            );
        }
        all = all
            .into_iter()
            .flat_map(|before| {
                choices.iter().map(move |choice| {
                    let mut next = before.clone();
                    next.push(choice.clone());
                    next
                })
            })
            .collect();
        // Of very many, every so many.
        let most = most();
        if all.len() > 2 * most {
            let step = (all.len() / most) | 1;
            all = all.into_iter().step_by(step).collect();
        }
    }
    all
}

fn candidate(text: String, aggregate: bool, filling: &[(String, Option<String>)]) -> Candidate {
    let columns = filling
        .iter()
        .enumerate()
        .filter_map(|(place, (_, ty))| Some((place, ty.clone()?)))
        .collect();
    Candidate {
        text,
        aggregate,
        columns,
    }
}

async fn candidates(server: &mut PgConnection, schema: &Schema) -> Vec<Candidate> {
    let mut found = Vec::new();
    let list = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../analysis/functions/overloads.tsv"
    );
    let list = std::fs::read_to_string(list).unwrap();
    let functions = "SELECT p.proname, p.prokind::text, p.provariadic <> 0, coalesce((SELECT string_agg(t.typname, ',' ORDER BY i) \
        FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a (oid, i) JOIN pg_type t ON t.oid = a.oid), '') \
        FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND NOT p.proretset";
    let listed: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    for row in sqlx::query(functions)
        .fetch_all(&mut *server)
        .await
        .unwrap()
    {
        let (name, kind): (String, String) = (row.get(0), row.get(1));
        let (variadic, types): (bool, String) = (row.get(2), row.get(3));
        let types: Vec<&str> = types.split(',').filter(|ty| !ty.is_empty()).collect();
        if !listed.contains(name.as_str()) || types.is_empty() || types.contains(&"internal") {
            continue;
        }
        for filling in fillings(schema, &types, kind == "f") {
            let arguments: Vec<&str> = filling.iter().map(|(text, _)| text.as_str()).collect();
            let mut arguments = arguments.join(", ");
            if variadic && types.last().is_some_and(|ty| ty.starts_with('_')) {
                arguments = arguments.replacen(", c1", ", VARIADIC c1", 1);
            }
            let text = format!("pg_catalog.\"{name}\"({arguments})");
            found.push(candidate(text, kind == "a", &filling));
        }
    }
    let operators = "SELECT oprname, coalesce(l.typname, ''), r.typname FROM pg_operator \
        LEFT JOIN pg_type l ON l.oid = oprleft JOIN pg_type r ON r.oid = oprright WHERE oprcode <> 0";
    for row in sqlx::query(operators)
        .fetch_all(&mut *server)
        .await
        .unwrap()
    {
        let (name, left, right): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        if left.is_empty() {
            for filling in fillings(schema, &[&right], false) {
                found.push(candidate(
                    format!("{name} {}", filling[0].0),
                    false,
                    &filling,
                ));
            }
            continue;
        }
        for filling in fillings(schema, &[&left, &right], true) {
            let text = format!("{} {name} {}", filling[0].0, filling[1].0);
            found.push(candidate(text, false, &filling));
        }
    }
    for ((source, from), category) in schema.types.iter().zip(&schema.categories) {
        let filling = [(column(0, from), Some(from.clone()))];
        for (server, to) in &schema.types {
            // Explicit casts that are in no list go by way of text.
            let texts = matches!(server.as_str(), "text" | "varchar" | "name" | "citext");
            if texts
                || from == "text"
                || schema.explicit.contains(&(source.clone(), server.clone()))
            {
                found.push(candidate(
                    format!("{}::{to}", filling[0].0),
                    false,
                    &filling,
                ));
            }
        }
        for to in [
            "varchar(1)",
            "bpchar(1)",
            "numeric(3,1)",
            "timestamptz(0)",
            "time(0)",
            "bit(2)",
        ] {
            found.push(candidate(
                format!("{}::{to}", filling[0].0),
                false,
                &filling,
            ));
        }
        for ((_, other), others) in schema.types.iter().zip(&schema.categories) {
            if category != others {
                continue;
            }
            let mut filling = filling.to_vec();
            filling.push((column(1, other), Some(other.clone())));
            let (a, b) = (&filling[0].0, &filling[1].0);
            for text in [
                format!("coalesce({a}, {b})"),
                format!("greatest({a}, {b})"),
                format!("nullif({a}, {b})"),
                format!("CASE WHEN {a} IS NULL THEN {b} ELSE {a} END"),
                format!("{a} IN ({b}, {b})"),
                format!("{a} BETWEEN {b} AND {b}"),
                format!("{a} IS DISTINCT FROM {b}"),
                format!("(ARRAY[{a}, {b}])[1]"),
                format!("{a} = ANY (ARRAY[{b}])"),
                format!("({a}, 1) < ({b}, 2)"),
            ] {
                found.push(candidate(text, false, &filling));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether the prover takes an expression for one that never raises.
fn is_taken(catalog: &Catalog, candidate: &Candidate) -> bool {
    let tables: Vec<String> = candidate
        .columns
        .iter()
        .map(|(place, ty)| table(*place, ty))
        .collect();
    let expr = match tables.as_slice() {
        // Over the tenant's own rows, of a sub-query that is computed for each row.
        [only] if candidate.aggregate => format!(
            "(SELECT {} FROM {only} z WHERE z.tenant_id = $tenant AND z.id = {only}.id)",
            candidate.text
        ),
        [] => return false,
        _ if candidate.aggregate => return false,
        _ => format!("({})", candidate.text),
    };
    let pins: Vec<String> = tables
        .iter()
        .map(|table| format!("{table}.tenant_id = $tenant"))
        .collect();
    let (from, pins) = (tables.join(", "), pins.join(" AND "));
    let sql = format!("SELECT 1 FROM {from} WHERE {pins} AND {expr} IS NOT NULL");
    prepare(&sql, TenantBinding::LastParameter, catalog.config())
        .and_then(|prepared| prove(catalog, &prepared))
        .is_ok()
}

fn query(candidate: &Candidate) -> String {
    let from: Vec<String> = candidate
        .columns
        .iter()
        .map(|(place, ty)| {
            format!(
                "(SELECT x AS {} FROM {}) t{place}",
                column(*place, ty),
                column(9, ty)
            )
        })
        .collect();
    let from = match from.as_slice() {
        [] => String::new(),
        _ => format!(" FROM {}", from.join(", ")),
    };
    match candidate.aggregate {
        true => format!("SELECT {}{from}", candidate.text),
        // Counting computes it for each row, and says nothing of its type.
        false => format!("SELECT count(({}) IS NULL){from}", candidate.text),
    }
}

/// The error of a statement that the server plans.
async fn error(server: &mut PgConnection, sql: &str) -> Option<String> {
    let explain = format!("EXPLAIN {sql}");
    sqlx::raw_sql(AssertSqlSafe(explain))
        .execute(&mut *server)
        .await
        .ok()?;
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut *server)
        .await;
    ran.err().map(|error| error.to_string())
}

#[tokio::test]
async fn what_is_said_never_to_raise_never_does() {
    let server = DevDb::start().await.unwrap();
    let database = server.database().await.unwrap();
    let mut server = PgConnection::connect(database.admin_url()).await.unwrap();
    let mut types: Vec<(&str, &str)> = TYPES.to_vec();
    let mut migration =
        String::from("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN word AS text;\n");
    for (extension, ty, values) in EXTENSIONS {
        let create = format!("CREATE EXTENSION {extension}; ");
        if sqlx::raw_sql(AssertSqlSafe(create.clone()))
            .execute(&mut server)
            .await
            .is_ok()
        {
            migration.push_str(&create);
            types.extend((!ty.is_empty()).then_some((*ty, *values)));
        }
    }
    sqlx::raw_sql("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN word AS text")
        .execute(&mut server)
        .await
        .unwrap();
    for (ty, values) in &types {
        for place in 0..4 {
            migration.push_str(&format!(
                "CREATE TABLE {} (id int PRIMARY KEY, tenant_id uuid NOT NULL, {} {ty});\n",
                table(place, ty),
                column(place, ty)
            ));
        }
        let table = column(9, ty);
        let fill = format!(
            "CREATE TABLE {table} (x {ty}); INSERT INTO {table} SELECT v::{ty} FROM (VALUES {values}) AS v (v); \
             INSERT INTO {table} VALUES (NULL)"
        );
        sqlx::raw_sql(AssertSqlSafe(fill))
            .execute(&mut server)
            .await
            .unwrap_or_else(|why| panic!("{ty}: {why}"));
    }
    let file = SourceFile {
        path: "1_t.sql".to_owned(),
        text: migration,
    };
    let catalog = Catalog::build(&Config::default(), &order(vec![file]).unwrap());
    assert!(
        catalog
            .diagnostics()
            .iter()
            .all(|d| d.code.number() != "W0701"),
        "{:?}",
        catalog.diagnostics()
    );

    let mut schema = Schema {
        types: Vec::new(),
        categories: Vec::new(),
        explicit: BTreeSet::new(),
        casts: BTreeSet::new(),
    };
    for (ty, _) in &types {
        let sql = format!(
            "SELECT typname::text, typcategory::text FROM pg_type WHERE oid = '{ty}'::regtype"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .fetch_one(&mut server)
            .await
            .unwrap();
        schema.types.push((row.get(0), (*ty).to_owned()));
        schema.categories.push(row.get(1));
    }
    let casts = "SELECT s.typname::text, t.typname::text, castcontext = 'i' FROM pg_cast JOIN pg_type s ON s.oid = castsource \
        JOIN pg_type t ON t.oid = casttarget";
    for row in sqlx::query(casts).fetch_all(&mut server).await.unwrap() {
        let cast: (String, String) = (row.get(0), row.get(1));
        if row.get(2) {
            schema.casts.insert(cast.clone());
        }
        schema.explicit.insert(cast);
    }
    let started = std::time::Instant::now();
    let all = candidates(&mut server, &schema).await;
    let taken: Vec<&Candidate> = all
        .iter()
        .filter(|candidate| is_taken(&catalog, candidate))
        .collect();
    println!(
        "{} expressions, {} taken ({:?})",
        all.len(),
        taken.len(),
        started.elapsed()
    );

    // A zone whose clocks were set by the sun, and one on the other side.
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for zone in ["America/New_York", "Asia/Kolkata"] {
        sqlx::raw_sql(AssertSqlSafe(format!(
            "SET TimeZone = '{zone}'; SET jit = off"
        )))
        .execute(&mut server)
        .await
        .unwrap();
        for candidate in &taken {
            if zone == "Asia/Kolkata"
                && !candidate
                    .columns
                    .values()
                    .any(|ty| ty.starts_with("t") || ty == "date")
            {
                continue;
            }
            ran += 1;
            if let Some(why) = error(&mut server, &query(candidate)).await {
                wrong.push(format!("{zone}: {}: {why}", candidate.text));
            }
        }
    }
    println!("{ran} ran ({:?})", started.elapsed());
    assert!(
        taken.len() > 1_500,
        "only {} expressions are taken",
        taken.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {ran} raise:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
