//! The running digest and sketch of a set of names.

use crate::wire::frame::Root;
use crate::wire::sketch::{Name, Sketch};
use std::sync::{Arc, LazyLock};

/// The fewest and the most cells that are kept of a set; twice as many as it has names in between. More than tell
/// 1,400 differences are made when they are asked for.
const MIN_CELLS: usize = 64;
const MAX_CELLS: usize = 2_048;

static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| blake3::derive_key("starling/1 name", &[]));

/// The sum of the names' hashes modulo 2^256, and their number: grows and shrinks in constant time and does
/// not depend on the order. The same for the sketch, once it was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    lanes: [u64; 4],
    count: u64,
    version: u64,
    sketch: Option<Arc<Sketch>>,
}

impl Sum {
    /// A name that was not in the set comes.
    pub(super) fn add(&mut self, name: Name) {
        let mut carry = false;
        for (lane, other) in self.lanes.iter_mut().zip(lanes(name)) {
            let (sum, over) = lane.overflowing_add(other);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*lane, carry) = (sum, over || over_again);
        }
        self.count += 1;
        self.version += 1;
        if let Some(sketch) = &mut self.sketch {
            Arc::make_mut(sketch).add(name);
        }
    }

    /// A name that was in the set goes.
    pub(super) fn remove(&mut self, name: Name) {
        let mut borrow = false;
        for (lane, other) in self.lanes.iter_mut().zip(lanes(name)) {
            let (rest, under) = lane.overflowing_sub(other);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            (*lane, borrow) = (rest, under || under_again);
        }
        self.count -= 1;
        self.version += 1;
        if let Some(sketch) = &mut self.sketch {
            Arc::make_mut(sketch).remove(name);
        }
    }

    /// Changes whenever the set does.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The digest: 8 bytes under the derivation `root`, over the sum's bytes and the count.
    pub(super) fn root(&self) -> Root {
        let mut hasher = blake3::Hasher::new_derive_key("starling/1 root");
        for lane in self.lanes {
            hasher.update(&lane.to_le_bytes());
        }
        hasher.update(&self.count.to_le_bytes());
        let mut root = [0; 8];
        root.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        root
    }

    /// The sketch, which follows every change from the first [`Sum::set_sketch`] on.
    pub(super) fn sketch(&self) -> Option<Arc<Sketch>> {
        self.sketch.clone()
    }

    /// How many cells a new sketch should have; `None` where the one that there is will do.
    pub(super) fn cells_wanted(&self, epoch: u16) -> Option<usize> {
        let names = usize::try_from(self.count).unwrap_or(usize::MAX);
        let cells = names.saturating_mul(2).clamp(MIN_CELLS, MAX_CELLS).next_power_of_two();
        let will_do = |sketch: &Arc<Sketch>| sketch.epoch() == epoch && sketch.cells().len() * 2 > cells;
        (!self.sketch.as_ref().is_some_and(will_do)).then_some(cells)
    }

    /// `sketch` is of the names that the set has now.
    pub(super) fn set_sketch(&mut self, sketch: Sketch) {
        self.sketch = Some(Arc::new(sketch));
    }
}

fn lanes(name: Name) -> [u64; 4] {
    let hash = blake3::keyed_hash(&KEY, name.bytes());
    let mut lanes = [0; 4];
    for (lane, bytes) in lanes.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*bytes);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Ack, ShortId};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn golden_roots() {
        let mut sum = Sum::default();
        let empty = sum.root();
        sum.add(Name::from(ShortId([0xff; 8])));
        sum.add(Name::from(Ack([0x01; 16])));
        assert_eq!(data_encoding::HEXLOWER.encode(&empty), "eac10ae993bbecfb");
        assert_eq!(data_encoding::HEXLOWER.encode(&sum.root()), "1af7f25b61236b52");
    }

    #[test]
    fn a_sketch_is_made_anew_only_for_a_new_epoch_or_a_set_that_outgrew_it() {
        let mut sum = Sum::default();
        assert_eq!(sum.cells_wanted(1), Some(64));
        sum.set_sketch(Sketch::of(1, 64, []));
        assert_eq!(sum.cells_wanted(1), None);
        assert_eq!(sum.cells_wanted(2), Some(64));
        (0..33u64).for_each(|n| sum.add(Name::from(ShortId(n.to_le_bytes()))));
        assert_eq!(sum.cells_wanted(1), Some(128));
        (33..100_000u64).for_each(|n| sum.add(Name::from(ShortId(n.to_le_bytes()))));
        assert_eq!(sum.cells_wanted(1), Some(MAX_CELLS));
    }

    proptest! {
        #[test]
        fn what_was_added_and_removed_leaves_no_trace(
            names in proptest::collection::btree_set(any::<[u8; 8]>(), 1..20), turn in any::<usize>()
        ) {
            let names: Vec<Name> = names.into_iter().map(|name| Name::from(ShortId(name))).collect();
            let mut sum = Sum::default();
            let mut other = Sum::default();
            sum.set_sketch(Sketch::of(3, 64, []));
            names.iter().for_each(|name| sum.add(*name));
            let mut turned = names.clone();
            turned.rotate_left(turn % names.len());
            turned.iter().for_each(|name| other.add(*name));
            prop_assert_eq!(sum.root(), other.root());
            prop_assert_eq!(sum.sketch(), Some(Arc::new(Sketch::of(3, 64, turned))));
            names.iter().for_each(|name| sum.remove(*name));
            prop_assert_eq!(sum.root(), Sum::default().root());
            prop_assert_eq!(sum.sketch(), Some(Arc::new(Sketch::of(3, 64, []))));
        }

        #[test]
        fn a_sketch_that_follows_changes_is_the_sketch_of_what_is_left(
            names in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..300)
        ) {
            let (mut sum, mut held) = (Sum::default(), BTreeSet::new());
            sum.set_sketch(Sketch::of(9, 128, []));
            for (name, comes) in names {
                let name = Name::from(ShortId([name; 8]));
                match comes {
                    true if held.insert(name) => sum.add(name),
                    false if held.remove(&name) => sum.remove(name),
                    _ => {}
                }
            }
            prop_assert_eq!(sum.sketch(), Some(Arc::new(Sketch::of(9, 128, held))));
        }
    }
}
