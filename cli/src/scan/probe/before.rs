//! Who asked before: is an answer that of whoever used the server last?
//!
//! A connection that keeps the last tenant's context, or a global, shows so without any concurrency.
//! Invariant: accused is only what follows the one who asked before, each time it is tried.

use std::collections::BTreeSet;

use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level};

use super::{CALLED, Scene, quote};
use crate::scan::ask::Ask;
use crate::scan::atoms::{Atoms, best, common, minus, telling};
use crate::scan::wire::Failure;

/// How many answers are tried.
const QUESTIONS: usize = 12;
/// How often each is.
const TIMES: usize = 2;

impl Scene<'_> {
    pub(super) async fn who_came_before(&mut self) -> Result<(), Failure> {
        let kept = [self.kept(0), self.kept(1)];
        let [Some(first), Some(other)] = [self.scoped(0, &kept), self.scoped(1, &kept)] else {
            return Ok(());
        };
        let scoped = [first, other];
        let asks = self.doubtful(&kept);
        self.progress.stage("who asked before", asks.len());
        for ask in asks.iter().filter(|it| !scoped.contains(it)) {
            for side in 0..2 {
                self.follows(side, ask, &scoped, &kept).await?;
            }
            self.progress.step(&ask.shown(), self.pace.calls());
        }
        Ok(())
    }

    /// The question that tells best whose context it runs in.
    fn scoped(&self, side: usize, kept: &[Atoms; 2]) -> Option<Ask> {
        let kept = kept.get(side)?;
        let memory = self.memory(side);
        let asks = memory.answers.keys().filter(|ask| memory.succeeded(ask));
        let held = |ask: &&Ask| common(kept, &memory.stable(ask)).len();
        asks.max_by_key(held).filter(|it| held(it) > 0).cloned()
    }

    /// Questions whose answers are no identity's own: the same for both, or never the same.
    fn doubtful(&self, kept: &[Atoms; 2]) -> Vec<Ask> {
        let [mine, theirs] = kept;
        let mut places = BTreeSet::new();
        let (first, other) = (self.memory(0), self.memory(1));
        let asks = first.answers.keys().filter(|ask| {
            let own = |memory: &super::Memory, kept: &Atoms| {
                !common(kept, &memory.stable(ask)).is_empty()
            };
            first.succeeded(ask)
                && other.succeeded(ask)
                && !matches!(ask, Ask::List { .. } | Ask::Complete { .. })
                && !(own(first, mine) && own(other, theirs))
        });
        let mut asks: Vec<Ask> = asks.cloned().collect();
        asks.retain(|it| places.insert(it.place()));
        asks.truncate(QUESTIONS);
        asks
    }

    /// Asks as `side` after the other asked, and after it asked itself.
    async fn follows(
        &mut self,
        side: usize,
        ask: &Ask,
        scoped: &[Ask; 2],
        kept: &[Atoms; 2],
    ) -> Result<(), Failure> {
        let owner = 1 - side;
        let (Some(theirs), Some(before), Some(own)) =
            (kept.get(owner), scoped.get(owner), scoped.get(side))
        else {
            return Ok(());
        };
        let mut found: Option<Atoms> = None;
        for _ in 0..TIMES {
            let mut shown = Vec::new();
            for (who, first) in [(owner, before), (side, own)] {
                if self.as_one(who, first).await?.is_none() {
                    return Ok(());
                }
                let Some(seen) = self.as_one(side, ask).await? else {
                    return Ok(());
                };
                shown.push(self.crossing(theirs, ask, &seen));
            }
            let [after_other, after_own] = shown.as_slice() else {
                return Ok(());
            };
            let only = minus(after_other, &after_own.keys().cloned().collect());
            found = Some(found.map_or_else(|| only.clone(), |it| common(&it, &only)));
            if found.as_ref().is_none_or(Atoms::is_empty) {
                return Ok(());
            }
        }
        let found = found.unwrap_or_default();
        let (own, other) = (
            CALLED.get(side).unwrap_or(&""),
            CALLED.get(owner).unwrap_or(&""),
        );
        let message = format!(
            "{own} is shown {} of {other} where {other} asked just before",
            quote(best(&found).unwrap_or_default())
        );
        let mut finding = Finding::new(Code::ANSWERS_MIX, ask.place(), message)
            .level(Level::High)
            .note(format!("asked as {}, after {other} asked as {}", quote(&ask.shown()), quote(&before.shown())))
            .note(format!("where {own} itself asked before, it is not shown ({TIMES} times each)"))
            .help("set the tenant in the same transaction as the query (SET LOCAL), on the connection that runs it; reset connections when they are given back");
        if !telling(&found) {
            finding = finding.review();
        }
        self.out.find(finding);
        Ok(())
    }
}
