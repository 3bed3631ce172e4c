//! The bag as the three sets that neighbours bring to agreement.

use super::sum::Sum;
use super::{Kind, State};
use crate::id::EnvelopeId;
use crate::time::Time;
use crate::wire::frame::{Root, Set};
use crate::wire::sketch::{Name, Sketch};
use core::time::Duration;
use std::sync::Arc;

impl State {
    /// The digest of a set.
    #[must_use]
    pub fn root(&self, set: Set) -> Root {
        self.sum(set).root()
    }

    /// Changes whenever the set does.
    #[must_use]
    pub fn version(&self, set: Set) -> u64 {
        self.sum(set).version()
    }

    /// Makes the sketches of all sets ready under this salt. Cheap where they are.
    pub fn ready_sketches(&mut self, epoch: u16) {
        for set in Set::ALL {
            let Some(cells) = self.sum(set).cells_wanted(epoch) else { continue };
            let sketch = Sketch::of(epoch, cells, self.sketched(set));
            match set {
                Set::Sealed => self.sums[Kind::Sealed as usize].set_sketch(sketch),
                Set::Public => self.sums[Kind::Public as usize].set_sketch(sketch),
                Set::Receipts => self.tombstones.set_mut().set_sketch(sketch),
            }
        }
    }

    /// The sketch of a set as it is now; `None` before the first [`State::ready_sketches`].
    #[must_use]
    pub fn sketch(&self, set: Set) -> Option<Arc<Sketch>> {
        self.sum(set).sketch()
    }

    /// As they stand in digests and sketches: each once.
    fn sketched(&self, set: Set) -> Vec<Name> {
        if set == Set::Receipts {
            return self.tombstones.settled().collect();
        }
        let mut names: Vec<Name> =
            self.names(set).iter().map(|name| EnvelopeId(*name).short().into()).collect();
        names.dedup();
        names
    }

    /// The names of a set, sorted; of receipts: commitment and secret.
    #[must_use]
    pub fn names(&self, set: Set) -> Vec<[u8; 32]> {
        let kind = match set {
            Set::Public => Kind::Public,
            Set::Sealed => Kind::Sealed,
            Set::Receipts => return self.tombstones.names(),
        };
        let held = self.names.iter().filter(|(_, slot)| self.held(**slot).is_some_and(|h| h.kind == kind));
        held.map(|(id, _)| id.0).collect()
    }

    /// The sealed envelopes, since when each is held, and of what age it was then.
    pub fn sealed(&self) -> impl Iterator<Item = (EnvelopeId, Time, Duration)> {
        let held = self.names.values().filter_map(|slot| self.held(*slot));
        held.filter(|held| held.kind == Kind::Sealed).map(|held| {
            let age = (held.came + held.span).saturating_sub(held.ends);
            (held.id, Time(held.came), Duration::from_millis(age))
        })
    }

    fn sum(&self, set: Set) -> &Sum {
        match set {
            Set::Sealed => &self.sums[Kind::Sealed as usize],
            Set::Public => &self.sums[Kind::Public as usize],
            Set::Receipts => self.tombstones.set(),
        }
    }
}
