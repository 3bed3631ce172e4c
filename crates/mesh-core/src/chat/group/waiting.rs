//! Operations whose parents have not come yet.
//!
//! A convenience for what arrives out of order: who asks another for what is missing gets it in causal order, and
//! needs no such room. So where it is full the deepest go, which are of use last.

use super::graph::stamp;
use super::membership::Stamp;
use super::op::Op;
use crate::crypto::Verified;
use crate::id::OpHash;
use std::collections::BTreeMap;

/// The most operations of one group that wait for others.
pub const MAX_WAITING: usize = 256;

/// In the order of their stamps.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(BTreeMap<Stamp, Verified<Op>>);

impl Waiting {
    pub(super) fn put(&mut self, op: Verified<Op>) {
        self.0.insert(stamp(&op), op);
        if self.0.len() > MAX_WAITING {
            self.0.pop_last();
        }
    }

    pub(super) fn holds(&self, hash: &OpHash) -> bool {
        self.0.keys().any(|stamp| stamp.1 == *hash)
    }

    /// Who waits for whom, in order.
    pub(super) fn order(&self) -> Vec<(Stamp, Vec<OpHash>)> {
        self.0.iter().map(|(stamp, op)| (*stamp, op.parents.clone())).collect()
    }

    pub(super) fn take(&mut self, at: Stamp) -> Option<Verified<Op>> {
        self.0.remove(&at)
    }
}
