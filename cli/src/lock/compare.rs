//! The difference between two locks: what was loosened, apart from what merely changed.
//!
//! Invariant: every difference is told; what weakens a proof, or adds to what one has to trust, is
//! told as loosened. Where it can't be told which, it is loosened.

use super::model::{Catalog, Exception, Function, Lock, Relation, Statement};

/// What a review has to look at.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Weakens a proof, or adds something to trust.
    pub(crate) loosened: Vec<String>,
    /// Everything else.
    pub(crate) changed: Vec<String>,
}

/// Compares the committed lock with the one of the sources.
pub(crate) fn compare(old: &Lock, new: &Lock) -> Difference {
    let mut found = Difference::default();
    let (old, new) = (&with_catalogs(old), &with_catalogs(new));
    for (before, after) in pairs(&old.catalog, &new.catalog, |it| it.path.clone()) {
        match (before, after) {
            (Some(before), Some(after)) => catalog(before, after, &mut found),
            (None, Some(after)) => found.loosened.push(format!(
                "the catalog `{}` is new: review all of it",
                after.path
            )),
            (Some(before), None) => found
                .changed
                .push(format!("the catalog `{}` is gone", before.path)),
            (None, None) => {}
        }
    }
    let key = |it: &Statement| (it.function.clone(), it.which.clone());
    for (before, after) in pairs(&old.statement, &new.statement, key) {
        statement(before, after, &mut found);
    }
    // A second one like the first is one more.
    let count =
        |list: &[Exception], wanted: &Exception| list.iter().filter(|it| *it == wanted).count();
    let mut told: Vec<&Exception> = Vec::new();
    for exception in &new.exception {
        if told.contains(&exception)
            || count(&new.exception, exception) <= count(&old.exception, exception)
        {
            continue;
        }
        told.push(exception);
        found.loosened.push(format!(
            "`{}` has a new exception: {} = \"{}\"",
            exception.place, exception.rule, exception.reason
        ));
    }
    for exception in old
        .exception
        .iter()
        .filter(|it| !new.exception.contains(it))
    {
        found.changed.push(format!(
            "the exception {} of `{}` is gone",
            exception.rule, exception.place
        ));
    }
    for unseen in new.unseen.iter().filter(|it| !old.unseen.contains(it)) {
        found.loosened.push(format!(
            "{} holds what can't be looked into: {}",
            unseen.file, unseen.what
        ));
    }
    for unseen in old.unseen.iter().filter(|it| !new.unseen.contains(it)) {
        found
            .changed
            .push(format!("{} is all seen now: {}", unseen.file, unseen.what));
    }
    found
}

/// The lock with the catalog of each statement; the file leaves it out where there is one.
fn with_catalogs(lock: &Lock) -> Lock {
    let mut lock = lock.clone();
    if let [one] = lock.catalog.as_slice() {
        for statement in &mut lock.statement {
            statement.catalog.clone_from(&one.path);
        }
    }
    lock
}

/// Old and new entries by their key; new ones first in their order, then those that are gone.
fn pairs<'a, T, K: PartialEq>(
    old: &'a [T],
    new: &'a [T],
    key: impl Fn(&T) -> K,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let of = |list: &'a [T], wanted: &K| list.iter().find(|it| key(it) == *wanted);
    let mut found: Vec<_> = new
        .iter()
        .map(|after| (of(old, &key(after)), Some(after)))
        .collect();
    let gone = old.iter().filter(|before| of(new, &key(before)).is_none());
    found.extend(gone.map(|before| (Some(before), None)));
    found
}

fn catalog(before: &Catalog, after: &Catalog, found: &mut Difference) {
    let path = &after.path;
    for (name, was, is, loose) in [
        ("require-rls", before.require_rls, after.require_rls, false),
        (
            "forbid-unproved",
            before.forbid_unproved,
            after.forbid_unproved,
            false,
        ),
        ("relax-force", before.relax_force, after.relax_force, true),
        (
            "allow-stale-catalog",
            before.allow_stale_catalog,
            after.allow_stale_catalog,
            true,
        ),
    ] {
        if was != is {
            let list = if is == loose {
                &mut found.loosened
            } else {
                &mut found.changed
            };
            list.push(format!("`{name}` of `{path}` is now {is}"));
        }
    }
    for (name, was, is) in [
        ("tenant", &before.tenant, &after.tenant),
        (
            "application-role",
            &before.application_role,
            &after.application_role,
        ),
    ] {
        if was != is {
            found
                .loosened
                .push(format!("`{name}` of `{path}` was {was} and is {is}"));
        }
    }
    if before.search_path != after.search_path {
        found.loosened.push(format!(
            "the search path of `{path}` was {} and is {}",
            before.search_path.join(", "),
            after.search_path.join(", ")
        ));
    }
    if before.config != after.config {
        found.changed.push(format!("`{path}` has changed"));
    }
    migrations(before, after, found);
    for (was, is) in pairs(&before.relation, &after.relation, |it| it.name.clone()) {
        relation(was, is, found);
    }
    for (was, is) in pairs(&before.function, &after.function, |it| it.name.clone()) {
        function(was, is, found);
    }
    for word in before.words.iter().filter(|it| !after.words.contains(it)) {
        found.loosened.push(format!(
            "`{word}` is no word for a tenant in `{path}` any more: arguments of tools may be called so"
        ));
    }
    for word in after.words.iter().filter(|it| !before.words.contains(it)) {
        found
            .changed
            .push(format!("`{word}` is a word for a tenant in `{path}`"));
    }
    added(&before.not_tenant, &after.not_tenant, found, |it| {
        format!("`{path}` allows another name for arguments of tools: {it}")
    });
    added(&before.warnings, &after.warnings, found, |it| {
        format!("a new side channel: {it}")
    });
}

/// What is new is loosened, what is gone is changed.
fn added(
    before: &[String],
    after: &[String],
    found: &mut Difference,
    say: impl Fn(&str) -> String,
) {
    for it in after.iter().filter(|it| !before.contains(it)) {
        found.loosened.push(say(it));
    }
    for it in before.iter().filter(|it| !after.contains(it)) {
        found.changed.push(format!("no longer: {}", say(it)));
    }
}

fn migrations(before: &Catalog, after: &Catalog, found: &mut Difference) {
    let split = |it: &String| -> (String, String) {
        let (path, hash) = it.rsplit_once(' ').unwrap_or((it.as_str(), ""));
        (path.to_owned(), hash.to_owned())
    };
    let (old, new): (Vec<_>, Vec<_>) = (
        before.migrations.iter().map(split).collect(),
        after.migrations.iter().map(split).collect(),
    );
    for (was, is) in pairs(&old, &new, |it| it.0.clone()) {
        let line = match (was, is) {
            (Some(was), Some(is)) if was.1 != is.1 => {
                format!("the migration `{}` was edited", is.0)
            }
            (None, Some(is)) => format!("the migration `{}` is new", is.0),
            (Some(was), None) => format!("the migration `{}` is gone", was.0),
            _ => continue,
        };
        found.changed.push(line);
    }
}

/// How much a class protects.
fn strength(class: &str) -> u8 {
    match class {
        "denied" => 4,
        "protected" => 3,
        "scoped" => 2,
        "global" => 1,
        _ => 0,
    }
}

/// The class of each command, from `protected` or `select protected, insert denied, …`.
fn classes(text: &str) -> Vec<(&str, &str)> {
    ["select", "insert", "update", "delete"]
        .into_iter()
        .map(|command| {
            let own = text
                .split(", ")
                .find_map(|part| part.strip_prefix(command)?.strip_prefix(' '));
            (command, own.unwrap_or(text))
        })
        .collect()
}

fn relation(before: Option<&Relation>, after: Option<&Relation>, found: &mut Difference) {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, Some(after)) => {
            let open = classes(&after.class).iter().any(|(_, it)| strength(it) < 2);
            let line = format!("`{}` is new: {}", after.name, after.class);
            match open {
                true => found.loosened.push(line),
                false => found.changed.push(line),
            }
            if !after.directive.is_empty() {
                found.loosened.push(format!(
                    "`{}` has a directive: {}",
                    after.name, after.directive
                ));
            }
            return;
        }
        (Some(before), None) => {
            found.changed.push(format!("`{}` is gone", before.name));
            return;
        }
        (None, None) => return,
    };
    let name = &after.name;
    let mut told = false;
    let mut tell = |loose: bool, line: String, found: &mut Difference| {
        told = true;
        match loose {
            true => found.loosened.push(line),
            false => found.changed.push(line),
        }
    };
    for ((command, was), (_, is)) in classes(&before.class)
        .into_iter()
        .zip(classes(&after.class))
    {
        if was != is {
            let line = format!("`{name}` was {was} for {command} and is {is}");
            tell(strength(is) < strength(was), line, found);
        }
    }
    if before.rls != after.rls {
        let level = |it: &str| {
            ["off", "enabled", "forced"]
                .iter()
                .position(|known| *known == it)
        };
        let line = format!(
            "row-level security of `{name}` was {} and is {}",
            before.rls, after.rls
        );
        tell(level(&after.rls) < level(&before.rls), line, found);
    }
    if before.directive != after.directive {
        let line = match (before.directive.is_empty(), after.directive.is_empty()) {
            (_, true) => format!("`{name}` lost its directive: {}", before.directive),
            (true, false) => format!("`{name}` has a new directive: {}", after.directive),
            _ => format!(
                "the directive of `{name}` was {} and is {}",
                before.directive, after.directive
            ),
        };
        // Without `@tenant` another column decides whose a row is.
        let loose = !after.directive.is_empty() || before.directive.starts_with("@tenant");
        tell(loose, line, found);
    }
    if before.kind != after.kind {
        let line = format!("`{name}` was a {} and is a {}", before.kind, after.kind);
        tell(true, line, found);
    }
    // A restrictive policy that goes, or a permissive one that comes, lets more rows through.
    let permissive = |it: &str| it.contains(": PERMISSIVE");
    let confined = classes(&after.class).iter().all(|(_, it)| strength(it) > 2);
    let head = |it: &str| it.rsplit_once(" #").map_or(it, |(head, _)| head).to_owned();
    let same = |it: &String, list: &[String]| list.iter().any(|other| head(other) == head(it));
    for policy in after
        .policies
        .iter()
        .filter(|it| !before.policies.contains(it) && same(it, &before.policies))
    {
        let line = format!(
            "the policy {} of `{name}` has another condition",
            head(policy)
        );
        tell(!confined, line, found);
    }
    for policy in before
        .policies
        .iter()
        .filter(|it| !same(it, &after.policies))
    {
        let policy = head(policy);
        let line = format!("`{name}` lost the policy {policy}");
        tell(true, line, found);
    }
    for policy in after
        .policies
        .iter()
        .filter(|it| !same(it, &before.policies))
    {
        let policy = head(policy);
        let line = format!("`{name}` has a new policy {policy}");
        tell(permissive(&policy), line, found);
    }
    if !told && before != after {
        found.changed.push(format!("`{name}` has changed"));
    }
}

fn function(before: Option<&Function>, after: Option<&Function>, found: &mut Difference) {
    match (before, after) {
        (Some(before), Some(after)) => {
            if before.body != after.body {
                found.loosened.push(format!(
                    "the body of the allowed function `{}` has changed: the reason \"{}\" was given \
                     for another one",
                    after.name, after.reason
                ));
            }
            if before.reason != after.reason {
                found.changed.push(format!(
                    "the reason of the allowed function `{}` is now \"{}\"",
                    after.name, after.reason
                ));
            }
        }
        (None, Some(after)) => found.loosened.push(format!(
            "the function `{}` is allowed: {}",
            after.name, after.reason
        )),
        (Some(before), None) => found.changed.push(format!(
            "the function `{}` is no longer allowed",
            before.name
        )),
        (None, None) => {}
    }
}

/// How much a statement's grade says.
fn grade(text: &str) -> u8 {
    match text {
        "rls" => 3,
        "predicate" => 2,
        "unproved" => 1,
        _ => 0,
    }
}

fn statement(before: Option<&Statement>, after: Option<&Statement>, found: &mut Difference) {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, Some(after)) => {
            match after.grade.as_str() {
                "unproved" | "system" => found.loosened.push(format!(
                    "{} is new and {}: {}",
                    after.title(),
                    after.grade,
                    after.reason
                )),
                _ => found
                    .changed
                    .push(format!("{} is new ({})", after.title(), after.grade)),
            }
            return;
        }
        (Some(before), None) => {
            found.changed.push(format!("{} is gone", before.title()));
            return;
        }
        (None, None) => return,
    };
    let title = after.title();
    let mut told = false;
    if before.grade != after.grade {
        told = true;
        let line = format!("{title} was {} and is {}", before.grade, after.grade);
        match grade(&after.grade) < grade(&before.grade) {
            true => found.loosened.push(line),
            false => found.changed.push(line),
        }
    }
    for table in after.tables.iter().filter(|it| !before.tables.contains(it)) {
        told = true;
        found
            .loosened
            .push(format!("{title} may touch `{table}` as well"));
    }
    let outside = matches!(after.grade.as_str(), "unproved" | "system");
    for (what, was, is) in [
        ("reason", &before.reason, &after.reason),
        ("role", &before.role, &after.role),
    ] {
        if was != is && before.grade == after.grade {
            told = true;
            found.loosened.push(format!(
                "the {what} of {title} was \"{was}\" and is \"{is}\""
            ));
        }
    }
    if before.returns_tenant != after.returns_tenant {
        told = true;
        match (
            before.returns_tenant.as_str(),
            after.returns_tenant.as_str(),
        ) {
            (_, "") => found
                .changed
                .push(format!("{title} tells no client the tenant any more")),
            ("", reason) => found
                .loosened
                .push(format!("{title} may tell a client the tenant: {reason}")),
            (was, is) => found.loosened.push(format!(
                "the reason why {title} tells the tenant was \"{was}\" and is \"{is}\""
            )),
        }
    }
    if before.catalog != after.catalog {
        told = true;
        found.loosened.push(format!(
            "{title} was judged by `{}` and is by `{}`",
            before.catalog, after.catalog
        ));
    }
    if before.sql != after.sql {
        told = true;
        let line = format!("{title} has another text");
        // No proof says that the new text is as good as the reason.
        match outside {
            true => found.loosened.push(line),
            false => found.changed.push(line),
        }
    }
    if before.derivation != after.derivation && !told {
        told = true;
        found
            .changed
            .push(format!("{title} is proved in another way"));
    }
    if !told && before != after {
        found.changed.push(format!("{title} has moved"));
    }
}
