//! Time grows with the size of a text, not with its square: each shape at a size, twice and four times
//! that size, within one run. And ten thousand of anything ends in an answer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Code, Config, TenantBinding, prepare, prove};

/// `piece` for each number below `count`, which it holds as `#`.
fn each(count: usize, separator: &str, piece: &str) -> String {
    let mut text = String::new();
    for number in 0..count {
        if number > 0 {
            text.push_str(separator);
        }
        let _ = write!(text, "{}", piece.replace('#', &number.to_string()));
    }
    text
}

type Shape = (&'static str, fn(usize) -> String);

const STATEMENTS: &[Shape] = &[
    ("conjuncts", |n| {
        format!(
            "SELECT id FROM users WHERE tenant_id = $tenant AND {}",
            each(n, " AND ", "id <> $p")
        )
    }),
    ("alternatives", |n| {
        format!(
            "SELECT id FROM users WHERE tenant_id = $tenant AND ({})",
            each(n, " OR ", "id = $p")
        )
    }),
    ("columns", |n| {
        format!(
            "SELECT {} FROM users WHERE tenant_id = $tenant",
            each(n, ", ", "id AS c#")
        )
    }),
    ("items of a list", |n| {
        format!(
            "SELECT id FROM users WHERE tenant_id = $tenant AND 1 IN ({})",
            each(n, ", ", "#")
        )
    }),
    ("rows of VALUES", |n| {
        format!("VALUES {}", each(n, ", ", "(#, 'x')"))
    }),
    ("arms of UNION", |n| each(n, " UNION ALL ", "SELECT 1, 2")),
    ("arms over a table", |n| {
        each(
            n,
            " UNION ALL ",
            "SELECT id FROM users WHERE tenant_id = $tenant",
        )
    }),
    ("common tables", |n| {
        format!("WITH {} SELECT 1", each(n, ", ", "c# AS (SELECT 1 AS x)"))
    }),
    ("comma joins", |n| {
        format!("SELECT 1 FROM {}", each(n, ", ", "(SELECT 1) AS s#"))
    }),
    ("joins", |n| {
        format!(
            "SELECT 1 FROM users u WHERE u.tenant_id = $tenant AND ({})",
            each(n, " + ", "1") + " > 0"
        )
    }),
    ("sub-queries", |n| {
        format!(
            "SELECT {}",
            each(
                n,
                ", ",
                "(SELECT count(*) FROM users WHERE tenant_id = $tenant)"
            )
        )
    }),
    ("brackets", |n| {
        format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n))
    }),
    ("calls in calls", |n| {
        format!("SELECT {}1{}", "abs(".repeat(n), ")".repeat(n))
    }),
    ("casts", |n| format!("SELECT 1{}", "::int".repeat(n))),
    ("branches of CASE", |n| {
        format!("SELECT CASE {} END", each(n, " ", "WHEN # > 1 THEN #"))
    }),
    ("CASE in CASE", |n| {
        format!(
            "SELECT {}1{}",
            "CASE WHEN true THEN ".repeat(n),
            " END".repeat(n)
        )
    }),
    ("elements", |n| {
        format!("SELECT ARRAY[{}]", each(n, ", ", "#"))
    }),
    ("arrays in arrays", |n| {
        format!("SELECT ARRAY{}1{}", "[".repeat(n), "]".repeat(n))
    }),
    ("subscripts", |n| {
        format!("SELECT ARRAY[1]{}", "[1]".repeat(n))
    }),
    ("fields", |n| {
        format!("SELECT (a).{} FROM (SELECT 1 AS a) s", each(n, ".", "f#"))
    }),
    ("NOT", |n| format!("SELECT {}true", "NOT ".repeat(n))),
    ("operators", |n| {
        format!("SELECT {}", each(n, " || ", "'x'"))
    }),
    ("a long operator", |n| {
        format!("SELECT 1 {} 2", "~".repeat(n))
    }),
    ("a long name", |n| {
        format!("SELECT {} FROM users", "a".repeat(n))
    }),
    ("a long string", |n| format!("SELECT '{}'", "x''".repeat(n))),
    ("quoted names", |n| {
        format!("SELECT {}", each(n, ", ", "1 AS \"a\"\"#\""))
    }),
    ("strings", |n| {
        format!("SELECT {}", each(n, ", ", "$a$it's$a$"))
    }),
    ("comments", |n| {
        format!("SELECT 1 {}", each(n, "\n", "-- '#"))
    }),
    ("comments in comments", |n| {
        format!("SELECT 1 {}{}", "/*".repeat(n), "*/".repeat(n))
    }),
    ("named parameters", |n| {
        format!("SELECT {}", each(n, ", ", "$p#::int"))
    }),
    ("numbered parameters", |n| {
        format!(
            "SELECT {}",
            (1..=n)
                .map(|n| format!("${n}::int"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    }),
    ("orderings", |n| {
        format!(
            "SELECT id FROM users WHERE tenant_id = $tenant ORDER BY {}",
            each(n, ", ", "id + #")
        )
    }),
    ("groupings", |n| {
        format!(
            "SELECT count(*) FROM users WHERE tenant_id = $tenant GROUP BY {}",
            each(n, ", ", "id + #")
        )
    }),
    ("windows", |n| {
        format!(
            "SELECT 1 FROM users WHERE tenant_id = $tenant WINDOW {}",
            each(n, ", ", "w# AS (ORDER BY id)")
        )
    }),
    ("rows of INSERT", |n| {
        format!(
            "INSERT INTO teams (tenant_id, id, name) VALUES {}",
            each(n, ", ", "($tenant, $id, $name)")
        )
    }),
    ("semicolons", |n| format!("SELECT 1{}", ";".repeat(n))),
    ("white space", |n| format!("SELECT{}1", " \n".repeat(n))),
];

/// Shapes whose work is more than linear for a reason, and bounded by limits of their own: joins are
/// proved together, and each level of a nest is seen from those inside.
const BOUNDED: &[Shape] = &[
    ("inner joins", |n| {
        format!(
            "SELECT 1 FROM users u {} WHERE u.tenant_id = $tenant",
            each(n, " ", "JOIN teams t# ON t#.tenant_id = u.tenant_id")
        )
    }),
    ("outer joins", |n| {
        format!(
            "SELECT 1 FROM users u {} WHERE u.tenant_id = $tenant",
            each(n, " ", "LEFT JOIN teams t# ON t#.tenant_id = u.tenant_id")
        )
    }),
    ("natural joins", |n| {
        format!(
            "SELECT 1 FROM users u {}",
            each(n, " ", "NATURAL JOIN teams t#")
        )
    }),
    ("chained common tables", |n| {
        format!(
            "WITH c AS (SELECT 1 AS x), {} SELECT 1 FROM d0",
            each(n, ", ", "d# AS (SELECT x FROM c)")
        )
    }),
    ("nested common tables", |n| {
        format!(
            "{}SELECT 1{}",
            "WITH c AS (".repeat(n),
            ") SELECT 1 FROM c".repeat(n)
        )
    }),
    ("derived tables", |n| {
        format!(
            "SELECT * FROM {}teams{}",
            "(SELECT * FROM ".repeat(n),
            ") s".repeat(n)
        )
    }),
    ("nested EXISTS", |n| {
        format!(
            "SELECT 1 WHERE {}true{}",
            "EXISTS (SELECT 1 WHERE ".repeat(n),
            ")".repeat(n)
        )
    }),
    ("laterals", |n| {
        format!(
            "SELECT 1 FROM users u, {}",
            each(n, ", ", "LATERAL (SELECT u.id) s#")
        )
    }),
    ("stars", |n| {
        format!(
            "SELECT {} FROM users WHERE tenant_id = $tenant",
            each(n, ", ", "*")
        )
    }),
    ("stars of stars", |n| {
        format!(
            "SELECT * FROM {}",
            each(
                n,
                ", ",
                "(SELECT * FROM users WHERE tenant_id = $tenant) s#"
            )
        )
    }),
];

/// Shapes whose tree is as deep as they are long.
const DEEP: &[&str] = &[
    "conjuncts",
    "alternatives",
    "arms of UNION",
    "brackets",
    "calls in calls",
    "casts",
    "CASE in CASE",
    "arrays in arrays",
    "subscripts",
    "NOT",
    "operators",
    "comments in comments",
    "inner joins",
    "natural joins",
    "nested common tables",
    "derived tables",
    "nested EXISTS",
];

const MIGRATIONS: &[Shape] = &[
    ("tables", |n| {
        each(
            n,
            "\n",
            "CREATE TABLE t# (tenant_id uuid NOT NULL, id bigint PRIMARY KEY);",
        )
    }),
    ("protected tables", |n| {
        each(
            n,
            "\n",
            "CREATE TABLE t# (tenant_id uuid NOT NULL, id bigint); ALTER TABLE t# ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t# USING (tenant_id = current_setting('app.tenant_id')::uuid);",
        )
    }),
    ("columns of a table", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid, {});",
            each(n, ", ", "c# int")
        )
    }),
    ("added columns", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(n, "\n", "ALTER TABLE t ADD COLUMN c# int;")
        )
    }),
    ("renames", |n| {
        format!(
            "CREATE TABLE t0 (tenant_id uuid);\n{}",
            (0..n)
                .map(|n| format!("ALTER TABLE t{n} RENAME TO t{};", n + 1))
                .collect::<Vec<_>>()
                .join("\n")
        )
    }),
    ("policies of a table", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(
                n,
                "\n",
                "CREATE POLICY p# ON t USING (tenant_id = current_setting('app.tenant_id')::uuid);"
            )
        )
    }),
    ("indexes", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(n, "\n", "CREATE UNIQUE INDEX i# ON t (tenant_id);")
        )
    }),
    ("views", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(n, "\n", "CREATE VIEW v# AS SELECT * FROM t;")
        )
    }),
    ("functions", |n| {
        each(
            n,
            "\n",
            "CREATE FUNCTION f#() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        )
    }),
    ("children", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(n, "\n", "CREATE TABLE c# () INHERITS (t);")
        )
    }),
    ("partitions", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid, id int) PARTITION BY LIST (id); {}",
            each(n, "\n", "CREATE TABLE p# PARTITION OF t FOR VALUES IN (#);")
        )
    }),
    ("references", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid, id int, PRIMARY KEY (tenant_id, id)); {}",
            each(
                n,
                "\n",
                "CREATE TABLE r# (tenant_id uuid, t int, FOREIGN KEY (tenant_id, t) REFERENCES t);"
            )
        )
    }),
    ("comments", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(n, "\n", "COMMENT ON TABLE t IS 'number #';")
        )
    }),
    ("rows", |n| {
        format!(
            "CREATE TABLE t (id int); {}",
            each(n, "\n", "INSERT INTO t VALUES (#);")
        )
    }),
    ("a long row", |n| {
        format!(
            "CREATE TABLE t (id int); INSERT INTO t VALUES {};",
            each(n, ", ", "(#)")
        )
    }),
    ("blocks", |n| {
        each(n, "\n", "DO $$ BEGIN PERFORM 1; END $$;")
    }),
    ("statements of a block", |n| {
        format!("DO $$ BEGIN {} END $$;", each(n, " ", "PERFORM #;"))
    }),
    ("nested blocks", |n| {
        format!(
            "DO $$ {} {} $$;",
            "BEGIN IF true THEN ".repeat(n),
            "END IF; END;".repeat(n)
        )
    }),
    ("arms of a view", |n| {
        format!(
            "CREATE VIEW v AS {};",
            each(n, " UNION ALL ", "SELECT 1, 2")
        )
    }),
    ("triggers", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; {}",
            each(
                n,
                "\n",
                "CREATE TRIGGER g# BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
            )
        )
    }),
    ("grants", |n| {
        format!(
            "CREATE TABLE t (tenant_id uuid); {}",
            each(n, "\n", "GRANT SELECT ON t TO r#;")
        )
    }),
    ("schemas", |n| {
        each(n, "\n", "CREATE SCHEMA s#; CREATE TABLE s#.t (id int);")
    }),
];

/// Shapes of migrations whose work is more than linear for a reason: an overload is compared with all
/// others of its name.
const PAIRWISE: &[Shape] = &[("overloads", |n| {
    each(
        n,
        "\n",
        "CREATE DOMAIN d# AS int; CREATE FUNCTION f(d#) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    )
})];

/// Whether a shape is measured; `WATERTIGHT_SHAPE` picks one.
fn picked(name: &str) -> bool {
    std::env::var("WATERTIGHT_SHAPE").is_ok_and(|shape| shape == name)
        || std::env::var_os("WATERTIGHT_SHAPE").is_none()
}

fn statement(catalog: &Catalog, sql: &str) {
    let judged = prepare(sql, TenantBinding::LastParameter, catalog.config())
        .and_then(|prepared| prove(catalog, &prepared));
    for problem in judged.err().unwrap_or_default() {
        let fault = problem.code == Code::BUG || problem.code == Code::ACCOUNTING;
        assert!(!fault, "{}", problem.message);
    }
}

fn migration(text: &str) {
    let file = SourceFile {
        path: "1_any.sql".to_owned(),
        text: text.to_owned(),
    };
    if let Ok(migrations) = order(vec![file]) {
        for problem in Catalog::build(&Config::default(), &migrations).diagnostics() {
            assert!(problem.code != Code::BUG, "{}", problem.message);
        }
    }
}

/// The least of a few times, which is the one that others disturbed least.
fn time(work: &dyn Fn(&str), text: &str) -> Duration {
    (0..2)
        .map(|_| {
            let start = Instant::now();
            work(text);
            start.elapsed()
        })
        .min()
        .unwrap()
}

/// Four times the size takes less than nine times as long; sixteen would be the square.
fn linear(
    name: &str,
    size: usize,
    shape: fn(usize) -> String,
    work: &dyn Fn(&str),
) -> Option<String> {
    let mut last = String::new();
    if !picked(name) {
        return None;
    }
    // Others work on this machine as well: a shape that grows too fast does so every time.
    for _ in 0..4 {
        let times = [1, 2, 4].map(|factor| time(work, &shape(size * factor)));
        let [one, _, four] = times;
        last = format!("{name}, {size} of them and twice and four times that: {times:?}");
        if four < one * 9 || four < Duration::from_millis(40) {
            if std::env::var_os("WATERTIGHT_TIMES").is_some() {
                eprintln!("{last}");
            }
            return None;
        }
    }
    Some(last)
}

#[test]
fn time_grows_with_the_size() {
    let catalog = common::catalog();
    let judge = |sql: &str| statement(&catalog, sql);
    let mut slow: Vec<String> = STATEMENTS
        .iter()
        .filter_map(|(name, shape)| linear(name, 400, *shape, &judge))
        .collect();
    slow.extend(
        MIGRATIONS
            .iter()
            .filter_map(|(name, shape)| linear(name, 250, *shape, &migration)),
    );
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[test]
fn ten_thousand_of_anything_have_an_answer() {
    let catalog = common::catalog();
    let mut slow = Vec::new();
    let mut check = |name: &str, text: String, work: &dyn Fn(&str)| {
        if !picked(name) {
            return;
        }
        let start = Instant::now();
        work(&text);
        let took = start.elapsed();
        if std::env::var_os("WATERTIGHT_TIMES").is_some() {
            eprintln!("{name}: {took:?}");
        }
        // A debug build on a busy machine; what is not bounded takes minutes, or the process with it.
        if took > Duration::from_secs(60) {
            slow.push(format!("{name}: {took:?}"));
        }
    };
    for (name, shape) in STATEMENTS.iter().chain(BOUNDED) {
        check(name, shape(10_000), &|sql| statement(&catalog, sql));
        check(name, shape(2_000), &|sql| statement(&catalog, sql));
    }
    for (name, shape) in MIGRATIONS.iter().chain(PAIRWISE) {
        check(name, shape(2_000), &migration);
    }
    // As deep as a migration's size allows: it must not overflow the stack.
    for (name, shape) in STATEMENTS.iter().chain(BOUNDED) {
        if DEEP.contains(name) {
            check(
                name,
                format!("CREATE VIEW v AS {};", shape(60_000)),
                &migration,
            );
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
