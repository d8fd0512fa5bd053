//! Roles: what the application role is, can become, owns and is given.
//!
//! Invariant: membership counts whether it is inherited or has to be taken on with `SET ROLE`.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Relation;
use super::{Look, at, grantee, listed};
use crate::catalog::quote;
use crate::diagnostic::Code;
use crate::finding::{Finding, Level, Place};

/// Roles of the server itself, and what they allow.
const SERVER_ROLES: &[(&str, Level, &str)] = &[
    (
        "pg_read_server_files",
        Level::High,
        "reads files of the server, the data directory among them",
    ),
    (
        "pg_write_server_files",
        Level::High,
        "writes files of the server",
    ),
    (
        "pg_execute_server_program",
        Level::High,
        "runs programs on the server with `COPY … PROGRAM`",
    ),
    (
        "pg_read_all_data",
        Level::Medium,
        "reads every table, whether or not it is granted",
    ),
    (
        "pg_write_all_data",
        Level::Medium,
        "writes every table, whether or not it is granted",
    ),
    (
        "pg_maintain",
        Level::Medium,
        "refreshes materialised views and runs what their queries call",
    ),
    (
        "pg_create_subscription",
        Level::High,
        "copies tables from other servers",
    ),
    (
        "pg_read_all_stats",
        Level::Medium,
        "sees the statements of other sessions",
    ),
    (
        "pg_monitor",
        Level::Medium,
        "sees the statements of other sessions",
    ),
    ("pg_signal_backend", Level::Medium, "ends other sessions"),
];

/// Settings that change what every statement of a session does, with the values that do no harm.
const WEAKENING: &[(&str, &[&str])] = &[
    ("role", &["none"]),
    ("session_authorization", &["default"]),
    ("row_security", &["on", "true", "1", "yes"]),
    ("session_replication_role", &["origin"]),
];

pub(super) fn look(look: &mut Look<'_>) {
    let before = look.posture.findings.len();
    itself(look);
    memberships(look);
    ownership(look);
    settings(look);
    if !look.bypasses_as_superuser() {
        creation(look);
        grants(look);
        outside(look);
    }
    default_privileges(look);
    if look.posture.findings.len() == before {
        let reason = "owns nothing, bypasses nothing and can become no role that does";
        look.clear(role_place(look.role), reason);
    }
}

fn role_place(role: &str) -> Place {
    Place::object("role", quote(role))
}

impl Look<'_> {
    /// A superuser has every privilege, so that its grants tell nothing.
    fn bypasses_as_superuser(&self) -> bool {
        self.facts.role(self.role).is_some_and(|role| role.sup)
    }

    /// Every role whose rights the application role has or can take on, without itself.
    fn reach(&self) -> BTreeSet<&str> {
        // Whoever it becomes has rights of others in turn.
        let mut reach = self.facts.has_rights_of(self.role);
        for role in self.facts.becomes(self.role) {
            reach.extend(self.facts.has_rights_of(role));
        }
        reach.remove(self.role);
        reach
    }

    /// What ends the application role's membership in `role`.
    pub(super) fn leave(&self, role: &str) -> Vec<String> {
        let mut inside = self.reach();
        inside.insert(self.role);
        self.facts
            .memberships
            .iter()
            .filter(|edge| edge.role == role && inside.contains(edge.member.as_str()))
            .map(|edge| format!("REVOKE {} FROM {}", quote(&edge.role), quote(&edge.member)))
            .collect()
    }
}

fn itself(look: &mut Look<'_>) {
    let Some(role) = look.facts.role(look.role) else {
        return;
    };
    let name = quote(&role.name);
    let place = role_place(&role.name);
    if role.sup || role.bypass {
        let (what, mend) = match (role.sup, role.bypass) {
            (true, true) => ("is superuser and has BYPASSRLS", "NOSUPERUSER NOBYPASSRLS"),
            (true, false) => ("is superuser", "NOSUPERUSER"),
            _ => ("has BYPASSRLS", "NOBYPASSRLS"),
        };
        look.found(
            Finding::new(
                Code::BYPASSING_ROLE,
                place.clone(),
                format!("the application role `{name}` {what}, so no policy holds for it"),
            )
            .help("let the server connect as a role that owns nothing and bypasses nothing")
            .mend(format!("ALTER ROLE {name} {mend}")),
        );
    }
    if role.replication {
        look.found(
            Finding::new(
                Code::POWERFUL_ROLE,
                place.clone(),
                format!("the application role `{name}` has REPLICATION: it can read every change of every tenant from the log"),
            )
            .about("replication")
            .mend(format!("ALTER ROLE {name} NOREPLICATION")),
        );
    }
    if role.create_role {
        look.found(
            Finding::new(
                Code::POWERFUL_ROLE,
                place,
                format!("the application role `{name}` has CREATEROLE: it can make roles, and before PostgreSQL 16 join any of them"),
            )
            .about("create-role")
            .mend(format!("ALTER ROLE {name} NOCREATEROLE")),
        );
    }
}

fn memberships(look: &mut Look<'_>) {
    let name = quote(look.role);
    let owned = |roles: BTreeSet<&str>| -> BTreeSet<String> {
        roles.into_iter().map(str::to_owned).collect()
    };
    let reach = owned(look.reach());
    let becomes = owned(look.facts.becomes(look.role));
    let rights = owned(look.facts.has_rights_of(look.role));
    for other in &reach {
        let shown = quote(other);
        let leave = look.leave(other);
        let place = role_place(look.role);
        let mut finding = None;
        if let Some((_, level, what)) = SERVER_ROLES.iter().find(|(known, ..)| known == other) {
            let message =
                format!("the application role `{name}` is a member of `{shown}`, which {what}");
            finding = Some(Finding::new(Code::POWERFUL_ROLE, place, message).level(*level));
        } else if let Some(role) = look.facts.role(other)
            // What a role is, as opposed to what it was granted, is not inherited.
            && becomes.contains(other)
            && (role.sup || role.bypass || role.replication)
        {
            let what = match (role.sup, role.bypass) {
                (true, _) => "is superuser",
                (false, true) => "has BYPASSRLS",
                _ => "has REPLICATION",
            };
            let message = format!(
                "the application role `{name}` can become `{shown}`, which {what}: `SET ROLE {shown}` shows every tenant's rows"
            );
            finding = Some(Finding::new(Code::REACHABLE_ROLE, place, message));
        }
        if let Some(mut finding) = finding {
            finding.mend = leave;
            look.found(finding.about(other.as_str()));
        } else if becomes.contains(other) && !rights.contains(other) {
            unjudged(look, other);
        }
    }
    let administered: Vec<(String, String)> = look
        .facts
        .memberships
        .iter()
        .filter(|edge| edge.admin && edge.member == look.role && !edge.set)
        .map(|edge| (edge.role.clone(), edge.member.clone()))
        .collect();
    for (role, member) in administered {
        let shown = quote(&role);
        let message = format!(
            "the application role `{name}` administers `{shown}`, so it can make itself a member"
        );
        look.found(
            Finding::new(Code::REACHABLE_ROLE, role_place(look.role), message)
                .about(role.as_str())
                .mend(format!("REVOKE {shown} FROM {}", quote(&member))),
        );
    }
}

/// A role that has to be taken on with `SET ROLE` before its grants and policies count, and that was given
/// tables without row-level security.
fn unjudged(look: &mut Look<'_>, other: &str) {
    let relations = look.facts.relations.iter();
    let open: Vec<String> = relations
        .filter(|it| it.is_table() && !it.rls && it.owner != other)
        .filter(|it| it.grants.iter().any(|grant| grant.grantee == other))
        .filter(|it| look.in_catalog(it).is_none_or(|known| !known.is_global()))
        .map(Relation::qualified)
        .collect();
    if open.is_empty() {
        return;
    }
    let (name, shown) = (quote(look.role), quote(other));
    let message = format!(
        "the application role `{name}` inherits nothing of `{shown}`, but can take it on with SET ROLE: what `{shown}` may do is not looked at here, and it was given {} without row-level security",
        listed(&open)
    );
    look.found(
        Finding::new(Code::REACHABLE_ROLE, role_place(look.role), message)
            .about(other)
            .level(Level::Low)
            .review()
            .help(format!("where the application does SET ROLE {shown}, look at that role as well: --role {other}"))
            .help(format!("where it does not: REVOKE {shown} FROM {name}")),
    );
}

fn ownership(look: &mut Look<'_>) {
    let reach = look.reach();
    let mut inherited: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut own: Vec<&Relation> = Vec::new();
    let relations = look.facts.relations.iter();
    for relation in relations.filter(|it| it.kind != 'S' && !it.extension) {
        if relation.owner == look.role {
            own.push(relation);
        } else if reach.contains(relation.owner.as_str()) {
            let tables = inherited.entry(relation.owner.clone()).or_default();
            tables.push(relation.qualified());
        }
    }
    let other = other_owner(look, &own);
    let name = quote(look.role);
    for relation in own {
        let shown = relation.qualified();
        let mut finding = at(
            Code::OWNING_ROLE,
            relation,
            format!(
                "the application role `{name}` owns `{shown}`: it can switch row-level security off, drop policies and change the table"
            ),
        );
        finding.mend = vec![format!("ALTER TABLE {shown} OWNER TO {other}")];
        if relation.is_table() {
            finding.mend.push(format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON {shown} TO {name}"
            ));
        }
        look.found(finding);
    }
    owned_functions(look, &other);
    for (owner, tables) in inherited {
        let shown = quote(&owner);
        let mut finding = Finding::new(
            Code::OWNING_ROLE,
            role_place(look.role),
            format!(
                "the application role `{name}` is a member of `{shown}`, which owns {}: as the owner it can switch row-level security off",
                listed(&tables)
            ),
        )
        .about(owner.as_str());
        finding.mend = look.leave(&owner);
        look.found(finding);
    }
}

/// A function can be replaced by its owner, wherever policies, triggers and views call it.
fn owned_functions(look: &mut Look<'_>, other: &str) {
    let functions = look.facts.functions.iter();
    let own: Vec<_> = functions.filter(|it| it.owner == look.role).collect();
    for function in own {
        let (shown, word) = (function.signature(), function.word());
        let message = format!(
            "the application role `{}` owns the function `{shown}`: it can put another body in its place, wherever policies, triggers and views call it",
            quote(look.role)
        );
        look.found(
            Finding::new(
                Code::OWNING_ROLE,
                Place::object("function", shown.clone()),
                message,
            )
            .level(Level::Medium)
            .mend(format!("ALTER {word} {shown} OWNER TO {other}")),
        );
    }
}

/// Who should own what the application role owns: whoever owns most of the rest.
fn other_owner(look: &Look<'_>, own: &[&Relation]) -> String {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    let reach = look.reach();
    for relation in look.facts.relations.iter().filter(|it| !it.extension) {
        let theirs = own.iter().any(|it| it.dotted() == relation.dotted());
        if !theirs && relation.owner != look.role && !reach.contains(relation.owner.as_str()) {
            *owners.entry(&relation.owner).or_default() += 1;
        }
    }
    let most = owners.into_iter().max_by_key(|(_, count)| *count);
    let fallback = Some(look.facts.server.owner.as_str()).filter(|owner| *owner != look.role);
    let most = most.map(|(owner, _)| owner).or(fallback);
    quote(most.unwrap_or(look.facts.login()))
}

fn settings(look: &mut Look<'_>) {
    let tenant = look.catalog.config().tenant.setting.clone();
    for setting in &look.facts.settings {
        let whose = match (setting.role.as_str(), setting.database.as_str()) {
            ("", "") => "ROLE ALL".to_owned(),
            ("", database) => format!("DATABASE {}", quote(database)),
            (role, "") => format!("ROLE {}", quote(role)),
            (role, database) => format!("ROLE {} IN DATABASE {}", quote(role), quote(database)),
        };
        let place = Place::object("setting", format!("{} of {whose}", setting.name));
        let mend = format!("ALTER {whose} RESET {}", setting.name);
        if setting.name.eq_ignore_ascii_case(&tenant) && !setting.value.is_empty() {
            let message = format!(
                "sessions begin with a tenant: `ALTER {whose} SET {}` gives one to whoever forgets to set it",
                setting.name
            );
            look.found(Finding::new(Code::SESSION_DEFAULT, place, message).mend(mend));
            continue;
        }
        let weakening = WEAKENING
            .iter()
            .find(|(name, _)| setting.name.eq_ignore_ascii_case(name));
        if let Some((name, harmless)) = weakening
            && !harmless.contains(&setting.value.to_ascii_lowercase().as_str())
        {
            let message = format!(
                "sessions begin with `{name} = {}`: `ALTER {whose}` sets it",
                setting.value
            );
            look.found(
                Finding::new(Code::SESSION_DEFAULT, place, message)
                    .level(Level::Medium)
                    .mend(mend),
            );
        }
    }
}

fn creation(look: &mut Look<'_>) {
    let name = quote(look.role);
    let mut reach: BTreeSet<String> = look.reach().into_iter().map(str::to_owned).collect();
    reach.insert(look.role.to_owned());
    for schema in look.facts.schemas.iter().filter(|schema| schema.creates) {
        let shown = quote(&schema.name);
        let mut finding = Finding::new(
            Code::ROLE_CREATES,
            Place::object("schema", shown.clone()),
            format!(
                "the application role `{name}` can create objects in `{shown}`: a function, operator or table there can take the place of what a statement means"
            ),
        );
        // An owner can give itself whatever is taken.
        if reach.contains(&schema.owner) {
            finding = finding.mend(format!(
                "ALTER SCHEMA {shown} OWNER TO {}",
                other_owner(look, &[])
            ));
            let owner = quote(&schema.owner);
            finding = finding.mend(format!("GRANT USAGE ON SCHEMA {shown} TO {owner}"));
        }
        if !look.holders(&schema.creators).is_empty() {
            let from = look.takes_from(&schema.creators);
            finding = finding.mend(format!("REVOKE CREATE ON SCHEMA {shown} FROM {from}"));
        }
        look.found(finding);
    }
    if look.facts.database.creates {
        // Its owner can give itself whatever is taken.
        let database = quote(&look.facts.server.database);
        look.found(
            Finding::new(
                Code::ROLE_CREATES,
                Place::object("database", database.clone()),
                format!("the application role `{name}` can create schemas in this database"),
            )
            .mend(if reach.contains(&look.facts.server.owner) {
                format!(
                    "ALTER DATABASE {database} OWNER TO {}",
                    other_owner(look, &[])
                )
            } else {
                let from = look.takes_from(&look.facts.database.creators);
                format!("REVOKE CREATE ON DATABASE {database} FROM {from}")
            }),
        );
    }
}

/// `TRUNCATE`, `REFERENCES`, `TRIGGER` and `MAINTAIN` are not subject to policies.
fn grants(look: &mut Look<'_>) {
    let relations: Vec<&Relation> = look.facts.relations.iter().collect();
    for relation in relations {
        if !matches!(relation.kind, 'r' | 'p' | 'f')
            || relation.extension
            || relation.owner == look.role
        {
            continue;
        }
        // `pg_maintain` holds one of them for every table, and is told of as a role.
        let held: Vec<&str> = ["TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]
            .into_iter()
            .filter(|privilege| relation.may(privilege))
            .filter(|it| *it != "MAINTAIN" || !look.grantees(relation, &[it]).is_empty())
            .collect();
        if held.is_empty() {
            continue;
        }
        let shown = relation.qualified();
        let truncates = held.contains(&"TRUNCATE");
        let what = if truncates {
            "TRUNCATE removes every tenant's rows, whatever the policies say"
        } else if held == ["MAINTAIN"] {
            "LOCK TABLE, CLUSTER and REINDEX keep every tenant waiting"
        } else {
            "a foreign key or trigger of one's own tells of every tenant's rows"
        };
        let message = format!(
            "the application role has {} on `{shown}`: {what}",
            held.join(", ")
        );
        let mut finding = at(Code::EXCESS_GRANT, relation, message);
        if truncates {
            finding.level = Level::High;
        } else if held == ["MAINTAIN"] {
            finding.level = Level::Low;
        }
        finding.mend.extend(look.revoke(relation, &held));
        look.found(finding);
    }
}

/// Functions that reach files, programs or other servers.
fn outside(look: &mut Look<'_>) {
    let mut by_origin: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for function in &look.facts.outside {
        let origin = if function.extension.is_empty() {
            function.name.clone()
        } else {
            function.extension.clone()
        };
        let from = look.takes_from(&function.callers);
        let revoke = format!(
            "REVOKE EXECUTE ON FUNCTION {} FROM {from}",
            function.signature
        );
        let functions = by_origin.entry(origin).or_default();
        functions.push((function.signature.clone(), revoke));
    }
    for (origin, functions) in by_origin {
        let signatures: Vec<String> = functions.iter().map(|(name, _)| name.clone()).collect();
        let message = match origin.as_str() {
            "dblink" => format!(
                "the application role can open connections with `dblink`, as any role that the server lets in without a password: {}",
                listed(&signatures)
            ),
            _ => format!(
                "the application role can reach beyond the database with {}",
                listed(&signatures)
            ),
        };
        let mut finding = Finding::new(
            Code::OUTSIDE_REACH,
            Place::object("function", origin),
            message,
        )
        .help("or drop the extension, where nothing needs it");
        finding.mend = functions.into_iter().map(|(_, revoke)| revoke).collect();
        look.found(finding);
    }
    for function in &look.facts.functions {
        if function.executable
            && !function.trusted
            && !matches!(function.language.as_str(), "internal" | "c")
        {
            let shown = function.signature();
            look.found(
                Finding::new(
                    Code::OUTSIDE_REACH,
                    Place::object("function", shown.clone()),
                    format!("`{shown}` is written in `{}`, whose code does whatever the server's account may", function.language),
                )
                .review()
                .level(Level::Medium)
                .help(format!("read it; then allow it with a reason, or: REVOKE EXECUTE ON {} {shown} FROM {}", function.word(), look.takes_from(&function.callers))),
            );
        }
    }
}

fn default_privileges(look: &mut Look<'_>) {
    let rights = look.facts.has_rights_of(look.role);
    let mut by_rule: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
    for acl in &look.facts.default_acls {
        if acl.grantee == "PUBLIC" || rights.contains(acl.grantee.as_str()) {
            let key = (acl.creator.clone(), acl.schema.clone(), acl.grantee.clone());
            by_rule.entry(key).or_default().push(acl.privilege.clone());
        }
    }
    for ((creator, schema, to), privileges) in by_rule {
        let within = if schema.is_empty() {
            String::new()
        } else {
            format!(" IN SCHEMA {}", quote(&schema))
        };
        let rule = format!("FOR ROLE {}{within}", quote(&creator));
        let excess = ["TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"];
        let excess = privileges.iter().any(|p| excess.contains(&p.as_str()));
        let message = format!(
            "default privileges {rule} give `{}` {} on every new table, also on one whose migration forgets row-level security",
            grantee(&to),
            privileges.join(", ")
        );
        let mut finding = Finding::new(
            Code::DEFAULT_PRIVILEGES,
            Place::object("default privileges", rule.clone()),
            message,
        )
        .about(to.as_str())
        .help("grant in the migration that creates a table, after its row-level security")
        .mend(format!(
            "ALTER DEFAULT PRIVILEGES {rule} REVOKE {} ON TABLES FROM {}",
            privileges.join(", "),
            grantee(&to)
        ));
        finding = if excess {
            finding.level(Level::Medium)
        } else {
            finding.review()
        };
        look.found(finding);
    }
}
