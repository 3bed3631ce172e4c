//! Acknowledged means durable.

use super::ledger::Ledger;
use super::{DURABLE, Found, Invariant, Look};
use crate::{NodeIx, Passage};
use mesh_core::id::ShortId;
use mesh_core::wire::Frame;
use mesh_core::{AckCommit, Event, MessageId, Reply, StoreOp, Table};
use std::collections::BTreeMap;

/// The first byte of a frame that confirms (PROTOCOL.md section 4).
const KEPT: u8 = 8;

/// Names that are or were on disks: a number for each name, and a set of numbers for each node.
struct Disks<K> {
    numbers: BTreeMap<K, u32>,
    nodes: Vec<Vec<u64>>,
}

impl<K> Default for Disks<K> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), nodes: Vec::new() }
    }
}

impl<K: Ord> Disks<K> {
    fn insert(&mut self, node: NodeIx, name: K) {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(name).or_insert(next) as usize;
        let node = node.number() as usize;
        if self.nodes.len() <= node {
            self.nodes.resize_with(node + 1, Vec::new);
        }
        let set = &mut self.nodes[node];
        if set.len() <= number / 64 {
            set.resize(number / 64 + 1, 0);
        }
        set[number / 64] |= 1 << (number % 64);
    }

    fn holds(&self, node: NodeIx, name: &K) -> bool {
        let Some(number) = self.numbers.get(name).map(|number| *number as usize) else { return false };
        let word = self.nodes.get(node.number() as usize).and_then(|set| set.get(number / 64));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// What a node confirms to a neighbour, answers to a front end or shows is on its disk by then.
#[derive(Default)]
pub(super) struct Durable {
    /// Envelopes that are carried or ended.
    names: Disks<ShortId>,
    /// Receipts.
    receipts: Disks<AckCommit>,
}

impl Durable {
    fn stored(&mut self, node: NodeIx, op: &StoreOp) {
        let StoreOp::Put { table, key, .. } = op else { return };
        match (table, key.split_first()) {
            (Table::Carried, _) => {
                if let Some(id) = key.first_chunk() {
                    self.names.insert(node, ShortId(*id));
                }
            }
            (Table::Tombstone, Some((b'e', name))) => {
                if let Some(id) = ShortId::from_slice(name) {
                    self.names.insert(node, id);
                }
            }
            (Table::Tombstone, Some((b'r', name))) => {
                if let Some(commit) = AckCommit::from_slice(name) {
                    self.receipts.insert(node, commit);
                }
            }
            _ => {}
        }
    }

    fn sent(&self, at: u64, passage: &Passage<'_>, known: &Ledger, found: &mut Found) {
        let Some(node) = passage.from.filter(|node| known.is_honest(*node)) else { return };
        if passage.frame.first() != Some(&KEPT) {
            return;
        }
        let Ok(Frame::Kept(ids)) = Frame::from_bytes(passage.frame) else { return };
        for id in ids {
            let ended = known.commit_of(id).is_some_and(|commit| self.receipts.holds(node, &commit));
            if !ended && !self.names.holds(node, &id) {
                found.push((at, node, format!("{id:?} is confirmed and not on the disk")));
            }
        }
    }
}

fn text_missing(known: &Ledger, node: NodeIx, message: MessageId) -> bool {
    !known.has_text(node, message)
}

impl Invariant for Durable {
    fn name(&self) -> &'static str {
        DURABLE
    }

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found) {
        match what {
            Look::Stored(node, op) => self.stored(*node, op),
            Look::Sent(passage) => self.sent(at, passage, known, found),
            Look::Told(node, Event::Answered { result: Ok(Reply::Sent(message)), .. })
                if text_missing(known, *node, *message) =>
            {
                found.push((at, *node, format!("{message:?} is answered and not on the disk")));
            }
            Look::Told(node, Event::Message(view)) if text_missing(known, *node, view.id) => {
                found.push((at, *node, format!("{:?} is shown and not on the disk", view.id)));
            }
            _ => {}
        }
    }
}
