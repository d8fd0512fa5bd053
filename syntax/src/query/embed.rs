//! `catalog!()`: the settings, relations and checksums that the pool compares at start-up.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::Path;
use watertight_analysis::Catalog;
use watertight_analysis::catalog::{Class, Command, Policy, PolicyExpr, Relation, RelationKind};
use watertight_analysis::config::TenantKind;

use super::attr::{Kind, QueryAttr};
use super::expand;
use super::judge::Desk;
use crate::project::{Files, MigrationFile, Project};

/// Expands `catalog!()`.
#[must_use]
pub fn catalog(tokens: TokenStream, files: &dyn Files) -> TokenStream {
    let mut desk = Desk::new(files);
    let attr = QueryAttr::parse(tokens, Kind::Tenant, &mut desk.errors);
    let usage = "write `catalog!()`, or `catalog!(catalog = \"other.toml\")`";
    if let Some(sql) = attr.sql.as_ref().or(attr.file.as_ref()) {
        desk.errors.push(sql, usage);
    }
    if let Some(choice) = attr.choices.first() {
        desk.errors.push(&choice.name, usage);
    }
    match desk.project(attr.catalog.as_ref(), Span::call_site()) {
        Some(project) if desk.errors.is_empty() => constant(&attr.krate, &project),
        _ => {
            let (errors, krate) = (desk.errors.compile_errors(), &attr.krate);
            // A call, and no `panic!` in sight: the compiler would warn of code behind it.
            quote!({ #errors #krate::__private::Catalog::refused() })
        }
    }
}

fn constant(krate: &Path, project: &Project) -> TokenStream {
    let id = project.catalog.id();
    let settings = settings(krate, project);
    let relations = project
        .catalog
        .relations()
        .filter_map(|found| relation(krate, &project.catalog, found));
    let migrations = project.files.iter().map(|file| migration(krate, file));
    let stamp = expand::stamp();
    // A constant, because a call within a borrowed array is not kept for `'static` otherwise.
    quote!({
        #stamp
        const CATALOG: #krate::__private::Catalog = #krate::__private::Catalog::new(
            #id,
            #settings,
            &[#(#relations),*],
            &[#(#migrations),*],
        );
        CATALOG
    })
}

fn settings(krate: &Path, project: &Project) -> TokenStream {
    let config = project.catalog.config();
    let column = &config.tenant.column;
    let kind = match config.tenant.kind {
        TenantKind::Uuid => quote!(Uuid),
        TenantKind::Bigint => quote!(Bigint),
        TenantKind::Text => quote!(Text),
    };
    let setting = &config.tenant.setting;
    let role = &config.application_role;
    // Without the schemas that the migrations leave empty, `"$user"` above all: whoever could
    // create one of them would come between a name and the table that was proved.
    let catalog = &project.catalog;
    let search_path = catalog.search_path().iter().filter(|schema| {
        *schema == "public"
            || catalog.relations().any(|found| found.schema == **schema)
            || catalog
                .all_functions()
                .iter()
                .any(|found| found.schema == **schema)
    });
    let words = &config.tenant.words;
    let not_tenant = config.not_tenant.iter().map(|it| &it.name);
    let (require_rls, relax_force) = (config.require_rls, config.relax_force);
    let functions = config.functions.iter().map(|function| &function.name);
    quote! {
        #krate::__private::Settings {
            tenant_column: #column,
            tenant_kind: #krate::__private::TenantKind::#kind,
            setting: #setting,
            search_path: &[#(#search_path),*],
            application_role: #role,
            require_rls: #require_rls,
            relax_force: #relax_force,
            words: &[#(#words),*],
            not_tenant: &[#(#not_tenant),*],
            functions: &[#(#functions),*],
        }
    }
}

/// `None` for what no statement reads rows from.
fn relation(krate: &Path, catalog: &Catalog, relation: &Relation) -> Option<TokenStream> {
    let kind = match relation.kind {
        RelationKind::Table | RelationKind::Partition => "Table",
        RelationKind::View => "View",
        RelationKind::MaterializedView => "MaterializedView",
        RelationKind::ForeignTable => "Foreign",
        _ => return None,
    };
    let kind = format_ident!("{kind}");
    let (schema, name) = (&relation.schema, &relation.name);
    let tenant = relation.tenant().map(|column| {
        let column = &column.name;
        quote!(.tenant(#column))
    });
    let global = relation.is_global().then(|| quote!(.global()));
    let rls = relation.rls.enabled.then(|| {
        let forced = relation.rls.forced;
        let policies = relation
            .policies
            .iter()
            .map(|found| policy(krate, catalog, found));
        quote!(.rls(#forced, &[#(#policies),*]))
    });
    let relied = relied(catalog, relation);
    let relied = (relied != "----").then(|| quote!(.relied(#relied)));
    Some(quote! {
        #krate::__private::Relation::new(#schema, #name, #krate::__private::RelationKind::#kind)
            #tenant #global #rls #relied
    })
}

/// What a proof may rest on, for each command; nothing where no statement is proved.
fn relied(catalog: &Catalog, relation: &Relation) -> String {
    Command::ALL
        .map(|command| match catalog.class(relation, command) {
            // What lets nothing through is compared as what confines.
            Class::Protected | Class::Denied => 'p',
            Class::Scoped => 's',
            _ => '-',
        })
        .iter()
        .collect()
}

fn policy(krate: &Path, catalog: &Catalog, policy: &Policy) -> TokenStream {
    let name = &policy.name;
    let permissive = policy.permissive;
    let command = policy.command.map_or("ALL", Command::sql);
    let roles = &policy.roles;
    let using = !matches!(policy.using, PolicyExpr::None);
    let check = !matches!(policy.check, PolicyExpr::None);
    let applies = policy.roles.iter().any(|role| catalog.role_applies(role));
    quote! {
        #krate::__private::Policy {
            name: #name,
            permissive: #permissive,
            command: #command,
            roles: &[#(#roles),*],
            using: #using,
            check: #check,
            applies: #applies,
        }
    }
}

fn migration(krate: &Path, file: &MigrationFile) -> TokenStream {
    let MigrationFile {
        path,
        version,
        checksum,
    } = file;
    quote! {
        #krate::__private::Migration { path: #path, version: #version, checksum: #checksum }
    }
}
