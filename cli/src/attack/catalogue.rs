//! The catalogue of attacks, which is data in the program.

use anyhow::{Context, Result};
use serde::Deserialize;
use watertight_analysis::Code;

const TEXT: &str = include_str!("catalogue.toml");

/// What an attack is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum On {
    Table,
    SharedTable,
    Reference,
    View,
    Function,
    TextFunction,
    KeyedFunction,
    Sequence,
    Role,
    Schema,
    Database,
}

/// What the session's tenant is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tenant {
    #[default]
    Own,
    None,
    Empty,
    Pattern,
    List,
    OtherCase,
    Longer,
    Other,
    OtherFirst,
}

/// How it is made sure that a refusal or an empty answer means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Control {
    /// The same statements as tenant B must show or change what the attack is after.
    #[default]
    Same,
    /// It must affect rows of its own.
    Affects,
    /// What it answers is enough.
    None,
}

/// What shows that it leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Leak {
    Marks,
    Changed,
    Gained,
    Rows,
    Runs,
    Refused,
}

/// What kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Class {
    Read,
    Write,
    Tells,
    Rights,
}

impl Class {
    pub(super) fn code(self) -> Code {
        match self {
            Class::Read => Code::ATTACK_READ,
            Class::Write => Code::ATTACK_WRITE,
            Class::Tells => Code::ATTACK_TELLS,
            Class::Rights => Code::ATTACK_RIGHTS,
        }
    }
}

/// One attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Attack {
    pub(super) id: String,
    pub(super) class: Class,
    /// What it does, as a clause.
    pub(super) name: String,
    pub(super) on: On,
    /// Privileges without which there is nothing to try.
    pub(super) needs: Vec<String>,
    #[serde(default)]
    pub(super) tenant: Tenant,
    /// Whether it may run in a database that others use.
    pub(super) in_place: bool,
    /// Statements that run before it with full rights.
    #[serde(default)]
    pub(super) before: Vec<String>,
    pub(super) leak: Leak,
    #[serde(default)]
    pub(super) control: Control,
    /// The refusals (SQLSTATE) that are the defence that the attack tries.
    #[serde(default)]
    pub(super) holds: Vec<String>,
    /// Why it is not tried by a login that can take on the role, but not a session of it.
    #[serde(default)]
    pub(super) superuser: bool,
    pub(super) sql: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Catalogue {
    attack: Vec<Attack>,
}

/// All attacks. Those that need a setting that was never set come first: setting it once spoils them.
pub(super) fn attacks() -> Result<Vec<Attack>> {
    let catalogue: Catalogue = toml::from_str(TEXT).context("the catalogue of attacks")?;
    let mut attacks = catalogue.attack;
    attacks.sort_by_key(|attack| {
        let unset = attack.tenant == Tenant::None;
        (!unset, unset && attack.control == Control::Same)
    });
    Ok(attacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_place_is_no_ddl_and_filters() {
        let attacks = attacks().unwrap();
        assert!(attacks.len() >= 25);
        assert_eq!(attacks[0].tenant, Tenant::None);
        for attack in attacks.iter().filter(|attack| attack.in_place) {
            for sql in &attack.sql {
                let upper = sql.to_uppercase();
                for word in [
                    "TRUNCATE", "ALTER ", "CREATE ", "DROP ", "COPY ", "DBLINK", "PG_READ", "LOCK ",
                ] {
                    assert!(!upper.contains(word), "{}: {word}", attack.id);
                }
                let whole_table = sql.contains("FROM {table}") || sql.starts_with("UPDATE");
                assert!(
                    !whole_table
                        || sql.contains("{column} = {b}")
                        || sql.contains("{column} = {a}"),
                    "{}",
                    attack.id
                );
            }
        }
    }
}
