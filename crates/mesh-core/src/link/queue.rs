//! What waits for credit on one link.

use crate::id::ShortId;
use std::collections::{BTreeMap, BTreeSet};

/// What goes first on the bulk lane (PROTOCOL.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Public things: an SOS passes everything.
    Public,
    /// Mail for the neighbour itself.
    Neighbour,
    /// Everything else that is carried.
    Carried,
}

/// Names in the order in which they are served, bounded: the last in line is dropped first, and the next
/// reconciliation repairs that.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeSet<(Priority, u64, ShortId)>,
    places: BTreeMap<ShortId, (Priority, u64)>,
}

impl Queue {
    /// `order` ranks within a priority, smallest first. `false` where something was dropped.
    pub(super) fn push(&mut self, priority: Priority, order: u64, id: ShortId, limit: usize) -> bool {
        if self.places.contains_key(&id) {
            return true;
        }
        self.places.insert(id, (priority, order));
        self.order.insert((priority, order, id));
        if self.places.len() <= limit {
            return true;
        }
        if let Some((_, _, last)) = self.order.pop_last() {
            self.places.remove(&last);
        }
        false
    }

    pub(super) fn pop(&mut self) -> Option<ShortId> {
        let (_, _, id) = self.order.pop_first()?;
        self.places.remove(&id);
        Some(id)
    }

    /// The first in line, where it is public.
    pub(super) fn pop_public(&mut self) -> Option<ShortId> {
        let (priority, _, _) = self.order.first()?;
        if *priority == Priority::Public { self.pop() } else { None }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ShortId {
        ShortId([n; 16])
    }

    #[test]
    fn the_neighbours_own_mail_goes_first() {
        let mut queue = Queue::default();
        queue.push(Priority::Carried, 0, id(1), 9);
        queue.push(Priority::Neighbour, 5, id(2), 9);
        queue.push(Priority::Neighbour, 4, id(3), 9);
        let served: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served, [id(3), id(2), id(1)]);
    }

    #[test]
    fn a_full_queue_drops_the_last_in_line() {
        let mut queue = Queue::default();
        assert!(queue.push(Priority::Carried, 1, id(1), 2));
        assert!(queue.push(Priority::Carried, 9, id(2), 2));
        assert!(!queue.push(Priority::Neighbour, 7, id(3), 2));
        let served: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served, [id(3), id(1)]);
    }

    #[test]
    fn a_name_waits_once() {
        let mut queue = Queue::default();
        queue.push(Priority::Carried, 1, id(1), 9);
        queue.push(Priority::Neighbour, 1, id(1), 9);
        assert_eq!(queue.len(), 1);
    }
}
