//! What one question keeps for one identity and another question shows the other: a list that forgets
//! its filter beside one that has it.
//!
//! Invariant: what a row refers to (the product of an order) may be everybody's, and is evidence only
//! where an answer is made of nothing but such things of both.

use std::collections::{BTreeMap, BTreeSet};

use watertight_analysis::finding::{Level, Place};
use watertight_analysis::words::{Tier, classify};

use super::{CALLED, Scene, others_data, quote, said_by};
use crate::scan::arguments::words;
use crate::scan::ask::Ask;
use crate::scan::atoms::{Atoms, Named, Strength, WRAPS, best, common, named};

/// Last words of members that sort things: what they hold is of many.
const CLASSES: &[&str] = &[
    "plan",
    "status",
    "state",
    "type",
    "category",
    "kind",
    "tier",
    "role",
    "currency",
    "country",
    "language",
    "tag",
    "level",
    "priority",
    "region",
    "unit",
    "locale",
    "timezone",
    "mime",
    "description",
    "message",
];
/// Names of members that are the row's own, whatever the row is.
const OWN: &[&str] = &[
    "id", "uuid", "guid", "uri", "name", "title", "subject", "key", "email", "phone",
];
/// Words of questions about the caller.
const SELF: &[&str] = &[
    "whoami", "me", "profile", "account", "session", "identity", "self",
];

/// What a text is to the identity that it is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The caller's own name: nobody else's answer has a reason to hold it.
    Caller,
    Own,
    Reference,
    Class,
}

fn owned((text, strength): (&String, &Strength)) -> (String, Strength) {
    (text.clone(), *strength)
}

/// Whether an object within a row is of something else: `product` in an order. The member of a list
/// has the name of many.
fn refers(parent: &str, source: &[String]) -> bool {
    let one = !parent.is_empty() && !parent.ends_with('s') && !WRAPS.contains(&parent);
    one && !words(parent).iter().any(|it| source.contains(it))
}

impl Scene<'_> {
    /// What a question shows to `side` alone, though both may ask it.
    pub(super) fn kept(&self, side: usize) -> Atoms {
        let (own, others) = (self.memory(side), self.memory(1 - side));
        let mut kept = Atoms::new();
        for ask in own.answers.keys() {
            if own.succeeded(ask) && others.succeeded(ask) {
                let ever = others.ever(ask);
                let stable = own.stable(ask).into_iter();
                kept.extend(stable.filter(|(text, _)| !ever.contains(text)));
            }
        }
        kept.retain(|text, _| !self.public.contains(text));
        kept
    }

    pub(super) fn shown_elsewhere(&mut self) {
        let kept = [self.kept(0), self.kept(1)];
        let [first, other] = &kept;
        let both: BTreeSet<&String> = first.keys().chain(other.keys()).collect();
        let kinds = [self.kinds(0, first), self.kinds(1, other)];
        // By place: two questions of one tool that each show a little are one leak.
        let mut found: BTreeMap<Place, Vec<(usize, Ask, Atoms)>> = BTreeMap::new();
        for (owner, (kept, kinds)) in kept.iter().zip(&kinds).enumerate() {
            let side = 1 - owner;
            let mine = self.memory(side);
            for ask in mine.answers.keys().filter(|ask| mine.succeeded(ask)) {
                let all = mine.stable(ask);
                let mut shown = common(kept, &all);
                // A name within a sentence.
                let own = |text: &String| matches!(kinds.get(text), Some(Kind::Own | Kind::Caller));
                let names: Atoms = kept
                    .iter()
                    .filter(|(text, _)| own(text))
                    .map(owned)
                    .collect();
                if let Some(seen) = mine.first(ask) {
                    let sent = ask.sent().concat();
                    let mut within = said_by(&seen.texts(), &names);
                    within.retain(|it| !sent.contains(it.as_str()));
                    shown.extend(
                        names
                            .iter()
                            .filter(|(text, _)| within.contains(*text))
                            .map(owned),
                    );
                }
                let weight = |text: &String| all.get(text).copied();
                let of_both = all.keys().filter(|it| both.contains(it)).count();
                let from = |kept: &Atoms| all.keys().any(|it| kept.contains_key(it));
                // An answer of nothing but references of both is no catalogue.
                let whole =
                    of_both >= 2 && of_both * 5 >= all.len() * 4 && from(first) && from(other);
                shown.retain(|text, _| match kinds.get(text) {
                    Some(Kind::Class) => false,
                    Some(Kind::Reference) => whole,
                    Some(Kind::Own | Kind::Caller) => true,
                    None => weight(text) == Some(Strength::Strong),
                });
                if !shown.is_empty() {
                    let entry = found.entry(ask.place()).or_default();
                    entry.push((side, ask.clone(), shown));
                }
            }
        }
        for (place, shown) in found {
            let sure = shown.iter().any(|(side, _, texts)| {
                let kinds = kinds.get(1 - side);
                texts
                    .keys()
                    .any(|it| kinds.and_then(|kinds| kinds.get(it)) == Some(&Kind::Caller))
            });
            self.tell_elsewhere(place, &shown, sure);
        }
        self.greeted(&kept, &kinds);
    }

    /// What the server tells each to begin with.
    fn greeted(&mut self, kept: &[Atoms; 2], kinds: &[BTreeMap<String, Kind>; 2]) {
        for (owner, (kept, kinds)) in kept.iter().zip(kinds).enumerate() {
            let side = 1 - owner;
            let own = |text: &String| matches!(kinds.get(text), Some(Kind::Own | Kind::Caller));
            let names: Atoms = kept
                .iter()
                .filter(|(text, _)| own(text))
                .map(owned)
                .collect();
            let text = self.instructions.get(side).cloned().unwrap_or_default();
            if let Some(name) = said_by(&[text], &names).first() {
                let message = format!(
                    "the instructions for {} hold {}, which an answer keeps for {}",
                    CALLED.get(side).unwrap_or(&""),
                    quote(name),
                    CALLED.get(owner).unwrap_or(&"")
                );
                let finding = others_data(Place::object("server", "instructions"), message)
                    .review()
                    .level(Level::Medium)
                    .help("make the instructions for the caller, or leave the names out");
                self.out.find(finding);
            }
        }
    }

    fn tell_elsewhere(&mut self, place: Place, found: &[(usize, Ask, Atoms)], caller: bool) {
        let mut all = Atoms::new();
        found.iter().for_each(|(.., it)| all.extend(it.clone()));
        let strong = all.values().filter(|it| **it == Strength::Strong).count();
        let Some((side, ask, atoms)) = found.iter().max_by_key(|(.., it)| it.len()) else {
            return;
        };
        let owner = 1 - side;
        let message = format!(
            "{} is shown {} that another answer keeps for {}",
            CALLED.get(*side).unwrap_or(&""),
            quote(best(atoms).unwrap_or_default()),
            CALLED.get(owner).unwrap_or(&"")
        );
        let count = match all.len() {
            1 => "one text".to_owned(),
            many => format!("{many} texts"),
        };
        let mut finding = others_data(place, message)
            .review()
            .note(format!(
                "{count} of this kind; asked as {}",
                quote(&ask.shown())
            ))
            .help("if what is shown here is shared by all tenants, suppress this with that reason");
        finding = match (strong, all.len()) {
            (1, 1) => finding.level(Level::Medium),
            (0, 1) if caller => finding.level(Level::Medium),
            (0, 1) => finding.level(Level::Low),
            _ => finding,
        };
        if let Some(keeps) = self.memory(owner).source_of(atoms).filter(|it| it != ask) {
            finding = finding.note(format!("compare {}", quote(&keeps.shown())));
        }
        self.out.find(finding);
    }

    /// What the kept texts are, as far as the members that held them say: where they were kept.
    fn kinds(&self, side: usize, kept: &Atoms) -> BTreeMap<String, Kind> {
        let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
        let (own, others) = (self.memory(side), self.memory(1 - side));
        let asks = own.answers.keys();
        for ask in asks.filter(|ask| own.succeeded(ask) && others.succeeded(ask)) {
            if let Some(Ok(content)) = own.first(ask).map(|it| &it.content) {
                let (ever, sent) = (others.ever(ask), ask.sent());
                let named = named(content).into_iter();
                let here = named.filter(|it| {
                    let text = it.value.as_str();
                    text.is_some_and(|it| {
                        // What comes back because it was sent says nothing of itself.
                        let echo = sent.iter().any(|sent| sent == it);
                        kept.contains_key(it) && !ever.contains(it) && !echo
                    })
                });
                self.kinds_of(&ask.words(), here, &mut kinds);
            }
        }
        kinds
    }

    fn kinds_of(
        &self,
        source: &[String],
        named: impl Iterator<Item = Named>,
        kinds: &mut BTreeMap<String, Kind>,
    ) {
        for named in named {
            let Some(text) = named.value.as_str() else {
                continue;
            };
            let key = words(&named.key);
            let last = key.last().map(String::as_str).unwrap_or_default();
            let of_caller = source.iter().any(|it| {
                SELF.contains(&it.as_str())
                    || classify(it, self.extra).is_some_and(|it| it.tier == Tier::First)
            });
            let kind = if CLASSES.contains(&last) {
                Kind::Class
            } else if of_caller {
                Kind::Caller
            } else if refers(&named.parent, source) {
                Kind::Reference
            } else if key.is_empty()
                || (key.len() == 1 && OWN.contains(&last))
                || key.iter().any(|it| source.contains(it))
            {
                Kind::Own
            } else {
                Kind::Reference
            };
            // What stands once for a row is the row's.
            let entry = kinds.entry(text.to_owned()).or_insert(kind);
            *entry = (*entry).min(kind);
        }
    }
}
