//! What the bag holds, on its way in or out; and the bodies that are still warm.

use crate::id::{AckCommit, EnvelopeId, Tag};
use crate::wire::Envelope;
use crate::wire::envelope::{MAX_HOPS, MAX_LEN, MUTABLE_LEN, Mutable, split_mutable, with_mutable};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// The two kinds of things that are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A sealed envelope.
    Sealed = 0,
    /// A public, signed thing.
    Public = 1,
}

/// A sealed envelope or a public thing with its name, hops, age and lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// BLAKE3 of the immutable bytes.
    pub id: EnvelopeId,
    /// What it is.
    pub kind: Kind,
    /// The immutable bytes.
    pub immutable: Vec<u8>,
    /// How many more links it may cross.
    pub hops: u8,
    /// Accumulated age in seconds.
    pub age_s: u32,
    /// Whether it came beyond the share of whoever brought it, here or before (PROTOCOL.md section 9.6).
    pub surplus: bool,
    /// Its lifetime.
    pub span: Duration,
    /// Zero for public things.
    pub tag: Tag,
    /// Zero for public things.
    pub commit: AckCommit,
}

impl From<&Envelope> for Parcel {
    fn from(envelope: &Envelope) -> Self {
        Self {
            id: envelope.id(),
            kind: Kind::Sealed,
            hops: envelope.hops_left.min(MAX_HOPS),
            age_s: envelope.age_s,
            surplus: envelope.surplus,
            span: envelope.lifetime().span(),
            tag: envelope.tag(),
            commit: envelope.ack_commit(),
            immutable: envelope.immutable().to_vec(),
        }
    }
}

impl Parcel {
    /// A public thing from the air; `span` is its lifetime, read by those who verified it. `None` where it
    /// is too short or long to carry hops and age.
    #[must_use]
    pub fn public(bytes: &[u8], span: Duration) -> Option<Self> {
        let Mutable { immutable, hops, age_s, .. } = split_mutable(bytes)?;
        let fits = !immutable.is_empty() && bytes.len() <= MAX_LEN;
        fits.then(|| Self {
            id: EnvelopeId(*blake3::hash(immutable).as_bytes()),
            kind: Kind::Public,
            immutable: immutable.to_vec(),
            hops,
            age_s,
            surplus: false,
            span,
            tag: Tag([0; 16]),
            commit: AckCommit([0; 16]),
        })
    }

    /// The bytes for a neighbour: one hop fewer; `None` where no hop is left.
    #[must_use]
    pub fn handed_on(&self) -> Option<Vec<u8>> {
        let hops = self.hops.checked_sub(1)?;
        Some(with_mutable(&self.immutable, hops, self.age_s, self.surplus))
    }

    /// The bytes as they lie on the air.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        with_mutable(&self.immutable, self.hops, self.age_s, self.surplus)
    }

    /// Length on the air in bytes.
    #[must_use]
    pub fn wire_len(&self) -> u32 {
        // Both kinds are at most MAX_LEN long.
        (self.immutable.len() + MUTABLE_LEN) as u32
    }
}

/// Bodies that came a moment ago: they are asked for by the other neighbours first, and storage does not
/// show them before the input at work is over.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    bytes: usize,
    bodies: BTreeMap<EnvelopeId, Vec<u8>>,
    order: VecDeque<EnvelopeId>,
}

impl Cache {
    /// At least 128 KiB.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(128 * 1024);
        Self { limit, bytes: 0, bodies: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(super) fn put(&mut self, id: EnvelopeId, body: Vec<u8>) {
        self.bytes += body.len();
        self.order.push_back(id);
        if let Some(before) = self.bodies.insert(id, body) {
            self.bytes -= before.len();
        }
        while self.bytes > self.limit || self.order.len() > self.limit / 128 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(oldest);
        }
    }

    pub(super) fn find(&self, id: EnvelopeId) -> Option<&[u8]> {
        self.bodies.get(&id).map(Vec::as_slice)
    }

    /// The order keeps the name; it is passed over when its turn comes.
    pub(super) fn remove(&mut self, id: EnvelopeId) {
        if let Some(body) = self.bodies.remove(&id) {
            self.bytes -= body.len();
        }
    }
}
