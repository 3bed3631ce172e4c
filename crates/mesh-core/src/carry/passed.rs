//! What had to go for lack of room: it is not taken again while there is none.
//!
//! Without this a full bag would ask every neighbour for what it has just let go, and the air would be full of
//! it. It is no tombstone: it holds here only, and until there is room.

use crate::id::ShortId;
use std::collections::{BTreeSet, VecDeque};

/// Names that are remembered; the oldest goes first.
const MAX_PASSED: usize = 65_536;

/// The names of what had to go.
#[derive(Debug, Default)]
pub(super) struct Passed {
    names: BTreeSet<ShortId>,
    order: VecDeque<ShortId>,
}

impl Passed {
    pub(super) fn add(&mut self, id: ShortId) {
        if !self.names.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > MAX_PASSED
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: ShortId) -> bool {
        self.names.contains(&id)
    }

    /// It is worth another try.
    pub(super) fn remove(&mut self, id: ShortId) {
        if self.names.remove(&id) {
            self.order.retain(|passed| *passed != id);
        }
    }

    /// There is room again.
    pub(super) fn clear(&mut self) {
        if !self.order.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_remembered_up_to_the_most_the_latest_ones() {
        let mut passed = Passed::default();
        let id = |n: usize| ShortId((n as u64).to_le_bytes());
        for n in 0..MAX_PASSED + 100 {
            passed.add(id(n));
            passed.add(id(n));
        }
        assert_eq!((passed.names.len(), passed.order.len()), (MAX_PASSED, MAX_PASSED));
        assert!(!passed.contains(id(99)) && passed.contains(id(100)));
        passed.remove(id(100));
        assert!(!passed.contains(id(100)) && passed.contains(id(101)));
        passed.clear();
        assert!(!passed.contains(id(101)));
    }
}
