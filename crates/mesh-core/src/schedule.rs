//! Things that are due, each once: what timers of a layer are made of.

use std::collections::{BTreeMap, BTreeSet};

/// When each of some things is due. As large as the number of things.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<T, K> {
    order: BTreeSet<(T, K)>,
    at: BTreeMap<K, T>,
}

impl<T, K> Default for Schedule<T, K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), at: BTreeMap::new() }
    }
}

impl<T: Ord + Copy, K: Ord + Copy> Schedule<T, K> {
    /// `thing` is due at this time instead of any other; `None` is never.
    pub(crate) fn set(&mut self, thing: K, at: Option<T>) {
        let before = match at {
            Some(at) => self.at.insert(thing, at),
            None => self.at.remove(&thing),
        };
        if let Some(before) = before {
            self.order.remove(&(before, thing));
        }
        self.order.extend(at.map(|at| (at, thing)));
    }

    /// Whether `thing` is due at any time.
    pub(crate) fn contains(&self, thing: &K) -> bool {
        self.at.contains_key(thing)
    }

    /// How many things are due at any time.
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }

    /// What is due next, and when.
    pub(crate) fn first(&self) -> Option<(T, K)> {
        self.order.first().copied()
    }

    /// What is due next, where that is no later than `now`.
    pub(crate) fn due(&self, now: T) -> Option<K> {
        self.first().filter(|(at, _)| *at <= now).map(|(_, thing)| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_due_at_the_time_that_was_set_last() {
        let mut schedule = Schedule::default();
        schedule.set('a', Some(5));
        schedule.set('b', Some(4));
        schedule.set('a', Some(3));
        assert_eq!((schedule.first(), schedule.due(2), schedule.due(3)), (Some((3, 'a')), None, Some('a')));
        schedule.set('a', None);
        assert_eq!(schedule.first(), Some((4, 'b')));
        schedule.set('b', None);
        assert_eq!((schedule.first(), schedule.len(), schedule.order.len()), (None, 0, 0));
    }
}
