//! What the queries gave: flat data, by the name of the query.
//!
//! Invariant: a row that is not understood is an error, never left out.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

/// Everything that was read beside the snapshot.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub(crate) server: Server,
    pub(crate) roles: Vec<Role>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) functions: Vec<Function>,
    pub(crate) outside: Vec<Outside>,
    pub(crate) uses: Vec<Uses>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) rewrites: Vec<Rewrite>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) default_acls: Vec<DefaultAcl>,
    pub(crate) schemas: Vec<Schema>,
    pub(crate) database: DatabaseRights,
    pub(crate) publications: Vec<Publication>,
    pub(crate) statements: Vec<Statements>,
    pub(crate) large_objects: LargeObjects,
    pub(crate) temporary: Vec<Temporary>,
    by_name: Names,
}

/// Where things are in the lists, because a database may have thousands of them.
#[derive(Clone, Debug, Default)]
struct Names {
    /// By schema and name.
    relations: HashMap<(String, String), usize>,
    /// By `schema.name`, the first.
    dotted: HashMap<String, usize>,
    /// By schema and name of the relation.
    columns: HashMap<(String, String), Vec<usize>>,
    /// By `schema.name`.
    functions: HashMap<String, Vec<usize>>,
}

impl Facts {
    /// Adds a row of the query `name`.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn add(&mut self, name: &str, json: &str) -> Result<(), String> {
        fn row<'a, T: Deserialize<'a>>(name: &str, json: &'a str) -> Result<T, String> {
            serde_json::from_str(json).map_err(|error| format!("a row of `{name}`: {error}"))
        }
        match name {
            "server" => self.server = row(name, json)?,
            "role" => self.roles.push(row(name, json)?),
            "membership" => self.memberships.push(row(name, json)?),
            "relation" => {
                let relation: Relation = row(name, json)?;
                let at = self.relations.len();
                self.by_name.dotted.entry(relation.dotted()).or_insert(at);
                let key = (relation.schema.clone(), relation.name.clone());
                self.by_name.relations.insert(key, at);
                self.relations.push(relation);
            }
            "column" => {
                let column: Column = row(name, json)?;
                let key = (column.schema.clone(), column.relation.clone());
                let columns = self.by_name.columns.entry(key).or_default();
                columns.push(self.columns.len());
                self.columns.push(column);
            }
            "index" => self.indexes.push(row(name, json)?),
            "function" => {
                let function: Function = row(name, json)?;
                let key = format!("{}.{}", function.schema, function.name);
                let functions = self.by_name.functions.entry(key).or_default();
                functions.push(self.functions.len());
                self.functions.push(function);
            }
            "outside" => self.outside.push(row(name, json)?),
            "uses" => self.uses.push(row(name, json)?),
            "trigger" => self.triggers.push(row(name, json)?),
            "rewrite" => self.rewrites.push(row(name, json)?),
            "setting" => self.settings.push(row(name, json)?),
            "default_acl" => self.default_acls.push(row(name, json)?),
            "schema" => self.schemas.push(row(name, json)?),
            "database" => self.database = row(name, json)?,
            "publication" => self.publications.push(row(name, json)?),
            "statements" => self.statements.push(row(name, json)?),
            "large_objects" => self.large_objects = row(name, json)?,
            "temporary" => self.temporary.push(row(name, json)?),
            other => return Err(format!("there is no query `{other}`")),
        }
        Ok(())
    }

    /// The version of the server, such as `15.18`.
    pub fn version(&self) -> &str {
        let whole = self.server.version.as_str();
        whole.split_whitespace().next().unwrap_or(whole)
    }

    /// The role that read all this.
    pub fn login(&self) -> &str {
        &self.server.login
    }

    /// Whether there is a role of this name.
    pub fn has_role(&self, name: &str) -> bool {
        self.role(name).is_some()
    }

    /// Whether a role is superuser, bypasses row-level security or owns tables: not the application's.
    pub fn is_privileged(&self, name: &str) -> bool {
        self.role(name).is_some_and(|role| role.sup || role.bypass)
            || self.relations.iter().any(|relation| relation.owner == name)
    }

    /// The roles that may log in and are not privileged.
    pub fn plain_logins(&self) -> Vec<&str> {
        self.roles
            .iter()
            .filter(|role| role.login && !self.is_privileged(&role.name))
            .map(|role| role.name.as_str())
            .collect()
    }

    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The roles that `name` can become, itself included.
    pub(crate) fn becomes(&self, name: &str) -> BTreeSet<&str> {
        self.closure(name, |edge| edge.set)
    }

    /// The roles whose rights `name` has, itself included.
    pub(crate) fn has_rights_of(&self, name: &str) -> BTreeSet<&str> {
        self.closure(name, |edge| edge.inherit)
    }

    fn closure(&self, name: &str, along: impl Fn(&Membership) -> bool) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut pending: Vec<&str> = self
            .role(name)
            .map(|role| role.name.as_str())
            .into_iter()
            .collect();
        while let Some(member) = pending.pop() {
            if found.insert(member) {
                let edges = self.memberships.iter();
                let next = edges.filter(|edge| edge.member == member && along(edge));
                pending.extend(next.map(|edge| edge.role.as_str()));
            }
        }
        found
    }

    pub(crate) fn relation(&self, schema: &str, name: &str) -> Option<&Relation> {
        let key = (schema.to_owned(), name.to_owned());
        self.relations.get(*self.by_name.relations.get(&key)?)
    }

    /// By `schema.name`, as the queries write it.
    pub(crate) fn relation_named(&self, dotted: &str) -> Option<&Relation> {
        self.relations.get(*self.by_name.dotted.get(dotted)?)
    }

    pub(crate) fn columns_of<'a>(
        &'a self,
        relation: &'a Relation,
    ) -> impl Iterator<Item = &'a Column> {
        let key = (relation.schema.clone(), relation.name.clone());
        let at = self.by_name.columns.get(&key).into_iter().flatten();
        at.filter_map(|at| self.columns.get(*at))
    }

    /// Functions of this name, as `uses` and `trigger` write it.
    pub(crate) fn functions_named<'a>(
        &'a self,
        dotted: &'a str,
    ) -> impl Iterator<Item = &'a Function> {
        let at = self.by_name.functions.get(dotted).into_iter().flatten();
        at.filter_map(|at| self.functions.get(*at))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Server {
    pub(crate) version: String,
    pub(crate) number: u32,
    pub(crate) database: String,
    pub(crate) login: String,
    pub(crate) owner: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    #[serde(rename = "super")]
    pub(crate) sup: bool,
    pub(crate) bypass: bool,
    pub(crate) replication: bool,
    pub(crate) create_role: bool,
    pub(crate) login: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Membership {
    pub(crate) role: String,
    pub(crate) member: String,
    pub(crate) admin: bool,
    pub(crate) set: bool,
    pub(crate) inherit: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_class.relkind`.
    pub(crate) kind: char,
    pub(crate) owner: String,
    pub(crate) rls: bool,
    pub(crate) forced: bool,
    pub(crate) partition: bool,
    /// An estimate; negative where there is none.
    pub(crate) rows: f64,
    pub(crate) bytes: i64,
    pub(crate) invoker: Option<bool>,
    pub(crate) extension: bool,
    /// Made by another object, such as the sequence of an identity column.
    pub(crate) internal: bool,
    pub(crate) parents: Vec<String>,
    /// What the application role may do.
    pub(crate) privileges: Vec<String>,
    pub(crate) grants: Vec<Grant>,
}

impl Relation {
    /// `schema.name` without quotes, as the queries write it.
    pub(crate) fn dotted(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// `schema.name`, quoted where SQL needs it.
    pub(crate) fn qualified(&self) -> String {
        use crate::catalog::quote;
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    pub(crate) fn may(&self, privilege: &str) -> bool {
        self.privileges.iter().any(|held| held == privilege)
    }

    /// The privileges among these four that the application role holds.
    pub(crate) fn data_rights(&self) -> Vec<&str> {
        let rights = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        rights.into_iter().filter(|right| self.may(right)).collect()
    }

    pub(crate) fn reachable(&self) -> bool {
        !self.data_rights().is_empty()
    }

    pub(crate) fn writable(&self) -> bool {
        ["INSERT", "UPDATE", "DELETE"]
            .iter()
            .any(|right| self.may(right))
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.kind, 'r' | 'p')
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Grant {
    pub(crate) grantee: String,
    pub(crate) privilege: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Column {
    pub(crate) schema: String,
    pub(crate) relation: String,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    pub(crate) deterministic: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) schema: String,
    pub(crate) relation: String,
    pub(crate) name: String,
    /// Of one that is unique or excludes: its constraint as `ADD` takes it, else the index.
    pub(crate) definition: Option<String>,
    pub(crate) valid: bool,
    pub(crate) partial: bool,
    pub(crate) leads: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    /// `pg_proc.prokind`.
    pub(crate) kind: char,
    pub(crate) language: String,
    pub(crate) trusted: bool,
    pub(crate) owner: String,
    pub(crate) definer: bool,
    /// `pg_proc.provolatile`.
    pub(crate) volatility: char,
    pub(crate) leakproof: bool,
    pub(crate) settings: Vec<String>,
    pub(crate) source: String,
    pub(crate) returns: String,
    /// Whether the application role may call it.
    pub(crate) executable: bool,
    /// Who may; `PUBLIC` is everybody.
    pub(crate) callers: Vec<String>,
}

impl Function {
    /// `schema.name(arguments)`, quoted where SQL needs it.
    pub(crate) fn signature(&self) -> String {
        use crate::catalog::quote;
        let (schema, name) = (quote(&self.schema), quote(&self.name));
        format!("{schema}.{name}({})", self.arguments)
    }

    pub(crate) fn word(&self) -> &'static str {
        if self.kind == 'p' {
            "PROCEDURE"
        } else {
            "FUNCTION"
        }
    }

    /// A `SET` clause by its name, in any casing.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find_map(|setting| {
            let (given, value) = setting.split_once('=')?;
            given.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Whether it is called by triggers alone.
    pub(crate) fn of_triggers(&self) -> bool {
        matches!(self.returns.as_str(), "trigger" | "event_trigger")
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Outside {
    pub(crate) name: String,
    pub(crate) signature: String,
    pub(crate) extension: String,
    /// Who may execute it; `PUBLIC` is everybody.
    pub(crate) callers: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Uses {
    pub(crate) schema: String,
    pub(crate) view: String,
    /// `relation` or `function`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Trigger {
    pub(crate) schema: String,
    pub(crate) relation: String,
    pub(crate) name: String,
    pub(crate) function: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Rewrite {
    pub(crate) schema: String,
    pub(crate) relation: String,
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) definition: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Setting {
    /// Empty for every role.
    pub(crate) role: String,
    /// Empty for every database.
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DefaultAcl {
    pub(crate) creator: String,
    /// Empty for every schema.
    pub(crate) schema: String,
    pub(crate) privilege: String,
    pub(crate) grantee: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) creates: bool,
    /// Who was given `CREATE`, its owner aside; `PUBLIC` is everybody.
    pub(crate) creators: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct DatabaseRights {
    pub(crate) temporary: bool,
    pub(crate) creates: bool,
    /// Who was given `CREATE`; `PUBLIC` is everybody.
    pub(crate) creators: Vec<String>,
    /// Who was given `TEMPORARY`; `PUBLIC`, which every database gives it at first, is everybody.
    pub(crate) temporary_to: Vec<String>,
}

/// A view that shows the statements of other sessions.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Statements {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Its function, as `REVOKE` names it.
    pub(crate) function: Option<String>,
}

/// Large objects that the application role can read.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct LargeObjects {
    /// Because it owns them or was given them.
    pub(crate) readable: i64,
    /// Because privileges on them are not asked at all (`lo_compat_privileges`).
    pub(crate) unguarded: bool,
}

/// A temporary table of some session.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Temporary {
    pub(crate) name: String,
    pub(crate) owner: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Publication {
    pub(crate) name: String,
    /// Whether a row filter says which rows are sent.
    pub(crate) filtered: bool,
    pub(crate) schema: String,
    pub(crate) relation: String,
}
