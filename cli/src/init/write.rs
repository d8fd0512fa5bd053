//! The texts of the files: the migration and its way back, the roles, the configuration, the
//! checklist.
//!
//! Invariant: a text that comes from a migration stands in a comment on one line, or is quoted as SQL.

use std::collections::HashSet;
use std::fmt::Write as _;

use watertight_analysis::Config;
use watertight_analysis::catalog::{ColumnDefault, quote};

use super::naming::Naming;
use super::plan::{Decision, Item, Plan, State};

/// The roles that the proposal rests on.
#[derive(Clone, Debug)]
pub(super) struct Roles {
    /// What the server logs in as.
    pub(super) login: String,
    /// What a scope takes on.
    pub(super) tenant: String,
}

const HEAD: &str = "\
-- Row-level security for every table that holds tenants' rows, as `cargo watertight init` proposed it.
-- It is yours from here on: read it, decide what stands in comments, and run it as the tables' owner.
-- FORCE holds for the owner too: a later migration that changes rows needs a role with BYPASSRLS.
";

/// The migration, and its way back.
pub(super) fn migration(plan: &Plan, naming: &Naming) -> (String, Option<String>) {
    let (up, down) = (up(plan), down(plan));
    match (naming.sections, &naming.down) {
        (Some((up_line, down_line)), _) => (format!("{up_line}\n{up}\n{down_line}\n{down}"), None),
        (None, Some(_)) => (up, Some(down)),
        (None, None) => (up, None),
    }
}

fn up(plan: &Plan) -> String {
    let mut out = HEAD.to_owned();
    let mut seen = HashSet::new();
    let mut first = true;
    for item in &plan.items {
        let mut before = item.decide.iter().filter(|it| it.before).peekable();
        if before.peek().is_none() {
            continue;
        }
        if first {
            out.push_str("\n-- To decide first: this reads rows, which row-level security hides from the owner as well.\n");
            first = false;
        }
        let _ = writeln!(out, "\n-- {}: {}", item.name, line(&item.why));
        for decision in before {
            decided(&mut out, decision, &mut seen);
        }
    }
    for item in plan.items.iter().filter(|item| !item.up.is_empty()) {
        let _ = writeln!(out, "\n-- {}: {}", item.name, line(&item.why));
        if item.up.iter().any(|sql| sql.starts_with("CREATE INDEX")) {
            out.push_str("-- On a table in use build the index beforehand, with CONCURRENTLY and outside of a transaction.\n");
        }
        for sql in &item.up {
            let _ = writeln!(out, "{sql};");
        }
        for decision in item.decide.iter().filter(|it| !it.before) {
            decided(&mut out, decision, &mut seen);
        }
    }
    let rest: Vec<&Item> = plan
        .items
        .iter()
        .filter(|item| item.up.is_empty() && (item.state == State::Open || !item.decide.is_empty()))
        .collect();
    if !rest.is_empty() {
        out.push_str("\n-- To decide:\n");
    }
    for item in rest {
        let _ = writeln!(out, "\n-- {}: {}", item.name, line(&item.why));
        for decision in item.decide.iter().filter(|it| !it.before) {
            decided(&mut out, decision, &mut seen);
        }
    }
    out
}

fn decided(out: &mut String, decision: &Decision, seen: &mut HashSet<String>) {
    let new: Vec<&String> = decision
        .sql
        .iter()
        .filter(|sql| seen.insert((*sql).clone()))
        .collect();
    let end = if new.is_empty() { "." } else { ":" };
    let _ = writeln!(out, "-- {}{end}", line(&decision.text));
    for sql in new {
        let _ = writeln!(out, "--   {};", line(sql));
    }
}

fn down(plan: &Plan) -> String {
    let mut out = "-- Takes away what the migration added; rows stay as they are.\n".to_owned();
    for item in plan.items.iter().rev() {
        for sql in item.down.iter().rev() {
            let _ = writeln!(out, "{sql};");
        }
    }
    out
}

/// A text as one line of a comment.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The roles, with what each may do.
pub(super) fn roles(plan: &Plan, roles: &Roles) -> String {
    let (login, tenant) = (quote(&roles.login), quote(&roles.tenant));
    let (login_text, tenant_text) = (literal(&roles.login), literal(&roles.tenant));
    let mut out = format!(
        "\
-- The roles of the server, as `cargo watertight init` proposed them. Run it once in each database, behind
-- the migration, as an administrator: psql -f watertight-roles.sql. It may be run again.
--
-- {login} logs in and may do nothing by itself. A scope takes on {tenant} with SET LOCAL ROLE, together with
-- the tenant: `.tenant_role({tenant_rust:?})` on the pool. Whatever else logs in as {login} reads nothing.
-- While older code still queries as {login} itself, grant {login} what that code needs, and take it back later.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {tenant_text}) THEN
        CREATE ROLE {tenant};
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {login_text}) THEN
        CREATE ROLE {login};
    END IF;
    EXECUTE pg_catalog.format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', pg_catalog.current_database());
END
$$;
ALTER ROLE {tenant} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- Its password: \\password {login}
ALTER ROLE {login} LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT {tenant} TO {login};
",
        tenant_rust = roles.tenant,
    );
    let granted: Vec<&Item> = plan
        .items
        .iter()
        .filter(|item| item.state != State::Open && item.grant.is_some())
        .collect();
    let mut schemas: Vec<String> = plan
        .after
        .relations()
        .filter(|relation| granted.iter().any(|item| item.name == relation.qualified()))
        .map(|relation| quote(&relation.schema))
        .collect();
    schemas.sort();
    schemas.dedup();
    for schema in &schemas {
        let _ = write!(
            out,
            "\nREVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;\n\
             REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {login}, {tenant};\n\
             REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {login}, {tenant};\n\
             GRANT USAGE ON SCHEMA {schema} TO {tenant};\n"
        );
    }
    out.push_str("\n-- Narrow it to what tools do. Not TRUNCATE, REFERENCES or TRIGGER: policies don't hold for them.\n");
    for item in &granted {
        let what = item.grant.unwrap_or("SELECT");
        let _ = writeln!(out, "GRANT {what} ON {} TO {tenant};", item.name);
    }
    let open = plan.items.iter().filter(|item| item.state == State::Open);
    let open: Vec<&Item> = open.filter(|item| !item.name.ends_with(')')).collect();
    if !open.is_empty() {
        out.push_str("\n-- Not granted while it is undecided what they are:\n");
        for item in open {
            let _ = writeln!(out, "--   GRANT SELECT ON {} TO {tenant};", item.name);
        }
    }
    out.push_str(&sequences(plan, &granted, &tenant));
    out
}

/// A `serial` column needs its sequence, an identity column does not; the migrations' catalog does not
/// tell them apart, so the server is asked.
fn sequences(plan: &Plan, granted: &[&Item], tenant: &str) -> String {
    let numbered: Vec<String> = plan
        .after
        .relations()
        .filter(|relation| granted.iter().any(|item| item.name == relation.qualified()))
        .filter(|relation| {
            let numbered = |default: &ColumnDefault| {
                !matches!(default, ColumnDefault::None | ColumnDefault::Generated(_))
            };
            relation
                .columns
                .iter()
                .any(|column| numbered(&column.default))
        })
        .map(|relation| format!("{}::regclass", literal(&relation.qualified())))
        .collect();
    if numbered.is_empty() {
        return String::new();
    }
    format!(
        "\n-- `serial` columns take their numbers from a sequence that a writer has to reach; identity columns and\n\
         -- uuids need none, and tell nobody how many rows all tenants add together.\n\
         DO $$\nDECLARE\n    owned regclass;\nBEGIN\n    FOR owned IN\n        \
         SELECT pg_catalog.pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)::regclass\n        \
         FROM pg_catalog.pg_attribute AS a\n        \
         WHERE a.attrelid = ANY (ARRAY[{}]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''\n          \
         AND pg_catalog.pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) IS NOT NULL\n    \
         LOOP\n        EXECUTE pg_catalog.format('GRANT USAGE ON SEQUENCE %s TO {}', owned);\n    \
         END LOOP;\nEND\n$$;\n",
        numbered.join(", "),
        tenant.replace('\'', "''").replace('%', "%%")
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `watertight.toml`.
pub(super) fn configuration(config: &Config, why: &str) -> String {
    // A JSON string is a TOML string.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let folders: Vec<String> = config.migrations.iter().map(|it| text(it)).collect();
    format!(
        "\
migrations = [{}]
# The role that tools run as. A pool takes it on with `.tenant_role(…)`.
application-role = {}

# {}.
[tenant]
column = {}
type = {}
setting = {}
",
        folders.join(", "),
        text(&config.application_role),
        line(why),
        text(&config.tenant.column),
        text(config.tenant.kind.sql()),
        text(&config.tenant.setting),
    )
}

/// What is left to do, in order.
pub(super) fn checklist(plan: &Plan, roles: &Roles, migration: &str) -> String {
    let count = |state: State| plan.items.iter().filter(|item| item.state == state).count();
    let mut out = format!(
        "\
# Towards watertight

{} proposed, {} held before, {} to decide.

- [ ] Read `{migration}`, and decide what stands in its comments.
",
        count(State::Proposed),
        count(State::Holds),
        count(State::Open)
    );
    for item in plan.items.iter().filter(|item| item.state == State::Open) {
        let _ = writeln!(out, "  - [ ] `{}`: {}", item.name, line(&item.why));
    }
    let across = plan.items.iter().filter(|item| item.state != State::Open);
    for item in across {
        for decision in &item.decide {
            let _ = writeln!(out, "  - [ ] `{}`: {}", item.name, line(&decision.text));
        }
    }
    let _ = write!(
        out,
        "\
- [ ] Fill each tenant column, and let nothing write rows without a tenant: they would be nobody's.
- [ ] Find what runs without a tenant (sign-up, login, nightly jobs): it gets a system role with policies of its own, and `#[system_query]`.
- [ ] Run migrations as an owner that the server does not log in as; give one that changes rows BYPASSRLS.
- [ ] Run the migration on a copy, then `watertight-roles.sql`, then look: `cargo watertight doctor --role {tenant}` and `--role {login}`.
- [ ] `cargo watertight attack` on the copy.
- [ ] Give `{login}` a password, and the server its URL. Open the pool with `.tenant_role({tenant:?})`.
- [ ] Add `watertight` to the dependencies, `watertight-build` to the build dependencies, and `watertight_build::track()` to `build.rs`.
- [ ] Put `#[tenant_query]` on the functions that hold SQL, and `#[watertight::tool]` in the place of `#[tool]`, one at a time: `cargo watertight check` and clippy's `disallowed_methods` name what is left.
- [ ] `cargo watertight lock`, commit the file, and let `cargo watertight lock --check` run in CI.
- [ ] Take from `{login}` what was granted for the meantime, and set `require-rls = true`.
",
        tenant = roles.tenant,
        login = roles.login
    );
    out
}
