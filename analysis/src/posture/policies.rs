//! Policies: each one that holds for the application role, by what the analysis shows of it.
//!
//! Invariant: judged whether or not row-level security is on and forced, which `tables` tells, and for
//! the commands that the application may run. Proved, leaking and unknown are told apart.

use std::collections::BTreeMap;

use super::facts;
use super::shape::{Shape, shape};
use super::{Look, at, listed, place};
use crate::catalog::finish::usable_as_tenant;
use crate::catalog::{Command, Policy, PolicyExpr, Relation, quote};
use crate::diagnostic::Code;
use crate::finding::{Finding, Level};
use crate::policy::{confined, given_side, judge, may_apply, sides, surely_applies};

/// One side of a policy that is at fault, with the commands that it opens.
struct Fault<'a> {
    policy: &'a Policy,
    check: bool,
    commands: Vec<Command>,
    why: String,
}

pub(super) fn look(look: &mut Look<'_>) {
    let relations: Vec<&facts::Relation> = look.facts.relations.iter().collect();
    for facts in relations {
        let Some(relation) = look.in_catalog(facts) else {
            continue;
        };
        if !facts.is_table() || !facts.rls || facts.extension || !facts.reachable() {
            continue;
        }
        if relation.is_global() {
            continue;
        }
        let Some(column) = look.tenant_column(facts) else {
            undeclared(look, facts, relation);
            continue;
        };
        // Nothing can be shown of an equality that is not exact; that has been told.
        if usable_as_tenant(look.catalog, column).is_err() {
            continue;
        }
        let faults = faults(look, facts, relation);
        if faults.is_empty() && facts.forced {
            let reason = "row-level security is enabled and forced, and every policy that holds for the application role confines rows to the session's tenant";
            look.clear(place(facts), reason);
        }
        for fault in faults {
            let finding = describe(look, facts, relation, &fault);
            look.found(finding);
        }
    }
}

fn rights(facts: &facts::Relation) -> Vec<Command> {
    Command::ALL
        .into_iter()
        .filter(|command| facts.may(command.sql()))
        .collect()
}

fn faults<'a>(look: &Look<'a>, facts: &facts::Relation, relation: &'a Relation) -> Vec<Fault<'a>> {
    let mut found: BTreeMap<(String, bool), Fault<'a>> = BTreeMap::new();
    for command in rights(facts) {
        for check in sides(command) {
            for (policy, why) in open(look, relation, command, *check) {
                let key = (policy.name.clone(), *check);
                let fault = found.entry(key).or_insert_with(|| Fault {
                    policy,
                    check: *check,
                    commands: Vec::new(),
                    why,
                });
                fault.commands.push(command);
            }
        }
    }
    // `USING` that stands for both sides is told once.
    let values: Vec<Fault<'a>> = found.into_values().collect();
    let both: Vec<String> = values
        .iter()
        .filter(|fault| !fault.check)
        .map(|fault| fault.policy.name.clone())
        .collect();
    values
        .into_iter()
        .filter(|fault| {
            !(fault.check
                && matches!(fault.policy.check, PolicyExpr::None)
                && both.contains(&fault.policy.name))
        })
        .collect()
}

/// The permissive policies that open one side of a command, and why.
fn open<'a>(
    look: &Look<'a>,
    relation: &'a Relation,
    command: Command,
    check: bool,
) -> Vec<(&'a Policy, String)> {
    let catalog = look.catalog;
    let applies = |policy: &&Policy| {
        policy.command.is_none_or(|of| of == command)
            && !matches!(given_side(policy, check), PolicyExpr::None)
            && may_apply(catalog, policy)
    };
    let implied = |policy: &Policy| {
        judge::policy_implies(catalog, relation, policy, given_side(policy, check))
    };
    let restricted =
        relation.policies.iter().filter(applies).any(|policy| {
            !policy.permissive && look.holds_for_role(policy) && implied(policy).is_ok()
        });
    relation
        .policies
        .iter()
        .filter(applies)
        .filter_map(|policy| {
            let implied = if policy.permissive && !restricted {
                implied(policy)
            } else {
                Ok(())
            };
            // What it evaluates runs on the way, whatever it implies.
            let why =
                implied.and_then(|()| confined(catalog, policy, given_side(policy, check), 0));
            Some((policy, why.err()?))
        })
        .collect()
}

impl Look<'_> {
    /// Whether a policy certainly holds for the application role: also as a member that inherits.
    fn holds_for_role(&self, policy: &Policy) -> bool {
        let roles = self.facts.has_rights_of(self.role);
        surely_applies(self.catalog, policy)
            || policy.roles.iter().any(|of| roles.contains(of.as_str()))
    }

    /// Why a role that row-level security holds for can read other tenants' rows of a table all the
    /// same: through a policy that is for this role.
    pub(super) fn opened_to(&self, role: &str, relation: &Relation) -> Option<String> {
        let roles = self.facts.has_rights_of(role);
        let applies = |policy: &&Policy| {
            policy.command.is_none_or(|of| of == Command::Select)
                && !matches!(policy.using, PolicyExpr::None)
                && policy
                    .roles
                    .iter()
                    .any(|of| of == "public" || roles.contains(of.as_str()))
        };
        let implied =
            |policy: &Policy| judge::policy_implies(self.catalog, relation, policy, &policy.using);
        let policies = || relation.policies.iter().filter(applies);
        if policies().any(|policy| !policy.permissive && implied(policy).is_ok()) {
            return None;
        }
        policies()
            .filter(|policy| policy.permissive)
            .find_map(|policy| implied(policy).err())
    }
}

/// Row-level security on a table whose tenant column is not known.
fn undeclared(look: &mut Look<'_>, facts: &facts::Relation, relation: &Relation) {
    let mut own: Vec<&Policy> = relation.policies.iter().collect();
    own.retain(|policy| policy.permissive && may_apply(look.catalog, policy));
    if own.is_empty() {
        return look.clear(place(facts), "no policy lets the application role in");
    }
    let shown = facts.qualified();
    let names: Vec<String> = own.iter().map(|policy| policy.name.clone()).collect();
    let message = format!(
        "whether the policies of `{shown}` ({}) confine rows to the tenant can't be told: no column is known to name the tenant",
        listed(&names)
    );
    look.found(
        at(Code::POLICY_UNKNOWN, facts, message)
            .review()
            .help(format!(
                "name it: COMMENT ON TABLE {shown} IS '@tenant column'"
            ))
            .help(format!(
                "or, where all tenants share the table: COMMENT ON TABLE {shown} IS '@global …'"
            )),
    );
}

fn describe(
    look: &Look<'_>,
    facts: &facts::Relation,
    relation: &Relation,
    fault: &Fault<'_>,
) -> Finding {
    let policy = fault.policy;
    let (shown, name) = (facts.qualified(), quote(&policy.name));
    let commands: Vec<&str> = fault.commands.iter().map(|c| c.sql()).collect();
    let side = if fault.check { "WITH CHECK" } else { "USING" };
    let expr = match given_side(policy, fault.check) {
        PolicyExpr::Expr(expr) => Some(expr),
        _ => None,
    };
    let implied = judge::policy_implies(
        look.catalog,
        relation,
        policy,
        given_side(policy, fault.check),
    );
    let what = match (expr, implied.is_err()) {
        (Some(expr), true) => shape(look.catalog, relation, expr),
        _ => Shape::Unknown,
    };
    // There is no better condition to write, where the claim is what names the tenant.
    let claim = matches!(what, Shape::Claim(_));
    let head = format!("policy `{name}` of `{shown}`");
    let finding = |code: Code, text: String| {
        at(code, facts, format!("{head} {text}"))
            .about(format!("{} {side}", policy.name))
            .note(format!(
                "{side}, for {}: {}",
                commands.join(", "),
                fault.why
            ))
    };
    let mut found = match what {
        Shape::Open => finding(
            Code::POLICY_OPEN,
            if fault.check {
                "lets rows be written for any tenant: its WITH CHECK does not look at the session's".to_owned()
            } else {
                "lets every tenant's rows through: it does not look at the session's tenant".to_owned()
            },
        ),
        // Rows that all may read are often meant to be.
        Shape::Constant(tenant) if fault.commands == [Command::Select] => finding(
            Code::POLICY_OPEN,
            format!("shows the rows of the tenant `{tenant}` to every tenant"),
        )
        .level(Level::Medium)
        .review()
        .help("if they are meant for all, a table of their own that is declared global says so; or suppress this with the reason"),
        Shape::Constant(tenant) => finding(
            Code::POLICY_OPEN,
            format!("lets every tenant at the rows of the tenant `{tenant}`"),
        ),
        Shape::FailsOpen => finding(
            Code::POLICY_FAILS_OPEN,
            "lets every tenant's rows through where no tenant is set".to_owned(),
        ),
        Shape::NullTenant => finding(
            Code::POLICY_NULL_TENANT,
            "compares with `IS [NOT] DISTINCT FROM`: where no tenant is set it shows the rows without one, or everybody's".to_owned(),
        )
        .level(Level::High),
        Shape::Pattern(how) => finding(
            Code::POLICY_PATTERN,
            format!("compares tenants by parts of a text (`{how}`): another tenant's name can match"),
        ),
        Shape::Folded(function) => finding(
            Code::FOLDED_SETTING,
            format!("rests on `{function}`, which is IMMUTABLE although it reads a setting: a cached plan keeps the tenant of another session"),
        )
        .mend(format!("ALTER FUNCTION {function} STABLE")),
        Shape::ByRole => finding(
            Code::POLICY_BY_ROLE,
            "compares with the role of the connection, which all tenants of a pool share".to_owned(),
        ),
        Shape::Default(tenant) => finding(
            Code::POLICY_FAILS_OPEN,
            format!("shows the rows of the tenant `{tenant}` where no tenant is set"),
        ),
        Shape::Switch(setting) => finding(
            Code::POLICY_OPEN,
            format!("looks at no column of its row, but at the setting `{setting}`: where that says so, every tenant's rows come through"),
        )
        .level(Level::Medium)
        .help("any statement of the session can set it; let maintenance connect as a role of its own, with a policy TO that role"),
        Shape::Blind(tables) => {
            let tables = named(look, &tables);
            let names: Vec<String> = tables.iter().map(|table| table.qualified()).collect();
            finding(
                Code::POLICY_OPEN,
                format!("looks at no column of its row: whoever its sub-query finds in {} sees every tenant's rows", listed(&names)),
            )
        }
        Shape::OwnClaim(claim) => finding(
            Code::POLICY_MEMBERSHIP,
            format!("rests on `{claim}` of the token, which its user may write: a tenant can let itself in"),
        )
        .help("let the identity provider put the tenant into a claim that users can't change, such as `app_metadata`"),
        Shape::Claim(claim) => finding(
            Code::POLICY_UNKNOWN,
            format!("confines rows to whatever tenant the claim `{claim}` of the session's token names; whether that is the session's tenant the catalogs don't tell"),
        )
        .review()
        .level(Level::Low)
        .help("make sure that the claim is set from a verified token alone; or suppress this with that reason"),
        Shape::Rows(tables) => rows(look, &finding, &tables),
        Shape::OtherSetting(setting) => finding(
            Code::POLICY_UNKNOWN,
            format!("compares with the setting `{setting}`, not with `{}`", look.catalog.config().tenant.setting),
        )
        .review()
        .help(format!("if `{setting}` is what holds the tenant, say so in watertight.toml: [tenant] setting = \"{setting}\"")),
        Shape::Unknown => finding(
            Code::POLICY_UNKNOWN,
            "could not be shown to confine rows to the session's tenant".to_owned(),
        )
        .review(),
    };
    if !claim {
        mend(look, facts, fault, &mut found);
    }
    found
}

/// The relations that a policy names.
fn named<'a>(look: &Look<'a>, tables: &[Vec<String>]) -> Vec<&'a facts::Relation> {
    let found = tables.iter().filter_map(|parts| match parts.as_slice() {
        [schema, name] => look.facts.relation(schema, name),
        [name] => look.facts.relation("public", name),
        _ => None,
    });
    found.collect()
}

/// A policy that rests on rows of other tables: certain where the application can write them.
fn rows(
    look: &Look<'_>,
    finding: &dyn Fn(Code, String) -> Finding,
    tables: &[Vec<String>],
) -> Finding {
    let named = named(look, tables);
    let writable = named.iter().find(|table| {
        // A table whose own policies hold for writes can't be used to join another tenant.
        (table.may("INSERT") || table.may("UPDATE"))
            && look.in_catalog(table).is_none_or(|known| {
                [Command::Insert, Command::Update].iter().any(|command| {
                    !matches!(
                        look.catalog.class(known, *command),
                        crate::catalog::Class::Protected | crate::catalog::Class::Denied
                    )
                })
            })
    });
    if let Some(table) = writable {
        let shown = table.qualified();
        let mut found = finding(
            Code::POLICY_MEMBERSHIP,
            format!(
                "rests on rows of `{shown}`, which the application role may write: a tenant can let itself in"
            ),
        );
        let held: Vec<&str> = ["INSERT", "UPDATE"]
            .into_iter()
            .filter(|p| table.may(p))
            .collect();
        found.mend.extend(look.revoke(table, &held));
        return found;
    }
    let names: Vec<String> = named.iter().map(|table| table.qualified()).collect();
    finding(
        Code::POLICY_UNKNOWN,
        format!("rests on what a sub-query finds in {}", listed(&names)),
    )
    .review()
    .help("let the server set the tenant, and compare with it alone; or suppress this with the reason why those rows can be trusted")
}

/// Whether the application role can do what it may do with a table without being a member of `role`:
/// its privileges and another policy come from elsewhere.
fn dispensable(look: &Look<'_>, facts: &facts::Relation, fault: &Fault<'_>, role: &str) -> bool {
    let groups = look.facts.has_rights_of(role);
    let elsewhere = |name: &str| !groups.contains(name) || name == look.role;
    let held = |command: &Command| {
        facts.grants.iter().any(|grant| {
            grant.privilege == command.sql()
                && elsewhere(&grant.grantee)
                && (grant.grantee == "PUBLIC"
                    || look
                        .facts
                        .has_rights_of(look.role)
                        .contains(grant.grantee.as_str()))
        })
    };
    let Some(relation) = look.in_catalog(facts) else {
        return false;
    };
    let another = |command: &Command| {
        relation.policies.iter().any(|policy| {
            policy.permissive
                && policy.name != fault.policy.name
                && policy.command.is_none_or(|of| of == *command)
                && may_apply(look.catalog, policy)
                && policy.roles.iter().any(|of| elsewhere(of))
        })
    };
    fault
        .commands
        .iter()
        .all(|command| held(command) && another(command))
}

/// The statement that mends a policy as it is; a condition can only be replaced by the tenant's.
fn mend(look: &Look<'_>, facts: &facts::Relation, fault: &Fault<'_>, finding: &mut Finding) {
    let policy = fault.policy;
    let theirs: Vec<&String> = policy
        .roles
        .iter()
        .filter(|role| *role != "public" && *role != look.role)
        .collect();
    if theirs.len() == policy.roles.len() && !theirs.is_empty() {
        let names: Vec<String> = theirs.iter().map(|role| quote(role)).collect();
        finding.notes.push(format!(
            "the policy is for {}, and the application role is a member",
            listed(&names)
        ));
        let certain = finding.verdict == crate::finding::Verdict::Finding;
        if certain
            && theirs
                .iter()
                .all(|role| dispensable(look, facts, fault, role))
        {
            let leave = theirs.iter().flat_map(|role| look.leave(role));
            finding.mend.extend(leave);
        }
    }
    let Some(condition) = look.condition(facts) else {
        return;
    };
    let mut sql = format!(
        "ALTER POLICY {} ON {}",
        quote(&policy.name),
        facts.qualified()
    );
    let given = |side: &PolicyExpr| !matches!(side, PolicyExpr::None);
    if given(&policy.using) && (!fault.check || !given(&policy.check)) {
        sql.push_str(&format!(" USING ({condition})"));
    }
    if given(&policy.check) && fault.check {
        sql.push_str(&format!(" WITH CHECK ({condition})"));
    }
    let sure = finding.verdict == crate::finding::Verdict::Finding && finding.mend.is_empty();
    if sure {
        finding.mend.push(sql);
    } else {
        finding
            .help
            .push(format!("or compare with the session's tenant alone: {sql}"));
    }
}
