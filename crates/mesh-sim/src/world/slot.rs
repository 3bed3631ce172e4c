//! One node's place in the world.

use crate::energy::Battery;
use crate::protocol::{Protocol, Starling};
use mesh_core::crypto::cheap::Cheap;
use mesh_core::crypto::ratchet::Fake;
use mesh_core::crypto::seal::Noise;
use mesh_core::{AccountId, CloseReason, Config, Event, Lane, LinkId, Memory, Seals};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub struct NodeIx(pub(crate) usize);

impl NodeIx {
    /// The number by which movements and drafts call it.
    ///
    /// # Panics
    /// Never: a world has fewer nodes than `u32` has numbers.
    #[must_use]
    pub fn number(self) -> u32 {
        super::number_of(self.0)
    }
}

impl From<u32> for NodeIx {
    fn from(number: u32) -> Self {
        Self(number as usize)
    }
}

impl From<NodeIx> for u32 {
    fn from(ix: NodeIx) -> Self {
        ix.number()
    }
}

/// How the real nodes of a world seal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// As the program does: vodozemac in Noise. vodozemac draws its own randomness, so that trace hashes of
    /// equal seeds differ.
    Product,
    /// A seeded ratchet in Noise: the outer seals are real, and everything follows from the seed.
    #[default]
    Real,
    /// A seeded ratchet in seals that only cost a hash: for very large worlds.
    Cheap,
}

impl From<Seal> for Seals {
    fn from(seal: Seal) -> Self {
        match seal {
            Seal::Product => Self::default(),
            Seal::Real => Self { ratchet: Box::new(Fake), sealer: Box::new(Noise) },
            Seal::Cheap => Self { ratchet: Box::new(Fake), sealer: Box::new(Cheap) },
        }
    }
}

/// A frame that left a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// Over which link of the node.
    pub link: LinkId,
    /// In which lane.
    pub lane: Lane,
    /// The frame.
    pub frame: Vec<u8>,
}

/// What becomes of a process at its next input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It dies before its batch is durable.
    LosesCommit,
    /// It dies after its batch is durable, before anything is transmitted or told.
    LosesSends,
}

pub(crate) type Wrap = Box<dyn FnMut(Starling) -> Box<dyn Protocol> + Send>;

/// How a node comes back after a crash.
pub(crate) enum Kind {
    /// From what was durable.
    Node { config: Box<Config>, store: Memory, wrap: Option<Wrap> },
    /// As it was.
    Other { asleep: Option<Box<dyn Protocol>> },
}

/// What is kept for those who ask.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) events: Vec<(u64, Event)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) closed: Vec<(u64, LinkId, CloseReason)>,
}

pub(crate) struct Slot {
    /// `None` while crashed.
    pub(crate) body: Option<Box<dyn Protocol>>,
    pub(crate) kind: Kind,
    pub(crate) account: Option<AccountId>,
    /// The world's time at which this process began.
    pub(crate) born: u64,
    /// How long it had run by then: more than nothing only where it was introduced before the world began.
    pub(crate) lived: u64,
    /// Seconds that its wall clock is off.
    pub(crate) skew: i64,
    /// When it is woken next.
    pub(crate) wake: Option<u64>,
    /// Its ends of what stands, oldest first.
    pub(crate) links: Vec<LinkId>,
    pub(crate) fate: Option<Fate>,
    pub(crate) battery: Option<Box<Battery>>,
    /// Beacons that were shown here, by number.
    pub(crate) beacons: BTreeSet<u32>,
    pub(crate) notes: Option<Box<Notes>>,
}

impl Slot {
    pub(crate) fn new(kind: Kind, born: u64) -> Self {
        Self {
            body: None,
            kind,
            account: None,
            born,
            lived: 0,
            skew: 0,
            wake: None,
            links: Vec::new(),
            fate: None,
            battery: None,
            beacons: BTreeSet::new(),
            notes: None,
        }
    }

    pub(crate) fn store(&self) -> Option<&Memory> {
        match &self.kind {
            Kind::Node { store, .. } => Some(store),
            Kind::Other { .. } => None,
        }
    }

    pub(crate) fn notes(&mut self) -> &mut Notes {
        self.notes.get_or_insert_default()
    }
}
