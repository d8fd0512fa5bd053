//! Blocks, environments and outputs: where conditions are collected, and what a query hands on.
//!
//! Invariant: a block that stands in one which may be evaluated early may be evaluated early too.

use std::rc::Rc;

use super::state::{
    Block, BlockId, Env, Guard, OutColumn, Output, OutputId, OutputSource, Prover, Visible,
};

impl Prover<'_> {
    /// How many levels are around a query that stands in `parent`.
    pub(super) fn level(&self, parent: Option<BlockId>) -> usize {
        parent
            .and_then(|parent| self.blocks.get(parent))
            .map_or(0, |parent| parent.level + 1)
    }

    pub(super) fn block(&mut self, parent: Option<BlockId>, guard: &Guard) -> BlockId {
        let level = self.level(parent);
        self.blocks.push(Block {
            parent,
            level,
            items: 0,
            probes: false,
            guard: guard.clone(),
            facts: Vec::new(),
            memberships: Vec::new(),
            existences: Vec::new(),
            rtes: Vec::new(),
            early: parent.is_some_and(|parent| self.is_early(parent)) || self.early,
            leak: None,
            risk: None,
        });
        self.blocks.len() - 1
    }

    pub(super) fn block_guard(&self, block: BlockId) -> Guard {
        self.blocks
            .get(block)
            .map_or_else(|| Guard::from([]), |block| block.guard.clone())
    }

    /// Whether a block may be evaluated before the conditions around it.
    pub(super) fn is_early(&self, block: BlockId) -> bool {
        self.blocks.get(block).is_some_and(|block| block.early)
    }

    pub(super) fn set_early(&mut self, block: BlockId, early: bool) {
        if let Some(block) = self.blocks.get_mut(block) {
            block.early |= early;
        }
    }

    /// The entries of a block so far.
    pub(super) fn block_rtes(&self, block: BlockId) -> Vec<super::state::RteId> {
        self.blocks
            .get(block)
            .map(|block| block.rtes.clone())
            .unwrap_or_default()
    }

    pub(super) fn env(&self, block: BlockId, scope: usize, condition: bool) -> Env {
        Env {
            scope,
            block,
            guard: self.block_guard(block),
            condition,
            rows: None,
            upsert: false,
        }
    }

    pub(super) fn push_output(
        &mut self,
        columns: Option<Vec<OutColumn>>,
        source: OutputSource,
    ) -> OutputId {
        let pinned = vec![false; columns.as_ref().map_or(0, Vec::len)];
        self.outputs.push(Output {
            columns,
            source,
            pinned,
            limited: false,
            fails: None,
        });
        self.outputs.len() - 1
    }

    /// The columns of an output as a reader sees them; `None` when they can't be told.
    pub(super) fn visible(&self, output: OutputId) -> Option<Rc<[Visible]>> {
        let columns = self.outputs.get(output)?.columns.as_ref()?;
        columns
            .iter()
            .map(|column| {
                Some(Visible {
                    name: column.name.as_deref()?.into(),
                    info: column.info.clone().into(),
                })
            })
            .collect()
    }
}
