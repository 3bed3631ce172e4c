//! Quotas hold.

use super::ledger::Ledger;
use super::{Found, Invariant, Look, QUOTA};
use crate::NodeIx;
use mesh_core::{StoreOp, Table};
use std::collections::BTreeMap;

/// Room for what is being replaced, in thousandths of the quota.
const SLACK_PER_MILLE: u64 = 50;
/// In worlds of more nodes only what nodes say of themselves is looked at, not every record.
const COUNTED_NODES: usize = 64;

/// A node carries no more than it has room for: by what it says, and by what is on its disk.
pub(super) struct Quota {
    limit: u64,
    /// Of each node, the lengths of the bodies on its disk and their sum.
    disks: Vec<(BTreeMap<Vec<u8>, u64>, u64)>,
    told: Vec<bool>,
}

impl Quota {
    pub(super) fn new(nodes: usize, quota: u64) -> Self {
        let counted = if nodes <= COUNTED_NODES { nodes } else { 0 };
        Self {
            limit: quota.saturating_add(quota / 1000 * SLACK_PER_MILLE),
            disks: (0..counted).map(|_| (BTreeMap::new(), 0)).collect(),
            told: vec![false; nodes],
        }
    }

    fn stored(&mut self, node: NodeIx, op: &StoreOp) -> Option<u64> {
        let (bodies, sum) = self.disks.get_mut(node.number() as usize)?;
        let (before, after) = match op {
            StoreOp::Put { table: Table::Body, key, value } => {
                (bodies.insert(key.clone(), value.len() as u64), value.len() as u64)
            }
            StoreOp::Delete { table: Table::Body, key } => (bodies.remove(key), 0),
            _ => return None,
        };
        *sum = (*sum + after).saturating_sub(before.unwrap_or(0));
        Some(*sum)
    }
}

impl Invariant for Quota {
    fn name(&self) -> &'static str {
        QUOTA
    }

    fn look(&mut self, at: u64, what: &Look<'_>, known: &Ledger, found: &mut Found) {
        let (node, bytes) = match what {
            Look::Stored(node, op) => (*node, self.stored(*node, op)),
            Look::Stepped(node, protocol) => (*node, Some(protocol.carried().1)),
            _ => return,
        };
        let Some(bytes) = bytes.filter(|bytes| *bytes > self.limit && known.is_honest(node)) else { return };
        let told = self.told.get_mut(node.number() as usize);
        if told.is_some_and(|told| !core::mem::replace(told, true)) {
            found.push((at, node, format!("{bytes} bytes are carried, {} are allowed", self.limit)));
        }
    }
}
