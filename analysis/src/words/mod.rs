//! Words that name a tenant: two tiers as data, and the one algorithm that compares a name.
//! `sql` does the same for names that ask for raw SQL, `prose` for sentences that ask for a tenant.
//!
//! A name is a tenant word if, split into words and stripped of the listed prefixes and suffixes,
//! every word that is left *equals* a word of the lists. Nothing matches by containment:
//! `organize`, `tenantless` and `workspace_theme` are honest names.

mod list;
mod phrase;
mod prose;
mod reason;
mod split;
mod sql;

use list::{Entry, FIRST, PREFIXES, SECOND, SUFFIXES};
pub use prose::{ProseMatch, asks_for_tenant};
pub use reason::reason_problem;
pub use sql::{SqlMatch, classify_sql};

/// How sure the word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// Names a tenant wherever it stands.
    First,
    /// Names a tenant in many products and something honest in others.
    Second,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Match {
    /// The tier.
    pub tier: Tier,
    /// The word of the list, or of the configuration.
    pub word: String,
    /// Why the word is listed.
    pub reason: String,
}

/// What a project adds to the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// The tenant column; the word in it counts as first tier.
    pub tenant_column: String,
    /// Further words of the first tier.
    pub words: Vec<String>,
    /// Names of tables that hold a tenant's rows: a second-tier word that names one of them is an
    /// honest argument (`customer_id` where there is a table `customers`).
    pub tables: Vec<String>,
    /// Names that the configuration allows everywhere, exactly as they are.
    pub allowed: Vec<String>,
}

impl Extra {
    /// What a catalog adds: the configured column and words, and the tables of tenants.
    pub fn from_catalog(catalog: &crate::Catalog) -> Self {
        Self {
            tables: catalog
                .relations()
                .filter(|relation| relation.is_table() && relation.tenant_column.is_some())
                .map(|relation| relation.name.clone())
                .collect(),
            ..Self::from_config(catalog.config())
        }
    }

    /// What a configuration alone adds.
    pub fn from_config(config: &crate::Config) -> Self {
        Self {
            tenant_column: config.tenant.column.clone(),
            words: config.tenant.words.clone(),
            tables: Vec::new(),
            allowed: config.not_tenant.iter().map(|it| it.name.clone()).collect(),
        }
    }
}

/// Says whether `name` names a tenant, and by which word.
pub fn classify(name: &str, extra: &Extra) -> Option<Match> {
    if extra.allowed.iter().any(|allowed| allowed == name) {
        return None;
    }
    let words = split::words(name);
    let strongest = match phrase::find(&words, extra) {
        Some(found) => found,
        None => {
            let core = strip(&words, extra);
            let matches: Option<Vec<Match>> = core.iter().map(|word| lookup(word, extra)).collect();
            matches?.into_iter().min_by_key(|found| found.tier)?
        }
    };
    let honest = strongest.tier == Tier::Second
        && extra
            .tables
            .iter()
            .any(|table| same_noun(table, &strongest.word));
    (!honest).then_some(strongest)
}

/// The words without prefixes, suffixes and numbers; never strips what is itself a listed word.
fn strip<'a>(words: &'a [String], extra: &Extra) -> &'a [String] {
    let mut core = words;
    while let [first, rest @ ..] = core
        && (PREFIXES.contains(&first.as_str()) || is_number(first))
        && !rest.is_empty()
        && lookup(first, extra).is_none()
    {
        core = rest;
    }
    while let [rest @ .., last] = core
        && (SUFFIXES.contains(&last.as_str()) || is_number(last))
        && lookup(last, extra).is_none()
    {
        core = rest;
    }
    core
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The entry that a single word equals, alone, in the plural, or glued to a prefix or suffix
/// (`tenantid`, `mytenant`).
fn lookup(word: &str, extra: &Extra) -> Option<Match> {
    for own in &extra.words {
        if same_noun(word, &own.to_lowercase()) || glued(word, &own.to_lowercase()) {
            return Some(Match {
                tier: Tier::First,
                word: own.clone(),
                reason: "the configuration names it as a word for a tenant".to_owned(),
            });
        }
    }
    if let [stem] = column_stem(extra).as_slice()
        && (same_noun(word, stem) || glued(word, stem))
    {
        return Some(column_match(extra, stem));
    }
    let listed = |list: &[Entry], tier: Tier| {
        list.iter()
            .find(|(base, _)| same_noun(word, base) || glued(word, base))
            .map(|(base, reason)| Match {
                tier,
                word: (*base).to_owned(),
                reason: (*reason).to_owned(),
            })
    };
    listed(FIRST, Tier::First).or_else(|| listed(SECOND, Tier::Second))
}

/// The words of the tenant column without those that only say in which form it is given.
fn column_stem(extra: &Extra) -> Vec<String> {
    let mut words = split::words(&extra.tenant_column);
    words.retain(|word| !SUFFIXES.contains(&word.as_str()));
    words
}

fn column_match(extra: &Extra, stem: &str) -> Match {
    Match {
        tier: Tier::First,
        word: stem.to_owned(),
        reason: format!("the tenant column is `{}`", extra.tenant_column),
    }
}

/// Equal up to the English plural.
fn same_noun(a: &str, b: &str) -> bool {
    let singular = |word: &str| -> String {
        let word = word.to_lowercase();
        if let Some(stem) = word.strip_suffix("ies") {
            format!("{stem}y")
        } else if word.ends_with("sses") {
            word.trim_end_matches("es").to_owned()
        } else if word.ends_with("ss") {
            word
        } else {
            word.strip_suffix('s')
                .map_or_else(|| word.clone(), str::to_owned)
        }
    };
    singular(a) == singular(b)
}

/// Whether `word` is `base` glued to one listed prefix, one listed suffix, or both.
fn glued(word: &str, base: &str) -> bool {
    let affix = |list: &[&str], rest: &str| rest.is_empty() || list.contains(&rest);
    word.match_indices(base).any(|(at, _)| {
        let (before, rest) = word.split_at(at);
        let after = rest.strip_prefix(base).unwrap_or(rest);
        let after = after
            .strip_prefix('s')
            .filter(|tail| !tail.is_empty())
            .unwrap_or(after);
        (!before.is_empty() || !after.is_empty())
            && (affix(PREFIXES, before) && before.len() != 1 || before == "x")
            && affix(SUFFIXES, after)
    })
}

#[cfg(test)]
mod tests;
