//! The running digest of a set of names.

use crate::wire::frame::Root;

/// The sum of 32-byte names modulo 2^256, and their number: grows and shrinks in constant time and does
/// not depend on the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    lanes: [u64; 4],
    count: u64,
    version: u64,
}

impl Sum {
    pub(super) fn add(&mut self, name: &[u8; 32]) {
        let mut carry = false;
        for (lane, other) in self.lanes.iter_mut().zip(lanes(name)) {
            let (sum, over) = lane.overflowing_add(other);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*lane, carry) = (sum, over || over_again);
        }
        self.count += 1;
        self.version += 1;
    }

    pub(super) fn remove(&mut self, name: &[u8; 32]) {
        let mut borrow = false;
        for (lane, other) in self.lanes.iter_mut().zip(lanes(name)) {
            let (rest, under) = lane.overflowing_sub(other);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            (*lane, borrow) = (rest, under || under_again);
        }
        self.count -= 1;
        self.version += 1;
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
}

fn lanes(name: &[u8; 32]) -> impl Iterator<Item = u64> {
    name.as_chunks::<8>().0.iter().map(|lane| u64::from_le_bytes(*lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_roots() {
        let mut sum = Sum::default();
        let empty = sum.root();
        sum.add(&[0xff; 32]);
        sum.add(&[0x01; 32]);
        assert_eq!(data_encoding::HEXLOWER.encode(&empty), "eac10ae993bbecfb");
        assert_eq!(data_encoding::HEXLOWER.encode(&sum.root()), "c6b59bd6c530bdee");
    }

    proptest! {
        #[test]
        fn what_was_added_and_removed_leaves_no_trace(
            names in proptest::collection::vec(any::<[u8; 32]>(), 1..20), turn in any::<usize>()
        ) {
            let mut sum = Sum::default();
            let mut other = Sum::default();
            names.iter().for_each(|name| sum.add(name));
            let mut turned = names.clone();
            turned.rotate_left(turn % names.len());
            turned.iter().for_each(|name| other.add(name));
            prop_assert_eq!(sum.root(), other.root());
            names.iter().for_each(|name| sum.remove(name));
            prop_assert_eq!(sum.root(), Sum::default().root());
        }
    }
}
