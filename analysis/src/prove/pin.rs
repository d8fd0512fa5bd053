//! Pinning: which values equal the tenant, and by which conditions.
//!
//! Invariant: a row of an entry that is not the tenant's takes no part in any combination that the
//! statement observes. A fact counts for an entry only under conditions that the entry's own rows
//! meet; a strict equality on a nullable side adds that this side is there.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::state::{
    BlockId, Existence, FactKind, Guard, Node, OutputId, OutputSource, Prover, RteId, RteKind,
};

/// The values that equal the tenant under some guard, each with the fact that reaches it.
#[derive(Debug, Default)]
pub(super) struct Reached {
    from: HashMap<Node, (Node, String)>,
}

impl Reached {
    /// Whether the value equals the tenant.
    pub(super) fn contains(&self, node: Node) -> bool {
        node == Node::Tenant || self.from.contains_key(&node)
    }

    /// The conditions that lead from the tenant to the value, the value's own first.
    pub(super) fn path(&self, node: Node) -> Vec<&str> {
        let mut path = Vec::new();
        let mut at = node;
        while let Some((before, text)) = self.from.get(&at) {
            if path.last() != Some(&text.as_str()) {
                path.push(text.as_str());
            }
            at = *before;
        }
        path
    }
}

/// What was found before, valid as long as nothing that it rests on changes.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Reached values by block and guard.
    reached: BTreeMap<(BlockId, Vec<u32>), Rc<Reached>>,
    /// Values from around a sub-query that its own conditions make the tenant, by its block.
    outside: HashMap<BlockId, Rc<[Node]>>,
}

/// A fact as the search sees it.
struct Edge<'f> {
    a: Node,
    b: Node,
    guard: &'f Guard,
    text: Cow<'f, str>,
    /// Whether it is a strict equality, so that both sides are there.
    strict: bool,
}

impl Prover<'_> {
    /// The values that equal the tenant wherever a row meets `guard`, by the facts of `block` and
    /// of the blocks around it.
    pub(super) fn reached(&self, block: BlockId, guard: &Guard, memo: &mut Memo) -> Rc<Reached> {
        let key = (block, guard.to_vec());
        if let Some(known) = memo.reached.get(&key) {
            return known.clone();
        }
        let reached = Rc::new(self.search(&self.edges(block, true, memo), guard));
        memo.reached.insert(key, reached.clone());
        reached
    }

    /// Whether a value equals the tenant by the facts of its own block alone.
    pub(super) fn reached_by_itself(
        &self,
        block: BlockId,
        guard: &Guard,
        node: Node,
        memo: &mut Memo,
    ) -> bool {
        self.search(&self.edges(block, false, memo), guard)
            .contains(node)
    }

    fn search(&self, edges: &[Edge<'_>], guard: &Guard) -> Reached {
        let mut present: std::collections::HashSet<u32> = guard.iter().copied().collect();
        let mut waiting: Vec<&Edge<'_>> = edges.iter().collect();
        let mut active: Vec<&Edge<'_>> = Vec::new();
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|edge| {
                edge.guard
                    .iter()
                    .all(|condition| present.contains(condition))
            });
            waiting = rest;
            if ready.is_empty() {
                break;
            }
            for edge in &ready {
                if edge.strict {
                    for node in [edge.a, edge.b] {
                        if let Node::Column(rte, _) = node
                            && let Some(rte) = self.rtes.get(rte)
                        {
                            present.extend(rte.guard.iter());
                        }
                    }
                }
            }
            active.extend(ready);
        }
        let mut neighbours: HashMap<Node, Vec<&Edge<'_>>> = HashMap::new();
        for edge in active {
            neighbours.entry(edge.a).or_default().push(edge);
            neighbours.entry(edge.b).or_default().push(edge);
        }
        let mut reached = Reached::default();
        let mut queue = VecDeque::from([Node::Tenant]);
        while let Some(node) = queue.pop_front() {
            for edge in neighbours.get(&node).into_iter().flatten() {
                let other = if edge.a == node { edge.b } else { edge.a };
                if other != Node::Tenant && !reached.from.contains_key(&other) {
                    reached.from.insert(other, (node, edge.text.to_string()));
                    queue.push_back(other);
                }
            }
        }
        reached
    }

    /// The facts of a block and of the blocks around it, those that its entries imply included.
    fn edges(&self, block: BlockId, around: bool, memo: &mut Memo) -> Vec<Edge<'_>> {
        let mut edges = Vec::new();
        let mut next = Some(block);
        while let Some(block) = next.and_then(|block| self.blocks.get(block)) {
            for fact in &block.facts {
                edges.push(Edge {
                    a: fact.a,
                    b: fact.b,
                    guard: &fact.guard,
                    text: Cow::Borrowed(&fact.text),
                    strict: fact.kind != FactKind::Same,
                });
            }
            for existence in &block.existences {
                for node in self.outside(existence, memo).iter() {
                    edges.push(Edge {
                        a: Node::Tenant,
                        b: *node,
                        guard: &existence.guard,
                        text: Cow::Borrowed(&existence.text),
                        strict: true,
                    });
                }
            }
            for membership in &block.memberships {
                let Some(output) = self.outputs.get(membership.output) else {
                    continue;
                };
                for (node, pinned) in membership.left.iter().zip(&output.pinned) {
                    if let (Some(node), true) = (node, pinned) {
                        edges.push(Edge {
                            a: Node::Tenant,
                            b: *node,
                            guard: &membership.guard,
                            text: Cow::Borrowed(&membership.text),
                            strict: true,
                        });
                    }
                }
            }
            for id in &block.rtes {
                self.entailed(*id, &mut edges);
            }
            next = block.parent.filter(|_| around);
        }
        edges
    }

    /// What a sub-query that has a row says of the values around it, by its own conditions alone:
    /// those of the blocks around it may rest on this very condition.
    fn outside(&self, existence: &Existence, memo: &mut Memo) -> Rc<[Node]> {
        if let Some(known) = memo.outside.get(&existence.block) {
            return known.clone();
        }
        let edges = self.edges(existence.block, false, memo);
        let reached = self.search(&edges, &self.block_guard(existence.block));
        let mut nodes: Vec<Node> = reached
            .from
            .into_keys()
            .filter(|node| matches!(node, Node::Column(rte, _) if !existence.inner.contains(rte)))
            .collect();
        nodes.sort_unstable();
        let nodes: Rc<[Node]> = nodes.into();
        memo.outside.insert(existence.block, nodes.clone());
        nodes
    }

    /// What an entry says by itself: row-level security, or the proof of a sub-query.
    fn entailed<'f>(&'f self, id: RteId, edges: &mut Vec<Edge<'f>>) {
        let Some(rte) = self.rtes.get(id) else {
            return;
        };
        let mut imply = |index: usize, text: String| {
            edges.push(Edge {
                a: Node::Tenant,
                b: Node::Column(id, index),
                guard: &rte.guard,
                text: Cow::Owned(text),
                strict: false,
            });
        };
        match &rte.kind {
            RteKind::Base(base) if base.protected => {
                if let Some(index) = base.relation.tenant_column {
                    imply(index, format!("row-level security of `{}`", rte.name));
                }
            }
            RteKind::Derived(output) => {
                let pinned = self.outputs.get(*output).map(|output| &output.pinned);
                for (index, pinned) in pinned.into_iter().flatten().enumerate() {
                    if *pinned && let Some(column) = rte.columns.get(index) {
                        let of = if rte.name.is_empty() {
                            "a sub-query".to_owned()
                        } else {
                            format!("`{}`", rte.name)
                        };
                        imply(index, format!("`{}` of {of} is the tenant's", column.name));
                    }
                }
            }
            RteKind::Base(_) | RteKind::Other => {}
        }
    }

    /// Finds the output columns that hold the tenant in every row: the least solution, in which
    /// nothing rests on itself, except that a recursive query may rest on its own earlier rows.
    pub(super) fn settle(&mut self) {
        let rounds = self.outputs.len() + 2;
        for _ in 0..rounds {
            let before: Vec<Vec<bool>> = self.outputs.iter().map(|o| o.pinned.clone()).collect();
            self.pass(0, self.outputs.len());
            let same = self
                .outputs
                .iter()
                .zip(&before)
                .all(|(output, before)| output.pinned == *before);
            if same {
                return;
            }
        }
        // Not settled within the bound: nothing is known.
        for output in &mut self.outputs {
            output.pinned.fill(false);
        }
    }

    fn pass(&mut self, from: OutputId, to: OutputId) {
        let mut memo = Memo::default();
        let mut id = from;
        while id < to {
            let recursive = match self.outputs.get(id).map(|output| &output.source) {
                Some(OutputSource::Recursive(first, second)) => Some((*first, *second)),
                _ => None,
            };
            if let Some((first, second)) = recursive {
                self.pass_recursive(id, first, second);
                memo = Memo::default();
                id = second.max(id) + 1;
                continue;
            }
            let pinned = self.pinned_of(id, &mut memo);
            if let Some(output) = self.outputs.get_mut(id)
                && output.pinned != pinned
            {
                output.pinned = pinned;
                // What is known of existing rows can only grow in this pass, and the next pass
                // asks again.
                memo.reached.clear();
            }
            id += 1;
        }
    }

    /// By induction over the rounds of the recursion: what the first arm pins is assumed of the
    /// rows before, and dropped where the recursive arm does not keep it.
    fn pass_recursive(&mut self, own: OutputId, first: OutputId, second: OutputId) {
        let Some(mut assumed) = self.outputs.get(first).map(|output| output.pinned.clone()) else {
            return;
        };
        if second <= own {
            return;
        }
        loop {
            for id in own + 1..=second {
                if let Some(output) = self.outputs.get_mut(id) {
                    output.pinned.fill(false);
                }
            }
            if let Some(output) = self.outputs.get_mut(own) {
                output.pinned.clone_from(&assumed);
            }
            // The arm may hold queries that rest on each other.
            for _ in own..=second {
                let before: Vec<Vec<bool>> =
                    self.outputs.iter().map(|o| o.pinned.clone()).collect();
                self.pass(own + 1, second + 1);
                if self
                    .outputs
                    .iter()
                    .zip(&before)
                    .all(|(o, b)| o.pinned == *b)
                {
                    break;
                }
            }
            let kept = self.outputs.get(second).map(|output| output.pinned.clone());
            let next: Vec<bool> = assumed
                .iter()
                .zip(
                    kept.unwrap_or_default()
                        .into_iter()
                        .chain(std::iter::repeat(false)),
                )
                .map(|(assumed, kept)| *assumed && kept)
                .collect();
            if next == assumed {
                return;
            }
            assumed = next;
        }
    }

    fn pinned_of(&self, id: OutputId, memo: &mut Memo) -> Vec<bool> {
        let Some(output) = self.outputs.get(id) else {
            return Vec::new();
        };
        let width = output.columns.as_ref().map_or(0, Vec::len);
        let of = |id: OutputId| {
            self.outputs
                .get(id)
                .map(|output| output.pinned.clone())
                .unwrap_or_default()
        };
        let mut pinned = match &output.source {
            OutputSource::Values(pinned) => pinned.clone(),
            OutputSource::Both(left, right) => of(*left)
                .into_iter()
                .zip(of(*right))
                .map(|(left, right)| left && right)
                .collect(),
            OutputSource::Left(left) => of(*left),
            OutputSource::Recursive(..) => output.pinned.clone(),
            OutputSource::Block { block, from_rows } => {
                let reached = self.reached(*block, &self.block_guard(*block), memo);
                output
                    .columns
                    .iter()
                    .flatten()
                    .map(|column| match column.info.node {
                        Some(Node::Tenant) => true,
                        Some(node) => *from_rows && reached.contains(node),
                        None => false,
                    })
                    .collect()
            }
        };
        pinned.resize(width, false);
        // Arms of different types have a common one, to which the tenant's value is cast.
        if let (OutputSource::Both(..) | OutputSource::Left(_), Some(columns)) =
            (&output.source, &output.columns)
        {
            for (pinned, column) in pinned.iter_mut().zip(columns) {
                *pinned &= self.fits_tenant(&column.info);
            }
        }
        pinned
    }
}
