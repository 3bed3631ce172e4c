//! Time as an argument: the core never reads a clock (ARCHITECTURE.md, law 5).
//!
//! Two clocks reach the core with every input. The *monotonic* one drives every timer and every
//! age; the *wall* clock is only ever shown to people, because in the field it may say 1970 or 2036.

use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A point on the monotonic clock, in milliseconds since an arbitrary start.
///
/// The start is the node's own (usually process start); values of two nodes never compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// The farthest point in time; nothing is ever scheduled there.
    pub const MAX: Self = Self(u64::MAX);

    /// The span since `earlier`, zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What the device's wall clock claims, in whole seconds since 1970-01-01T00:00:00Z.
///
/// Shown and written into messages (`when`), and its day salts what neighbours compare their sets by; never
/// trusted: nothing expires, is ordered or is refused by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(pub u64);

/// Both clocks, read by the shell once per input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Drives timers and ages; never runs back.
    pub mono: Time,
    /// Shown to people; may jump.
    pub wall: Wall,
}

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
