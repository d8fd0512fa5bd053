//! Which scopes a granted scope includes, where a server says so. Off unless configured: then
//! every scope stands for itself alone.
//!
//! Invariant: a scope is reached from what the token grants by the server's own rules and by
//! nothing that a client sends; rules that go round in a circle are refused at start-up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The rules of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeRules {
    implied: BTreeMap<String, Vec<String>>,
    separator: Option<char>,
}

/// What one set of granted scopes amounts to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reach {
    scopes: BTreeSet<String>,
    separator: Option<char>,
}

impl ScopeRules {
    /// Whoever has `scope` has these as well.
    pub(crate) fn imply(&mut self, scope: String, implied: impl IntoIterator<Item = String>) {
        self.implied.entry(scope).or_default().extend(implied);
    }

    /// `customers` includes `customers:read`, and whatever else begins with it and the separator.
    pub(crate) fn separate(&mut self, separator: char) {
        self.separator = Some(separator);
    }

    /// What granted scopes amount to; `None` without rules, where they are compared as they are.
    pub(crate) fn reach(&self, granted: &[String]) -> Option<Reach> {
        if self.implied.is_empty() && self.separator.is_none() {
            return None;
        }
        let mut scopes = BTreeSet::new();
        let mut pending: Vec<&str> = granted
            .iter()
            .map(String::as_str)
            .filter(|scope| !scope.is_empty())
            .collect();
        while let Some(scope) = pending.pop() {
            if scopes.insert(scope.to_owned()) {
                pending.extend(self.next(scope));
            }
        }
        Some(Reach {
            scopes,
            separator: self.separator,
        })
    }

    /// What one step from `scope` gives: what it, and what it includes by its name, implies.
    fn next<'s>(&'s self, scope: &str) -> impl Iterator<Item = &'s str> {
        self.implied
            .iter()
            .filter(move |(key, _)| covers(scope, key, self.separator))
            .flat_map(|(_, implied)| implied.iter().map(String::as_str))
    }

    /// Refuses what is no scope, and circles.
    pub(crate) fn check(&self) -> Result<(), String> {
        let separator = self.separator.map(String::from);
        if let Some(separator) = &separator
            && !is_scope(separator)
        {
            return Err(format!(
                "`{separator}` can't separate the parts of a scope; use `:` or `.`"
            ));
        }
        for scope in self.implied.keys().chain(self.implied.values().flatten()) {
            if !is_scope(scope) {
                return Err(format!("`{scope}` is not a scope"));
            }
        }
        for (scope, implied) in &self.implied {
            if let Some(circle) = implied.iter().find(|it| self.leads_to(it, scope)) {
                return Err(format!(
                    "`{scope}` implies `{circle}`, which implies `{scope}` again: scopes that \
                     imply each other are one scope, so keep one of the two rules"
                ));
            }
        }
        Ok(())
    }

    fn leads_to(&self, from: &str, to: &str) -> bool {
        let reach = self.reach(&[from.to_owned()]);
        reach.is_some_and(|reach| reach.covers(to))
    }
}

impl Reach {
    /// Whether a scope is among them, or included in one of them.
    pub(crate) fn covers(&self, wanted: &str) -> bool {
        self.scopes
            .iter()
            .any(|held| covers(held, wanted, self.separator))
    }
}

fn covers(held: &str, wanted: &str, separator: Option<char>) -> bool {
    let part = || {
        let rest = wanted.strip_prefix(held)?;
        rest.strip_prefix(separator?)
    };
    held == wanted || part().is_some_and(|part| !part.is_empty())
}

/// The characters of an OAuth scope token (RFC 6749, 3.3): it is written between quotes.
pub(crate) fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(separator: Option<char>, implied: &[(&str, &[&str])]) -> ScopeRules {
        let mut rules = ScopeRules::default();
        for (scope, implied) in implied {
            rules.imply((*scope).into(), implied.iter().map(ToString::to_string));
        }
        separator.into_iter().for_each(|it| rules.separate(it));
        rules
    }

    fn has(rules: &ScopeRules, granted: &[&str], wanted: &str) -> bool {
        let granted: Vec<String> = granted.iter().map(ToString::to_string).collect();
        rules.reach(&granted).unwrap().covers(wanted)
    }

    #[test]
    fn without_rules_there_is_nothing_to_reach() {
        assert!(ScopeRules::default().reach(&["admin".into()]).is_none());
    }

    #[test]
    fn implied_scopes_are_reached_through_each_other() {
        let rules = rules(None, &[("admin", &["write"]), ("write", &["read", "list"])]);
        rules.check().unwrap();
        assert!(has(&rules, &["admin"], "read"));
        assert!(has(&rules, &["write"], "list"));
        assert!(!has(&rules, &["read"], "write"));
        assert!(!has(&rules, &["admin2"], "read"));
    }

    #[test]
    fn a_separator_includes_parts_and_not_mere_beginnings() {
        let rules = rules(Some(':'), &[("customers:admin", &["billing"])]);
        rules.check().unwrap();
        assert!(has(&rules, &["customers"], "customers:read"));
        assert!(has(&rules, &["customers"], "customers:read:own"));
        assert!(has(&rules, &["customers"], "billing:read"));
        for (granted, wanted) in [
            ("customers", "customers2"),
            ("customers", "customers:"),
            ("customers:read", "customers"),
            ("customers:read", "customers:readall"),
            ("", ":x"),
        ] {
            assert!(!has(&rules, &[granted], wanted), "{granted} {wanted}");
        }
    }

    #[test]
    fn circles_and_what_is_no_scope_are_refused() {
        let refused = |separator, implied: &[(&str, &[&str])]| {
            assert!(rules(separator, implied).check().is_err(), "{implied:?}");
        };
        refused(None, &[("a", &["a"])]);
        refused(None, &[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]);
        refused(Some(':'), &[("a:b", &["a"])]);
        refused(None, &[("a b", &["c"])]);
        refused(None, &[("a", &[""])]);
        refused(Some(' '), &[]);
        rules(None, &[("a:b", &["a"])]).check().unwrap();
    }
}
