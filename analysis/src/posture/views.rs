//! Views and materialised views: whose rights they read with, and what that shows.
//!
//! Invariant: a view of an owner that row-level security holds for is judged by the policies for that
//! owner, not by who it is.

use std::collections::BTreeSet;

use super::facts::Relation;
use super::{Look, at, place};
use crate::catalog::{Class, Command, quote};
use crate::diagnostic::Code;

/// How deep views may read each other.
const DEPTH: usize = 32;

pub(super) fn look(look: &mut Look<'_>) {
    let relations: Vec<&Relation> = look.facts.relations.iter().collect();
    for relation in relations {
        if relation.extension || !relation.reachable() {
            continue;
        }
        match relation.kind {
            'v' => view(look, relation),
            'm' => materialized(look, relation),
            _ => {}
        }
    }
}

fn view(look: &mut Look<'_>, relation: &Relation) {
    let shown = relation.qualified();
    if let Some(function) = look.definer_called(relation) {
        let message = format!(
            "the view `{shown}` calls `{function}`, which runs as a role that row-level security does not hold"
        );
        look.found(at(Code::DEFINER_VIEW, relation, message).about(function.as_str()).help(
            "read the tables in the view itself, or let the function run as its caller: SECURITY INVOKER",
        ));
    }
    if relation.invoker == Some(true) {
        return look.clear(place(relation), "reads with the rights of its caller");
    }
    let Some(why) = look.unconfined_reads(relation, &relation.owner, 0) else {
        let reason = format!(
            "reads as `{}`, and what it reads is confined for that role",
            relation.owner
        );
        return look.clear(place(relation), reason);
    };
    let proved = look.in_catalog(relation).is_some_and(|known| {
        matches!(
            look.catalog.class(known, Command::Select),
            Class::Protected | Class::Denied
        )
    });
    if proved {
        let reason = "its definition is proved to stay within the session's tenant";
        return look.clear(place(relation), reason);
    }
    let owner = quote(&relation.owner);
    let message = format!("the view `{shown}` reads as its owner `{owner}`: {why}");
    let mut finding = at(Code::DEFINER_VIEW, relation, message);
    if look.facts.server.number >= 150_000 {
        finding = finding.mend(format!("ALTER VIEW {shown} SET (security_invoker = true)"));
        finding = finding.note("its caller then needs the privileges on what it reads");
    } else {
        finding = finding
            .help("give it to a role that owns nothing and bypasses nothing; before PostgreSQL 15 there is no security_invoker")
            .help("or read the tables themselves");
        finding
            .mend
            .extend(look.revoke(relation, &relation.data_rights()));
    }
    look.found(finding);
}

fn materialized(look: &mut Look<'_>, relation: &Relation) {
    let Some(table) = look.tenants_read(relation, &mut BTreeSet::new()) else {
        return look.clear(place(relation), "reads no table of a tenant");
    };
    let shown = relation.qualified();
    let message = format!(
        "the materialised view `{shown}` holds every tenant's rows of `{table}`, and no policy can be put on it"
    );
    let mut finding = at(Code::MATERIALIZED, relation, message).help(
        "let the application read the tables, or a plain view over it with `WITH (security_barrier)` and the tenant's condition",
    );
    finding
        .mend
        .extend(look.revoke(relation, &relation.data_rights()));
    look.found(finding);
}

impl Look<'_> {
    /// A function of a privileged definer that a view calls.
    fn definer_called(&self, view: &Relation) -> Option<String> {
        self.facts
            .uses
            .iter()
            .filter(|uses| uses.schema == view.schema && uses.view == view.name)
            .filter(|uses| uses.kind == "function")
            .flat_map(|uses| self.facts.functions_named(&uses.name))
            .find(|function| self.definer_reason(function).is_some())
            .map(super::facts::Function::signature)
    }

    /// Why what a view reads is not confined to the tenant for `role`.
    fn unconfined_reads(&self, view: &Relation, role: &str, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return Some("its views lead to each other".to_owned());
        }
        self.facts
            .uses
            .iter()
            .filter(|uses| uses.schema == view.schema && uses.view == view.name)
            .filter(|uses| uses.kind == "relation")
            .filter_map(|uses| self.facts.relation_named(&uses.name))
            .find_map(|read| self.unconfined(read, role, depth))
    }

    /// Why the rows of a relation are not confined to the tenant for `role`; nothing where they are,
    /// or are no tenant's.
    pub(super) fn unconfined(
        &self,
        relation: &Relation,
        role: &str,
        depth: usize,
    ) -> Option<String> {
        let shown = relation.qualified();
        match relation.kind {
            'v' => {
                let invoker = relation.invoker == Some(true);
                let role = if invoker { role } else { &relation.owner };
                return self.unconfined_reads(relation, role, depth + 1);
            }
            'm' => {
                let table = self.tenants_read(relation, &mut BTreeSet::new())?;
                return Some(format!("`{shown}` holds every tenant's rows of `{table}`"));
            }
            'S' => return None,
            _ => {}
        }
        let tenants = self.tenant_column(relation).is_some();
        if !relation.rls {
            return tenants.then(|| format!("`{shown}` has no row-level security"));
        }
        if self.bypasses(role) {
            return Some(format!("no policy of `{shown}` holds for that role"));
        }
        let owns = self
            .facts
            .has_rights_of(role)
            .contains(relation.owner.as_str());
        if !relation.forced && owns {
            return Some(format!(
                "it owns `{shown}`, whose row-level security is not forced"
            ));
        }
        let known = self.in_catalog(relation)?;
        tenants.then(|| self.opened_to(role, known)).flatten()
    }

    /// A tenant's table that a view reads, through whichever other views.
    fn tenants_read(&self, view: &Relation, seen: &mut BTreeSet<String>) -> Option<String> {
        if !seen.insert(view.dotted()) {
            return None;
        }
        self.facts
            .uses
            .iter()
            .filter(|uses| uses.schema == view.schema && uses.view == view.name)
            .filter_map(|uses| self.facts.relation_named(&uses.name))
            .find_map(|read| match read.kind {
                'v' | 'm' => self.tenants_read(read, seen),
                'S' => None,
                _ if self.tenant_column(read).is_some() || read.rls => Some(read.qualified()),
                _ => None,
            })
    }
}
