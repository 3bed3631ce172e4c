//! The operations of a group that were admitted, and what each one knew of the others.

use super::membership::Stamp;
use super::op::{Op, SignedOp};
use crate::crypto::Verified;
use crate::id::{OpHash, OpName};
use std::collections::{BTreeMap, BTreeSet};

/// Admitted operations; every parent of one is another.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    ops: BTreeMap<OpHash, Verified<Op>>,
    order: BTreeSet<Stamp>,
    heads: BTreeSet<OpHash>,
}

impl Graph {
    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn holds(&self, hash: &OpHash) -> bool {
        self.ops.contains_key(hash)
    }

    pub(super) fn op(&self, hash: &OpHash) -> Option<&Verified<Op>> {
        self.ops.get(hash)
    }

    /// Takes in an operation whose parents are all here.
    pub(super) fn insert(&mut self, op: Verified<Op>) {
        let stamp = stamp(&op);
        for parent in &op.parents {
            self.heads.remove(parent);
        }
        self.heads.insert(stamp.1);
        self.order.insert(stamp);
        self.ops.insert(stamp.1, op);
    }

    /// Operations that no other one knows.
    pub(super) fn heads(&self) -> &BTreeSet<OpHash> {
        &self.heads
    }

    /// The heads, the latest first.
    pub(super) fn latest_heads(&self) -> Vec<OpHash> {
        let depth = |hash: &OpHash| self.ops.get(hash).map_or(0, |op| op.depth);
        let mut heads: Vec<OpHash> = self.heads.iter().copied().collect();
        heads.sort_unstable_by_key(|head| core::cmp::Reverse((depth(head), *head)));
        heads
    }

    /// The depth of an operation with these parents; `None` where one is not here.
    pub(super) fn depth_over(&self, parents: &[OpHash]) -> Option<u32> {
        let depths: Option<Vec<u32>> =
            parents.iter().map(|parent| Some(self.ops.get(parent)?.depth)).collect();
        Some(depths?.into_iter().max().map_or(0, |deepest| deepest.saturating_add(1)))
    }

    /// Every operation, in order.
    pub(super) fn all(&self) -> Vec<(Stamp, &Op)> {
        self.order.iter().filter_map(|stamp| self.at(*stamp)).collect()
    }

    /// These operations and all that they knew, in order; those that are not here are passed over.
    pub(super) fn under(&self, heads: &[OpHash]) -> Vec<(Stamp, &Op)> {
        let known = self.known(heads);
        self.order
            .iter()
            .filter(|stamp| known.contains(&stamp.1))
            .filter_map(|stamp| self.at(*stamp))
            .collect()
    }

    /// What is neither among these nor known to them, in order.
    pub(super) fn not_under(&self, heads: &[OpHash]) -> Vec<&SignedOp> {
        let known = self.known(heads);
        let rest = self.order.iter().filter(|stamp| !known.contains(&stamp.1));
        rest.filter_map(|stamp| self.ops.get(&stamp.1)).map(Verified::signed).collect()
    }

    /// The operations with this name: one, unless somebody took pains.
    pub(super) fn named(&self, name: OpName) -> impl Iterator<Item = OpHash> {
        let edge = |fill: u8| {
            let mut hash = [fill; OpHash::LEN];
            hash[..OpName::LEN].copy_from_slice(&name.0);
            OpHash(hash)
        };
        self.ops.range(edge(0)..=edge(u8::MAX)).map(|(hash, _)| *hash)
    }

    fn at(&self, stamp: Stamp) -> Option<(Stamp, &Op)> {
        Some((stamp, &**self.ops.get(&stamp.1)?))
    }

    fn known(&self, heads: &[OpHash]) -> BTreeSet<OpHash> {
        let mut known = BTreeSet::new();
        let mut open: Vec<OpHash> = heads.to_vec();
        while let Some(hash) = open.pop() {
            let Some(op) = self.ops.get(&hash) else { continue };
            if known.insert(hash) {
                open.extend(&op.parents);
            }
        }
        known
    }
}

/// The place of an operation in the order.
pub(super) fn stamp(op: &Verified<Op>) -> Stamp {
    (op.depth, OpHash(op.hash()))
}
