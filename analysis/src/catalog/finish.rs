//! The end of building: tenant columns, directives, memberships, the search path, warnings.

use std::collections::BTreeSet;

use super::Catalog;
use super::build::{Builder, Powers};
use super::model::{
    Column, ColumnDefault, Directive, KeyKind, ReferentialAction, Relation, RelationId,
    RelationKind,
};
use super::walk::mentions;
use crate::diagnostic::{Code, Diagnostic};
use crate::policy::trigger::tell_tenant;

pub(super) fn finish(mut builder: Builder) -> Catalog {
    for id in builder.skipped.take().unwrap_or_default() {
        builder.unknown(
            id,
            "an earlier migration left `search_path` empty, under which statements with IF EXISTS are skipped",
        );
    }
    roles(&mut builder);
    path(&mut builder);
    directives(&mut builder);
    let ids = builder.ids();
    for id in &ids {
        tenant_column(&mut builder, *id);
    }
    let mut references = Vec::new();
    for relation in builder.catalog.relations() {
        for (index, key) in relation.foreign_keys.iter().enumerate() {
            references.push((key.target, relation.id, index));
        }
    }
    for (target, from, index) in references {
        if let Some(target) = builder.relation_mut(target) {
            target.referenced_by.push((from, index));
        }
    }
    for id in &ids {
        let told = builder
            .catalog
            .get(*id)
            .map(|relation| tell_tenant(&builder.catalog, relation));
        if let (Some(relation), Some(told)) = (builder.relation_mut(*id), told) {
            relation.told_by_triggers = told;
        }
    }
    let warnings = key_warnings(&builder.catalog);
    builder.catalog.diagnostics.extend(warnings);
    builder.catalog
}

/// The roles that the application role is a member of, through others as well.
fn roles(builder: &mut Builder) {
    let app = builder.catalog.config.application_role.clone();
    // Whoever owns the database is a member of this one; who that is, migrations do not tell.
    let mut roles = BTreeSet::from([app.clone(), "pg_database_owner".to_owned()]);
    loop {
        let more: Vec<String> = builder
            .members
            .iter()
            .filter(|(member, role)| {
                (roles.contains(member) || member == "public") && !roles.contains(role)
            })
            .map(|(_, role)| role.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        roles.extend(more);
    }
    unnamed(builder, &app);
    let powers = builder.powers.get(&app).copied().unwrap_or_default();
    if powers.superuser || powers.bypassrls {
        builder.catalog.bypasses_rls =
            Some(format!("the role `{app}` is a superuser or has BYPASSRLS"));
    }
    builder.catalog.roles = roles;
}

/// A role that no migration names, where policies are for others, may be misspelt: then all of them
/// count as its own.
fn unnamed(builder: &mut Builder, app: &str) {
    let members = builder.members.iter().flat_map(|(a, b)| [a, b]);
    let paths = builder.role_paths.keys().map(|(role, _)| role);
    let owners = builder.catalog.relations().filter_map(|r| r.owner.as_ref());
    let policies = builder.catalog.relations().flat_map(|r| &r.policies);
    let of_policies: Vec<&String> = policies.flat_map(|policy| &policy.roles).collect();
    let named = members
        .chain(paths)
        .chain(owners)
        .chain(&builder.granted)
        .chain(&builder.named_roles)
        .chain(builder.powers.keys())
        .chain(of_policies.iter().copied())
        .any(|role| role == app);
    let special = ["public", "current_user", "current_role", "session_user"];
    let other = of_policies
        .iter()
        .find(|role| !special.contains(&role.as_str()))
        .map(|role| (*role).clone());
    if named {
        return;
    }
    let Some(other) = other else {
        // Whoever the server connects as may be the one that no policy holds for.
        let above = |(_, powers): &(&String, &Powers)| powers.superuser || powers.bypassrls;
        if let Some((role, _)) = builder.powers.iter().find(above) {
            builder.catalog.diagnostics.push(
                Diagnostic::warning(
                    Code::CONFIG,
                    format!("no migration names the application's role `{app}`, and `{role}` bypasses row-level security"),
                )
                .help(
                    "write the role that the server connects as into `watertight.toml`: `application-role = \"…\"`; \
                     one with SUPERUSER or BYPASSRLS is held by no policy",
                ),
            );
        }
        return;
    };
    builder.catalog.diagnostics.push(
        Diagnostic::warning(
            Code::CONFIG,
            format!("no migration names the application's role `{app}`, and policies are for `{other}`"),
        )
        .help(format!(
            "write the role that the server connects as into `watertight.toml`: `application-role = \"{other}\"`; \
             until then every policy counts as its own"
        )),
    );
    builder
        .catalog
        .roles_unknown
        .get_or_insert(format!("no migration names the application's role `{app}`"));
}

/// What migrations set as the path of the role's sessions. The server takes that of the role in this
/// database, of the role, of the database, of all roles, in this order; a database that is named is
/// taken for this one where no other is.
fn default_path(builder: &mut Builder, app: &str) -> Option<Vec<String>> {
    let paths = &builder.role_paths;
    let of = |role: &str, database: bool| -> Vec<Vec<String>> {
        let named = paths
            .iter()
            .filter(|((of, db), _)| of == role && db.is_some() == database);
        named.map(|(_, path)| path.clone()).collect()
    };
    let mut found: Vec<Vec<String>> = [of(app, true), of(app, false), of("", true), of("", false)]
        .into_iter()
        .find(|paths| !paths.is_empty())?;
    let first = found.pop();
    if found.iter().any(|other| Some(other) != first.as_ref()) {
        builder.catalog.ever.anything.get_or_insert_with(|| {
            "the search path differs by database: write `search-path` into `watertight.toml`"
                .to_owned()
        });
    }
    first
}

/// The path of the application role's sessions: the configuration's, the role's, the database's,
/// or the default, in which a schema named like the role comes first.
fn path(builder: &mut Builder) {
    let app = builder.catalog.config.application_role.clone();
    let path = builder
        .catalog
        .config
        .search_path
        .clone()
        .or_else(|| default_path(builder, &app))
        .unwrap_or_else(|| vec!["$user".to_owned(), "public".to_owned()]);
    // Where a path names pg_catalog itself, the schemas before it hide built-ins.
    if path
        .iter()
        .position(|schema| schema == "pg_catalog")
        .is_some_and(|at| at > 0)
    {
        builder.catalog.ever.anything.get_or_insert_with(|| {
            "the search path puts other schemas before `pg_catalog`".to_owned()
        });
    }
    builder.catalog.search_path = path
        .into_iter()
        .map(|schema| {
            if schema == "$user" {
                app.clone()
            } else {
                schema
            }
        })
        .filter(|schema| schema != "pg_catalog")
        .collect();
}

/// Reads the directives from the comments that are there in the end.
fn directives(builder: &mut Builder) {
    let column = builder.catalog.config.tenant.column.clone();
    let mut problems = Vec::new();
    for relation in builder.catalog.relations.iter_mut().flatten() {
        let Some(comment) = &relation.comment else {
            continue;
        };
        let mut words = comment.splitn(2, char::is_whitespace);
        let (first, rest) = (
            words.next().unwrap_or(""),
            words.next().unwrap_or("").trim(),
        );
        let name = relation.display();
        match first {
            "@global" if rest.is_empty() => problems.push(
                Diagnostic::error(
                    Code::DIRECTIVE,
                    format!("`{name}` is declared global without a reason"),
                )
                .help(format!(
                    "COMMENT ON TABLE {name} IS '@global shared by all, because …';"
                )),
            ),
            "@global" if relation.column(&column).is_some() => problems.push(
                Diagnostic::error(
                    Code::DIRECTIVE,
                    format!("`{name}` is declared global, but has the tenant column `{column}`"),
                )
                .help("remove the declaration, or the column"),
            ),
            "@global" => {
                relation.directive = Some(Directive::Global {
                    reason: rest.to_owned(),
                })
            }
            "@tenant" => {
                let named = rest.split_whitespace().next().unwrap_or("").to_owned();
                if relation.column(&named).is_some() {
                    relation.directive = Some(Directive::Tenant { column: named });
                } else {
                    problems.push(Diagnostic::error(
                        Code::DIRECTIVE,
                        format!("`@tenant` of `{name}` names `{named}`, which is no column of it"),
                    ));
                }
            }
            word if word.starts_with('@') => problems.push(
                Diagnostic::warning(
                    Code::DIRECTIVE,
                    format!("`{word}` in the comment of `{name}` is no directive"),
                )
                .help("directives are `@global reason` and `@tenant column`"),
            ),
            _ => {}
        }
    }
    builder.catalog.diagnostics.extend(problems);
}

fn tenant_column(builder: &mut Builder, id: RelationId) {
    let Some(relation) = builder.relation(id) else {
        return;
    };
    if !relation.is_table() || relation.is_global() {
        return;
    }
    let Some(position) = named_tenant_column(&builder.catalog, relation) else {
        return;
    };
    let Some(column) = relation.columns.get(position) else {
        return;
    };
    match usable_as_tenant(&builder.catalog, column) {
        Ok(()) => {
            if let Some(relation) = builder.relation_mut(id) {
                relation.tenant_column = Some(position);
            }
        }
        // Its cause has been told.
        Err(_) if builder.catalog.ever.anything.is_some() => {}
        Err(why) => {
            let message = format!(
                "`{}.{}` can't serve as tenant column: {why}",
                relation.display(),
                column.name
            );
            builder.catalog.diagnostics.push(
                Diagnostic::error(Code::POLICY_GAP, message)
                    .help("use uuid, bigint, integer, smallint, text or varchar with a deterministic collation"),
            );
        }
    }
}

/// Whether a column can serve as tenant column, and if not, why.
pub(crate) fn usable_as_tenant(catalog: &Catalog, column: &Column) -> Result<(), String> {
    // It follows other columns, which a statement may set.
    if matches!(
        column.default,
        ColumnDefault::Generated(_) | ColumnDefault::Opaque
    ) {
        return Err("it is computed from other columns".to_owned());
    }
    crate::policy::term::exact_type(catalog, column)
}

/// The column that the configuration or a directive names, usable or not.
pub(crate) fn named_tenant_column(catalog: &Catalog, relation: &Relation) -> Option<usize> {
    let name = match &relation.directive {
        Some(Directive::Tenant { column }) => column,
        _ => &catalog.config().tenant.column,
    };
    relation.column(name).map(|(position, _)| position)
}

/// Side channels of keys: a warning on the schema, with the composite key that mends it.
fn key_warnings(catalog: &Catalog) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for relation in catalog.relations() {
        let Some(tenant) = relation.tenant() else {
            continue;
        };
        let name = relation.display();
        for key in &relation.keys {
            let generated = |column: &String| {
                relation.column(column).is_some_and(|(_, column)| {
                    matches!(
                        column
                            .ty
                            .as_ref()
                            .and_then(|ty| ty.name.parts.last())
                            .map(String::as_str),
                        Some("uuid")
                    )
                })
            };
            let columns: Vec<&String> = key.columns.iter().flatten().collect();
            // A surrogate uuid can't be guessed, so its uniqueness tells nothing.
            if columns.contains(&&tenant.name)
                || (!columns.is_empty() && columns.iter().all(|c| generated(c)))
            {
                continue;
            }
            let what = match key.kind {
                KeyKind::Primary => "primary key",
                KeyKind::Unique => "unique key",
                KeyKind::Exclusion => "exclusion constraint",
            };
            let listed: Vec<&str> = columns.iter().map(|c| c.as_str()).collect();
            // One row for each tenant: a registry, whose names are often meant to be unique.
            let registry = relation.keys.iter().any(|key| {
                !key.partial && matches!(key.columns.as_slice(), [Some(one)] if *one == tenant.name)
            });
            let help = match (registry, listed.is_empty()) {
                (true, _) => format!(
                    "where `{name}` is the list of tenants, that is often wanted: let no tool write it, so that nobody can try names"
                ),
                (false, true) => format!("put `{}` into the index, first", tenant.name),
                (false, false) => format!("UNIQUE ({}, {})", tenant.name, listed.join(", ")),
            };
            warnings.push(
                Diagnostic::warning(
                    Code::KEY_WITHOUT_TENANT,
                    format!("the {what} `{}` of `{name}` holds across tenants, so an error tells that another one has the value", key.name),
                )
                .note(format!("in {}", relation.created_in))
                .help(help),
            );
        }
        for column in &relation.columns {
            if is_numbered(&column.default) && relation.kind != RelationKind::Partition {
                let shown = super::quote(&column.name);
                warnings.push(
                    Diagnostic::warning(
                        Code::SHARED_SEQUENCE,
                        format!("`{shown}` of `{name}` is numbered across tenants, so a number tells how many rows the others add"),
                    )
                    .note(format!("in {}", relation.created_in))
                    .help(format!(
                        "where the number leaves the server: {shown} uuid DEFAULT gen_random_uuid()"
                    )),
                );
            }
        }
        for key in &relation.foreign_keys {
            let Some(target) = catalog.get(key.target) else {
                continue;
            };
            let Some(target_tenant) = target.tenant() else {
                continue;
            };
            let pairs = key.columns.iter().zip(&key.target_columns);
            if pairs
                .clone()
                .any(|(a, b)| *a == tenant.name && *b == target_tenant.name)
            {
                continue;
            }
            let across = matches!(
                key.on_delete,
                ReferentialAction::Cascade
                    | ReferentialAction::SetNull
                    | ReferentialAction::SetDefault
            );
            let (code, what) = if across {
                (
                    Code::CASCADE_ACROSS_TENANTS,
                    "acts across tenants when a row is deleted",
                )
            } else {
                (
                    Code::FOREIGN_KEY_WITHOUT_TENANT,
                    "can refer to another tenant's row",
                )
            };
            warnings.push(
                Diagnostic::warning(
                    code,
                    format!("the foreign key `{}` of `{name}` {what}", key.name),
                )
                .note(format!("in {}", relation.created_in))
                .help(format!(
                    "FOREIGN KEY ({}, {}) REFERENCES {} ({}, {})",
                    tenant.name,
                    key.columns.join(", "),
                    target.display(),
                    target_tenant.name,
                    key.target_columns.join(", ")
                )),
            );
        }
    }
    warnings
}

/// Whether a column is filled from a sequence.
fn is_numbered(default: &ColumnDefault) -> bool {
    match default {
        ColumnDefault::Sequence => true,
        ColumnDefault::Expr(expr) => mentions(expr)
            .functions
            .iter()
            .any(|name| name == "nextval"),
        _ => false,
    }
}
