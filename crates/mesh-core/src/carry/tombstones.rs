//! What must not come back: names that ended here, and receipts.

use super::record::{Ended, Proof, Tombstone, ended_key, proof_key};
use super::shares::Age;
use super::sum::Sum;
use crate::id::{Ack, AckCommit, ShortId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::wire::sketch::Name;
use std::collections::{BTreeMap, BTreeSet};

/// How many tombstones of each kind are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) ended: usize,
    pub(super) known: usize,
    pub(super) unknown: usize,
}

/// Ended names and receipts, each until its time.
#[derive(Debug)]
pub(super) struct Tombstones {
    bounds: Bounds,
    ended: BTreeMap<ShortId, Ended>,
    ended_by_end: BTreeSet<(Age, ShortId)>,
    proofs: BTreeMap<AckCommit, Proof>,
    /// By whether known.
    proofs_by_end: [BTreeSet<(Age, AckCommit)>; 2],
    /// Receipts that are not for everybody yet.
    unsettled: BTreeSet<AckCommit>,
    sum: Sum,
}

impl Tombstones {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            ended: BTreeMap::new(),
            ended_by_end: BTreeSet::new(),
            proofs: BTreeMap::new(),
            proofs_by_end: [BTreeSet::new(), BTreeSet::new()],
            unsettled: BTreeSet::new(),
            sum: Sum::default(),
        }
    }

    pub(super) fn restore(bounds: Bounds, read: &dyn Read) -> Result<Self, ReadError> {
        let mut this = Self::new(bounds);
        read.scan(Table::Tombstone, &mut |key, value| match Tombstone::read(key, value) {
            Some(Tombstone::Ended(id, ended)) => this.insert_ended(id, ended),
            Some(Tombstone::Proof(commit, proof)) => this.insert_proof(commit, proof, true),
            None => {}
        })?;
        Ok(this)
    }

    /// The tombstone of a name.
    pub(super) fn ended(&self, id: ShortId) -> Option<Ended> {
        self.ended.get(&id).copied()
    }

    /// Whether the receipt to `commit` is known.
    pub(super) fn proven(&self, commit: AckCommit) -> bool {
        self.proofs.contains_key(&commit)
    }

    pub(super) fn count(&self) -> usize {
        self.ended.len() + self.proofs.len()
    }

    pub(super) fn set(&self) -> &Sum {
        &self.sum
    }

    /// The same, to be changed.
    pub(super) fn set_mut(&mut self) -> &mut Sum {
        &mut self.sum
    }

    /// The settled receipts as they stand in digests and sketches.
    pub(super) fn settled(&self) -> impl Iterator<Item = Name> {
        let settled = self.proofs.iter().filter(|(commit, _)| !self.unsettled.contains(commit));
        settled.map(|(_, proof)| Name::from(proof.ack))
    }

    /// The settled receipts as commitment and secret, sorted.
    pub(super) fn names(&self) -> Vec<[u8; 32]> {
        let settled = self.proofs.iter().filter(|(commit, _)| !self.unsettled.contains(commit));
        settled.map(|(commit, proof)| name(*commit, proof.ack)).collect()
    }

    pub(super) fn end(&mut self, id: ShortId, ended: Ended, out: &mut Outbox) {
        if let Some(before) = self.ended.remove(&id) {
            self.ended_by_end.remove(&(before.until, id));
        }
        self.insert_ended(id, ended);
        out.put(Table::Tombstone, ended_key(id), crate::wire::codec::encode(&ended));
        while self.ended.len() > self.bounds.ended {
            let Some((_, oldest)) = self.ended_by_end.first().copied() else { break };
            self.forget_ended(oldest, out);
        }
    }

    pub(super) fn forget_ended(&mut self, id: ShortId, out: &mut Outbox) {
        let Some(ended) = self.ended.remove(&id) else { return };
        self.ended_by_end.remove(&(ended.until, id));
        out.delete(Table::Tombstone, ended_key(id));
    }

    /// Takes a receipt that is not known yet.
    pub(super) fn prove(&mut self, commit: AckCommit, proof: Proof, settled: bool, out: &mut Outbox) {
        self.insert_proof(commit, proof, settled);
        out.put(Table::Tombstone, proof_key(commit), crate::wire::codec::encode(&proof));
        let bound = if proof.known { self.bounds.known } else { self.bounds.unknown };
        let same = usize::from(proof.known);
        while self.proofs_by_end[same].len() > bound {
            let Some((_, oldest)) = self.proofs_by_end[same].first().copied() else { break };
            self.forget_proof(oldest, out);
        }
    }

    /// From now on the receipt takes part in reconciliation.
    pub(super) fn settle(&mut self, commit: AckCommit) {
        if !self.unsettled.remove(&commit) {
            return;
        }
        if let Some(proof) = self.proofs.get(&commit) {
            self.sum.add(Name::from(proof.ack));
        }
    }

    /// Removes what is over.
    pub(super) fn expire(&mut self, age: Age, out: &mut Outbox) {
        while let Some((_, id)) = self.ended_by_end.first().copied().filter(|(until, _)| *until <= age) {
            self.forget_ended(id, out);
        }
        for known in [0, 1] {
            while let Some((_, commit)) =
                self.proofs_by_end[known].first().copied().filter(|(until, _)| *until <= age)
            {
                self.forget_proof(commit, out);
            }
        }
    }

    /// When the next one is over.
    pub(super) fn next_end(&self) -> Option<Age> {
        let proofs = self.proofs_by_end.iter().filter_map(|set| set.first().map(|(until, _)| *until));
        proofs.chain(self.ended_by_end.first().map(|(until, _)| *until)).min()
    }

    fn insert_ended(&mut self, id: ShortId, ended: Ended) {
        self.ended.insert(id, ended);
        self.ended_by_end.insert((ended.until, id));
    }

    fn insert_proof(&mut self, commit: AckCommit, proof: Proof, settled: bool) {
        self.proofs.insert(commit, proof);
        self.proofs_by_end[usize::from(proof.known)].insert((proof.until, commit));
        if settled {
            self.sum.add(Name::from(proof.ack));
        } else {
            self.unsettled.insert(commit);
        }
    }

    fn forget_proof(&mut self, commit: AckCommit, out: &mut Outbox) {
        let Some(proof) = self.proofs.remove(&commit) else { return };
        self.proofs_by_end[usize::from(proof.known)].remove(&(proof.until, commit));
        if !self.unsettled.remove(&commit) {
            self.sum.remove(Name::from(proof.ack));
        }
        out.delete(Table::Tombstone, proof_key(commit));
    }
}

/// A receipt's name in the slower reconciliation, which wants 32 bytes.
fn name(commit: AckCommit, ack: Ack) -> [u8; 32] {
    let mut name = [0; 32];
    name[..16].copy_from_slice(&commit.0);
    name[16..].copy_from_slice(&ack.0);
    name
}
