//! Names of arguments that ask for raw SQL, or for a piece of it: a door that no proof covers.
//!
//! As with tenants, nothing matches by containment: the words that are left without what may stand
//! around them *equal* an entry of the lists.

use super::Tier;
use super::list::Entry;
use super::split;

/// Raw SQL wherever they stand.
const FIRST: &[Entry] = &[
    ("sql", "the language itself"),
    ("psql", "PostgreSQL's dialect"),
    ("plpgsql", "PostgreSQL's procedural language"),
    ("tsql", "SQL Server's dialect"),
    ("plsql", "Oracle's procedural language"),
    ("where clause", "the condition of a statement"),
    ("having clause", "the condition of a statement's groups"),
    ("on clause", "the condition of a join"),
    ("join clause", "the relations of a statement"),
    ("from clause", "the relations of a statement"),
    ("select clause", "the columns of a statement"),
    ("returning clause", "the columns of a statement that writes"),
    ("set clause", "the assignments of an UPDATE"),
    ("order by clause", "the sort expressions of a statement"),
    ("order clause", "the sort expressions of a statement"),
    ("group by clause", "the grouping of a statement"),
    ("limit clause", "the end of a statement"),
    ("cypher", "the query language of graph databases"),
    ("sparql", "the query language of RDF stores"),
    ("soql", "the query language of Salesforce"),
    ("hql", "the query language of Hibernate"),
    ("jpql", "the query language of Jakarta Persistence"),
    ("cql", "the query language of Cassandra"),
    ("partiql", "the query language of DynamoDB"),
];

/// Raw SQL in some products and something honest in others.
const SECOND: &[Entry] = &[
    (
        "statement",
        "a SQL statement; also the statement of an account",
    ),
    ("where", "the condition of a statement; also a place"),
    (
        "predicate",
        "the condition of a statement; also a term of logic",
    ),
    ("ddl", "statements that change a schema"),
    ("dml", "statements that change rows"),
    ("aggregation pipeline", "a query of MongoDB"),
];

/// Words that look alike and are honest, so that nobody lists them by mistake.
#[cfg(test)]
const HONEST: &[Entry] = &[
    (
        "query",
        "a text to search for, as most servers use the word",
    ),
    ("search", "a text to search for"),
    ("filter", "a value, or an object with named fields"),
    ("filters", "a list of named conditions"),
    ("condition", "a rule of a workflow, the state of goods"),
    ("expression", "of an alert, a schedule, a formula"),
    ("order_by", "the name of a sort order"),
    ("sort", "the name of a sort order"),
    ("group_by", "the name of a grouping"),
    ("fields", "which parts of a result are wanted"),
    ("select", "which parts of a result are wanted"),
    ("limit", "how many"),
    ("table", "the name of a table, a piece of furniture"),
    ("schema", "the name of a schema, the form of a document"),
    ("graphql", "resolvers answer it, each with its own checks"),
    (
        "jql",
        "the search language of an API that checks access itself",
    ),
    ("promql", "the query language of metrics"),
    ("sql_dialect", "the name of a dialect"),
    ("sql_server", "the name of a server"),
    ("mysql_host", "the name of a host"),
    ("bank_statement_id", "an account's statement"),
    ("problem_statement", "a description of a problem"),
    ("contract_clause", "of a contract"),
    ("clause", "of a contract"),
    ("whereabouts", "a place"),
];

/// What may stand before the noun and leaves its meaning.
const BEFORE: &[&str] = &[
    "a",
    "additional",
    "arbitrary",
    "base",
    "custom",
    "dynamic",
    "extra",
    "full",
    "input",
    "my",
    "native",
    "optional",
    "postgres",
    "prepared",
    "raw",
    "the",
    "unsafe",
    "your",
];

/// What may stand after the noun and only says that it is a text.
const AFTER: &[&str] = &[
    "body",
    "code",
    "command",
    "commands",
    "condition",
    "expr",
    "expression",
    "filter",
    "fragment",
    "input",
    "queries",
    "query",
    "raw",
    "script",
    "snippet",
    "source",
    "statement",
    "statements",
    "str",
    "string",
    "suffix",
    "text",
];

/// A name that asks for raw SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlMatch {
    /// How sure the word is.
    pub tier: Tier,
    /// The word of the list.
    pub word: &'static str,
    /// Why it is listed.
    pub reason: &'static str,
}

/// Says whether an argument of this name asks for raw SQL. Only a text can hold it: whether the
/// argument is one is the caller's to know.
pub fn classify_sql(name: &str) -> Option<SqlMatch> {
    let words = split::words(name);
    if let Some(found) = within(&words) {
        return Some(found);
    }
    // `migration_sql`, `rollbackSql`: what comes first says what the SQL is for.
    match words.as_slice() {
        [_, .., last] if last == "sql" => listed(std::slice::from_ref(last)),
        _ => None,
    }
}

fn within(words: &[String]) -> Option<SqlMatch> {
    let mut core = words;
    loop {
        if let Some(found) = listed(core) {
            return Some(found);
        }
        core = match core {
            [first, rest @ ..] if !rest.is_empty() && BEFORE.contains(&first.as_str()) => rest,
            [rest @ .., last] if !rest.is_empty() && AFTER.contains(&last.as_str()) => rest,
            _ => return None,
        };
    }
}

fn listed(words: &[String]) -> Option<SqlMatch> {
    let joined = words.join(" ");
    let singular = joined.strip_suffix('s').unwrap_or(&joined);
    let find = |list: &[Entry], tier: Tier| {
        list.iter()
            .find(|(word, _)| *word == joined || *word == singular)
            .map(|(word, reason)| SqlMatch { tier, word, reason })
    };
    find(FIRST, Tier::First).or_else(|| find(SECOND, Tier::Second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_sql_in_every_casing() {
        for name in [
            "sql",
            "SQL",
            "rawSql",
            "raw_sql",
            "sql_query",
            "sqlStatements",
            "sql-text",
            "custom_sql_fragment",
            "migrationSql",
            "rollback_sql",
            "where_clause",
            "whereClause",
            "extra_where_clause",
            "order_by_clause",
            "having-clause",
            "join_clauses",
            "psql",
            "cypher_query",
        ] {
            let found = classify_sql(name).map(|found| found.tier);
            assert_eq!(found, Some(Tier::First), "{name}");
        }
        for name in [
            "statement",
            "statements",
            "raw_statement",
            "where",
            "predicate",
            "ddl",
        ] {
            let found = classify_sql(name).map(|found| found.tier);
            assert_eq!(found, Some(Tier::Second), "{name}");
        }
    }

    #[test]
    fn honest_words_are_left_alone() {
        for (name, reason) in HONEST {
            assert_eq!(classify_sql(name), None, "{name} is honest: {reason}");
        }
        for name in [
            "",
            "_",
            "7",
            "é",
            "mysqldump",
            "sqlite_path",
            "postgresql",
            "nosql",
        ] {
            assert_eq!(classify_sql(name), None, "{name}");
        }
    }

    #[test]
    fn every_word_has_a_reason_and_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for (word, reason) in FIRST.iter().chain(SECOND).chain(HONEST) {
            assert!(seen.insert(*word) && !reason.is_empty(), "{word}");
        }
    }
}
